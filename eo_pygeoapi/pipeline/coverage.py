"""What share of each cell every unit covers: exactextract's exact areas, computed once for a grid and its units.

Geometries go in as WKB: exactextract would turn those of a GeoDataFrame into GeoJSON and parse that, which takes ten
times as long as the coverage itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
import xarray as xr
from exactextract import exact_extract
from exactextract.feature import FeatureSource, JSONFeature
from exactextract.raster import NumPyRasterSource
from numpy.typing import NDArray

# shares this much smaller than the unit's largest are rounding, where its border runs along the edge of a cell;
# they would give `min` and `max` a cell that the unit does not have
_SLIVER = 1e-10


@dataclass(frozen=True, eq=False)
class CoverageWeights:
    """A sparse matrix of (units, cells), and the cells that points may take their value from.

    The grid, of `shape` (y, x), is counted row by row from its north-west corner; `cells` are the positions of the
    cells in use. Unit number u covers the cells `cells[columns[indptr[u]:indptr[u + 1]]]` to the shares `weights` of
    the same slice. `area` is the unit's area in cells, that outside the grid included; `on_grid` whether any of it is
    on the grid. Point number p is the unit `points[p]`; `nearest[p]` are positions in `cells` from its own cell to
    the farthest neighbour, -1 where the grid ends.
    """

    shape: tuple[int, int]
    cells: NDArray[np.int64]
    indptr: NDArray[np.int64]
    columns: NDArray[np.int64]
    weights: NDArray[np.float64]
    area: NDArray[np.float64]
    on_grid: NDArray[np.bool_]
    points: NDArray[np.int64]
    nearest: NDArray[np.int64]


def coverage_weights(grid: xr.DataArray, units: gpd.GeoDataFrame) -> CoverageWeights:
    """Compute what every unit covers of the cells of a normalised grid; no values are read.

    `units` has the columns `orgUnit` and `geometry`: Polygon, MultiPolygon or Point in EPSG:4326, valid, not empty.
    """
    frame = _Frame.of(grid)
    geometries = units.geometry.to_numpy()
    is_point = shapely.get_type_id(geometries) == shapely.GeometryType.POINT
    ids, shares = _covered(frame, list(units["orgUnit"]), geometries, is_point)
    lengths = [len(found) for found in ids]
    nearest = frame.around(shapely.get_coordinates(geometries[is_point]))
    covered = np.concatenate([np.empty(0, "int64"), *ids])
    cells, position = _in_use(frame.shape, covered, nearest)
    area = np.array([share.sum() for share in shares])
    reaches_out = ~is_point & ~frame.holds(shapely.bounds(geometries))
    area[reaches_out] = shapely.area(geometries[reaches_out]) / frame.cell_area
    on_grid = np.array(lengths) > 0
    on_grid[is_point] = nearest[:, 0] >= 0
    return CoverageWeights(
        shape=frame.shape,
        cells=cells,
        indptr=np.concatenate([[0], np.cumsum(lengths)]).astype("int64"),
        columns=position[covered],
        weights=np.concatenate([np.empty(0), *shares]),
        area=area,
        on_grid=on_grid,
        points=np.flatnonzero(is_point),
        nearest=position[nearest],
    )


def _in_use(
    shape: tuple[int, int], covered: NDArray[np.int64], nearest: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ids of the cells in use, and for every id its position among them; for the id -1 that is -1."""
    used = np.zeros(shape[0] * shape[1], bool)
    used[covered] = True
    used[nearest[nearest >= 0]] = True
    return np.flatnonzero(used), np.append(np.cumsum(used) - 1, -1)


