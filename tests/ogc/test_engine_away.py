"""Prefect refuses connections: job calls say so in time, and everything else goes on."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.ogc.uris import assert_problem
from tests.stack import PROCESS, base_config, collection
from tests.web import web

JOB = "/jobs/00000000-0000-0000-0000-000000000000"
BODY = {"inputs": {"datasetId": "sample-temperature", "start": "2025-07-01", "end": "2025-07-01"}}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config = base_config()
    broken = collection("broken")
    broken["providers"][0]["name"] = "tests.ogc.plugins.BrokenProvider"
    config["resources"]["broken"] = {name: value for name, value in broken.items() if name != "eo"}
    with socket.socket() as refused:
        refused.bind(("127.0.0.1", 0))
        api = f"http://127.0.0.1:{refused.getsockname()[1]}/api"
        with web(Path(tmp_path_factory.mktemp("away")), config, api) as address:
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
