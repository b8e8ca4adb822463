"""Hosts of workers that are cut off from the network, at each moment of a run, for good and for two minutes."""

import time
from pathlib import Path

import pytest

from eo_pygeoapi.gateway.job import Job
from tests.hosts import can_have_hosts, network
from tests.worker.farm import ENDED, Farm, farm, lines, patiently, until

LOST_AFTER, CUT_FOR = 240, 120.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not can_have_hosts(), reason="network namespaces cannot be made here"),
]


def job(work: Farm, id_: str) -> Job:
    return patiently(lambda: work.gateway.runs.get(id_))


def sleeping(work: Farm, folder: Path, name: str, seconds: float) -> str:
    """Submit a job that sleeps, and wait until it does."""
    id_ = work.submit("sleepy", path=str(folder / name), seconds=seconds)
    until(lambda: "began" in lines(folder / name), 300)
    return id_


def test_what_jobs_say_when_their_host_is_cut_off(tmp_path: Path) -> None:
    with network() as net, farm(tmp_path, host=net.address) as work:
        patiently(lambda: work.gateway.put_lost_runs(LOST_AFTER))
        lost, back = net.host("lost"), net.host("back")
        gone = work.worker(tmp_path / "one", prefix=lost.prefix, EO_CONCURRENCY="4")
        jobs = {name: sleeping(work, tmp_path, name, 3600) for name in ("running", "dismissed", "dismissed before")}
        time.sleep(5)  # the first signs of life reach the server
        jobs["starting"] = work.submit("sleepy", path=str(tmp_path / "starting"), seconds=3600)
        until(lambda: job(work, jobs["starting"]).message == "starting", 120)
        patiently(lambda: work.gateway.runs.cancel(jobs["dismissed before"]))
        lost.cut()
        begun = time.monotonic()
        work.worker(tmp_path / "two", prefix=back.prefix)
        jobs["back"] = sleeping(work, tmp_path, "back", 200)
        back.cut()
        cut = time.monotonic()
        patiently(lambda: work.gateway.runs.cancel(jobs["dismissed"]))
        seen = {name: job(work, id_) for name, id_ in jobs.items()}
        while any(each.status not in ENDED for each in seen.values()) and time.monotonic() - begun < 900:
            if cut and time.monotonic() - cut > CUT_FOR:
                back.heal()
                cut = 0.0
            time.sleep(15)
            seen = {name: job(work, id_) for name, id_ in jobs.items()}
            said = [f"{name}: {each.status}, {each.message}" for name, each in seen.items()]
            print(f"{(time.monotonic() - begun) / 60:.1f} min: " + " | ".join(said))
        gone.kill()
        silent = f"no sign of life for {LOST_AFTER // 60} minutes: the machine of the run is lost or cut off"
        assert {name: each.status for name, each in seen.items()} == {
            "running": "failed",
            "starting": "failed",
            "dismissed": "dismissed",
            "dismissed before": "dismissed",
            "back": "successful",
        }
        assert seen["running"].message == seen["starting"].message == silent
        assert "machine of the run is lost or cut off" in seen["dismissed"].message
        assert lines(tmp_path / "back") == ["began", "ended"]
