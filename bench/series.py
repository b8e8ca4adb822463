"""How quick a collection stays at forty years of days for 1,500 units: 22 million values, over HTTP.

    uv run python -m bench.series [--rounds 5] [--years 40]

Two datasets in a store that is filled by hand: `long` has so many years, `short` the last of them. Starts the web
process alone (no Prefect: nothing of this asks it), and asks both for the same, in turn. Prints the first call, which
no cache helps, the medians and their ratio, what one more day takes to publish, the memory of the web process, and the
bytes and files in the store.
"""

import argparse
import statistics
import tempfile
import time
import uuid
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import psutil
import requests

from eo_pygeoapi.contract.models import ImportSummary
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.publish import JobResults, publish_results
from eo_pygeoapi.store.store import ResultStore
from tests.stack import base_config, collection
from tests.store.results_data import units
from tests.web import web

LAST = date(2025, 12, 31)
UNITS = 1500
CORNERS = 200
CALLS: Mapping[str, str] = {
    "1,000 items": "/collections/{id}/items?f=json&limit=1000",
    "the last 1,000 items": "/collections/{id}/items?f=json&limit=1000&offset={last}",
    "one unit's series": "/collections/{id}/items?f=json&limit=10000&orgUnit=unit0000700&skipGeometry=true",
    "one day's map": "/collections/{id}/items?f=json&limit=1500&datetime=2025-06-01",
    "coverage of a year": "/datasets/{id}/coverage?start=2025-01-01&end=2025-12-31",
    "latest": "/datasets/{id}/latest",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--years", type=int, default=40)
    given = parser.parse_args()
    config = base_config()
    for name in ("long", "short"):
        config["resources"][name] = collection(name, source="chirps3", orgUnits={"source": "dhis2", "level": 2})
    with tempfile.TemporaryDirectory() as name:
        store = ResultStore(str(Path(name, "results")))
        counts = {"short": fill(store, "short", 1), "long": fill(store, "long", given.years)}
        for id_, count in counts.items():
            sizes = [path.stat().st_size for path in Path(name, "results").rglob(f"*/{id_}/**/*") if path.is_file()]
            print(f"{id_}: {count:,} values, {len(sizes)} files, {sum(sizes) / count:.1f} bytes a value")
        with web(Path(name), config, "http://127.0.0.1:9/api") as url:
            process = max(psutil.Process().children(recursive=True), key=lambda child: child.memory_info().rss)
            print(f"memory of the web process before: {process.memory_info().rss / 2**20:.0f} MiB")
            print(f"{'call':24}{'first, long':>12}{'short':>8}{'long':>8}{'ratio':>7}{'min–max, long':>16}")
            for label, path in CALLS.items():
                report(label, url, path, counts, given.rounds)
            print(f"memory of the web process after: {process.memory_info().rss / 2**20:.0f} MiB")
        for id_ in counts:
            seconds = [publish_a_day(store, id_, LAST + timedelta(n)) for n in range(1, given.rounds + 1)]
            print(f"one more day to {id_}: {statistics.median(seconds):.2f} s ({min(seconds):.2f}–{max(seconds):.2f})")


def report(label: str, url: str, path: str, counts: Mapping[str, int], rounds: int) -> None:
    """Print a line: the first call of the long one, then the medians of both, asked in turn."""
    calls = {id_: url + path.format(id=id_, last=counts[id_] - 1000) for id_ in counts}
    first = timed(calls["long"])
    timed(calls["short"])
    took: dict[str, list[float]] = {"short": [], "long": []}
    for _ in range(rounds):
        for id_, seconds in took.items():
            seconds.append(timed(calls[id_]))
    short, long = (statistics.median(took[id_]) for id_ in ("short", "long"))
    spread = f"{min(took['long']):.2f}–{max(took['long']):.2f}"
    print(f"{label:24}{first:12.2f}{short:8.2f}{long:8.2f}{long / short:7.2f}{spread:>16}", flush=True)


def timed(url: str) -> float:
    """Return the seconds of a call."""
    began = time.perf_counter()
    requests.get(url, timeout=300).raise_for_status()
    return time.perf_counter() - began


def fill(store: ResultStore, dataset: str, years: int) -> int:
    """Write what imports of so many years leave once they are merged: values, outlines and coverage."""
    count = 0
    with duckdb.connect() as connection:
        connection.execute("SELECT setseed(0.5)")
        for year in range(LAST.year - years + 1, LAST.year + 1):
            connection.execute(
                f"""CREATE OR REPLACE TEMP TABLE cells AS
                SELECT 'unit' || lpad(u::VARCHAR, 7, '0') AS "orgUnit", 'Ward ' || u AS name, 4 AS level,
                    strftime(d, '%Y%m%d') AS period, d::DATE AS start, d::DATE AS "end",
                    round(greatest(random() * 40 - 20, 0), 2) AS value, 1.0 AS "validFraction",
                    'job-{year}' AS "jobID", md5(u::VARCHAR) AS geometry, '{year}-12-31T12:00:00.000000Z job' AS version
                FROM range({UNITS}) AS units(u),
                    range(DATE '{year}-01-01', DATE '{year + 1}-01-01', INTERVAL 1 DAY) AS days(d)
                ORDER BY "orgUnit", period"""
            )
            count += connection.execute("SELECT count(*) FROM cells").fetchall()[0][0]
            save(connection, store, f"published/{dataset}/imported-{year}", "FROM cells", 20_480)
            days = "strftime(start, '%Y-%m-%d')"
            values = f"""SELECT "orgUnit", period, {days} AS start, {days} AS "end", 'V' AS state, '' AS reason,
                "jobID", version FROM cells"""
            save(connection, store, f"coverage/{dataset}/values/{year}", values)
            imports = """SELECT "orgUnit", period, 'D' AS state, '' AS reason, "jobID", version FROM cells"""
            save(connection, store, f"coverage/{dataset}/dhis2/{year}", imports)
        units = (
            """SELECT DISTINCT "orgUnit", name, level::INTEGER AS level, 'job' AS "jobID", '1' AS version FROM cells"""
        )
        save(connection, store, f"coverage/{dataset}/units/all", units)
        connection.register("outlines", outlines())
        save(connection, store, f"published/{dataset}/geometries", "FROM outlines ORDER BY geometry")
    return count


def save(connection: duckdb.DuckDBPyConnection, store: ResultStore, key: str, query: str, group: int = 122_880) -> None:
    """Write what a query finds to a Parquet file."""
    with store.new_file(f"{key}-{uuid.uuid4().hex}.parquet") as path:
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE {group})")


