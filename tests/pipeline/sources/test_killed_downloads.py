"""A run that is killed in the middle of a download, by the system or as the worker kills it, and the run after it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.sources.step import SourceRequest, extract_source_data, open_source_data
from eo_pygeoapi.store.download_cache import sweep_cache
from eo_pygeoapi.worker.processes import Process, end_tree
from tests.standins import cds, chc

BOX = (-13.3, 6.9, -10.2, 10.0)
WORKER = """
import json, sys
from datetime import date
from pathlib import Path
from tests.pipeline.sources.test_killed_downloads import request
from eo_pygeoapi.pipeline.sources.step import extract_source_data
extract_source_data(request(json.loads(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
"""


def request(block: Mapping[str, Any], day: str, cache: Path) -> SourceRequest:
    wanted = date.fromisoformat(day)
    return SourceRequest(Dataset.model_validate({"id": "x", **block}), Interval(start=wanted, end=wanted), BOX, cache)


def by_the_system(process: subprocess.Popen[bytes]) -> None:
    process.kill()


def by_the_worker(process: subprocess.Popen[bytes]) -> None:
    """Kill the run as the worker does, for its dismissal or for want of memory."""
    assert end_tree(Process.of(process.pid), 60)


KILLERS = pytest.mark.parametrize("kill", [by_the_system, by_the_worker])
Kill = Callable[[subprocess.Popen[bytes]], None]


def unfinished(cache: Path) -> list[Path]:
    return list(cache.rglob(".unfinished-*"))


def killed(
    block: Mapping[str, Any], day: str, cache: Path, under_way: Callable[[], bool], kill: Kill = by_the_system
) -> None:
    """Start a run and kill it when it is under way; what it left is found, or is gone already."""
    command = [sys.executable, "-W", "ignore", "-c", WORKER, json.dumps(dict(block)), day, str(cache)]
    with subprocess.Popen(command, cwd=chc.CHECKOUT, env={**os.environ}) as process:
        until = time.monotonic() + 90
        while not under_way():
            assert process.poll() is None and time.monotonic() < until, "it was not under way"
            time.sleep(0.05)
        assert unfinished(cache)
        assert sweep_cache(cache) == 0, "a download under way is not left over"
        kill(process)
        assert process.wait() < 0
    if kill is by_the_worker:
        assert unfinished(cache) == []
    else:
        assert sweep_cache(cache) == 1 and unfinished(cache) == []


@KILLERS
def test_era5_land(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill: Kill) -> None:
    block = {"source": "era5-land", "options": {"variable": "total_precipitation"}}
    with cds.running() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        server.faults({"path": "/asset*", "method": "GET", "slow": 60, "times": 1})
        killed(block, "2024-01-10", tmp_path, lambda: any(tmp_path.rglob("received.nc")), kill)
        assert list(tmp_path.rglob("*_2024*.nc")) == []
        asked = request(block, "2024-01-10", tmp_path)
        grid = open_source_data(asked, extract_source_data(asked))
    assert float(grid.sum("time")[5, 5]) * 1000 == pytest.approx(26.76, abs=1e-4)


def test_era5_land_in_the_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written while a request waits at the provider; its folder is gone all the same."""
    with cds.running() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        server.state(polls=1000)
        block = {"source": "era5-land", "options": {"variable": "total_precipitation"}}
        killed(block, "2024-01-10", tmp_path, lambda: bool(server.executions()), by_the_worker)


@KILLERS
def test_chirps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill: Kill) -> None:
    day, shape = date.today().replace(day=1), (80, 72)  # a month that is not whole: day by day
    chc.make_day(tmp_path / "served", day, "final", "rnl", chc.rain(day, shape))
    with chc.running(tmp_path / "served") as server:
        block = {"source": "chirps3", "options": {"baseUrl": server.url}}
        server.faults({"path": "*.cog", "method": "GET", "stall": 60, "times": 1})
        cache = tmp_path / "cache"
        killed(block, day.isoformat(), cache, lambda: bool(unfinished(cache)) and server.stalls() > 0, kill)
        assert list(cache.rglob("*_20*.nc")) == []
        asked = request(block, day.isoformat(), cache)
        grid = open_source_data(asked, extract_source_data(asked))
    expected = np.where(chc.rain(day, shape) == chc.NODATA, np.nan, chc.rain(day, shape))
    assert float(grid[0, 5, 5]) in expected
