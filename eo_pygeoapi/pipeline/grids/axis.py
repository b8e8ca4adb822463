"""The axes of a grid by its coordinates in degrees: whether they are regular, and which cells cover a box."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.grids.rounded import unrounded

Box = tuple[float, float, float, float]
WORLD: Box = (-180.0, -90.0, 180.0, 90.0)

_ROUNDING = 1e-6  # of a cell: a box that ends on the edge of a cell does not need the next cell


@dataclass(frozen=True)
class Axis:
    """A regular ascending axis (latitudes negated): centres of cells, their positions in the file, their size."""

    centres: NDArray[np.float64]
    positions: NDArray[np.integer]
    size: float

    def around_the_earth(self) -> "Axis":
        """Return longitudes around the whole earth with the cell across 180 degrees at both ends, others unchanged."""
        west, east = self.centres[0] - self.size / 2, self.centres[-1] + self.size / 2
        if abs(east - west - 360) > 1e-3 * self.size:
            return self
        # repeat the last cell before the first, and the first after the last, where they reach across
        last = [-1] if west > -180 + 1e-3 * self.size else []
        first = [0] if east < 180 - 1e-3 * self.size else []
        centres = [self.centres[last] - 360, self.centres, self.centres[first] + 360]
        positions = [self.positions[last], self.positions, self.positions[first]]
        return replace(self, centres=np.concatenate(centres), positions=np.concatenate(positions))

    def covering(self, low: float, high: float) -> slice | None:
        """Return the cells from `low` to `high` and one more on each side, None where the axis has none of them."""
        first = (low - self.centres[0]) / self.size + 0.5
        last = (high - self.centres[0]) / self.size + 0.5
        if last <= 0 or first >= self.centres.size:
            return None
        return slice(
            max(0, int(np.floor(first + _ROUNDING)) - 1), min(self.centres.size, int(np.ceil(last - _ROUNDING)) + 1)
        )

    def text(self, sign: int) -> str:
        """Write the outer edges of the cells: `-13 to -10`."""
        ends = sorted(sign * edge + 0.0 for edge in (self.centres[0] - self.size / 2, self.centres[-1] + self.size / 2))
        return f"{ends[0]:g} to {ends[1]:g}"


def in_degrees(crs: CRS) -> bool:
    """Return whether a coordinate reference system has longitudes and latitudes, not those of a rotated pole."""
    return bool(crs.is_geographic and not crs.is_derived)


def axes_in_degrees(
    latitudes: NDArray[Any], longitudes: NDArray[Any], source: str, sizes: Mapping[str, float]
) -> tuple[Axis, Axis]:
    """Return the axes of a grid; `sizes` has the size of the cells of axes with one cell, where it is known.

    Raises SourceError where coordinates are not regular, or are no degrees; the message begins with `source`.
    """
    y = _axis(latitudes.astype("float64"), latitudes.dtype, "latitudes", source, sizes)
    degrees = longitudes.astype("float64")
    # some grids of oceans begin at -280 degrees, or end at 434
    turned = np.where(degrees > 180, degrees - 360, np.where(degrees < -180, degrees + 360, degrees))
    x = _axis(turned, longitudes.dtype, "longitudes", source, sizes)
    return y, x.around_the_earth()


def cells_of_box(y: Axis, x: Axis, box: Box, source: str) -> tuple[slice, slice]:
    """Return the rows and columns that cover a box, and one more on each side.

    Raises SourceError where the grid has none of them; the message begins with `source`.
    """
    west, south, east, north = box if box[0] <= box[2] else (-180, box[1], 180, box[3])
    rows, columns = y.covering(-north, -south), x.covering(west, east)
    if not rows or not columns:
        raise SourceError(
            f"{source}: covers {x.text(1)} and {y.text(-1)}; the organisation units lie in "
            f"{west:g} to {east:g} and {south:g} to {north:g}, which is outside"
        )
    return rows, columns


def _axis(
    degrees: NDArray[np.float64], dtype: np.dtype[Any], what: str, source: str, sizes: Mapping[str, float]
) -> Axis:
    """Return the axis of degrees that the file stores with this type, which says how exact they are."""
    if what == "latitudes":
        degrees = -degrees
    cell = float(np.abs(np.diff(degrees)).min()) if degrees.size > 1 else 0.0
    if np.abs(degrees).max(initial=0) > {"latitudes": 90.001, "longitudes": 181.0}[what] + cell:
        raise SourceError(f"{source}: its {what} are not degrees; expected longitudes and latitudes (EPSG:4326)")
    if degrees.size == 1 and what in sizes:
        return Axis(degrees, np.zeros(1, int), sizes[what])
    if degrees.size < 2:
        raise SourceError(f"{source}: has only one of its {what}; at least two are needed to know the size of a cell")
    positions = np.argsort(degrees, kind="stable")
    steps = np.diff(degrees[positions])
    usual = float(np.median(steps))
    twice = steps <= 1e-6 * usual
    if twice.sum() > 1 or usual <= 0:
        raise SourceError(f"{source}: holds several of its {what} twice, as coordinates that were rounded too much do")
    # a global grid may hold both 0 and 360 degrees
    positions = positions[np.concatenate(([True], ~twice))]
    ends = degrees[positions[[0, -1]]]
    regular = np.linspace(ends[0], ends[1], positions.size)
    rounding = 4 * np.abs(degrees).max() * float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0
    beside = float(np.abs(degrees[positions] - regular).max())
    if beside > 1e-6 * usual + rounding:
        try:
            regular = unrounded(degrees[positions], rounding, f"{source}: its {what}")
        except SourceError:
            if beside > 1e-3 * usual + rounding:
                raise
    return Axis(regular, positions, float(regular[-1] - regular[0]) / (regular.size - 1))