def outlines() -> dict[str, np.ndarray]:
    """Return the outlines of the units as columns, by the keys that the values name them with."""
    import hashlib

    west = np.array([n % 50 for n in range(UNITS)], dtype=float)
    south = np.array([n // 50 for n in range(UNITS)], dtype=float)
    texts = []
    for x, y in zip(west, south, strict=True):
        turns = np.linspace(0, 2 * np.pi, CORNERS)
        corners = ",".join(
            f"[{x + 0.4 * a:.5f},{y + 0.4 * b:.5f}]" for a, b in zip(np.cos(turns), np.sin(turns), strict=True)
        )
        texts.append(f'{{"type": "Polygon", "coordinates": [[{corners}]]}}')
    keys = [hashlib.md5(str(n).encode()).hexdigest() for n in range(UNITS)]
    box = {"west": west - 0.4, "south": south - 0.4, "east": west + 0.4, "north": south + 0.4}
    return {"geometry": np.array(keys, dtype=object), **box, "geojson": np.array(texts, dtype=object)}


def publish_a_day(store: ResultStore, dataset: str, day: date) -> float:
    """Publish a day of all units as an import does; returns the seconds."""
    ids = [f"unit{n:07}" for n in range(UNITS)]
    ring = [[0.0, 0.0], [0.4, 0.0], [0.4, 0.4], [0.0, 0.0]]
    values = {
        "orgUnit": np.array(ids, dtype=object),
        "period": np.array([f"{day:%Y%m%d}"] * UNITS, dtype=object),
        "start": np.array([day.isoformat()] * UNITS, dtype=object),
        "end": np.array([day.isoformat()] * UNITS, dtype=object),
        "value": np.arange(UNITS, dtype=float),
        "validFraction": np.ones(UNITS),
    }
    results = JobResults(
        units=units({id_: {"type": "Polygon", "coordinates": [ring]} for id_ in ids}, level=4),
        values=values,
        summary=ImportSummary(status="SUCCESS", dry_run=False, imported=UNITS),
        left_out=[],
        preview={"dataValues": [], "rows": []},
        all_units=True,
    )
    began = time.perf_counter()
    publish_results(JobFolder(store, f"job-{uuid.uuid4()}"), dataset, results)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
