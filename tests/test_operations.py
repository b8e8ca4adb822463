"""What operations staff do, and what goes wrong under them: the demo, an edit, a dead Prefect, stock pygeoapi."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests
import yaml

from tests.servers import free_port, running, wait_for
from tests.stack import CHECKOUT, PROCESS, Stack, collection

SCIENCE = ("xarray", "pandas", "rasterio", "rioxarray", "geopandas", "exactextract", "dhis2eo", "netCDF4")
SAMPLE = {"datasetId": "sample-temperature", "start": "2025-07-01", "end": "2025-07-31"}


def state(stack: Stack) -> dict[str, int]:
    pids: dict[str, int] = json.loads((stack.folder / "up.json").read_text())["pids"]
    return pids


# The demo


def test_the_demo_shows_a_job_from_beginning_to_end_and_stops_all_it_started(tmp_path: Path) -> None:
    log, data = tmp_path / "demo.log", tmp_path / "data"
    arguments = ["--data-dir", str(data), "--port", "0", "--prefect-port", "0"]
    with running([sys.executable, "-m", "eo_pygeoapi", "demo", *arguments], log, None, signal.SIGINT) as process:
        until = time.monotonic() + 200
        while "Ctrl-C stops everything" not in (said := log.read_text()):
            assert process.poll() is None and time.monotonic() < until, said
            time.sleep(0.3)
        started = psutil.Process(process.pid).children(recursive=True)
        addresses = [line.strip() for line in said.splitlines() if line.startswith("  http")]
        assert all(requests.get(address, timeout=30).ok for address in addresses) and len(addresses) == 7
    said = log.read_text()
    assert process.returncode == 0, said
    assert re.search(r"\(step [1-7] of 7\)", said)  # which of them are seen depends on how quick they are
    for words in ("100 %", "Sample district A", "6 organisation units, 186 values", "SKIPPED"):
        assert words in said
    assert len(started) >= 4 and psutil.wait_procs(started, timeout=10)[1] == []
    assert not (data / "up.json").exists()


def test_a_second_one_from_the_same_folder_is_refused_and_harms_nothing(stack: Stack) -> None:
    second = stack.command("up", "--data-dir", str(stack.folder), "--port", "0", "--prefect-port", "0")
    assert second.returncode == 1 and "already running from" in second.stderr
    assert stack.get("/processes?f=json").ok and state(stack)["web"]


@pytest.mark.parametrize("arguments", [["up", "--port", "x"], ["nonsense"], ["check", "--nonsense"]])
def test_a_wrong_call_is_a_usage_error(stack: Stack, arguments: list[str]) -> None:
    assert stack.command_here(*arguments).returncode == 2


def test_what_is_enabled_is_listed_with_whole_names(stack: Stack) -> None:
    listed = stack.command_here("datasets", "--config", str(CHECKOUT / "pygeoapi-config.yml"))
    assert listed.returncode == 0 and "era5-land-precipitation-daily" in listed.stdout


# An edit


@contextmanager
def edited(stack: Stack, **resources: object) -> Iterator[None]:
    """Add resources to the file that people edit while the block runs."""
    before = stack.config.read_text()
    config = yaml.safe_load(before)
    config["resources"] |= resources
    stack.config.write_text(yaml.safe_dump(config, sort_keys=False))
    try:
        yield
    finally:
        stack.config.write_text(before)
        assert stack.command("apply", "--data-dir", str(stack.folder)).returncode == 0


@contextmanager
def asked_all_the_time(stack: Stack) -> Iterator[list[int]]:
    """Ask for the process description again and again while the block runs; yields the statuses."""
    statuses: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.05):  # without a pause it would take all of a core
            try:
                statuses.append(stack.get(f"/processes/{PROCESS}?f=json").status_code)
            except requests.RequestException:
                statuses.append(0)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield statuses
    finally:
        stop.set()
        asking.join()


def listed(stack: Stack, dataset: str, present: bool, seconds: float = 40) -> bool:
    """Whether the collection comes (or goes) in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answer = stack.get("/collections?f=json").json()
        if (dataset in [c["id"] for c in answer["collections"]]) == present:
            return True
        time.sleep(0.3)
    return False


@pytest.mark.slow
def test_an_edit_is_taken_up_without_losing_a_request_or_a_job(stack: Stack) -> None:
    sample = yaml.safe_load(stack.config.read_text())["resources"]["sample-temperature"]
    job = stack.submit(**SAMPLE)
    added = collection("added", **sample["eo"])
    with asked_all_the_time(stack) as statuses, edited(stack, added=added):
        early = stack.execute({"inputs": {**SAMPLE, "datasetId": "added"}})
        assert early.status_code == 503 and "eo-pygeoapi apply" in early.text
        applied = stack.command("apply", "--data-dir", str(stack.folder))
        assert applied.returncode == 0 and "created: added" in applied.stdout, applied.stderr
        assert listed(stack, "added", True)
        assert "added" in stack.get(f"/processes/{PROCESS}?f=json").json()["inputs"]["datasetId"]["schema"]["enum"]
        assert "/collections/added/items" in stack.get("/openapi?f=json").json()["paths"]
        again = stack.command("apply", "--data-dir", str(stack.folder))
        assert "created" not in again.stdout and "unchanged" in again.stdout
        its = stack.submit(**{**SAMPLE, "datasetId": "added"})
        assert stack.ended(its)["status"] == "successful"
    assert listed(stack, "added", False)
    assert set(statuses) == {200} and len(statuses) > 10
    assert stack.ended(job)["status"] == "successful"
    assert stack.ended(its)["status"] == "successful"  # retired, not forgotten


