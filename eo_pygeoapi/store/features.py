"""The units and values of one job, and the GeoJSON features that they become.

Here and in the published values a geometry is two-dimensional GeoJSON text with coordinates rounded to 6 decimals
(0.1 m), and it is known by the hash of that text.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import shapely
from numpy.typing import NDArray

from eo_pygeoapi.errors import ResultsError
from eo_pygeoapi.json_types import JsonMapping

COORDINATE_DECIMALS = 6
_TEXT_COLUMNS = ("orgUnit", "period", "start", "end")
_NUMBER_COLUMNS = ("value", "validFraction")
_ROWS_AT_ONCE = 10_000

_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Columns(Protocol):
    """Columns by name: a pandas DataFrame, or a mapping of NumPy arrays."""

    def __getitem__(self, name: str, /) -> Any:
        """Return one column."""


@dataclass(frozen=True)
class Unit:
    """An organisation unit; `geometry` is empty where it has none, and so are `bounds` (west, south, east, north)."""

    name: str
    level: int | None
    geometry: str
    bounds: tuple[float, ...]

    @property
    def geometry_key(self) -> str | None:
        """Return what the geometry is known by."""
        return hashlib.sha256(self.geometry.encode()).hexdigest()[:32] if self.geometry else None


@dataclass(frozen=True)
class Table:
    """The values of a job, a row per unit and period: text in `orgUnit, period, start, end`, float64 in the rest."""

    columns: Mapping[str, NDArray[Any]]

    @classmethod
    def of(cls, columns: Columns, units: Mapping[str, Unit]) -> Self:
        """Take a table over; ResultsError when it has values of units that are not in `units`."""
        taken = {name: np.asarray(columns[name], dtype=object) for name in _TEXT_COLUMNS}
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

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield (orgUnit, period, start, end, value, validFraction), null as None."""
        arrays = [self.columns[name] for name in (*_TEXT_COLUMNS, *_NUMBER_COLUMNS)]
        for first in range(0, len(self), _ROWS_AT_ONCE):
            pieces = [array[first : first + _ROWS_AT_ONCE].tolist() for array in arrays]
            for *texts, value, fraction in zip(*pieces, strict=True):
                yield *texts, _null_if_nan(value), _null_if_nan(fraction)


def _null_if_nan(value: float) -> float | None:
    return value if value == value else None


def read_units(collection: JsonMapping) -> dict[str, Unit]:
    """Return the units of a FeatureCollection (properties `orgUnit`, `name`, `level`) by their `orgUnit`.

    Raises ResultsError for a geometry that is none.
    """
    units = {}
    for feature in collection["features"]:
        properties = feature["properties"]
        geometry, bounds = _rounded(properties["orgUnit"], feature.get("geometry"))
        units[properties["orgUnit"]] = Unit(properties["name"], properties.get("level"), geometry, bounds)
    return units


def _rounded(org_unit: str, geometry: Mapping[str, object] | None) -> tuple[str, tuple[float, ...]]:
    try:
        shape = shapely.from_geojson(json.dumps(geometry)) if geometry else None
    except shapely.GEOSException as error:
        raise ResultsError(f"organisation unit {org_unit!r}: not a GeoJSON geometry: {error}") from error
    if shape is None or shape.is_empty:
        return "", ()
    shape = shapely.transform(shape, lambda coordinates: np.round(coordinates, COORDINATE_DECIMALS))
    return shapely.to_geojson(shape), tuple(shape.bounds)


def feature_collection(table: Table, units: Mapping[str, Unit], job_id: str) -> Iterator[str]:
    """Yield the pieces of a GeoJSON text with one feature per row; nothing larger than a feature is held."""
    heads = {
        org_unit: f'{{"type":"Feature","geometry":{unit.geometry or "null"},"properties":{{'
        f'"orgUnit":{_json(org_unit)},"name":{_json(unit.name)},"level":{_json(unit.level)},'
        for org_unit, unit in units.items()
    }
    yield '{"type":"FeatureCollection","features":['
    separator = "\n"
    for org_unit, period, start, end, value, fraction in table.rows():
        rest = {"period": period, "start": start, "end": end, "value": value, "validFraction": fraction}
        identifier = _json(feature_id(org_unit, period))
        yield f'{separator}{heads[org_unit]}{_json(rest | {"jobID": job_id})[1:]},"id":{identifier}}}'
        separator = ",\n"
    yield "\n]}\n"


def feature_id(org_unit: str, period: str) -> str:
    """Return the id of the feature of a unit and a period."""
    return f"{org_unit}-{period}"
