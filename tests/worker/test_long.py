"""What takes minutes by nature: a lost machine, a server that is away for two minutes, 200 jobs at once."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from bench.burst import DATABASES, burst
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.worker.processes import Process, end_tree
from tests.servers import free_port, prefect_server
from tests.worker.farm import Farm, deploy, launcher_pid, lines, patiently, until, web, worker_environment

pytestmark = pytest.mark.slow


@pytest.mark.timeout(900)
def test_a_lost_machine_is_said_within_ten_minutes(work: Farm, tmp_path: Path) -> None:
    said = tmp_path / "said"
    worker = work.worker(tmp_path / "data", zygote=True)
    job = work.submit("steps", path=str(said), seconds=3000)
    until(lambda: "second step" in lines(said))
    time.sleep(5)  # the first heartbeat reaches the server
    victims = [worker.process.pid, launcher_pid(worker, job), worker.run_pid(job)]
    for pid in victims:
        os.kill(pid, signal.SIGSTOP)
    for pid in victims:
        end_tree(Process.of(pid))
    worker.process.wait()
    shutil.rmtree(tmp_path / "data" / "runs")
    lost = time.monotonic()
    status = work.ended(job, 600)
    print(f"said after {time.monotonic() - lost:.0f} s")
    assert status["status"] == "failed" and "no sign of life for 8 minutes" in status["message"]


@pytest.mark.timeout(900)
def test_a_server_that_is_away_for_two_minutes_ends_no_run(tmp_path: Path) -> None:
    port, said = free_port(), tmp_path / "said"
    api = f"http://127.0.0.1:{port}/api"
    gateway = PrefectGateway(api)
    with web(tmp_path, api) as url:
        work = Farm(api, url, tmp_path, gateway, worker_environment(tmp_path, api))
        try:
            with prefect_server(tmp_path, port):
                patiently(lambda: deploy(gateway))
                worker = work.worker(tmp_path / "data", zygote=True)
                job = work.submit("sleepy", path=str(said), seconds=150)
                until(lambda: "began" in lines(said))
            time.sleep(120)
            with prefect_server(tmp_path, port):
                assert work.ended(job, 400)["status"] == "successful"
                assert lines(said) == ["began", "ended"] and worker.process.poll() is None
                later = work.submit("empty")
                assert work.ended(later, 120)["status"] == "successful"
        finally:
            work.end_workers()
            gateway.close()


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("database", DATABASES)
def test_two_hundred_jobs_at_once_all_end(tmp_path: Path, database: str) -> None:
    figures = burst(tmp_path, database, 200)
    print(figures)
    assert figures["ended"] == {"successful": 200} and figures["API: refusals"] == 0
