"""What becomes of runs when their worker is killed, or everything at once; read through `/jobs`."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from eo_pygeoapi.worker.processes import Process
from tests.worker.farm import Farm, launcher_pid, lines, until, zygote_pid


@pytest.mark.parametrize("zygote", [False, True])
def test_a_killed_worker_takes_its_runs_with_it_and_the_next_one_says_so(
    work: Farm, tmp_path: Path, zygote: bool
) -> None:
    said = tmp_path / "said"
    worker = work.worker(tmp_path / "data", zygote=zygote)
    job = work.submit("sleepy", path=str(said), seconds=60)
    until(lambda: "began" in lines(said))
    child = worker.run_pid(job)
    worker.kill()
    until(lambda: not Process.of(child).is_alive(), 5)
    work.worker(tmp_path / "data")
    status = work.ended(job, 20)
    assert (status["status"], status["message"]) == ("failed", "the worker was killed while the run was going on")


@pytest.mark.slow
def test_when_all_are_killed_at_once_the_run_goes_on_at_the_next_start(work: Farm, tmp_path: Path) -> None:
    said = tmp_path / "said"
    worker = work.worker(tmp_path / "data", zygote=True)
    job = work.submit("steps", path=str(said), seconds=60)
    until(lambda: "second step" in lines(said))
    victims = [worker.process.pid, zygote_pid(worker), launcher_pid(worker, job), worker.run_pid(job)]
    for pid in victims:
        os.kill(pid, signal.SIGSTOP)
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    worker.process.wait()
    assert work.job(job)["status"] == "running"
    work.worker(tmp_path / "data")
    assert work.ended(job, 60)["status"] == "successful"
    assert lines(said) == ["first step", "second step", "second step", "result 42"]


TAKES_A_RUN_AND_DIES = """
import asyncio, os, signal, sys
from pathlib import Path
from uuid import UUID
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.worker.records import Records
from eo_pygeoapi.worker.worker import ImportWorker

async def main():
    records = Records(Path(sys.argv[1]))
    records.enter()
    async with ImportWorker(Settings(), records, os.environ) as worker:
        run = await worker.client.read_flow_run(UUID(sys.argv[2]))
        assert await worker._propose_pending_state(run)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_a_run_whose_worker_is_killed_before_it_has_begun_begins_with_the_next(work: Farm, tmp_path: Path) -> None:
    said = tmp_path / "said"
    job = work.submit("sleepy", path=str(said), seconds=0.1)  # no attempt is left to this one once it has begun
    command = [sys.executable, "-c", TAKES_A_RUN_AND_DIES, str(tmp_path / "data" / "runs"), job]
    done = subprocess.run(command, env={**os.environ, **work.environment}, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert work.job(job)["status"] == "accepted"
    work.worker(tmp_path / "data")
    assert work.ended(job, 60)["status"] == "successful"
    assert lines(said) == ["began", "ended"]


def test_a_worker_that_cannot_write_takes_no_run_until_it_can(work: Farm, tmp_path: Path) -> None:
    worker = work.worker(tmp_path / "data")
    records, away, said = tmp_path / "data" / "runs", tmp_path / "away", tmp_path / "said"
    records.rename(away)
    records.write_text("in place of the folder, as a full disk or one that is read only")
    job = work.submit("sleepy", path=str(said), seconds=0.1)
    until(lambda: "cannot be written" in worker.text() or None, 30)
    assert worker.process.poll() is None
    assert work.job(job)["status"] == "accepted"
    records.unlink()
    away.rename(records)
    assert work.ended(job, 60)["status"] == "successful"
    assert lines(said) == ["began", "ended"]
