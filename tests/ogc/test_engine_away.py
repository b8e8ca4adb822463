"""Prefect refuses connections: job calls say so in time, and everything else goes on."""

import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from eo_pygeoapi.contract.operations import CoverageUnit
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.problems import Book, Condition
from tests.command_line import eo_pygeoapi
from tests.ogc.uris import assert_problem
from tests.stack import PROCESS, base_config, collection
from tests.web import web

NOW = datetime(2025, 8, 1, tzinfo=UTC)
JOB = "/jobs/00000000-0000-0000-0000-000000000000"
BODY = {"inputs": {"datasetId": "sample-temperature", "start": "2025-07-01", "end": "2025-07-01"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("away")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    config = base_config()
    broken = collection("broken")
    broken["providers"][0]["name"] = "tests.ogc.plugins.BrokenProvider"
    config["resources"]["broken"] = {name: value for name, value in broken.items() if name != "eo"}
    with socket.socket() as refused:
        refused.bind(("127.0.0.1", 0))
        api = f"http://127.0.0.1:{refused.getsockname()[1]}/api"
        with web(folder, config, api) as address:
            yield address


@pytest.mark.requirement("engine-away-is-503")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs"),
        ("GET", "/jobs?minDuration=1"),
        ("GET", JOB),
        ("DELETE", JOB),
        ("GET", f"{JOB}/results"),
        ("GET", f"{JOB}/results/result"),
        ("GET", f"{JOB}/logs"),
        ("GET", f"{JOB}/payload-preview"),
        ("GET", f"{JOB}/files/features.geojson"),
        ("POST", f"/processes/{PROCESS}/execution"),
    ],
)
def test_every_call_about_jobs_says_so_in_time(url: str, method: str, path: str) -> None:
    begun = time.monotonic()
    answer = requests.request(method, url + path, json=BODY if method == "POST" else None, timeout=30)
    problem = assert_problem(answer, 503)
    assert time.monotonic() - begun < 5 and int(answer.headers["Retry-After"]) > 0
    assert "the Prefect server at http://127.0.0.1" in problem["detail"]


def test_everything_else_goes_on(url: str) -> None:
    for path in ("/", "/processes", f"/processes/{PROCESS}", "/collections", "/openapi", "/health"):
        assert requests.get(url + path, timeout=30).status_code == 200
    items = requests.get(f"{url}/collections/sample-temperature/items", timeout=30)
    assert items.status_code == 200 and items.json()["features"] == []


def test_until_when_values_are_right_is_known_all_the_same(url: str, folder: Path) -> None:
    store, unit = ResultStore(str(folder / "results")), CoverageUnit(id="a", name="A", level=2)
    days = ["2025-07-01", "2025-07-03"]
    cells = {
        "orgUnit": ["a", "a"], "period": ["20250701", "20250703"], "start": days, "end": days,
        "state": ["V", "V"], "reason": ["", ""],
    }  # fmt: skip
    table = CoverageTable(store, "sample-temperature", "default")
    table.add_values(cells, [unit], "job", "1")
    held = {"orgUnit": ["a"], "period": ["20250701"], "state": ["D"], "reason": [""]}
    table.add_import(held, "job", "1")

    (document,) = requests.get(f"{url}/datasets?f=json", timeout=30).json()["datasets"]
    assert document == requests.get(f"{url}/datasets/sample-temperature?f=json", timeout=30).json()
    assert (document["publishedUntil"], document["importedUntil"], document["gaps"]) == ("2025-07-03", "2025-07-01", 1)
    assert document["prefectAway"] is True and "lastRun" not in document and document["state"] == "ok"
    for path in ("/", "/datasets", "/datasets/sample-temperature"):
        page = requests.get(url + path, headers={"Accept": "text/html"}, timeout=30)
        assert page.ok and "In DHIS2 until" in page.text and "<strong>1 July 2025</strong>" in page.text, path
        assert "The Prefect server does not answer" in page.text, path
    assert "No worker is alive" not in page.text  # nobody knows that

    failed = Condition("failed", "x", NOW, "it failed", datasets=("sample-temperature",), job_id="1")
    Book(store).update([failed], NOW)
    assert requests.get(f"{url}/datasets/sample-temperature?f=json", timeout=30).json()["state"] == "failing"
    said = status(folder)
    assert said.returncode == 1 and "what came of the last jobs is not known" in said.stdout, said
    assert "failing" in said.stdout and "not known" in said.stdout and "it failed" in said.stdout


def status(folder: Path) -> subprocess.CompletedProcess[str]:
    own = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "EO_DATA_DIR": str(folder)}
    return eo_pygeoapi("status", "--config", str(folder / "pygeoapi-config.yml"), environment=own)


def test_readiness_says_what_is_missing(url: str) -> None:
    answer = requests.get(f"{url}/ready", timeout=30)
    assert answer.status_code == 503 and "Retry-After" in answer.headers
    checks = answer.json()["checks"]
    assert {name: check["status"] for name, check in checks.items()} == {
        "prefect": "unavailable",
        "store": "ok",
        "worker": "unavailable",
        "datasets": "unavailable",
        "watch": "ok",  # one that never ran is not missed
    }
    assert "Prefect" in checks["prefect"]["detail"]


def test_a_filter_that_is_no_text_is_no_server_error(url: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = requests.post(f"{url}/collections/sample-temperature/items", data=b"\xff{", headers=headers, timeout=30)
    assert "UTF-8" in assert_problem(answer, 400)["detail"]


@pytest.mark.requirement("core/problem-details")
def test_what_nobody_foresaw_is_a_problem_without_a_trace(url: str) -> None:
    problem = assert_problem(requests.get(f"{url}/collections/broken/items", timeout=30), 500)
    assert "not for clients" not in str(problem) and "File " not in str(problem)


@pytest.mark.requirement("unreachable-subscriber-does-not-fail-job", "core/process-execute-inputs")
@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost", "10.0.0.1", "[::1]"])
def test_private_addresses_are_refused_unless_they_are_allowed(url: str, host: str) -> None:
    address = {"successUri": f"http://{host}/"}
    answer = requests.post(f"{url}/processes/{PROCESS}/execution", json={**BODY, "subscriber": address}, timeout=30)
    assert "subscriber.successUri" in assert_problem(answer, 400)["detail"]
    inputs = {"text": {"href": f"http://{host}/"}}
    answer = requests.post(f"{url}/processes/echo/execution", json={"inputs": inputs}, timeout=30)
    assert "input text.href" in assert_problem(answer, 400)["detail"]