@dataclass(frozen=True)
class _Frame:
    """Where a grid lies."""

    shape: tuple[int, int]
    west: float
    south: float
    east: float
    north: float

    @classmethod
    def of(cls, grid: xr.DataArray) -> "_Frame":
        y, x = grid["y"].values, grid["x"].values
        half_y, half_x = (y[0] - y[-1]) / (y.size - 1) / 2, (x[-1] - x[0]) / (x.size - 1) / 2
        return cls((y.size, x.size), x[0] - half_x, y[-1] - half_y, x[-1] + half_x, y[0] + half_y)

    @property
    def cell(self) -> tuple[float, float]:
        """Height and width of a cell in degrees."""
        return (self.north - self.south) / self.shape[0], (self.east - self.west) / self.shape[1]

    @property
    def cell_area(self) -> float:
        return self.cell[0] * self.cell[1]

    def holds(self, bounds: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether each of the (west, south, east, north) lies within the grid."""
        tolerance = 1e-9
        low = (bounds[:, :2] >= (self.west - tolerance, self.south - tolerance)).all(axis=1)
        return np.asarray(low & (bounds[:, 2:] <= (self.east + tolerance, self.north + tolerance)).all(axis=1))

    def around(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the ids of the cell of each (x, y) and its eight neighbours, nearest first, -1 beyond the grid.

        A point off the grid has none. Distances are on the ground: a degree of longitude shrinks with the latitude.
        """
        height, width = self.cell
        rows, columns = self.shape
        y = (self.north - points[:, 1]) / height
        x = (points[:, 0] - self.west) / width
        on_grid = (y >= 0) & (y <= rows) & (x >= 0) & (x <= columns)
        # a point on the southern or eastern edge belongs to the last cell
        row = np.clip(np.floor(y), 0, rows - 1)[:, None] + np.repeat([0, -1, 1], 3)
        column = np.clip(np.floor(x), 0, columns - 1)[:, None] + np.tile([0, -1, 1], 3)
        ids = np.where((row >= 0) & (row < rows) & (column >= 0) & (column < columns), row * columns + column, -1)
        ids[~on_grid] = -1
        shrink = np.cos(np.radians(points[:, 1]))[:, None]
        distance = np.hypot((row + 0.5 - y[:, None]) * height, (column + 0.5 - x[:, None]) * width * shrink)
        order = np.argsort(distance[:, 1:], axis=1) + 1
        return np.take_along_axis(ids, np.insert(order, 0, 0, axis=1), axis=1).astype("int64")


class _WkbFeature(JSONFeature):  # type: ignore[misc]
    """A unit whose geometry is WKB. Its column is not called `id`, for which exactextract gives back row numbers."""

    def __init__(self, org_unit: str, wkb: bytes) -> None:
        super().__init__({"type": "Feature", "properties": {"orgUnit": org_unit}})
        self.wkb = wkb

    def geometry(self) -> bytes:
        return self.wkb


class _WkbFeatures(FeatureSource):  # type: ignore[misc]
    """Units for exactextract."""

    def __init__(self, units: list[tuple[str, bytes]]) -> None:
        super().__init__()
        self.units = units

    def count(self) -> int:
        return len(self.units)

    def __iter__(self) -> Iterator[_WkbFeature]:
        return (_WkbFeature(org_unit, wkb) for org_unit, wkb in self.units)

    def srs_wkt(self) -> None:
        return None


def _covered(
    frame: _Frame, org_units: list[str], geometries: NDArray[Any], is_point: NDArray[np.bool_]
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.float64]]]:
    """Return the ids of the cells that each unit covers, and to what share; nothing for points."""
    ids = [np.empty(0, "int64")] * len(org_units)
    shares = [np.empty(0)] * len(org_units)
    areal = np.flatnonzero(~is_point)
    if not areal.size:
        return ids, shares
    # one number for all cells: it takes no memory, and has no gaps that exactextract would skip
    constant = np.broadcast_to(np.float32(1), frame.shape)
    raster = NumPyRasterSource(constant, frame.west, frame.south, frame.east, frame.north)
    units = _WkbFeatures([(org_units[n], shapely.to_wkb(geometries[n], output_dimension=2)) for n in areal])
    found = exact_extract(raster, units, ["cell_id", "coverage"], include_cols=["orgUnit"])
    for n, feature in zip(areal, found, strict=True):
        values = feature["properties"]
        assert values["orgUnit"] == org_units[n], "exactextract changed the order of the units"
        kept = values["coverage"] > _SLIVER * values["coverage"].max(initial=0.0)
        ids[n], shares[n] = values["cell_id"][kept], values["coverage"][kept]
    return ids, shares
