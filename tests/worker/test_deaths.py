"""Each way in which a run can lose its process, with real processes, read through `/jobs`."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.worker.farm import Farm, Worker, lines, until


def begun(path: Path, times: int = 1) -> None:
    until(lambda: lines(path).count("began") >= times)


def zygote_pid(worker: Worker) -> int:
    """The zygote that is ready."""
    lines = [line for line in worker.text().splitlines() if line.endswith("is ready")]
    return int(lines[-1].split("zygote ")[1].split()[0])


def test_a_killed_child_is_said_within_five_seconds(work: Farm, tmp_path: Path) -> None:
    said = tmp_path / "said"
    worker = work.worker(tmp_path / "data", EO_RESUME="0")
    job = work.submit("sleepy", path=str(said), seconds=60)
    begun(said)
    os.kill(worker.run_pid(job), signal.SIGKILL)
    killed = time.monotonic()
    status = work.ended(job)
    assert time.monotonic() - killed < 5
    assert status["status"] == "failed" and "was killed (signal 9)" in status["message"]
    until(lambda: not worker.records())
    # the process ends by itself in the middle
    job = work.submit("exits", status=0)
    assert work.ended(job)["message"] == "the process of the run ended before the run had"
    job = work.submit("exits", status=7)
    assert "ended with status 7" in work.ended(job)["message"]


def test_a_killed_run_goes_on_with_its_finished_steps(work: Farm, tmp_path: Path) -> None:
    said = tmp_path / "said"
    worker = work.worker(tmp_path / "data", zygote=True)
    job = work.submit("steps", path=str(said), seconds=60)
    until(lambda: "second step" in lines(said))
    os.kill(worker.run_pid(job), signal.SIGKILL)
    seen = []
    until(lambda: seen.append(work.job(job)) or seen[-1]["status"] == "successful")
    assert {s["status"] for s in seen} <= {"running", "accepted", "successful"}
    waiting = [s["message"] for s in seen if "attempt 2 of 2" in s["message"]]
    assert waiting, seen
    assert lines(said) == ["first step", "second step", "second step", "result 42"]
    assert work.gateway.get(job).attempts == 2


@pytest.mark.parametrize("victim", ["launcher", "zygote"])
def test_a_killed_launcher_or_zygote_takes_the_run_with_it(work: Farm, tmp_path: Path, victim: str) -> None:
    said = tmp_path / "said"
    worker = work.worker(tmp_path / "data", zygote=True, EO_RESUME="0")
    job = work.submit("sleepy", path=str(said), seconds=60)
    begun(said)
    pid, child = {"launcher": work_launcher(worker, job), "zygote": zygote_pid(worker)}[victim], worker.run_pid(job)
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    status = work.ended(job)
    assert time.monotonic() - killed < 5
    assert status["status"] == "failed" and ("zygote" if victim == "zygote" else "signal 9") in status["message"]
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    if victim == "zygote":  # another takes its place, and the next run is its fork
        until(lambda: worker.text().count("is ready") == 2, 90)
        job = work.submit("empty")
        assert work.ended(job)["status"] == "successful"


def work_launcher(worker: Worker, job: str) -> int:
    return int(worker.record(job)["launcher"]["pid"])


@pytest.mark.parametrize("zygote", [False, True])
def test_a_killed_worker_takes_its_runs_with_it_and_the_next_one_says_so(
    work: Farm, tmp_path: Path, zygote: bool
) -> None:
    said = tmp_path / "said"
    worker = work.worker(tmp_path / "data", zygote=zygote, EO_RESUME="0")
    job = work.submit("sleepy", path=str(said), seconds=60)
    begun(said)
    child = worker.run_pid(job)
    worker.kill()
    with pytest.raises(ProcessLookupError):
        until(lambda: os.kill(child, 0), 5)
    work.worker(tmp_path / "data")
    status = work.ended(job, 20)
    assert (status["status"], status["message"]) == ("failed", "the worker was killed while the run was going on")


def test_when_all_are_killed_at_once_the_run_goes_on_at_the_next_start(work: Farm, tmp_path: Path) -> None:
    said = tmp_path / "said"
    worker = work.worker(tmp_path / "data", zygote=True)
    job = work.submit("steps", path=str(said), seconds=60)
    until(lambda: "second step" in lines(said))
    victims = [worker.process.pid, zygote_pid(worker), work_launcher(worker, job), worker.run_pid(job)]
    for pid in victims:
        os.kill(pid, signal.SIGSTOP)
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    worker.process.wait()
    assert work.job(job)["status"] == "running"
    work.worker(tmp_path / "data")
    assert work.ended(job, 60)["status"] == "successful"
    assert lines(said) == ["first step", "second step", "second step", "result 42"]


def test_too_much_memory_is_a_clear_failure_and_no_second_attempt(work: Farm, tmp_path: Path) -> None:
    said = tmp_path / "said"
    work.worker(tmp_path / "data", EO_MEMORY_LIMIT_MIB="600")
    job = work.submit("hungry", path=str(said))
    status = work.ended(job)
    assert status["status"] == "failed"
    assert "more memory than its limit of 600 MiB" in status["message"]
    assert lines(said) == ["began"]