def test_a_mistake_is_named_and_nothing_is_applied(stack: Stack) -> None:
    with edited(stack, wrong=collection("wrong", source="fle", timeZone="Mars/Phobos")):
        applied = stack.command("apply", "--data-dir", str(stack.folder))
        assert applied.returncode == 1
        assert "resources.wrong.eo.source: 'fle' is not allowed; allowed: chirps3" in applied.stderr
        assert "Traceback" not in applied.stderr
        checked = stack.command("check", "--config", str(stack.config))
        assert checked.returncode == 1 and "resources.wrong.eo.source" in checked.stderr
        assert stack.get("/collections/wrong?f=json").status_code == 404


# Prefect hangs


@pytest.mark.slow
@pytest.mark.requirement("engine-away-is-503")
def test_when_prefect_hangs_jobs_say_so_in_time_and_the_rest_goes_on(stack: Stack) -> None:
    job = stack.submit(**SAMPLE)
    stack.ended(job)
    server = state(stack)["prefect-server"]
    os.kill(server, signal.SIGSTOP)
    try:
        for method, path in (("GET", "/jobs?f=json"), ("GET", f"{job}?f=json"), ("DELETE", job), ("POST", "execution")):
            begun = time.monotonic()
            if method == "POST":
                answer = stack.execute({"inputs": SAMPLE})
            else:
                answer = requests.request(method, stack.url + path, timeout=30)
            assert (answer.status_code, time.monotonic() - begun < 5) == (503, True), f"{method} {path} {answer.text}"
            assert "Prefect" in answer.text and "Traceback" not in answer.text
        for path in ("/processes?f=json", "/collections?f=json", "/collections/sample-temperature/items?f=json"):
            assert stack.get(path).status_code == 200
    finally:
        os.kill(server, signal.SIGCONT)
    until = time.monotonic() + 30
    while not stack.get(f"{job}?f=json").ok and time.monotonic() < until:
        time.sleep(0.5)
    assert stack.get(f"{job}?f=json").json()["status"] == "successful"


# The web process


def test_the_web_process_loads_no_science(stack: Stack) -> None:
    for path in ("/", "/openapi?f=json", f"/processes/{PROCESS}?f=json", "/jobs?f=json", "/collections?f=json"):
        assert stack.get(path).ok
    assert stack.get("/collections/sample-temperature/items?f=json").ok
    web = psutil.Process(state(stack)["web"])
    loaded = {entry.path for child in web.children(recursive=True) for entry in child.memory_maps()}
    assert loaded and not [path for path in loaded if any(f"/{name}" in path for name in SCIENCE)]


def test_the_plugins_import_no_science(stack: Stack) -> None:
    code = (
        "import sys, json\n"
        "from pygeoapi.flask_app import APP\n"
        "from eo_pygeoapi import manager, process, provider\n"
        "client = APP.test_client()\n"
        f"assert client.get('/processes/{PROCESS}?f=json').status_code == 200\n"
        "assert client.get('/collections?f=json').status_code == 200\n"
        f"print(json.dumps([name for name in {SCIENCE!r} if name in sys.modules]))\n"
    )
    environment = {
        "PYGEOAPI_CONFIG": str(stack.folder / "pygeoapi-config.yml"),
        "PYGEOAPI_OPENAPI": str(stack.folder / "openapi.yml"),
    }
    found = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout.splitlines()[-1]) == [], found.stdout


def test_the_plugins_work_under_stock_pygeoapi(stack: Stack, tmp_path: Path) -> None:
    config = yaml.safe_load((stack.folder / "pygeoapi-config.yml").read_text())
    port = free_port()
    config["server"]["bind"]["port"], config["server"]["url"] = port, f"http://localhost:{port}"
    path = tmp_path / "pygeoapi-config.yml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    environment = {
        **stack.environment,
        "PYGEOAPI_CONFIG": str(path),
        "PYGEOAPI_OPENAPI": str(stack.folder / "openapi.yml"),
        "PREFECT_API_URL": stack.prefect_api,
    }
    log, url = tmp_path / "serve.log", f"http://localhost:{port}"
    command = [str(Path(sys.executable).with_name("pygeoapi")), "serve", "--flask"]
    with running(command, log, environment) as process:
        wait_for(f"{url}/conformance?f=json", process, log)
        answer = requests.post(f"{url}/processes/{PROCESS}/execution", json={"inputs": SAMPLE}, timeout=60)
        assert answer.status_code == 201, answer.text
        job = f"/jobs/{answer.json()['jobID']}"
        assert answer.headers["Location"] == url + job
        assert stack.ended(job)["status"] == "successful"
        assert requests.get(f"{url}{job}/results", timeout=30).json()["orgUnitCount"] == 6
        wrong = requests.post(f"{url}/processes/{PROCESS}/execution", json={"inputs": {}}, timeout=60)
        assert wrong.status_code == 400 and "datasetId" in wrong.text
        assert requests.delete(url + job, timeout=30).status_code == 200
