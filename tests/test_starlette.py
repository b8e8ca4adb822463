"""The stock plugins under `pygeoapi.starlette_app`, which `pygeoapi serve --starlette` runs."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
import yaml

from tests.servers import free_port, running, wait_for
from tests.stack import PROCESS, Stack

SAMPLE = {"datasetId": "sample-temperature", "start": "2025-07-01", "end": "2025-07-02", "dryRun": True}
JOB = "/jobs/00000000-0000-0000-0000-000000000000"


@contextmanager
def served(stack: Stack, folder: Path, prefect_api: str) -> Iterator[str]:
    """Serve the stack's configuration with stock pygeoapi on Starlette."""
    config = yaml.safe_load((stack.folder / "pygeoapi-config.yml").read_text())
    port = free_port()
    config["server"]["bind"]["port"], config["server"]["url"] = port, f"http://localhost:{port}"
    path, log = folder / "pygeoapi-config.yml", folder / "serve.log"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    environment = {
        **stack.environment,
        "PYGEOAPI_CONFIG": str(path),
        "PYGEOAPI_OPENAPI": str(stack.folder / "openapi.yml"),
        "PREFECT_API_URL": prefect_api,
    }
    # as the command does, but without its reloading of changed code, which leaves a second process behind
    command = [sys.executable, "-m", "uvicorn", "pygeoapi.starlette_app:APP", "--host", "127.0.0.1"]
    with running([*command, "--port", str(port), "--loop", "asyncio"], log, environment) as process:
        wait_for(f"http://localhost:{port}/conformance?f=json", process, log)
        yield f"http://localhost:{port}"


def test_a_job_from_the_description_to_its_dismissal(stack: Stack, tmp_path: Path) -> None:
    with served(stack, tmp_path, stack.prefect_api) as url:
        listed = requests.get(f"{url}/processes?f=json", timeout=30).json()["processes"]
        assert PROCESS in {process["id"] for process in listed}
        description = requests.get(f"{url}/processes/{PROCESS}?f=json", timeout=30).json()
        assert {"datasetId", "start", "end"} <= set(description["inputs"])
        answer = requests.post(f"{url}/processes/{PROCESS}/execution", json={"inputs": SAMPLE}, timeout=60)
        assert answer.status_code == 201, answer.text
        job = f"/jobs/{answer.json()['jobID']}"
        assert answer.headers["Location"] == url + job
        assert stack.ended(job)["status"] == "successful"
        assert requests.get(f"{url}{job}?f=json", timeout=30).json()["status"] == "successful"
        assert requests.get(f"{url}{job}/results", timeout=30).json()["orgUnitCount"] == 6
        found = requests.get(f"{url}/jobs?f=json&limit=100", timeout=30).json()["jobs"]
        assert job.removeprefix("/jobs/") in {each["jobID"] for each in found}
        wrong = requests.post(f"{url}/processes/{PROCESS}/execution", json={"inputs": {}}, timeout=60)
        assert wrong.status_code == 400 and "datasetId" in wrong.text
        dismissed = requests.delete(url + job, timeout=30)
        assert dismissed.status_code == 200 and dismissed.headers["Content-Type"] == "application/json"
        assert (dismissed.json()["jobID"], dismissed.json()["status"]) == (job.removeprefix("/jobs/"), "dismissed")
        assert requests.get(f"{url}{job}?f=json", timeout=30).status_code == 404


def test_without_the_engine_job_calls_say_so_and_the_rest_goes_on(stack: Stack, tmp_path: Path) -> None:
    calls = [
        ("GET", "/jobs?f=json"),
        ("GET", f"{JOB}?f=json"),
        ("GET", f"{JOB}/results"),
        ("DELETE", JOB),
        ("POST", f"/processes/{PROCESS}/execution"),
    ]
    with served(stack, tmp_path, "http://127.0.0.1:9/api") as url:
        for method, path in calls:
            begun = time.monotonic()
            body = {"inputs": SAMPLE} if method == "POST" else None
            answer = requests.request(method, url + path, json=body, timeout=30)
            assert (answer.status_code, time.monotonic() - begun < 5) == (503, True), (path, answer.text)
            # pygeoapi adds the charset where the configuration compresses
            assert answer.headers["Content-Type"].partition(";")[0] == "application/json", (method, path)
            assert "the Prefect server at http://127.0.0.1:9" in answer.json()["description"]
            if method != "POST":  # pygeoapi's core answers for an execution, and knows no such header
                assert int(answer.headers["Retry-After"]) > 0
        for path in ("/processes?f=json", f"/processes/{PROCESS}?f=json", "/collections?f=json"):
            assert requests.get(url + path, timeout=30).status_code == 200
