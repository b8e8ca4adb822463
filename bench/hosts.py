"""Workers on one host and on two, in network namespaces, on PostgreSQL: `sudo python -m bench.hosts [--jobs 12]`.

Two kinds of work that wait for a provider, as real jobs mostly do: jobs of many datasets, which do nothing else, and
the years of one dataset's backfill, whose files the stand-in of CHC gives after a while each. Both hosts share the
processors of this machine, so what is computed does not get quicker; what is waited for does.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from tests.hosts import Network, network
from tests.postgres import postgres, url
from tests.stack import CHIRPS_SHAPE, collection
from tests.standins import chc, dhis2
from tests.standins.dhis2_metadata import DAILY, default_metadata
from tests.worker.backfilling import BesideAStandIn
from tests.worker.farm import ENDED, Farm, farm, patiently

AT_A_TIME = 2  # jobs on each host
FIRST_YEAR = 2005
DATASET = "rain-by-month"


def main() -> None:
    """Measure both kinds on one host and on two, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=12, help="jobs of many datasets")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long each of them waits for its provider")
    parser.add_argument("--years", type=int, default=8, help="years of the backfill")
    parser.add_argument("--stall", type=float, default=1.0, help="seconds that the provider takes for each request")
    parser.add_argument("--shared-cache", action="store_true", help="one folder of downloads for both hosts")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, installation(Path(name), given.years, given.stall) as made:
        found = {hosts: measure(*made, hosts, given) for hosts in (1, 2)}
    for kind in ("many datasets", "one dataset's years"):
        one, two = found[1][kind], found[2][kind]
        print(json.dumps({"kind": kind, "1 host": one, "2 hosts": two, "of linear": round(one / two / 2, 2)}))
    print(json.dumps({"overhead a job, s": overhead(found[1]["many datasets"], given)}))


@contextmanager
def installation(
    folder: Path, years: int, stall: float
) -> Iterator[tuple[Farm, Network, dhis2.StandIn, chc.StandIn, Path]]:
    """Run PostgreSQL, Prefect, the API and stand-ins, which the hosts reach through the network."""
    metadata = default_metadata()
    next(each for each in metadata["dataSets"] if each["id"] == DAILY)["periodType"] = "Monthly"
    for year in range(FIRST_YEAR, FIRST_YEAR + years):
        for first in (date(year, month, 1) for month in range(1, 13)):
            chc.make_day(folder / "chc", first, "month", "", np.asarray(chc.rain(first, CHIRPS_SHAPE)))
    with ExitStack() as stack:
        net = stack.enter_context(network())
        database = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": url(stack.enter_context(postgres(folder)))}
        work = stack.enter_context(farm(folder, database, net.address))
        server = stack.enter_context(dhis2.running(metadata=metadata, host=net.address))
        rain = stack.enter_context(chc.running(folder / "chc", net.address))
        rain.faults({"path": "*monthly*", "method": "GET", "stall": stall})
        yield work, net, server, rain, folder


def measure(
    work: Farm,
    net: Network,
    server: dhis2.StandIn,
    rain: chc.StandIn,
    base: Path,
    hosts: int,
    given: argparse.Namespace,
) -> dict[str, float]:
    """Start a worker on each of so many hosts, and return how many seconds each kind of work takes."""
    folder = base / f"on-{hosts}"
    folder.mkdir()
    server.reset()
    made = BesideAStandIn(work, server, folder, {DATASET: dataset(rain)})
    shared: dict[str, Any] = {
        "EO_CONCURRENCY": str(AT_A_TIME),
        "EO_BACKFILL_JOBS": str(AT_A_TIME * hosts),
        "EO_RESULTS_URL": str(made.data / "results"),
        **made.environment,
    }
    for number in range(hosts):
        prefix = net.host(f"{hosts}-{number}").prefix
        cache = folder / ("cache" if given.shared_cache else f"cache-{number}")
        work.worker(folder / f"host-{number}", zygote=True, prefix=prefix, EO_CACHE_URL=str(cache), **shared)
    begun = time.monotonic()
    wait(work, [work.submit("sleepy", path=str(folder / "said"), seconds=given.seconds) for _ in range(given.jobs)])
    many = time.monotonic() - begun
    years = {"start": str(FIRST_YEAR), "end": str(FIRST_YEAR + given.years - 1)}
    begun = time.monotonic()
    ended = made.ended(made.submit(datasetId=DATASET, **years, dryRun=False), 1200)
    chunks = time.monotonic() - begun
    assert ended.status == "successful", ended.message
    assert len(server.values()) == given.years * 12 * 13, ended.message
    work.end_workers()
    print(json.dumps({"hosts": hosts, "backfill": ended.message, "load": round(os.getloadavg()[0], 1)}), flush=True)
    return {"many datasets": round(many, 1), "one dataset's years": round(chunks, 1)}


def dataset(rain: chc.StandIn) -> dict[str, Any]:
    """The sum of each month over 13 districts, of CHC's months."""
    return collection(
        DATASET,
        source="chirps3",
        options={"stage": "final", "flavor": "rnl", "baseUrl": rain.url},
        periodType="monthly",
        aggregation={"spatial": "mean", "temporal": "sum"},
        orgUnits={"source": "dhis2", "level": 2},
        dhis2={"connection": "national", "dataElement": "CHIRPS_PRECIPITATION", "dataSet": "CLIMATE_DAILY"},
    )


def wait(work: Farm, ids: list[str]) -> None:
    """Wait until all have ended, successfully."""
    while True:
        jobs, _ = patiently(lambda: work.gateway.runs.list(len(ids)))
        states = {job.id: job.status for job in jobs}
        if all(states.get(id_) in ENDED for id_ in ids):
            assert {states[id_] for id_ in ids} == {"successful"}, states
            return
        time.sleep(0.5)


def overhead(seconds: float, given: argparse.Namespace) -> float:
    """Return what a job takes beside its waiting, on one host whose places are all taken."""
    waves: float = given.jobs / AT_A_TIME
    return round(seconds / waves - float(given.seconds), 2)


if __name__ == "__main__":
    main()
