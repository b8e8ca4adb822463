"""Small units and values for the tests of what is published."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import shapely

from eo_pygeoapi.contract.models import ImportOutputs, ImportSummary
from eo_pygeoapi.json_types import JsonMapping
from eo_pygeoapi.store.features import Unit, units_of
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.publish import JobResults, publish_results
from eo_pygeoapi.store.store import ResultStore

SUMMARY = ImportSummary(status="SKIPPED", dry_run=True, reason="no DHIS2 connection")
NOON = datetime(2025, 8, 1, 12, tzinfo=UTC)


def square(west: float, south: float) -> dict[str, Any]:
    """A square of one degree."""
    corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0)]
    return {"type": "Polygon", "coordinates": [[[west + x, south + y] for x, y in corners]]}


def units(geometries: Mapping[str, JsonMapping | None], level: int | None = 2) -> dict[str, Unit]:
    """Units of GeoJSON geometries, by their ids."""
    shapes = [shapely.from_geojson(json.dumps(shape)) if shape else None for shape in geometries.values()]
    names = [f"Unit {org_unit}" for org_unit in geometries]
    return units_of(geometries, names, [level] * len(shapes), np.array(shapes, dtype=object))


def table(rows: Sequence[tuple[str, str, float]]) -> dict[str, Any]:
    """Daily values as columns, from (unit, period, value)."""
    days = [date(int(period[:4]), int(period[4:6]), int(period[6:])).isoformat() for _, period, _ in rows]
    return {
        "orgUnit": np.array([unit for unit, _, _ in rows], dtype=object),
        "period": np.array([period for _, period, _ in rows], dtype=object),
        "start": np.array(days, dtype=object),
        "end": np.array(days, dtype=object),
        "value": np.array([value for _, _, value in rows], dtype=np.float64),
        "validFraction": np.full(len(rows), 1.0),
    }


def daily(org_units: Sequence[str], first: date, count: int, value: float = 1.0) -> dict[str, Any]:
    """Values of some days: `value`, then one more each row."""
    periods = [(first + timedelta(n)).strftime("%Y%m%d") for n in range(count)]
    pairs = [(unit, period) for period in periods for unit in org_units]
    return table([(unit, period, value + n) for n, (unit, period) in enumerate(pairs)])


SQUARES = units({"OuA": square(0, 0), "OuB": square(2, 0), "OuC": square(0, 5)})


def publish(
    store: ResultStore,
    job_id: str,
    values: Any,
    hours: float = 0,
    of: Mapping[str, Unit] = SQUARES,
    dataset: str = "rain",
    **kwargs: Any,
) -> ImportOutputs:
    """Publish values, some hours after `NOON`."""
    given: dict[str, Any] = {"summary": SUMMARY, "left_out": [], "preview": {"dataValues": []}, **kwargs}
    moment = NOON + timedelta(hours=hours)
    results = JobResults(units=of, values=values, **given)
    return publish_results(JobFolder(store, job_id), dataset, results, now=lambda: moment)
