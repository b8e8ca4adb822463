"""Each way of stopping a worker: nothing is left running, neither here nor in Prefect."""

import os
import signal
import time
from pathlib import Path

import pytest

from eo_pygeoapi.worker.processes import Process
from tests.worker.farm import Farm, lines, until


def test_a_worker_needs_and_leaves_no_folder_for_code_among_the_temporary_files(work: Farm, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    (temporary / "runner_storage").write_text("as of another user: no folder can be made in it")
    worker = work.worker(tmp_path / "data", zygote=True, TMPDIR=str(temporary))
    assert work.ended(work.submit("empty"))["status"] == "successful"
    assert worker.stop() == 0
    assert not list(temporary.glob("eo-worker-*"))


@pytest.mark.slow
def test_a_stopping_worker_lets_runs_end_and_takes_no_more(work: Farm, tmp_path: Path) -> None:
    said = tmp_path / "said"
    worker = work.worker(tmp_path / "data", EO_STOP_GRACE_SECONDS="60")
    job = work.submit("sleepy", path=str(said), seconds=4)
    until(lambda: "began" in lines(said))
    worker.process.send_signal(signal.SIGTERM)
    until(lambda: "stopping: no new runs" in worker.text())
    later = work.submit("empty")
    assert worker.process.wait(60) == 0
    assert work.job(job)["status"] == "successful" and lines(said) == ["began", "ended"]
    assert work.job(later)["status"] == "accepted"
    assert "Traceback" not in worker.text()
    work.dismiss(later)


# Ctrl-C where a shell's background job ignores SIGINT, and a service manager that sends SIGTERM to all processes
@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "before", "everyone"),
    [(signal.SIGINT, "trap '' INT;", False), (signal.SIGTERM, "", True)],
)
def test_what_does_not_end_in_time_is_ended_and_marked(
    work: Farm, tmp_path: Path, number: int, before: str, everyone: bool
) -> None:
    said = tmp_path / "said"
    worker = work.worker(tmp_path / "data", zygote=True, before=before, EO_STOP_GRACE_SECONDS="1")
    job = work.submit("sleepy", path=str(said), seconds=60)
    until(lambda: "began" in lines(said))
    child = worker.run_pid(job)
    if everyone:
        for pid in (child, int(worker.record(job)["launcher"]["pid"])):
            os.kill(pid, number)
    begun = time.monotonic()
    assert worker.stop(number, 60) == 0
    assert time.monotonic() - begun < 30
    status = work.job(job)
    assert status["status"] == "failed" and "the worker was stopped" in status["message"]
    assert lines(said) == ["began"] and not worker.records()
    assert not Process.of(child).is_alive()


@pytest.mark.slow
def test_a_run_with_an_attempt_left_waits_for_the_next_worker(work: Farm, tmp_path: Path) -> None:
    said = tmp_path / "said"
    worker = work.worker(tmp_path / "data", zygote=True, EO_STOP_GRACE_SECONDS="600")
    job = work.submit("steps", path=str(said), seconds=600)
    until(lambda: "second step" in lines(said))
    worker.process.send_signal(signal.SIGTERM)
    until(lambda: "stopping: no new runs" in worker.text())
    assert worker.stop(signal.SIGTERM, 30) == 0  # the second one hurries
    status = work.job(job)
    assert status["status"] == "accepted" and "attempt 2 of 2" in status["message"]
    work.worker(tmp_path / "data")
    assert work.ended(job)["status"] == "successful"
    assert lines(said) == ["first step", "second step", "second step", "result 42"]
