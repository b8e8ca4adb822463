"""Compute the share of each cell that every unit covers, exactly, by exactextract, once for a grid and its units."""

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from struct import Struct
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array

from eo_pygeoapi.pipeline.grids.frames import Frame
from eo_pygeoapi.pipeline.zonal.exact import Covered, covered_cells

# smaller shares of the unit or of a cell come from rounding, where the border of a unit runs along the edge of a cell;
# they would give `min` and `max` a cell that the unit does not have
SLIVER = 1e-10
MANY_UNITS = 20_000  # from so many on, several processes compute the coverage
_TOGETHER = 1000  # units whose results exactextract holds at a time
_POLYGON = int(shapely.GeometryType.POLYGON)
_BEFORE_CORNERS = Struct("=BIII")  # in the WKB of a Polygon: order of bytes, type, number of rings, of corners

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CoverageWeights:
    """A sparse matrix of (units, cells), and the cells from which points may take their values.

    The grid `frame` is counted row by row from its north-west corner; `cells` are the positions of the cells in use.
    Unit number u covers the cells `cells[columns[indptr[u]:indptr[u + 1]]]` to the shares `weights` of the same
    slice. `area` is the unit's area in cells, including that outside the grid; `on_grid` says whether any of it is on
    the grid. Point number p is the unit `points[p]`; `nearest[p]` are positions in `cells` from its own cell to the
    farthest neighbour, -1 where the grid ends.
    """

    frame: Frame
    cells: NDArray[np.int64]
    indptr: NDArray[np.int64]
    columns: NDArray[np.int32]
    weights: Floats
    area: Floats
    on_grid: NDArray[np.bool_]
    points: NDArray[np.int64]
    nearest: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the grid."""
        return self.frame.shape

    @property
    def nbytes(self) -> int:
        """The bytes of all arrays."""
        return sum(value.nbytes for value in vars(self).values() if isinstance(value, np.ndarray))

    @cached_property
    def matrix(self) -> Any:
        """The weights as SciPy's CSR array of (units, cells in use)."""
        # SciPy takes the larger of the two types of integer for both
        indptr = self.indptr.astype("int32") if self.weights.size <= np.iinfo("int32").max else self.indptr
        return csr_array((self.weights, self.columns, indptr), shape=(len(self.area), len(self.cells)))

    @cached_property
    def inside(self) -> Floats:
        """The area of each unit that is on the grid, in cells."""
        return row_sums(self.indptr, self.weights)

    @cached_property
    def covering(self) -> NDArray[np.intp]:
        """The units that cover any cell."""
        return np.flatnonzero(np.diff(self.indptr))

    def by_area(self) -> "CoverageWeights":
        """Return the weights with every cell weighed by its area on the sphere, relative to a cell at the equator."""
        rows = self.frame.row_areas()
        return self._with(self.weights * rows[self.cells[self.columns] // self.shape[1]])

    def weighed_by(self, people: Floats) -> "CoverageWeights":
        """Return the weights with the people in each cell of a unit; a unit without people keeps its own weights."""
        total = np.repeat(row_sums(self.indptr, people), np.diff(self.indptr))
        return self._with(np.where(total > 0, people, self.weights))

    def _with(self, weights: Floats) -> "CoverageWeights":
        inside = row_sums(self.indptr, weights)
        scale = np.divide(inside, self.inside, out=np.ones_like(inside), where=self.inside > 0)
        return replace(self, weights=weights, area=self.area * scale)


def row_sums(indptr: NDArray[np.int64], weights: Floats) -> Floats:
    """Return the sum of the weights of each unit."""
    unit = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    return np.bincount(unit, weights, len(indptr) - 1).astype("float64")  # for no weights numpy returns integers


def as_wkb(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return geometries in two dimensions as WKB, for exactextract and for hashes of their content.

    Polygons of one ring, as most are, are copied whole: GEOS would write number by number, which takes three times as
    long.
    """
    one_ring = (shapely.get_type_id(geometries) == _POLYGON) & ~shapely.is_empty(geometries)
    one_ring &= shapely.get_num_interior_rings(geometries) == 0
    wkb = np.empty(len(geometries), dtype=object)
    wkb[~one_ring] = shapely.to_wkb(geometries[~one_ring], output_dimension=2)
    for n in np.flatnonzero(one_ring):
        corners = shapely.get_coordinates(geometries[n])
        wkb[n] = _BEFORE_CORNERS.pack(sys.byteorder == "little", _POLYGON, 1, len(corners)) + corners.tobytes()
    return wkb


def weights_of(
    frame: Frame, geometries: NDArray[np.object_], wkb: NDArray[np.object_] | None = None, processes: int | None = None
) -> CoverageWeights:
    """Compute the share of each cell that every geometry covers; read no values.

    Geometries are valid Polygons, MultiPolygons or Points in degrees; None and empty ones cover nothing. `wkb` is the
    result of `as_wkb` for them, where the caller has it. For many geometries several processes work: `processes`, by
    default one a processor.
    """
    wkb = as_wkb(geometries) if wkb is None else wkb
    kinds = shapely.get_type_id(geometries)
    is_point = (kinds == shapely.GeometryType.POINT) & ~shapely.is_empty(geometries)
    areal = np.flatnonzero((kinds >= 0) & ~is_point & ~shapely.is_empty(geometries))
    least = SLIVER * np.minimum(1.0, shapely.area(geometries[areal]) / frame.cell_area)
    covered = _covered_by_all(frame, wkb[areal].tolist(), least, processes)
    lengths = np.zeros(len(geometries), "int64")
    lengths[areal] = covered.lengths
    nearest = frame.around(shapely.get_coordinates(geometries[is_point]))
    cells, position = _in_use(frame.shape, covered.ids, nearest)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype("int64")
    weights = covered.shares.astype("float64")
    on_grid = lengths > 0
    on_grid[is_point] = nearest[:, 0] >= 0
    return CoverageWeights(
        frame=frame,
        cells=cells,
        indptr=indptr,
        columns=position[covered.ids],
        weights=weights,
        area=areas(frame, geometries, row_sums(indptr, weights)),
        on_grid=on_grid,
        points=np.flatnonzero(is_point),
        nearest=position[nearest].astype("int64"),
    )


def areas(frame: Frame, geometries: NDArray[np.object_], inside: Floats) -> Floats:
    """Return the areas in cells: those `inside`, or the geometry's own where it reaches out of the grid; 1 for a point.

    Shares are exact to float32 only, so a unit within the grid has the sum of its shares as its area.
    """
    found = inside.copy()
    reaches_out = ~frame.holds(shapely.bounds(geometries))
    found[reaches_out] = shapely.area(geometries[reaches_out]) / frame.cell_area
    found[shapely.get_type_id(geometries) == shapely.GeometryType.POINT] = 1.0
    return np.nan_to_num(found)


def _in_use(
    shape: tuple[int, int], covered: NDArray[np.integer], nearest: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the ids of the cells in use, and for every id its position among them; -1 for the id -1."""
    used = np.zeros(shape[0] * shape[1], bool)
    used[covered] = True
    used[nearest[nearest >= 0]] = True
    position = np.full(used.size + 1, -1, "int32")
    np.cumsum(used, dtype="int32", out=position[:-1])
    position[:-1] -= 1
    return np.flatnonzero(used), position


def _covered_by_all(frame: Frame, wkb: list[bytes], least: Floats, processes: int | None) -> Covered:
    """Return the cells that each Polygon or MultiPolygon covers to more than its `least` share."""
    groups = [(wkb[n : n + _TOGETHER], least[n : n + _TOGETHER]) for n in range(0, len(wkb), _TOGETHER)]
    processes = processes or (os.cpu_count() or 1 if len(wkb) >= MANY_UNITS else 1)
    if processes == 1 or len(groups) == 1:
        found = [covered_cells(frame, *group) for group in groups]
    else:
        # a process with threads must not fork
        with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
            found = list(pool.map(partial(covered_cells, frame), *zip(*groups, strict=True)))
    empty = Covered(np.empty(0, "int64"), np.empty(0, "int32"), np.empty(0, "float32"))
    return Covered(*(np.concatenate(parts) for parts in zip(empty, *found, strict=True)))
