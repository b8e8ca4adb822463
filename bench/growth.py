"""How the files of a results store grow: days of daily datasets, with and without retention.

    uv run python -m bench.growth --days 90 --datasets 4 --units 200

Each day each dataset has one job, which writes what a job writes: its folder, the published values, the coverage of its
last 40 days, the values sent, and its line in the import history. Each day ends with housekeeping's merging. With
`--keep DAYS` folders of jobs that are older go, as `eo.retention: {jobs: P30D}` would have it. What Prefect's database
takes for a run is measured elsewhere (docs/operations.md) and is not in these figures.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.contract.history import ImportRecord
from eo_pygeoapi.contract.models import ImportSummary
from eo_pygeoapi.contract.operations import CoverageUnit
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue
from eo_pygeoapi.pipeline.dhis2.sent import SentValues
from eo_pygeoapi.store import job_folder, published
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.features import Unit
from eo_pygeoapi.store.history import History
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.publish import JobResults, publish_results
from eo_pygeoapi.store.store import ResultStore
from tests.store.results_data import units

LOOKS_BACK = 40  # days that each run asks for, as the shipped schedules do
CORNERS = 385  # of a unit's outline


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("days", 90), ("datasets", 4), ("units", 200), ("keep", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        store, first = ResultStore(folder), date(2026, 1, 1)
        districts = outlines(asked.units)
        for number in range(asked.days):
            today = first + timedelta(number)
            for n in range(asked.datasets):
                job(store, f"rain-{n}", districts, today)
            merge(store, asked.datasets)
            if asked.keep and number >= asked.keep:
                for n in range(asked.datasets):
                    JobFolder(store, job_id(f"rain-{n}", today - timedelta(asked.keep))).delete()
            if number + 1 in (1, 30, 60, asked.days):
                print(f"day {number + 1}: {shown(Path(folder))}", flush=True)
        print(f"{asked.days * asked.datasets} jobs in {time.perf_counter() - begun:.0f} s")


def job_id(dataset: str, day: date) -> str:
    return f"{dataset}-{day:%Y%m%d}"


def job(store: ResultStore, dataset: str, of: Mapping[str, Unit], today: date) -> None:
    """Write what a job of this day writes: the periods that are new, and those that it looks back at."""
    days = [today - timedelta(n) for n in reversed(range(LOOKS_BACK))]
    ids = list(of)
    values = table(ids, days)
    folder, now = JobFolder(store, job_id(dataset, today)), datetime.combine(today, datetime.min.time(), UTC)
    rows = list(zip(values["orgUnit"], values["period"], values["value"], strict=True))
    for name in (job_folder.VALUES_CSV, job_folder.CHANGES, job_folder.PAYLOAD_CSV):
        folder.write_bytes(name, "\n".join(f"{unit},{period},{value:.2f}" for unit, period, value in rows).encode())
    data_values = [{"orgUnit": unit, "period": period, "value": f"{value:.2f}"} for unit, period, value in rows]
    folder.write_json(job_folder.PAYLOAD_JSON, {"dataValues": data_values})
    summary = ImportSummary(status="SUCCESS", dry_run=False, imported=len(ids))
    results = JobResults(of, values, summary, [], {"dataValues": data_values[:100], "rows": []})
    publish_results(folder, dataset, results, lambda: now)
    coverage = CoverageTable(store, dataset)
    cells: dict[str, object] = {name: values[name] for name in ("orgUnit", "period", "start", "end")}
    cells |= {"state": texts("V", len(rows)), "reason": texts("", len(rows))}
    coverage.add_values(cells, [CoverageUnit(id=id_, name=id_, level=2) for id_ in ids], folder.job_id, str(now))
    held: dict[str, object] = {name: cells[name] for name in ("orgUnit", "period", "reason")}
    coverage.add_import(held | {"state": texts("D", len(rows))}, folder.job_id, str(now))
    SentValues(store, "national", (dataset,), len(ids)).confirm(
        [DataValue(unit, period, f"{value:.2f}") for unit, period, value in rows]
    )
    line = ImportRecord(
        job_id=folder.job_id, dataset=dataset, connection="national", data_element="RAIN", start=days[0], end=today,
        dry_run=False, status="successful", imported=len(ids), by="schedule daily", started=now, finished=now,
    )  # fmt: skip
    History(store, dataset).add(line, now)


def merge(store: ResultStore, datasets: int) -> None:
    for n in range(datasets):
        published.compact(store, f"rain-{n}")
        CoverageTable(store, f"rain-{n}").compact()
        History(store, f"rain-{n}").compact()


def table(ids: list[str], days: list[date]) -> dict[str, NDArray[np.generic]]:
    random = np.random.default_rng(days[-1].toordinal())
    columns = {"period": "%Y%m%d", "start": "%Y-%m-%d", "end": "%Y-%m-%d"}
    found: dict[str, NDArray[np.generic]] = {
        name: np.repeat(np.array([f"{day:{form}}" for day in days], dtype=object), len(ids))
        for name, form in columns.items()
    }
    found["orgUnit"] = np.tile(np.array(ids, dtype=object), len(days))
    found["value"] = random.gamma(0.5, 8, len(ids) * len(days)).round(2)
    found["validFraction"] = np.ones(len(ids) * len(days))
    return found


def texts(text: str, count: int) -> NDArray[np.object_]:
    return np.full(count, text, dtype=object)


def outlines(count: int) -> dict[str, Unit]:
    angles, rings = np.linspace(0, 2 * np.pi, CORNERS), []
    for n in range(count):
        ring = np.column_stack([n % 20 + np.cos(angles) / 2, n // 20 + np.sin(angles) / 2]).round(5)
        ring[-1] = ring[0]
        rings.append({"type": "Polygon", "coordinates": [ring.tolist()]})
    return units({f"U{n:010}": ring for n, ring in enumerate(rings)})


def shown(root: Path) -> str:
    sizes: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for path in root.rglob("*"):
        if path.is_file():
            kind = path.relative_to(root).parts[0]
            sizes[kind] += path.stat().st_size
            files[kind] += 1
    return ", ".join(f"{kind} {size / 1e6:.2f} MB in {files[kind]}" for kind, size in sorted(sizes.items()))


if __name__ == "__main__":
    main()
