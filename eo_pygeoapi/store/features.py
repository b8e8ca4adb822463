"""The units and values of one job, of which GeoJSON features are made.

Here and in the published values a geometry is two-dimensional GeoJSON text with coordinates rounded to 5 decimals
(about a metre). Its key is the hash of the same outline in one order, so that it stays where a tool has written the
outline from another corner on, the other way round or as a collection of one part.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import shapely
from numpy.typing import NDArray

from eo_pygeoapi.errors import ResultsError
from eo_pygeoapi.json_types import JsonMapping

COORDINATE_DECIMALS = 5
_TEXT_COLUMNS = ("orgUnit", "period", "start", "end")
_NUMBER_COLUMNS = ("value", "validFraction")
# weeks and the like have no leading zero in DHIS2: `2026W2`, `2026BiW3`
_ONE_DIGIT = re.compile(r"^(\d{4}[A-Za-z]+)(\d)$")
BY_TIME = r"regexp_replace(period, '^([0-9]{4}[A-Za-z]+)([0-9])$', '\10\2')"  # the same in SQL
GROUPS = "groups"  # the column of what values are divided by: JSON, a number or null for each group


class Columns(Protocol):
    """Columns by name: a pandas DataFrame, or a mapping of NumPy arrays."""

    def __contains__(self, name: object, /) -> bool:
        """Tell whether there is a column."""

    def __getitem__(self, name: str, /) -> Any:
        """Return one column."""


@dataclass(frozen=True)
class Unit:
    """An organisation unit; `geometry` is empty where it has none, and so are `bounds` (west, south, east, north)."""

    name: str
    level: int | None
    geometry: str
    bounds: tuple[float, ...]
    geometry_key: str | None = None


@dataclass(frozen=True)
class Table:
    """The values of a job, a row per unit and period: text in `orgUnit, period, start, end`, float64 in the rest.

    Values that are divided by groups have these as JSON in `groups`.
    """

    columns: Mapping[str, NDArray[Any]]

    @classmethod
    def of(cls, columns: Columns, units: Mapping[str, Unit]) -> Self:
        """Take a table over; ResultsError when it has values of units that are not in `units`."""
        texts = (*_TEXT_COLUMNS, GROUPS) if GROUPS in columns else _TEXT_COLUMNS
        taken = {name: np.asarray(columns[name], dtype=object) for name in texts}
        taken |= {name: np.asarray(columns[name], dtype=np.float64) for name in _NUMBER_COLUMNS}
        for name in _NUMBER_COLUMNS:
            taken[name] = np.where(np.isfinite(taken[name]), taken[name], np.nan)
        if unknown := sorted({str(unit) for unit in taken["orgUnit"]} - units.keys()):
            raise ResultsError(f"values of organisation units that are not among the units: {', '.join(unknown[:10])}")
        return cls(taken)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.columns["value"])

    @property
    def not_null(self) -> int:
        """Return the number of values that are not null."""
        return int(np.isfinite(self.columns["value"]).sum())


def units_of(
    ids: Iterable[str], names: Iterable[str], levels: Iterable[int | None], shapes: NDArray[np.object_]
) -> dict[str, Unit]:
    """Return units by their ids; of `shapes` those are None or empty whose units have no geometry."""
    there = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    # + 0.0 makes -0.0 what it is
    rounded = shapely.transform(shapes[there], lambda corners: np.round(corners, COORDINATE_DECIMALS) + 0.0)
    texts, bounds = shapely.to_geojson(rounded), map(tuple, shapely.bounds(rounded).tolist())
    outlines = zip(texts, bounds, _outline_keys(rounded), strict=True)
    units = {}
    for org_unit, name, level, has_outline in zip(ids, names, levels, there, strict=True):
        geometry, box, key = next(outlines) if has_outline else ("", (), None)
        units[org_unit] = Unit(name, level, geometry, box, key)
    return units


def _outline_keys(shapes: NDArray[np.object_]) -> list[str]:
    one_order = shapely.normalize(shapely.force_2d(shapes))
    alone = shapely.get_num_geometries(one_order) == 1
    one_order[alone] = shapely.get_geometry(one_order[alone], 0)
    return [hashlib.sha256(outline).hexdigest()[:32] for outline in shapely.to_wkb(one_order, byte_order=1)]


def feature_id(org_unit: str, period: str) -> str:
    """Return the id of the feature of a unit and a period."""
    return f"{org_unit}-{period}"


def groups_of(row: JsonMapping) -> dict[str, float | None]:
    """Return what a row's value is divided by, by group; nothing for a value that is whole."""
    found: dict[str, float | None] = json.loads(row[GROUPS]) if GROUPS in row else {}
    return found


def by_time(period: str) -> str:
    """Return what periods of one type sort by: DHIS2 writes the second week as `2026W2`, before `2026W10`."""
    return _ONE_DIGIT.sub(r"\g<1>0\2", period)


def is_in_order(periods: Iterable[str]) -> bool:
    """Return whether ids of periods sort as text as they do in time."""
    return all(by_time(period) == period for period in periods)
