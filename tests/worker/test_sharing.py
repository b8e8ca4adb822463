"""Several runs, several workers: limits, priorities, and a worker that is killed among others."""

import os
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest

from eo_pygeoapi.gateway.work_pool import BACKFILL, ON_DEMAND, SCHEDULED
from tests.worker.farm import Farm, lines, until


@pytest.mark.slow
def test_one_at_a_time_and_in_order_of_priority(work: Farm, tmp_path: Path) -> None:
    said = tmp_path / "said"
    jobs = {}
    for queue in (BACKFILL, SCHEDULED, ON_DEMAND):  # submitted in the wrong order
        for number in (1, 2):
            parameters = {"path": str(tmp_path / f"{queue}-{number}"), "seconds": 0.1}
            jobs[queue, number] = work.submit("sleepy", queue=queue, **parameters)
    work.worker(tmp_path / "data", zygote=True, EO_CONCURRENCY="1")
    for job in jobs.values():
        assert work.ended(job, 90)["status"] == "successful"
    runs = {key: work.gateway.runs.get(job) for key, job in jobs.items()}
    started = sorted(runs, key=lambda key: runs[key].started or runs[key].created)
    assert [queue for queue, _ in started] == [ON_DEMAND] * 2 + [SCHEDULED] * 2 + [BACKFILL] * 2
    for before, after in pairwise(started):
        ended, begun = runs[before].finished, runs[after].started
        assert ended is not None and begun is not None and ended <= begun
    assert not said.exists()


@pytest.mark.slow
def test_of_two_workers_one_is_killed_and_every_job_ends_once(work: Farm, tmp_path: Path) -> None:
    workers = [work.worker(tmp_path / "data", zygote=True, EO_CONCURRENCY="2") for _ in range(2)]
    said = {number: tmp_path / f"said-{number}" for number in range(8)}
    jobs = {number: work.submit("again", path=str(path), seconds=2.0) for number, path in said.items()}
    victim = workers[0]
    until(lambda: [r for r in victim.records() if r["launcher"] and r["worker_name"] in victim.text()])
    time.sleep(1)
    os.kill(victim.process.pid, signal.SIGKILL)
    victim.process.wait()
    for job in jobs.values():
        assert (status := work.ended(job, 120))["status"] == "successful", status
    assert all(lines(path).count("ended") == 1 for path in said.values())
