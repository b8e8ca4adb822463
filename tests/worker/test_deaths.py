"""Each way in which a run can lose its process, with real processes, read through `/jobs`."""

import os
import signal
import time
from pathlib import Path

import pytest

from eo_pygeoapi.worker.processes import Process
from tests.worker.farm import Farm, Worker, launcher_pid, lines, until, zygote_pid


def begun(path: Path, times: int = 1) -> None:
    until(lambda: lines(path).count("began") >= times)


def test_a_killed_child_is_said_within_five_seconds(servers: Farm, shared: Worker, tmp_path: Path) -> None:
    said, work, worker = tmp_path / "said", servers, shared
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


def test_a_killed_run_goes_on_with_its_finished_steps(servers: Farm, shared: Worker, tmp_path: Path) -> None:
    said, work, worker = tmp_path / "said", servers, shared
    job = work.submit("steps", path=str(said), seconds=60)
    until(lambda: "second step" in lines(said))
    os.kill(worker.run_pid(job), signal.SIGKILL)
    seen = work.watched(job)
    assert {s["status"] for s in seen} <= {"running", "accepted", "successful"}
    waiting = [s["message"] for s in seen if "attempt 2 of 2" in s["message"]]
    assert waiting, seen
    assert lines(said) == ["first step", "second step", "second step", "result 42"]
    assert work.gateway.runs.get(job).attempts == 2


def test_too_much_memory_is_a_clear_failure_and_no_second_attempt(
    servers: Farm, shared: Worker, tmp_path: Path
) -> None:
    said, work = tmp_path / "said", servers
    job = work.submit("hungry", path=str(said))
    status = work.ended(job)
    assert status["status"] == "failed"
    assert "more memory than its limit of 600 MiB" in status["message"]
    assert lines(said) == ["began"]


@pytest.mark.parametrize("victim", ["launcher", "zygote"])
def test_a_killed_launcher_or_zygote_takes_the_run_with_it(
    servers: Farm, shared: Worker, tmp_path: Path, victim: str
) -> None:
    said, work, worker = tmp_path / "said", servers, shared
    job = work.submit("sleepy", path=str(said), seconds=60)
    begun(said)
    pid, child = {"launcher": launcher_pid(worker, job), "zygote": zygote_pid(worker)}[victim], worker.run_pid(job)
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    status = work.ended(job)
    assert time.monotonic() - killed < 5
    assert status["status"] == "failed" and ("zygote" if victim == "zygote" else "signal 9") in status["message"]
    assert not Process.of(child).is_alive()
    if victim == "zygote":  # another takes its place, and the next run is its fork
        until(lambda: worker.text().count("is ready") == 2, 90)
        job = work.submit("empty")
        assert work.ended(job)["status"] == "successful"


def test_c_code_its_children_and_its_unfinished_files_are_gone(servers: Farm, shared: Worker, tmp_path: Path) -> None:
    said = tmp_path / "said"
    job = servers.submit("busy_in_c", path=str(said))
    until(lambda: "began" in lines(said))
    child = next(line.split()[1] for line in said.read_text().splitlines() if line.startswith("child "))
    assert servers.job(job)["status"] == "running" and (tmp_path / ".unfinished-download").exists()
    servers.dismiss(job)
    dismissed = time.monotonic()
    seen = servers.watched(job)
    assert time.monotonic() - dismissed < 5
    assert seen[-1]["status"] == "dismissed" and {s["status"] for s in seen} <= {"running", "dismissed"}
    for pid in (int(child), int(said.read_text().split()[-1])):
        assert not Process.of(pid).is_alive()
    assert not (tmp_path / ".unfinished-download").exists()
    until(lambda: not shared.records())
    time.sleep(2)
    assert servers.job(job)["status"] == "dismissed"
