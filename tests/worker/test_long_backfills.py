"""Years of rain while worker, jobs, machine and DHIS2 die at moments that nobody chose: all of it arrives, once.

Then it is compared, and taken back, all but what a person has corrected. `EO_TEST_LONG_FROM` is the first year, for
fewer of them.
"""

import json
import os
import random
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.contract.status import RECONCILE_ID, UNDO_ID
from eo_pygeoapi.dates import days_of
from eo_pygeoapi.pipeline.dhis2.batch_size import MOST
from eo_pygeoapi.worker.processes import Process, end_tree
from tests.stack import collection
from tests.standins import dhis2
from tests.standins.dhis2_metadata import BO, DEFAULT_CATEGORY_COMBO, default_metadata
from tests.worker.backfilling import BesideAStandIn
from tests.worker.farm import ENDED, Farm, Worker, patiently

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

ELEMENT, DATA_SET = "RainLong001", "RainLongSet"
SIDE, COLUMNS = 0.1, 50
MIB = 2**20
FIRST = os.environ.get("EO_TEST_LONG_FROM", "1981")


@dataclass(frozen=True)
class Series:
    """Rain of so many units for these years, one value a period; each unit is one cell."""

    units: int
    period_type: str
    first: str
    last: str

    @property
    def ids(self) -> list[str]:
        return [f"Village{number:04}" for number in range(self.units)]

    @property
    def interval(self) -> Interval:
        return Interval(start=days_of(self.first)[0], end=days_of(self.last)[1])

    @property
    def periods(self) -> list[str]:
        return [period.id for period in periods_in(self.interval, self.period_type)]  # type: ignore[arg-type]

    def rain(self) -> NDArray[np.float64]:
        """The values, a row for each period: whole hundredths, other everywhere."""
        period, unit = np.indices((len(self.periods), self.units))
        return np.asarray((period * 7919 + unit * 104729) % 9973 + 1) / 100


