"""The log of a worker says on which day something was, and of which job each line is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import requests

from eo_pygeoapi.settings import Settings
from eo_pygeoapi.worker.environment import set_environment
from tests.worker.farm import Farm, Worker, until

PROGRAM = """
from prefect.logging import get_logger
from prefect.logging.configuration import setup_logging
setup_logging()
get_logger("eo_pygeoapi.worker").warning("said")
"""


def test_a_line_begins_with_day_and_time() -> None:
    environment = dict(os.environ)
    set_environment(Settings(), environment)
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=120)
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \| WARNING \| .*said$", done.stderr, re.MULTILINE), (
        done.stderr
    )


def test_each_line_of_a_run_names_its_job_and_the_job_s_own_log_does_not(servers: Farm, shared: Worker) -> None:
    before = len(shared.text())
    jobs = {servers.submit("warns", words=f"words of {name}"): f"words of {name}" for name in ("one", "two")}
    for job in jobs:
        assert servers.ended(job)["status"] == "successful"
    for job, words in jobs.items():
        assert_names_its_job(shared.text()[before:], job, words)
        shown = until(lambda job=job: messages(servers, job))  # type: ignore[misc]
        assert f"{words}\n{words}" in shown, shown
        assert not any("job " in message for message in shown), shown


def test_a_run_that_starts_cold_names_its_job_too(work: Farm, tmp_path: Path) -> None:
    worker = work.worker(tmp_path / "data")
    job = work.submit("warns", words="cold words")
    assert work.ended(job)["status"] == "successful"
    assert_names_its_job(worker.text(), job, "cold words")


def assert_names_its_job(log: str, job: str, words: str) -> None:
    lines = [line for line in log.splitlines() if words in line]
    # two of the warning, the error and the end of its traceback, and Python's warning
    assert len(lines) == 5, log
    assert all(f"job {job}: " in line for line in lines), lines
    assert any(f"UserWarning: {words}" in line for line in lines), lines
    assert f"job {job}: Traceback (most recent call last):" in log
    assert f"job {job}: Beginning flow run" in log


def messages(servers: Farm, job: str) -> list[str]:
    """What the log of a job in Prefect says; nothing while its end is not there."""
    asked = {"logs": {"flow_run_id": {"any_": [job]}}, "limit": 200}
    found = requests.post(f"{servers.prefect_api}/logs/filter", json=asked, timeout=30).json()
    said = [str(log["message"]) for log in found]
    return said if any("Finished in state" in message for message in said) else []
