"""A worker on a machine whose clock is off."""

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest

from eo_pygeoapi.worker.clock import ServerClock
from tests.quarter.clock import Clock
from tests.worker.farm import Farm, lines


@pytest.mark.parametrize(
    ("ahead", "taken", "words"),
    [
        (timedelta(seconds=30), timedelta(0), ""),
        (timedelta(minutes=20), timedelta(minutes=20), "20 minutes ahead of that of the Prefect server"),
        (-timedelta(hours=2), -timedelta(hours=2), "2 hours behind that of the Prefect server"),
    ],
)
def test_a_clock_that_is_off_by_more_than_a_minute_is_said_once(
    ahead: timedelta, taken: timedelta, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock, real = ServerClock(), datetime.now(UTC) - ahead
    answer = httpx.Response(200, headers={"Date": format_datetime(real, usegmt=True)})
    for _ in range(3):
        asyncio.run(clock.heard(answer))
    assert abs(clock.ahead - taken) < timedelta(seconds=10)
    assert abs(clock.now() - (real if words else datetime.now(UTC))) < timedelta(seconds=10)
    assert bool(clock.environment()) == bool(words)
    assert len(caplog.messages) == bool(words) and words in caplog.text


def test_an_answer_without_a_time_says_nothing() -> None:
    clock = ServerClock()
    for headers in ({}, {"Date": "yesterday"}):
        asyncio.run(clock.heard(httpx.Response(200, headers=headers)))
    assert not clock.ahead


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("cc"), reason="the clock is moved by a library that is compiled here")
@pytest.mark.parametrize("off", [timedelta(minutes=-20), timedelta(minutes=20)], ids=["behind", "ahead"])
def test_a_worker_whose_clock_is_off_takes_jobs_and_they_do_not_count_as_lost(
    work: Farm, tmp_path: Path, off: timedelta
) -> None:
    clock = Clock(tmp_path, datetime.now(UTC) + off)
    work.gateway.put_lost_runs(480)
    worker = work.worker(tmp_path / "data", zygote=True, **clock.environment)
    said = tmp_path / "said"
    job = work.submit("sleepy", path=str(said), seconds=40)
    status = work.ended(job, 120)
    assert (status["status"], lines(said)) == ("successful", ["began", "ended"]), worker.text()
    assert f"20 minutes {'behind' if off < timedelta(0) else 'ahead of'} that of the Prefect server" in worker.text()
