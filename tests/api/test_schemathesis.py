"""Our own OpenAPI document against ourselves: no server error, no status that it does not describe."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from eo_pygeoapi.commands.configuration.applying import apply_to_prefect
from eo_pygeoapi.settings import Settings
from tests.stack import PROCESS, base_config
from tests.web import web


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Iterator[str]:
    """The application with a real Prefect server and no worker: jobs wait, so executing costs nothing."""
    folder = Path(tmp_path_factory.mktemp("schemathesis"))
    config = base_config()
    config["resources"] = {name: config["resources"][name] for name in (PROCESS, "sample-temperature")}
    with web(folder, config, prefect_api) as address:
        settings = Settings().model_copy(update={"prefect_api_url": prefect_api})
        apply_to_prefect(folder / "pygeoapi-config.yml", settings)
        for _ in range(2):
            body = {"inputs": {"datasetId": "sample-temperature", "start": "2025-07-01", "end": "2025-07-01"}}
            assert requests.post(f"{address}/processes/{PROCESS}/execution", json=body, timeout=30).status_code == 201
        yield address


@pytest.mark.requirement("oas30/completeness", "oas30/exceptions-codes")
@pytest.mark.timeout(280)
def test_no_server_error_and_no_undocumented_status(url: str, tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi", "--url", url),
        *("--checks", "not_a_server_error,status_code_conformance", "--phases", "examples,fuzzing"),
        *("--max-examples", "10", "--continue-on-failure", "--no-color", "--seed", "7"),
        *("--exclude-path", "/ready"),  # 503 while no worker runs, which is what it is for
        *("--suppress-health-check", "all", "--request-timeout", "30"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=270)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert re.search(r"Selected: (\d+)/\d+\n +Tested: \1\n", done.stdout), done.stdout  # all operations


def test_jobs_that_nobody_takes_say_that_no_worker_runs_and_their_place(url: str) -> None:
    # one of its own: the calls before may have dismissed the others
    body = {"inputs": {"datasetId": "sample-temperature", "start": "2025-07-01", "end": "2025-07-01"}}
    job = requests.post(f"{url}/processes/{PROCESS}/execution", json=body, timeout=30).headers["Location"]
    message = requests.get(job, timeout=30).json()["message"]
    assert "no worker is running; start one with `eo-pygeoapi worker`" in message and "in the queue" in message
    ready = requests.get(f"{url}/ready", timeout=30)
    assert ready.status_code == 503 and ready.json()["checks"]["worker"]["status"] == "unavailable"
