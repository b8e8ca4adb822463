"""A worker that is killed in the middle of a download, by SIGKILL, and the run after it."""

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


def killed(block: Mapping[str, Any], day: str, cache: Path, under_way: Callable[[], bool]) -> None:
    """Start a run and kill it when it is under way."""
    command = [sys.executable, "-W", "ignore", "-c", WORKER, json.dumps(dict(block)), day, str(cache)]
    with subprocess.Popen(command, cwd=chc.CHECKOUT, env={**os.environ}) as process:
        until = time.monotonic() + 90
        while not under_way():
            assert process.poll() is None and time.monotonic() < until, "it was not under way"
            time.sleep(0.05)
        process.kill()
        assert process.wait() < 0


def test_era5_land(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = {"source": "era5-land", "options": {"variable": "total_precipitation"}}
    with cds.running() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        server.faults({"path": "/asset*", "method": "GET", "slow": 60, "times": 1})
        killed(block, "2024-01-10", tmp_path, lambda: any(tmp_path.rglob("received.nc")))
        assert list(tmp_path.rglob("*_2024*.nc")) == []
        asked = request(block, "2024-01-10", tmp_path)
        grid = open_source_data(asked, extract_source_data(asked))
    assert float(grid.sum("time")[5, 5]) * 1000 == pytest.approx(26.76, abs=1e-4)


def test_chirps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day, shape = date.today().replace(day=1), (80, 72)  # a month that is not whole: day by day
    chc.make_day(tmp_path / "served", day, "final", "rnl", chc.rain(day, shape))
    with chc.running(tmp_path / "served") as server:
        block = {"source": "chirps3", "options": {"baseUrl": server.url}}
        server.faults({"path": "*.cog", "method": "GET", "stall": 60, "times": 1})
        cache = tmp_path / "cache"
        killed(block, day.isoformat(), cache, lambda: any(cache.rglob(".unfinished-*")) and server.stalls() > 0)
        assert list(cache.rglob("*_20*.nc")) == []
        asked = request(block, day.isoformat(), cache)
        grid = open_source_data(asked, extract_source_data(asked))
    expected = np.where(chc.rain(day, shape) == chc.NODATA, np.nan, chc.rain(day, shape))
    assert float(grid[0, 5, 5]) in expected
