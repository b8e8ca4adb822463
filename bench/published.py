"""How long the published values and the coverage matrix take over HTTP, from a store that is filled by hand.

    uv run python -m bench.published [--rounds 5]

Starts the web process alone (no Prefect: nothing of this asks it). Two datasets: `year` has a year of days for 1,500
units, as 36 jobs in the coverage, of which half were imported; `districts` has 80 days of 13 districts with real
outlines, where `../shared/data` has them, else made ones of 1,500 corners. Prints median and spread of each call, its
size, and how many times as long it takes with gzip.
"""

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import requests

from eo_pygeoapi.contract.models import ImportSummary, Interval
from eo_pygeoapi.contract.operations import CoverageUnit
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.json_types import JsonMapping
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.job_features import JobFeatures
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.publish import JobResults, publish_results
from eo_pygeoapi.store.store import ResultStore
from tests.stack import SHARED, base_config, collection
from tests.store.results_data import units
from tests.web import web

YEAR = Interval(start=date(2025, 1, 1), end=date(2025, 12, 31))
UNITS = 1500
COVERAGE = "/datasets/year/coverage?start=2025-01-01&end=2025-12-31"
ITEMS = "/collections/districts/items?f=json&limit=1000"
CALLS: Mapping[str, str] = {
    "coverage, JSON": COVERAGE,
    "coverage, CSV": f"{COVERAGE}&f=csv",
    "1,000 items": ITEMS,
    "1,000 items, skipGeometry": f"{ITEMS}&skipGeometry=true",
    "1,000 items, simplify=100": f"{ITEMS}&simplify=100",
    "1,000 items, simplify=500": f"{ITEMS}&simplify=500",
    "latest": "/datasets/districts/latest",
    "latest, simplify=500": "/datasets/districts/latest?simplify=500",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    config = base_config()
    config["server"]["gzip"] = True
    for name in ("year", "districts"):
        config["resources"][name] = collection(name, source="chirps3", orgUnits={"source": "dhis2", "level": 2})
    with tempfile.TemporaryDirectory() as name:
        store = ResultStore(str(Path(name, "results")))
        fill_coverage(store)
        fill_values(store)
        with web(Path(name), config, "http://127.0.0.1:9/api") as url:
            print(
                f"{'call':28}{'first s':>9}{'median s':>10}{'min–max':>14}{'MB':>8}{'sent':>8}{'unpacked':>10}{'MB':>8}"
            )
            for label, path in CALLS.items():
                report(label, url + path, rounds)
        report_file(JobFolder(store, "a-job"), rounds)


def report(label: str, url: str, rounds: int) -> None:
    """Print a line: the first call, which no cache helps, then the others, plain and compressed in turn.

    `sent` is how many times as long as plain the compressed answer takes to its last byte; `unpacked` includes what
    this process takes to unpack it.
    """
    first, size = timed(url, "identity", unpacked=False)
    plain, sent, unpacked, packed_size = [], [], [], 0
    for _ in range(rounds):
        plain.append(timed(url, "identity", unpacked=False)[0])
        seconds, packed_size = timed(url, "gzip", unpacked=False)
        sent.append(seconds)
        unpacked.append(timed(url, "gzip", unpacked=True)[0])
    median = statistics.median(plain)
    spread = f"{min(plain):.2f}–{max(plain):.2f}"
    ratios = f"{statistics.median(sent) / median:8.2f}{statistics.median(unpacked) / median:10.2f}"
    print(f"{label:28}{first:9.2f}{median:10.2f}{spread:>14}{size / 1e6:8.2f}{ratios}{packed_size / 1e6:8.2f}")


def report_file(folder: JobFolder, rounds: int) -> None:
    """Print a line of a job's `features.geojson`, made as the web process makes it but sent nowhere."""
    seconds, size = [], 0
    for _ in range(rounds + 1):
        began = time.perf_counter()
        features = JobFeatures(folder)
        size = sum(map(len, features.text(features.units)))
        features.close()
        seconds.append(time.perf_counter() - began)
    first, *others = seconds
    spread = f"{min(others):.2f}–{max(others):.2f}"
    print(
        f"{'features.geojson (no HTTP)':28}{first:9.2f}{statistics.median(others):10.2f}{spread:>14}{size / 1e6:8.2f}"
    )


def timed(url: str, encoding: str, *, unpacked: bool) -> tuple[float, int]:
    """Return the seconds to the last byte of an answer, and how many bytes these are."""
    began = time.perf_counter()
    with requests.get(url, headers={"Accept-Encoding": encoding}, timeout=120, stream=True) as answer:
        answer.raise_for_status()
        size = len(answer.raw.read(decode_content=unpacked))
    return time.perf_counter() - began, size


def fill_coverage(store: ResultStore) -> None:
    """Add a year of days for many units, a third of a month a job."""
    table, days = CoverageTable(store, "year"), periods_in(YEAR, "daily")
    units = [CoverageUnit(id=f"unit{n:07}", name=f"Ward {n}", level=4) for n in range(UNITS)]
    ids = np.array([unit.id for unit in units], dtype=object)
    for job, first in enumerate(range(0, len(days), 10)):
        some = days[first : first + 10]
        texts = {
            "period": [day.id for day in some],
            "start": [day.start.isoformat() for day in some],
            "end": [day.end.isoformat() for day in some],
        }
        count = len(some) * UNITS
        cells: dict[str, object] = {name: np.array(t, dtype="O").repeat(UNITS) for name, t in texts.items()}
        cells |= {"orgUnit": np.tile(ids, len(some)), "reason": np.full(count, "", dtype=object)}
        version = f"{datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=job)} job-{job}"
        table.add_values({**cells, "state": np.full(count, "V", dtype=object)}, units, f"job-{job}", version)
        if job % 2:
            table.add_import({**cells, "state": np.full(count, "D", dtype=object)}, f"job-{job}", version)


def fill_values(store: ResultStore) -> None:
    """Publish 80 days of the districts."""
    districts = dict(outlines())
    days = [date(2025, 1, 1) + timedelta(n) for n in range(80)]
    rows = [(unit, day) for day in days for unit in districts]
    values = {
        "orgUnit": np.array([unit for unit, _ in rows], dtype=object),
        "period": np.array([f"{day:%Y%m%d}" for _, day in rows], dtype=object),
        "start": np.array([day.isoformat() for _, day in rows], dtype=object),
        "end": np.array([day.isoformat() for _, day in rows], dtype=object),
        "value": np.arange(len(rows), dtype=float),
        "validFraction": np.ones(len(rows)),
    }
    results = JobResults(
        units=units(districts),
        values=values,
        summary=ImportSummary(status="SKIPPED", dry_run=True),
        left_out=[],
        preview={"dataValues": [], "rows": []},
    )
    publish_results(JobFolder(store, "a-job"), "districts", results)


def outlines() -> Iterator[tuple[str, JsonMapping]]:
    """Yield ids and geometries of 13 districts."""
    real = SHARED / "sierra-leone-districts.geojson"
    if real.exists():
        for number, feature in enumerate(json.loads(real.read_text())["features"]):
            yield f"district{number:03}", feature["geometry"]
        return
    for number in range(13):
        turns = np.linspace(0, 2 * math.pi, 1500)
        ring = [[number + 0.4 * math.cos(turn), 8 + 0.4 * math.sin(turn)] for turn in turns]
        yield f"district{number:03}", {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


if __name__ == "__main__":
    main()
