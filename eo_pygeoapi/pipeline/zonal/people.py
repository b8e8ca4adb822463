"""Weigh the cells that units cover by the people who live in them.

The people of a fine grid are counted where a unit and a cell meet: a fine cell counts by the share that the unit
covers (exactextract's), and goes to the cells that it lies in by area. So the weighed mean is that of a computation on
the fine grid, also along the borders of units.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from scipy.sparse import csr_array

from eo_pygeoapi.pipeline.grids.blocks import cells_at_once
from eo_pygeoapi.pipeline.grids.frames import Frame, cell_size
from eo_pygeoapi.pipeline.grids.people import People
from eo_pygeoapi.pipeline.grids.plausible import ABSURD
from eo_pygeoapi.pipeline.zonal.coverage import CoverageWeights, Floats, row_sums, weights_of
from eo_pygeoapi.pipeline.zonal.weights_cache import WeightsCache


@dataclass(frozen=True, eq=False)
class Weigher:
    """Weighs cells by the people of one year; remembers what it has counted in the cache.

    `nobody` says which of all units cover cells in which nobody lives, and `unusable` how many fine cells of each hold
    what cannot be a number of people.
    """

    people: People
    year: int
    cache: WeightsCache
    nobody: NDArray[np.bool_]
    unusable: Floats

    def weighed(
        self, weights: CoverageWeights, key: str, geometries: NDArray[np.object_], members: NDArray[np.intp] | slice
    ) -> CoverageWeights:
        """Return the weights of these members of all units by people; those without people keep theirs.

        `key` is what the cache knows the weights by.
        """
        cells = weights.weights.size

        def count() -> Floats:
            unusable = np.zeros(len(geometries))
            of_cells = people_in_cells(weights, geometries, self.people.of_year(self.year), unusable)
            return np.concatenate([of_cells, unusable])

        own_key = f"{key}-{self.year}-{self.people.key}" if self.people.key else ""
        numbers = self.cache.numbers(own_key, cells + len(geometries), count)
        counted, self.unusable[members] = numbers[:cells], numbers[cells:]
        self.nobody[members] = (row_sums(weights.indptr, counted) <= 0) & (np.diff(weights.indptr) > 0)
        return weights.weighed_by(counted)


def people_in_cells(
    weights: CoverageWeights,
    geometries: NDArray[np.object_],
    people: xr.DataArray,
    unusable: Floats | None = None,
) -> Floats:
    """Return the people of each unit in each cell that it covers, in the order of the weights.

    `people` is a normalised grid (y, x), of which this reads a bounded number of cells at a time. In cells that hold
    less than 0, infinity or a mark for missing data nobody lives; `unusable` gets how many of them each unit covers.
    """
    counted, rows_of = np.zeros(weights.weights.size), weights.cells[weights.columns]
    columns, bounds = weights.shape[1], shapely.bounds(geometries)
    for strip in _strips(people, weights.frame):
        frame = Frame.of(strip)
        over = _overlaps(frame, weights.frame)
        touched = np.flatnonzero((bounds[:, 1] < frame.north) & (bounds[:, 3] > frame.south))
        if not touched.size:
            continue
        numbers = strip.values.astype("float64").ravel()
        wrong = (numbers < 0) | (np.abs(numbers) >= ABSURD)
        numbers[wrong | np.isnan(numbers)] = 0.0
        shares = weights_of(frame, geometries[touched])
        fine = shares.cells[shares.columns]
        for n, unit in enumerate(touched.tolist()):
            inside = slice(shares.indptr[n], shares.indptr[n + 1])
            ids, part = fine[inside], numbers[fine[inside]] * shares.weights[inside]
            if not ids.size:
                continue
            if unusable is not None:
                unusable[unit] += shares.weights[inside][wrong[fine[inside]]].sum()
            # the unit's part of the strip as a matrix, spread over the cells along both axes
            y, x = ids // frame.shape[1], ids % frame.shape[1]
            here = csr_array((part, (y - y.min(), x - x.min())))
            down = over.rows[y.min() : y.max() + 1]
            along = over.columns[x.min() : x.max() + 1]
            spread = (down.T @ here @ along).tocsr()
            its = slice(weights.indptr[unit], weights.indptr[unit + 1])
            counted[its] += np.asarray(spread[rows_of[its] // columns, rows_of[its] % columns]).ravel()
    return counted


@dataclass(frozen=True)
class _Overlaps:
    """Which share of a fine row lies in each row of cells, and of a fine column in each column."""

    rows: csr_array
    columns: csr_array


def _overlaps(fine: Frame, coarse: Frame) -> _Overlaps:
    return _Overlaps(
        _along(-fine.north, fine.cell[0], fine.shape[0], -coarse.north, coarse.cell[0], coarse.shape[0]),
        _along(fine.west, fine.cell[1], fine.shape[1], coarse.west, coarse.cell[1], coarse.shape[1]),
    )


def _along(begin: float, step: float, count: int, origin: float, cell: float, cells: int) -> csr_array:
    """Return the shares of fine intervals in cells along an axis, shape (count, cells)."""
    # edges that rounding puts beside those of a cell are on them
    edges = (begin + step * np.arange(count + 1) - origin) / cell
    edges = np.where(np.abs(edges - np.round(edges)) < 1e-6 * max(1.0, step / cell), np.round(edges), edges)
    first, last = np.floor(edges[:-1]).astype("int64"), np.ceil(edges[1:]).astype("int64")
    width = int((last - first).max())
    each = first[:, None] + np.arange(width)
    shares = np.minimum(edges[1:, None], each + 1) - np.maximum(edges[:-1, None], each)
    shares /= (edges[1:] - edges[:-1])[:, None]
    known = (shares > 0) & (each >= 0) & (each < cells)
    row = np.broadcast_to(np.arange(count)[:, None], each.shape)
    return csr_array((shares[known], (row[known], each[known])), shape=(count, cells))


def _strips(people: xr.DataArray, frame: Frame) -> Iterator[xr.DataArray]:
    """Yield the rows of the people that lie in a frame, a bounded number of cells at a time."""
    sizes = {axis: cell_size(people, axis) for axis in ("y", "x")}
    x = people["x"].values
    if frame.east > 180:  # the frame goes on beyond 180 degrees, the people may begin anew at -180
        people = people.assign_coords(x=np.where(x + sizes["x"] / 2 <= frame.west, x + 360, x)).sortby("x")
        x = people["x"].values
    half = sizes["x"] / 2
    people = people.isel(x=np.flatnonzero((x - half < frame.east) & (x + half > frame.west)))
    y, half = people["y"].values, sizes["y"] / 2
    inside = np.flatnonzero((y - half < frame.north) & (y + half > frame.south))
    if not people.sizes["x"] or not inside.size:
        return
    at_once = max(1, cells_at_once() // people.sizes["x"])
    edges = np.cumsum(people.chunks[0]) if people.chunks else np.arange(1, y.size + 1)
    first, stop = int(inside[0]), int(inside[-1]) + 1
    while first < stop:
        whole = edges[(edges > first) & (edges <= first + at_once)]
        last = min(stop, int(whole[-1]) if whole.size else first + at_once)
        yield people.isel(y=slice(first, last)).assign_coords(
            y=("y", y[first:last], {"cell": sizes["y"]}), x=("x", people["x"].values, {"cell": sizes["x"]})
        )
        first = last
