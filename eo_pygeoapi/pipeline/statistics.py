"""Statistics over the cells of each unit, for a block of time at once."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.models import SpatialStatistic
from eo_pygeoapi.pipeline.coverage import CoverageWeights

Floats = NDArray[np.float64]
_ROUNDING = 1e-9


def aggregate(
    block: NDArray[np.floating],
    weights: CoverageWeights,
    statistic: SpatialStatistic,
    observed: NDArray[np.floating] | None = None,
) -> tuple[Floats, Floats]:
    """Aggregate a block of cells, shape (time, y, x), to units; returns values and valid fractions, (time, unit).

    Cells that are NaN do not count. `mean`, `sum` and `median` weigh cells by the share that the unit covers, as
    `count` adds these shares up; `min` and `max` take every cell that the unit touches with an area. Where no cell
    has a value, every statistic is NaN, for the sum over nothing is unknown and not 0. A point takes the value of
    its cell, or of the nearest with data among the eight around it, whatever the statistic; its `count` is 1.

    The valid fraction is the share of the unit's area, that outside the grid included, which has data; `observed`
    (time, y, x), where given, says to what share each cell has.
    """
    # cells first, so that each unit's rows lie together and the sums run along time
    used = np.ascontiguousarray(block.reshape(len(block), -1)[:, weights.cells].T, dtype="float64")
    valid = ~np.isnan(used)
    covered = _product(weights, _unmoving(valid))
    values = _values(used, valid, weights, statistic, covered)
    values[np.broadcast_to(covered, values.shape) == 0] = np.nan
    present = covered
    if observed is not None:
        shares = observed.reshape(len(observed), -1)[:, weights.cells].T
        present = _product(weights, np.where(valid, shares, 0.0))
    area = weights.area[:, None]
    fractions = np.divide(present, area, out=np.zeros_like(present), where=area > 0)
    # the same shares added up in another order differ in the last digits: whole is whole
    fractions = np.where(np.broadcast_to(fractions, values.shape) > 1 - _ROUNDING, 1.0, fractions)
    if weights.points.size:
        values[weights.points], fractions[weights.points] = _sampled(used, weights, statistic, observed)
    return values.T, fractions.T


def _values(
    used: Floats, valid: NDArray[np.bool_], weights: CoverageWeights, statistic: SpatialStatistic, covered: Floats
) -> Floats:
    """Return the statistic, shape (unit, time); what it is where no cell is valid does not matter."""
    match statistic:
        case "count":
            return np.broadcast_to(covered, (len(covered), used.shape[1])).copy()
        case "sum":
            return _product(weights, np.where(valid, used, 0.0))
        case "mean":
            total = _product(weights, np.where(valid, used, 0.0))
            return np.divide(total, covered, out=total, where=covered > 0)
        case "min":
            return _extremes(weights, np.where(valid, used, np.inf), np.minimum)
        case "max":
            return _extremes(weights, np.where(valid, used, -np.inf), np.maximum)
        case "median":
            return _medians(weights, used)


def _unmoving(valid: NDArray[np.bool_]) -> Floats:
    """Return the mask as numbers, one column where it is the same at all times of the block."""
    first = valid[:, :1]
    return (first if bool((valid == first).all()) else valid).astype("float64")


def _product(weights: CoverageWeights, cells: Floats) -> Floats:
    """Multiply the (unit, cell) weights with (cell, time) numbers."""
    units = len(weights.indptr) - 1
    if cells.shape[1] == 1:
        unit_of_share = np.repeat(np.arange(units), np.diff(weights.indptr))
        sums = np.bincount(unit_of_share, weights.weights * cells[weights.columns, 0], units)
        return sums.astype("float64")[:, None]  # of nothing at all it makes integers
    product = np.zeros((units, cells.shape[1]))
    for unit, (first, stop) in enumerate(pairwise(weights.indptr.tolist())):
        np.dot(weights.weights[first:stop], cells.take(weights.columns[first:stop], axis=0), out=product[unit])
    return product


def _extremes(weights: CoverageWeights, cells: Floats, extreme: np.ufunc) -> Floats:
    found = np.full((len(weights.indptr) - 1, cells.shape[1]), np.nan)
    for unit, (first, stop) in enumerate(pairwise(weights.indptr.tolist())):
        if stop > first:
            extreme.reduce(cells.take(weights.columns[first:stop], axis=0), axis=0, out=found[unit])
    return found


def _medians(weights: CoverageWeights, cells: Floats) -> Floats:
    found = np.full((len(weights.indptr) - 1, cells.shape[1]), np.nan)
    for unit, (first, stop) in enumerate(pairwise(weights.indptr.tolist())):
        if stop > first:
            found[unit] = _weighted_median(cells[weights.columns[first:stop]], weights.weights[first:stop])
    return found


def _weighted_median(values: Floats, weights: Floats) -> Floats:
    """Return the median of (cell, time) values along the cells, NaN left aside, as exactextract defines it.

    With the n values sorted, and W(k) the sum of the weights before number k (counted from 0), value number k stands
    at s(k) = k w(k) + (n - 1) W(k); the median is interpolated at half of (n - 1) times the sum of all weights.
    """
    order = np.argsort(values, axis=0)  # NaN last
    values = np.take_along_axis(values, order, axis=0)
    valid = ~np.isnan(values)
    sorted_weights = np.where(valid, weights[order], 0.0)
    n = valid.sum(axis=0)
    after = np.cumsum(sorted_weights, axis=0)
    rank = np.arange(len(values))[:, None]
    place = rank * sorted_weights + (n - 1) * (after - sorted_weights)
    half = 0.5 * (n - 1) * after[-1]
    several, times = n > 1, np.arange(values.shape[1])
    right = np.where(several, np.clip((valid & (place <= half)).sum(axis=0), 1, n - 1), 0)
    left = np.maximum(right - 1, 0)
    low, high = values[left, times], values[right, times]
    distance = place[right, times] - place[left, times]
    share = np.divide(half - place[left, times], distance, out=np.zeros_like(half), where=several)
    return np.asarray(low + np.minimum(share, 1.0) * (high - low))


def _sampled(
    used: Floats, weights: CoverageWeights, statistic: SpatialStatistic, observed: NDArray[np.floating] | None
) -> tuple[Floats, Floats]:
    """Return values and valid fractions of the points, shape (point, time)."""
    shares: Floats = np.ones_like(used)
    if observed is not None:
        shares = observed.reshape(len(observed), -1)[:, weights.cells].T.astype("float64")
    # -1, beyond the grid, finds the row that is put last
    used = np.vstack([used, np.full((1, used.shape[1]), np.nan)])
    shares = np.vstack([shares, np.zeros((1, used.shape[1]))])
    values, fractions = used[weights.nearest[:, 0]], shares[weights.nearest[:, 0]]
    for neighbour in weights.nearest[:, 1:].T:
        lacking = np.isnan(values)
        if not lacking.any():
            break
        values[lacking], fractions[lacking] = used[neighbour][lacking], shares[neighbour][lacking]
    nowhere = np.isnan(values)
    fractions[nowhere] = 0.0
    if statistic == "count":
        values[~nowhere] = 1.0
    return values, fractions
