"""Hand units and grids to exactextract, and take from it the cells that each unit covers.

exactextract gets geometries as WKB. It would turn those of a GeoDataFrame into GeoJSON and parse that, which takes ten
times as long as the coverage itself. Its own writer makes a GeoJSON feature of each unit, which takes a fifth of it.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from exactextract import exact_extract
from exactextract.feature import Feature, FeatureSource
from exactextract.raster import NumPyRasterSource
from exactextract.writer import Writer
from numpy.typing import NDArray

from eo_pygeoapi.pipeline.grids.frames import Frame

_PENDING = 2**16  # cells found that wait to be filtered and narrowed together


class Covered(NamedTuple):
    """The cells of many units in a row: the number of cells of each unit, the ids and the shares."""

    lengths: NDArray[np.int64]
    ids: NDArray[np.int32]
    shares: NDArray[np.float32]


def raster_source(frame: Frame, values: NDArray[Any], **about: object) -> NumPyRasterSource:
    """Hand values of shape (y, x) to exactextract."""
    return NumPyRasterSource(values, frame.west, frame.south, frame.east, frame.north, **about)


class Units(FeatureSource):  # type: ignore[misc]
    """Geometries as WKB, which exactextract has numbered in the column `unit`; `latest` is the one it read last."""

    def __init__(self, wkb: Sequence[bytes]) -> None:
        super().__init__()
        self.wkb = wkb
        self.latest = -1

    def count(self) -> int:
        """Return the number of units."""
        return len(self.wkb)

    def __iter__(self) -> Iterator["_Unit"]:
        """Yield the units."""
        for number, wkb in enumerate(self.wkb):
            self.latest = number
            unit = _Unit()
            unit.number, unit.wkb = number, wkb
            yield unit

    def srs_wkt(self) -> None:
        """Return nothing, for degrees are taken as they are."""


class _Unit(Feature):  # type: ignore[misc]
    """A unit; exactextract parses its geometry once, so each unit needs an object of its own."""

    number: int
    wkb: bytes

    def geometry(self) -> bytes:
        return self.wkb

    def get(self, name: str) -> int:
        return self.number

    def fields(self) -> list[str]:
        return ["unit"]


def covered_cells(frame: Frame, wkb: Sequence[bytes], least: NDArray[np.float64]) -> Covered:
    """Return the cells that each Polygon or MultiPolygon covers to more than its `least` share."""
    # one number for all cells takes no memory, and has no gaps that exactextract would skip
    constant = np.broadcast_to(np.int8(1), frame.shape)
    units = Units(wkb)
    found = _Cells(units, least)
    exact_extract(raster_source(frame, constant), units, ["cell_id", "coverage"], output=found)
    return found.covered()


class _Cells(Writer):  # type: ignore[misc]
    """Takes the cells of one unit after the other from exactextract."""

    def __init__(self, units: Units, least: NDArray[np.float64]) -> None:
        super().__init__()
        self._units = units
        self._least = least
        self._row = _Row()
        self._parts: list[Covered] = []
        self._written = 0

    def add_operation(self, operation: object) -> None:
        """Nothing depends on the operations."""

    def write(self, feature: Any) -> None:
        """Take what was found for the unit that exactextract has read last."""
        assert self._units.latest == self._written, "exactextract changed the order of the units"
        self._written += 1
        feature.copy_to(self._row)
        if self._row.cells >= _PENDING:
            self._narrow()

    def finish(self) -> None:
        """Take over what is pending."""
        self._narrow()

    def features(self) -> None:
        """Return nothing; `covered` has what was found."""

    def covered(self) -> Covered:
        """Return the cells of all units."""
        return Covered(*(np.concatenate(parts) for parts in zip(*self._parts, strict=True)))

    def _narrow(self) -> None:
        """Drop slivers, and keep numbers in exactextract's own precision; a large unit by itself, to copy it once."""
        ids, shares = self._row.take()
        first = self._written - len(ids)
        if len(ids) > 1 and len(ids[-1]) >= _PENDING:
            self._parts.append(_narrowed(ids[:-1], shares[:-1], self._least[first : self._written - 1]))
            ids, shares, first = ids[-1:], shares[-1:], self._written - 1
        self._parts.append(_narrowed(ids, shares, self._least[first : self._written]))


def _narrowed(ids: list[NDArray[Any]], shares: list[NDArray[Any]], least: NDArray[np.float64]) -> Covered:
    """Return the cells of units, each a list of arrays, of which the unit covers more than its `least` share."""
    if len(ids) == 1:
        kept = shares[0] > least[0]
        lengths = np.array([np.count_nonzero(kept)], "int64")
        return Covered(lengths, ids[0][kept].astype("int32"), shares[0][kept].astype("float32"))
    found = np.array([len(each) for each in ids], "int64")
    share = np.concatenate([np.empty(0), *shares])
    kept = share > np.repeat(least, found)
    lengths = np.bincount(np.repeat(np.arange(len(found)), found)[kept], minlength=len(found))
    cells = np.concatenate([np.empty(0, "int64"), *ids])
    return Covered(lengths, cells[kept].astype("int32"), share[kept].astype("float32"))


class _Row(Feature):  # type: ignore[misc]
    """What exactextract copies the results of a unit to: its cells wait here, by unit."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = 0
        self._pending: dict[str, list[NDArray[Any]]] = {"cell_id": [], "coverage": []}

    def set(self, name: str, value: NDArray[Any]) -> None:
        self._pending[name].append(value)
        self.cells += len(value)

    def set_geometry(self, geometry: object) -> None:
        """Results come without a geometry."""

    def take(self) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """Return the pending ids and shares, each by unit, and forget them."""
        ids, shares = self._pending.values()
        self.cells, self._pending = 0, {"cell_id": [], "coverage": []}
        return ids, shares
