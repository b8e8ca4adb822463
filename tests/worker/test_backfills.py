"""A backfill beside a real Prefect server and a worker: an estimate, its jobs, its window, and its end."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from eo_pygeoapi.contract.status import UNDO_ID
from eo_pygeoapi.watch.freshness import newest
from eo_pygeoapi.watch.survey import survey
from tests.stack import collection
from tests.standins import dhis2
from tests.worker.backfilling import BesideAStandIn
from tests.worker.farm import Farm, patiently, until

pytestmark = pytest.mark.timeout(600)
TARGET = {"connection": "national", "dataElement": "CHIRPS_PRECIPITATION", "dataSet": "CLIMATE_DAILY"}
FIRST, DAYS = "2018-01-01", 1096  # three years
UNITS = 13


def make_rain(path: Path, days: int) -> None:
    """Write days of made-up rain around Sierra Leone, other every day."""
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("time", days), ("latitude", 20), ("longitude", 20)):
            file.createDimension(name, size)
        times = file.createVariable("time", "i4", ("time",))
        times.units, times.calendar, times[:] = f"days since {FIRST}", "standard", np.arange(days)
        latitude = file.createVariable("latitude", "f8", ("latitude",))
        latitude.units, latitude[:] = "degrees_north", np.linspace(10.5, 6.5, 20)
        longitude = file.createVariable("longitude", "f8", ("longitude",))
        longitude.units, longitude[:] = "degrees_east", np.linspace(-14, -10, 20)
        rain = file.createVariable("rain", "f4", ("time", "latitude", "longitude"), zlib=True)
        rain.units = "mm"
        rain[:] = (1 + np.arange(days) % 50)[:, None, None] + np.linspace(0, 1, 20)[None, None, :]


def filled() -> dict[str, Any]:
    """Daily rain of the file, for the districts of DHIS2."""
    return collection(
        "filled",
        source="file",
        options={"href": "rain.nc", "variable": "rain"},
        units={"from": "mm", "to": "mm"},
        aggregation={"spatial": "mean", "temporal": "sum"},
        decimals=2,
        orgUnits={"source": "dhis2", "level": 2},
        dhis2=TARGET,
    )


@pytest.fixture
def backfills(work: Farm, tmp_path: Path) -> Iterator[BesideAStandIn]:
    with dhis2.running() as server:
        make_rain(tmp_path / "rain.nc", DAYS)
        made = BesideAStandIn(work, server, tmp_path, {"filled": filled()})
        work.worker(made.data, zygote=True, **made.environment)
        yield made


def test_a_backfill_is_estimated_and_done_in_parts_and_then_there_is_nothing_to_do(backfills: BesideAStandIn) -> None:
    asked = {"datasetId": "filled", "start": "2018", "end": "2020"}
    estimate = backfills.submit(**asked)
    said = backfills.ended(estimate)
    assert said.status == "successful", said.message
    assert said.finished and said.started and (said.finished - said.started).total_seconds() < 30
    found = backfills.result(estimate)
    assert found["chunks"]["total"] == 3 and found["periods"] == DAYS and found["values"] == DAYS * UNITS
    assert found["downloadMiB"] == 0 and not backfills.server.imports()
    assert backfills.work.gateway.runs.get(estimate).dataset == "filled"

    job = backfills.submit(**asked, dryRun=False)
    waiting = until(lambda: f if (f := backfills.job(job)).state_name == "AwaitingParts" else None, 300)
    assert waiting.status == "running" and waiting.message.startswith("0 of 3 years done"), waiting.message
    done = backfills.ended(job)
    assert done.status == "successful", done.message
    assert done.message == f"finished: 3 of 3 years done, {DAYS * UNITS} values new in DHIS2, 0 changed"
    assert len(backfills.server.values()) == DAYS * UNITS
    document = backfills.document(job)
    assert document["chunks"] == {"total": 3, "done": 3, "failed": 0} and len(document["childJobs"]) == 3
    children = [backfills.job(child) for child in document["childJobs"]]
    assert [child.inputs["start"] for child in children] == ["2020-01-01", "2019-01-01", "2018-01-01"]
    assert {child.parent for child in children} == {job}
    assert backfills.result(job)["newValues"] == DAYS * UNITS

    # what the parts were says nothing of the dataset's daily feed
    datasets = backfills.executions.datasets()
    (facts,) = patiently(lambda: survey(backfills.work.gateway, backfills.store, [datasets["filled"]]))
    assert facts.last_run is None and newest(facts)

    again = backfills.submit(**asked, dryRun=False)
    nothing = backfills.ended(again)
    assert nothing.message == "finished: there was nothing to do: no value is missing, or none is to be had"

    # taken back, all of it is missing again
    undo = backfills.ended(backfills.submit(UNDO_ID, jobId=job, dryRun=False))
    assert undo.status == "successful" and not backfills.server.values(), undo.message
    once_more = backfills.submit(**asked)
    assert backfills.ended(once_more).status == "successful"
    assert backfills.result(once_more)["values"] == DAYS * UNITS


@pytest.mark.slow
def test_a_backfill_waits_for_its_window_keeps_its_limit_and_stops_its_jobs(backfills: BesideAStandIn) -> None:
    opens = datetime.now(UTC) + timedelta(hours=2)
    window = f"{opens:%H}:00-{opens + timedelta(hours=1):%H}:00"
    job = backfills.submit(datasetId="filled", start="2018", end="2020", window=window, dryRun=False)
    asleep = until(lambda: f if (f := backfills.job(job)).state_name == "AwaitingParts" else None, 300)
    assert asleep.message.startswith(f"0 of 3 years done, sleeps until {opens:%H}:00"), asleep.message
    assert "childJobs" not in backfills.document(job)
    patiently(lambda: backfills.executions.dismiss(job))
    assert backfills.job(job).status == "dismissed"

    job = backfills.submit(datasetId="filled", start="2018", end="2020", maxValuesPerMinute=400, dryRun=False)
    until(lambda: backfills.server.values() or None, 300)
    children = until(lambda: c if len(c := backfills.document(job).get("childJobs", [])) == 2 else None, 300)
    patiently(lambda: backfills.executions.dismiss(job))
    assert backfills.job(job).status == "dismissed"
    ended = [backfills.ended(child, 120) for child in children]
    assert {child.status for child in ended} == {"dismissed"}, [child.message for child in ended]
    held = len(backfills.server.values())
    assert held <= 400 * 2  # batches of half the limit for each of two jobs, in the first minute or so
    time.sleep(3)
    assert len(backfills.server.values()) == held