def make_files(folder: Path, series: Series) -> None:
    """Write the rain as NetCDF, and the units as GeoJSON."""
    rows = -(-series.units // COLUMNS)
    grid = np.full((len(series.periods), rows * COLUMNS), np.nan)
    grid[:, : series.units] = series.rain()
    starts = [period.start for period in periods_in(series.interval, series.period_type)]  # type: ignore[arg-type]
    with netCDF4.Dataset(folder / "rain.nc", "w") as file:
        for name, size in (("time", len(starts)), ("latitude", rows), ("longitude", COLUMNS)):
            file.createDimension(name, size)
        times = file.createVariable("time", "i4", ("time",))
        times.units, times.calendar = "days since 1980-01-01", "standard"
        times[:] = [(start - days_of("1980")[0]).days for start in starts]
        latitude = file.createVariable("latitude", "f8", ("latitude",))
        latitude.units, latitude[:] = "degrees_north", 9.95 - SIDE * np.arange(rows)
        longitude = file.createVariable("longitude", "f8", ("longitude",))
        longitude.units, longitude[:] = "degrees_east", -13.95 + SIDE * np.arange(COLUMNS)
        rain = file.createVariable("rain", "f8", ("time", "latitude", "longitude"), zlib=True, fill_value=np.nan)
        rain.units = "mm"
        rain[:] = grid.reshape(len(starts), rows, COLUMNS)
    features = []
    for number, id_ in enumerate(series.ids):
        west, north = -14 + SIDE * (number % COLUMNS) + 0.02, 10 - SIDE * (number // COLUMNS) - 0.02
        ring = [(west, north), (west, north - 0.06), (west + 0.06, north - 0.06), (west + 0.06, north), (west, north)]
        geometry = {"type": "Polygon", "coordinates": [[[round(x, 4), round(y, 4)] for x, y in ring]]}
        features.append({"type": "Feature", "id": id_, "properties": {"name": id_}, "geometry": geometry})
    (folder / "villages.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def metadata(series: Series) -> Mapping[str, Any]:
    """A DHIS2 with these units, a data element and a data set of these periods."""
    content = default_metadata()
    bo = next(unit for unit in content["organisationUnits"] if unit["id"] == BO)
    content["organisationUnits"] += [
        {"id": id_, "name": id_, "shortName": id_, "level": 3, "path": f"{bo['path']}/{id_}", "parent": {"id": BO},
         "openingDate": "1970-01-01T00:00:00.000"}
        for id_ in series.ids
    ]  # fmt: skip
    combo = {"categoryCombo": {"id": DEFAULT_CATEGORY_COMBO}}
    member = {"dataSetElements": [{"dataSet": {"id": DATA_SET}, "dataElement": {"id": ELEMENT}}]}
    content["dataElements"].append(
        {"id": ELEMENT, "code": "RAIN_LONG", "name": "Rain", "domainType": "AGGREGATE", "valueType": "NUMBER",
         "aggregationType": "SUM", "zeroIsSignificant": True, **combo, **member}
    )  # fmt: skip
    content["dataSets"].append(
        {"id": DATA_SET, "code": "RAIN_LONG_SET", "name": "Rain", "periodType": series.period_type.capitalize(),
         "openFuturePeriods": 0, "expiryDays": 0, **combo, **member,
         "organisationUnits": [{"id": id_} for id_ in series.ids]}
    )  # fmt: skip
    return content


@dataclass
class Killer:
    """Ends what a backfill needs, one thing after the other."""

    backfills: BesideAStandIn
    worker: Worker

    def job(self) -> None:
        """A job's process, whichever runs: a part's, or the backfill's own."""
        for record in self.worker.records():
            with suppress(AssertionError, ProcessLookupError, OSError, ValueError):
                os.kill(self.worker.run_pid(record["run_id"]), signal.SIGKILL)
                return

    def of_worker(self) -> None:
        """The worker alone; its jobs' processes go on, and another one finds them."""
        self.worker.kill()
        self.worker = self.start()

    def machine(self) -> None:
        """The worker and all that it has started."""
        end_tree(Process.of(self.worker.process.pid))
        self.worker.process.wait()
        self.worker = self.start()

    def dhis2(self) -> None:
        """DHIS2, for some time."""
        self.backfills.server.faults({"path": "/api/*", "status": 503})
        time.sleep(15)
        self.backfills.server.faults()

    def start(self) -> Worker:
        made = self.backfills
        return made.work.worker(made.data, zygote=True, EO_CONCURRENCY="3", **made.environment)


@pytest.fixture(
    params=[Series(1500, "monthly", f"{FIRST}-01", "2026-10"), Series(50, "daily", FIRST, "2020")],
    ids=["1500-units-by-month", "50-units-by-day"],
)
def series(request: pytest.FixtureRequest) -> Series:
    found: Series = request.param
    return found


@pytest.fixture
def backfills(work: Farm, series: Series, tmp_path: Path) -> Iterator[BesideAStandIn]:
    make_files(tmp_path, series)
    rain = collection(
        "long",
        source="file",
        options={"href": "rain.nc", "variable": "rain", "step": "month" if series.period_type == "monthly" else "day"},
        units={"from": "mm", "to": "mm"},
        periodType=series.period_type,
        aggregation={"spatial": "mean", "temporal": "sum"},
        decimals=2,
        orgUnits={"source": "geojson", "href": "villages.geojson", "id": "id"},
        dhis2={"connection": "national", "dataElement": "RAIN_LONG", "dataSet": "RAIN_LONG_SET"},
        policy={"retries": 20, "backoff": "PT5S", "maxBackoff": "PT10S"},
    )
    with dhis2.running(metadata=metadata(series), forget_bodies=True) as server:
        yield BesideAStandIn(work, server, tmp_path, {"long": rain})


def test_years_arrive_once_whatever_dies(backfills: BesideAStandIn, series: Series, tmp_path: Path) -> None:
    killer = Killer(backfills, Killer.start(Killer(backfills, None)))  # type: ignore[arg-type]
    asked = {"datasetId": "long", "start": series.first, "end": series.last}
    estimate = backfills.submit(**asked)
    assert backfills.ended(estimate).status == "successful"
    said, before = backfills.result(estimate), size_of(backfills.data / "results")
    assert said["values"] == len(series.periods) * series.units

    begun, job, seen, peak, seconds = time.monotonic(), backfills.submit(**asked, dryRun=False), "", 0.0, {}
    chance = random.Random(series.units)
    deaths = [killer.job, killer.of_worker, killer.dhis2, killer.machine, killer.job]
    some = said["values"] // MOST // (len(deaths) + 1)  # imports between two of them
    killed = list[str]()
    while (found := backfills.job(job)).status not in ENDED:
        if found.message != seen:
            seen = found.message
            print(f"{time.monotonic() - begun:5.0f} s: {seen}", flush=True)
        if deaths and backfills.server.imports() > len(killed) * some:
            time.sleep(chance.uniform(0, 10))
            death = deaths.pop(0)
            killed.append(death.__name__)
            print(f"{time.monotonic() - begun:5.0f} s: killed {death.__name__}", flush=True)
            death()
        time.sleep(0.5)
        peak = max(peak, largest_of(killer.worker))
    assert found.status == "successful", found.message
    result, children = backfills.result(job), backfills.document(job)["childJobs"]
    assert result["failedParts"] == [] and not deaths, (result, killed)

    seconds["backfill"] = time.monotonic() - begun
    held = backfills.server.values()
    expected = {
        (unit, period): value
        for period, row in zip(series.periods, series.rain().tolist(), strict=True)
        for unit, value in zip(series.ids, row, strict=True)
    }
    assert len(held) == len(expected)
    wrong = [v for v in held if expected.get((v["orgUnit"], v["period"])) != float(v["value"])]
    assert not wrong, (len(wrong), wrong[:5])
    del held
    kept = (size_of(backfills.data / "results") - before) / MIB
    print(f"{len(expected)} values, {len(children)} jobs, {kept:.0f} MiB kept; estimate: {said}", flush=True)
    assert said["storeMiB"] == pytest.approx(kept, rel=0.3)
    again = backfills.ended(backfills.submit(**asked, dryRun=False))
    assert "nothing to do" in again.message
    assert patiently(lambda: backfills.work.gateway.runs.get(children[0])).parent == job

    corrections = {cell: "9999" for cell in chance.sample(sorted(expected), 3)}
    common = {"dataElement": ELEMENT}
    values = [{**common, "orgUnit": u, "period": p, "value": value} for (u, p), value in corrections.items()]
    backfills.server.put_values(*values)

    def done(process: str, **inputs: Any) -> str:
        begun = time.monotonic()
        ended = backfills.ended(backfills.submit(process, **inputs), 3000)
        seconds[process] = time.monotonic() - begun
        assert ended.status == "successful", ended.message
        print(f"{seconds[process]:5.0f} s: {process}: {ended.message}", flush=True)
        return ended.message

    told = done(RECONCILE_ID, **asked)
    assert f"holds {len(expected) - 3} of {len(expected)} values" in told and told.endswith("; 3 changed")
    kept_words = f"{len(expected) - 3} deleted, 3 kept (changed since)"
    would = done(UNDO_ID, jobId=job)
    assert would.endswith(f"of {len(expected)} values: {kept_words.replace('deleted', 'would be deleted')}")
    assert done(UNDO_ID, jobId=job, dryRun=False).endswith(f"of {len(expected)} values: {kept_words}")
    left = {(v["orgUnit"], v["period"]): v["value"] for v in backfills.server.values()}
    assert left == corrections
    in_words = ", ".join(f"{name} {taken / 60:.1f} min" for name, taken in seconds.items())
    print(f"{in_words}; the largest process of the worker took {peak / MIB:.0f} MiB", flush=True)


def largest_of(worker: Worker) -> float:
    """The bytes of memory of the largest process that the worker has started."""
    with suppress(psutil.Error):
        children = psutil.Process(worker.process.pid).children(recursive=True)
        return float(max((child.memory_info().rss for child in children), default=0))
    return 0.0


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.exists() else 0
