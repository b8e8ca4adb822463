"""Compute the parts of statistics over the cells of each unit, for a block of time at once.

A grid too large for memory comes in strips, so a block gives not the statistic but its parts: sums, extremes, or mean
and squared deviations. `accumulation.py` joins them.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.contract.statistics import SpatialStatistic
from eo_pygeoapi.pipeline.grids.plausible import Range
from eo_pygeoapi.pipeline.grids.temporal import PeriodBlock
from eo_pygeoapi.pipeline.zonal.coverage import CoverageWeights
from eo_pygeoapi.pipeline.zonal.quantiles import weighted_quantile

Floats = NDArray[np.float64]
CACHED_BYTES = 2 * 2**20  # of float64: fits into a processor's cache; more is slower

_EXTREMES = {"min": (np.minimum, np.inf), "max": (np.maximum, -np.inf)}


def quantile_of(statistic: SpatialStatistic) -> float | None:
    """Return the quantile that a statistic is, as a share of 1; None for other statistics."""
    if statistic == "median":
        return 0.5
    return int(statistic[1:]) / 100 if statistic[0] == "p" else None


def weighs_cells(statistic: SpatialStatistic) -> bool:
    """Return whether the statistic is one for which the weight of cells (`weight: area`) counts."""
    return statistic in ("mean", "std") or quantile_of(statistic) is not None


@dataclass(frozen=True, eq=False)
class Partial:
    """The result of a block, arrays (unit, time); of one column where all times have the same.

    `covered` is the area of valid cells, `present` that area times the share of the period's steps that these cells
    have, None where they have all. `parts` depend on the statistic: the sum for `mean` and `sum`, the value itself for
    `min`, `max` and quantiles, the mean and the sum of squared deviations for `std`, nothing for `count`. `impossible`
    is the area of cells with impossible values, None for nowhere; `found` is the range of these values.
    """

    steps: int
    covered: Floats
    present: Floats | None
    parts: tuple[Floats, ...] = ()
    impossible: Floats | None = None
    found: Range | None = None


class BlockStatistics:
    """Computes one statistic of blocks of one grid; remembers the area of the mask, which seldom changes."""

    def __init__(self, weights: CoverageWeights, statistic: SpatialStatistic, threads: int = 1) -> None:
        self.weights, self.statistic = weights, statistic
        self._threads = ThreadPoolExecutor(threads, "zonal") if threads > 1 else None
        self._every_cell = len(weights.cells) == weights.shape[0] * weights.shape[1]
        self._of_mask: tuple[NDArray[np.bool_], Floats] | None = None

    def of(self, block: PeriodBlock) -> Partial:
        """Return the result of a block of periods, with the area of impossible values."""
        partial = self(block.values, block.observed)
        if block.impossible is None:
            return partial
        cells = np.ascontiguousarray(self._used(block.impossible.astype("float32")).T, dtype="float64")
        area: Floats = self.weights.matrix @ cells
        points = self.weights.points
        if points.size:
            whole = np.vstack([cells, np.zeros((1, cells.shape[1]))])  # for -1, beyond the grid
            area[points] = whole[self.weights.nearest[:, 0]]
        return replace(partial, impossible=area, found=block.found)

    def __call__(self, block: NDArray[np.floating], observed: NDArray[np.floating] | None = None) -> Partial:
        """Return the result of a block, shape (time, y, x); NaN cells do not count.

        `observed` (time, y, x), where given, is the share of the period's steps that each cell has.
        """
        steps = max(1, CACHED_BYTES // (8 * max(1, len(self.weights.cells))))
        pieces = [slice(first, first + steps) for first in range(0, len(block), steps)]
        # steps larger than the cache go one by one, to stay within the memory limit
        each = self._threads.map if self._threads and steps > 1 else map
        parts = [None if observed is None else observed[piece] for piece in pieces]
        found = list(each(self._piece, [block[piece] for piece in pieces], parts))
        if len(found) == 1:
            return found[0]

        def joined(arrays: list[Floats]) -> Floats:
            one = arrays[0]
            # the mask is the same in all; two threads that look at it first each have an array of it
            if one.shape[1] == 1 and all(array is one or np.array_equal(array, one) for array in arrays):
                return one
            whole = np.empty((len(arrays[0]), len(block)))
            for piece, array in zip(pieces, arrays, strict=True):
                whole[:, piece] = array
            return whole

        present = [partial.present for partial in found if partial.present is not None]
        return Partial(
            steps=len(block),
            covered=joined([partial.covered for partial in found]),
            present=joined(present) if present else None,
            parts=tuple(joined(list(arrays)) for arrays in zip(*(partial.parts for partial in found), strict=True)),
        )

    def _piece(self, block: NDArray[np.floating], observed: NDArray[np.floating] | None) -> Partial:
        cells = self._used(block)
        invalid = np.zeros((1, cells.shape[1]), bool)
        if np.isnan(cells.min(initial=np.inf)):  # quicker than a look at every one
            invalid = np.isnan(cells)
        if (invalid[1:] != invalid[0]).any():
            covered = self.weights.matrix @ (~invalid.T).astype("float64")
        else:
            invalid = invalid[:1]  # one row stands for all times
            mask, last = invalid[0], self._of_mask
            if last is None or not np.array_equal(last[0], mask):
                last = self._of_mask = mask.copy(), (self.weights.matrix @ (~mask).astype("float64"))[:, None]
            covered = last[1]
        present = None
        if observed is not None:
            shares = np.where(invalid, 0.0, self._used(observed))
            present = self.weights.matrix @ np.ascontiguousarray(shares.T, dtype="float64")
        parts = self._parts(cells, invalid)
        if self.weights.points.size:
            covered, present, parts = self._with_points(cells, observed, covered, present, parts)
        return Partial(len(cells), covered, present, parts)

    def _used(self, block: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the cells in use, shape (time, cell)."""
        flat = block.reshape(len(block), -1)
        return flat if self._every_cell else flat.take(self.weights.cells, axis=1)

    def _parts(self, cells: NDArray[np.floating], invalid: NDArray[np.bool_]) -> tuple[Floats, ...]:
        """Return the statistic's parts; a unit without valid cells may have any numbers."""
        weights = self.weights
        if self.statistic == "count":
            return ()
        if self.statistic in ("mean", "sum"):
            return (weights.matrix @ _filled(cells, invalid, 0.0, "float64"),)
        if self.statistic in _EXTREMES:
            extreme, nothing = _EXTREMES[self.statistic]
            filled = _filled(cells, invalid, nothing, cells.dtype)
            found = np.full((len(weights.area), len(cells)), np.nan)  # for units without cells
            if (covering := weights.covering).size:
                touched = filled.take(weights.columns, axis=0)
                found[covering] = extreme.reduceat(touched, weights.indptr[covering], axis=0)
            return (found,)
        if self.statistic == "std":
            # the mean and the sum of squared deviations from it, in two passes, as one pass loses digits
            filled, valid = _filled(cells, invalid, 0.0, "float64"), np.ascontiguousarray(~invalid.T)
            covered, mean = weights.matrix @ valid.astype("float64"), weights.matrix @ filled
            np.divide(mean, covered, out=mean, where=covered > 0)
            deviations = filled.take(weights.columns, axis=0) - np.repeat(mean, np.diff(weights.indptr), axis=0)
            deviations *= deviations
            deviations *= valid.take(weights.columns, axis=0) * weights.weights[:, None]
            squares = np.zeros_like(mean)
            if weights.covering.size:
                squares[weights.covering] = np.add.reduceat(deviations, weights.indptr[weights.covering], axis=0)
            return mean, squares
        quantile = quantile_of(self.statistic)
        assert quantile is not None
        turned = np.ascontiguousarray(cells.T, dtype="float64")
        found = np.full((len(weights.area), len(cells)), np.nan)
        for unit in weights.covering.tolist():
            here = slice(weights.indptr[unit], weights.indptr[unit + 1])
            values, shares = turned[weights.columns[here]], weights.weights[here]
            if not shares.all():  # a cell in which nobody lives has no rank
                values = values[shares > 0]
                shares = shares[shares > 0]
            found[unit] = weighted_quantile(values, shares, quantile)
        return (found,)

    def _with_points(
        self,
        cells: NDArray[np.floating],
        observed: NDArray[np.floating] | None,
        covered: Floats,
        present: Floats | None,
        parts: tuple[Floats, ...],
    ) -> tuple[Floats, Floats | None, tuple[Floats, ...]]:
        """Add the points: a point takes the value of its cell, else of the nearest with data around it."""
        nearest = self.weights.nearest
        # the last row is for -1, beyond the grid
        used = np.vstack([cells.T, np.full((1, len(cells)), np.nan)]).astype("float64")
        of_cells = np.ones_like(used)
        if observed is not None:
            of_cells = np.vstack([self._used(observed).T, np.zeros((1, len(cells)))])
        values, shares = used[nearest[:, 0]], of_cells[nearest[:, 0]]
        for neighbour in nearest[:, 1:].T:
            lacking = np.isnan(values)
            if not lacking.any():
                break
            values[lacking], shares[lacking] = used[neighbour][lacking], of_cells[neighbour][lacking]
        shares[np.isnan(values)] = 0.0
        own = {"std": (values, np.zeros_like(values)), "count": ()}.get(self.statistic, (values,))
        points = self.weights.points
        covered = np.broadcast_to(covered, (len(covered), len(cells))).copy()
        covered[points] = ~np.isnan(values)
        if present is not None:
            present[points] = shares
        for part, value in zip(parts, own, strict=True):
            part[points] = value
        return covered, present, parts


def _filled(cells: NDArray[np.floating], invalid: NDArray[np.bool_], nothing: float, dtype: object) -> Floats:
    """Return (time, cell) values as (cell, time), so that sums run along time, with `nothing` for NaN."""
    turned: Floats = np.ascontiguousarray(cells.T, dtype=dtype)  # type: ignore[call-overload]
    if invalid.any():
        turned = turned.copy() if np.shares_memory(turned, cells) else turned
        if len(invalid) == 1:
            turned[invalid[0]] = nothing
        else:
            turned[invalid.T] = nothing
    return turned
