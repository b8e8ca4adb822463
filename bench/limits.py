"""Where the first limit lies for many tenants and for a large country: `uv run python -m bench.limits`.

Measures the parts, each alone on this machine, and computes the rest from them: what Prefect's server and PostgreSQL
spend on a run, what a read of the API costs, how long a day of 20,000 units takes to aggregate, to publish and to read.
Seconds of a processor say more than a clock; machines differ, so run it on yours.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import requests
import xarray as xr
from shapely.geometry import box, mapping

from bench.burst import wait
from bench.installation import processes, used
from eo_pygeoapi.pipeline.zonal import aggregate, coverage_weights
from eo_pygeoapi.store.store import ResultStore
from tests.postgres import postgres, url
from tests.stack import base_config, collection
from tests.store.results_data import daily, publish, units
from tests.web import web
from tests.worker.farm import Farm, farm

DATASETS = 4  # of a tenant, each with a run a day
UNITS, DAYS = 20_000, 10
DHIS2_SECONDS = 0.001  # a new value, on a real server; see bench/README.md
SIDE = 0.05  # degrees of a unit, and of a cell
DAY = 86_400


def main() -> None:
    """Measure, and print the parts and what follows from them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=40)
    parser.add_argument("--tenants", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        parts = {**of_runs(Path(name), given.jobs), **of_a_large_country(Path(name))}
    print(json.dumps({"parts": parts, "limits": dict(limits(parts, given.tenants))}, indent=1))


def of_runs(folder: Path, jobs: int) -> dict[str, float]:
    """Return what runs and reads of the API cost, on PostgreSQL."""
    with ExitStack() as stack:
        variables = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": url(stack.enter_context(postgres(folder)))}
        database = int((folder / "postmaster.pid").read_text().split()[0])
        work = stack.enter_context(farm(folder, variables))
        work.worker(folder / "data", zygote=True, EO_CONCURRENCY="4")
        pids = {**dict(processes(work)), "PostgreSQL": database}
        run(work, 4)  # what is imported once
        before, begun = {name: used(pid) for name, pid in pids.items()}, time.monotonic()
        run(work, jobs)
        took = time.monotonic() - begun
        spent = {f"{name}, processor s a run": (used(pid) - before[name]) / jobs for name, pid in pids.items()}
        begun_idle = used(pids["Prefect server"]), time.monotonic()
        time.sleep(20)
        idle = (used(pids["Prefect server"]) - begun_idle[0]) / (time.monotonic() - begun_idle[1])
        before_reads = used(pids["API"]) + used(pids["Prefect server"])
        reads = per_call(lambda: requests.get(f"{work.url}/jobs?f=json&limit=10", timeout=60), 30)
        spent_on_reads = (used(pids["API"]) + used(pids["Prefect server"]) - before_reads) / 30
        found = {**spent, "runs a second, 4 at a time": jobs / took, "Prefect server idle, share of a core": idle}
        found |= {"GET /jobs, s": reads, "GET /jobs, processor s of API and Prefect": spent_on_reads}
    return {name: round(value, 3) for name, value in found.items()}


def run(work: Farm, jobs: int) -> None:
    """Run so many empty jobs."""
    states = wait(work, [work.submit("empty") for _ in range(jobs)], time.monotonic() + 20.0 * jobs)
    assert set(states) == {"successful"}, states


def of_a_large_country(folder: Path) -> dict[str, float]:
    """Return how long values of 20,000 units take to be aggregated, published and read."""
    cells = int(np.ceil(np.sqrt(UNITS)))
    squares = [box(x * SIDE, y * SIDE, (x + 1.4) * SIDE, (y + 1.4) * SIDE) for y, x in places(cells)]
    frame = gpd.GeoDataFrame({"id": [f"U{n:010}" for n in range(UNITS)]}, geometry=squares, crs=4326)
    centres = (np.arange(cells + 2) + 0.5) * SIDE
    grid = xr.DataArray(
        np.random.default_rng(1).random((31, cells + 2, cells + 2), "float32"),
        coords={"time": np.arange("2025-01-01", "2025-02-01", dtype="datetime64[D]"), "lat": centres, "lon": centres},
        dims=("time", "lat", "lon"),
    )
    begun = time.monotonic()
    weights = coverage_weights(grid, frame)
    weighed = time.monotonic()
    aggregate(grid, weights, "mean")
    found = {"weights of 20,000 units, s": weighed - begun, "a month of days of them, s": time.monotonic() - weighed}
    store = ResultStore(str(folder / "web" / "results"))
    of = units({id_: mapping(shape) for id_, shape in zip(frame["id"], squares, strict=True)})
    begun = time.monotonic()
    publish(store, "job", daily(list(frame["id"]), date(2025, 1, 1), DAYS), of=of, dataset="large")
    found |= {f"publishing {DAYS} days of 20,000 units, s": time.monotonic() - begun}
    kept = sum(file.stat().st_size for file in (folder / "web" / "results" / "published").rglob("*") if file.is_file())
    found |= {"published, bytes a value": kept / UNITS / DAYS}
    return {name: round(value, 3) for name, value in {**found, **reads_of(folder / "web")}.items()}


def reads_of(folder: Path) -> dict[str, float]:
    """Return how long reads of the published values take over HTTP; nothing of this asks Prefect."""
    config: dict[str, Any] = base_config()
    config["resources"]["large"] = collection("large", source="chirps3", orgUnits={"source": "dhis2", "level": 4})
    calls = {
        "1,000 items": "/collections/large/items?f=json&limit=1000",
        "the newest map": "/datasets/large/latest",
        "a unit's series": "/collections/large/items?f=json&orgUnit=U0000000007",
    }
    with web(folder, config, "http://127.0.0.1:1/api") as here:
        return {f"{name} of 20,000 units, s": per_call(get(f"{here}{path}"), 5) for name, path in calls.items()}


def get(address: str) -> Callable[[], requests.Response]:
    """Return what asks once."""
    return lambda: requests.get(address, timeout=120)


def places(cells: int) -> Iterator[tuple[int, int]]:
    """Yield the row and the column of each unit."""
    yield from (divmod(number, cells) for number in range(UNITS))


def per_call(call: Callable[[], requests.Response], times: int) -> float:
    """Return the seconds of a call, after a first one."""
    assert call().ok, call().text[:500]
    begun = time.monotonic()
    for _ in range(times):
        call()
    return (time.monotonic() - begun) / times


def limits(parts: dict[str, float], tenants: int) -> Iterator[tuple[str, float]]:
    """Compute from the parts where each limit lies."""
    runs = tenants * DATASETS
    server = parts["Prefect server, processor s a run"]
    yield f"runs a day of {tenants} tenants with {DATASETS} daily datasets", runs
    yield "Prefect: minutes that one server takes for them, all due at once", round(runs * server / 60, 1)
    yield "Prefect: runs a day of one server that is half busy", round(DAY / 2 / server)
    yield "Prefect: tenants so", round(DAY / 2 / server / DATASETS)
    a_day = UNITS * DHIS2_SECONDS
    yield "DHIS2: seconds for a day of 20,000 units, one data element", a_day
    yield "DHIS2: daily data elements of 20,000 units in a night of 8 hours", round(8 * 3600 / a_day)
    yield "DHIS2: hours for a year of days of 20,000 units", round(365 * a_day / 3600, 1)
    yield (
        "store: MB a year and daily dataset of 20,000 units",
        round(parts["published, bytes a value"] * UNITS * 365e-6),
    )
    yield (
        "API: job lists a second that a core answers",
        round(1 / parts["GET /jobs, processor s of API and Prefect"], 1),
    )


if __name__ == "__main__":
    main()
