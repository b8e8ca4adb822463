"""Join the results of blocks of a grid into values and valid fractions of units and periods."""

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.contract.statistics import SpatialStatistic
from eo_pygeoapi.pipeline.grids.plausible import Range
from eo_pygeoapi.pipeline.zonal.statistics import CACHED_BYTES, Floats, Partial

_ROUNDING = 1e-9
# the parts of a statistic before the first block
_BEFORE: dict[str, tuple[float, ...]] = {"count": (), "std": (0.0, 0.0), "mean": (0.0,), "sum": (0.0,)}
_JOINS: dict[str, np.ufunc] = {"mean": np.add, "sum": np.add, "min": np.fmin, "max": np.fmax}


class Impossible:
    """The area of units whose cells have impossible values, (period, unit); None until a block has one."""

    def __init__(self, periods: int, units: int) -> None:
        self._shape = (periods, units)
        self.area: Floats | None = None
        self.found: Range | None = None

    def add(self, first: int, partial: Partial, members: NDArray[np.intp] | slice) -> None:
        """Add the result of a block for these units."""
        if partial.impossible is None or partial.found is None:
            return
        if self.area is None:
            self.area = np.zeros(self._shape)
        self.area[_place(first, partial.steps, members)] += partial.impossible.T
        low, high = self.found or partial.found
        self.found = min(low, partial.found[0]), max(high, partial.found[1])

    def shares(self, area: Floats) -> Floats | None:
        """Return the impossible shares of the units' areas, None where no value is impossible."""
        if self.area is None:
            return None
        return np.divide(self.area, area, out=np.zeros_like(self.area), where=area > 0)


class Accumulated:
    """Results of all units, from blocks that hold the units whole, in the order of their periods.

    Arrays are (period, unit). The result of a block is written once and read only at the end, because the first use
    of memory takes the longest here.
    """

    def __init__(self, statistic: SpatialStatistic, periods: int, units: int) -> None:
        self.statistic, self.shape = statistic, (periods, units)
        self._parts = tuple(np.empty(self.shape) for _ in _BEFORE.get(statistic, (np.nan,)))
        self._covered = _Rows(self.shape)
        self._present: _Rows | None = None  # None while it equals `_covered`

    def add(self, first: int, partial: Partial, members: NDArray[np.intp] | slice = slice(None)) -> None:
        """Add the result of a block for all units and the periods from number `first` on."""
        for whole, part in zip(self._parts, partial.parts, strict=True):
            whole[first : first + partial.steps] = part.T
        if self._present is None and partial.present is not None:
            self._present = deepcopy(self._covered)
        self._covered.put(first, partial.steps, partial.covered.T)
        if self._present is not None:
            present = partial.covered if partial.present is None else partial.present
            self._present.put(first, partial.steps, present.T)

    def finished(self, area: Floats) -> tuple[Floats, Floats]:
        """Return values, NaN for missing, and valid fractions; `area` is that of each unit, in cells.

        The fractions are a read-only view where they are the same in all periods.
        """
        covered, present = self._covered.rows, (self._present or self._covered).rows
        values = self._parts[-1] if self._parts else np.broadcast_to(covered, self.shape).copy()
        for rows in _within_cache(self.shape):
            _finish(self.statistic, values[rows], covered if len(covered) == 1 else covered[rows])
        return values, np.broadcast_to(_fractions(present, area), self.shape)


class AccumulatedStrips:
    """Results of units, added up from strips of a grid that each hold some of the units."""

    def __init__(self, statistic: SpatialStatistic, periods: int, units: int) -> None:
        self.statistic = statistic
        self.covered = np.zeros((periods, units))
        self.present: Floats | None = None  # None while it equals `covered`
        self.parts = tuple(np.full((periods, units), value) for value in _BEFORE.get(statistic, (np.nan,)))

    def add(self, first: int, partial: Partial, members: NDArray[np.intp] | slice = slice(None)) -> None:
        """Add the result of a block for these units and the periods from number `first` on."""
        here = _place(first, partial.steps, members)
        if self.statistic == "std":
            # mean and squared deviations are joined by the formula of Chan, Golub and LeVeque (1979)
            (mean, squares), before = self.parts, self.covered[here]
            added, (its_mean, its_squares) = partial.covered.T, (part.T for part in partial.parts)
            total = before + added
            share = np.divide(added, total, out=np.zeros_like(total), where=total > 0)
            distance = its_mean - mean[here]
            squares[here] += np.where(added > 0, its_squares + distance * distance * before * share, 0.0)
            mean[here] += np.where(added > 0, distance * share, 0.0)
        else:
            join = _JOINS.get(self.statistic)
            for whole, part in zip(self.parts, partial.parts, strict=True):
                if join is np.add:
                    whole[here] += part.T
                elif join:
                    some = np.where(partial.covered > 0, part, np.nan)
                    whole[here] = join(whole[here], some.T)
                else:
                    whole[here] = part.T
        if self.present is None and partial.present is not None:
            self.present = self.covered.copy()
        self.covered[here] += partial.covered.T
        if self.present is not None:
            self.present[here] += (partial.covered if partial.present is None else partial.present).T

    def finished(self, area: Floats) -> tuple[Floats, Floats]:
        """Return values, NaN for missing, and valid fractions; `area` is that of each unit, in cells."""
        values = self.parts[-1] if self.parts else self.covered.copy()
        _finish(self.statistic, values, self.covered)
        return values, _fractions(self.covered if self.present is None else self.present, area)


class _Rows:
    """An array (period, unit) for writing in order, of one row as long as all rows are the same."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self.rows = np.empty((0, shape[1]))

    def put(self, first: int, steps: int, rows: Floats) -> None:
        """Write the rows from number `first` on; one may stand for all `steps`."""
        if first == 0 and len(rows) == 1:
            self.rows = rows.copy()
        elif not (len(rows) == len(self.rows) == 1 and np.array_equal(rows, self.rows)):
            if len(self.rows) < self._shape[0]:
                whole = np.empty(self._shape)
                whole[:first] = self.rows
                self.rows = whole
            self.rows[first : first + steps] = rows


def _finish(statistic: SpatialStatistic, values: Floats, covered: Floats) -> None:
    """Turn sums into the statistic, in place; `covered` has as many rows, or one."""
    nothing = covered == 0
    if statistic in ("mean", "std"):
        with np.errstate(invalid="ignore"):  # 0 / 0 is NaN
            values /= covered
    if statistic == "std":
        np.sqrt(values, out=values)
    if nothing.any():
        np.copyto(values, np.nan, where=nothing)


def _fractions(present: Floats, area: Floats) -> Floats:
    """Turn the area with data into its share of the area, in place."""
    for rows in _within_cache(present.shape):
        shares = present[rows]
        np.divide(shares, area, out=shares, where=area > 0)
        # sums of the same shares in another order differ in the last digits
        np.copyto(shares, 1.0, where=shares > 1 - _ROUNDING)
    return present


def _within_cache(shape: tuple[int, ...]) -> list[slice]:
    """Return slices of the rows of an array that each fit into the processor's cache."""
    rows = max(1, CACHED_BYTES // (8 * max(1, shape[1])))
    return [slice(first, first + rows) for first in range(0, shape[0], rows)]


def _place(first: int, steps: int, members: NDArray[np.intp] | slice) -> Any:
    if isinstance(members, slice):
        return slice(first, first + steps), members
    return np.ix_(np.arange(first, first + steps), members)
