"""What the blocks of a grid say, put together to values and valid fractions of units and periods."""

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.contract.models import SpatialStatistic
from eo_pygeoapi.pipeline.grids.plausible import Range
from eo_pygeoapi.pipeline.zonal.statistics import CACHED_BYTES, Floats, Partial

_ROUNDING = 1e-9
# how many parts a statistic has, and what they are before anything is known
_BEFORE: dict[str, tuple[float, ...]] = {"count": (), "std": (0.0, 0.0), "mean": (0.0,), "sum": (0.0,)}
_JOINS: dict[str, np.ufunc] = {"mean": np.add, "sum": np.add, "min": np.fmin, "max": np.fmax}


class Impossible:
    """The area of units whose cells have values that cannot be, (period, unit); nothing as long as none has."""

    def __init__(self, periods: int, units: int) -> None:
        self._shape = (periods, units)
        self.area: Floats | None = None
        self.found: Range | None = None

    def add(self, first: int, partial: Partial, members: NDArray[np.intp] | slice) -> None:
        """Take in what a block says of these units."""
        if partial.impossible is None or partial.found is None:
            return
        if self.area is None:
            self.area = np.zeros(self._shape)
        self.area[_place(first, partial.steps, members)] += partial.impossible.T
        low, high = self.found or partial.found
        self.found = min(low, partial.found[0]), max(high, partial.found[1])

    def shares(self, area: Floats) -> Floats | None:
        """Return the shares of these areas of the units; None where all values can be."""
        if self.area is None:
            return None
        return np.divide(self.area, area, out=np.zeros_like(self.area), where=area > 0)


class Accumulated:
    """Results of all units, from blocks that have all there is of them, in the order of their periods.

    Arrays are (period, unit). What a block says is written once, and not read again before the end: memory that is
    used for the first time is what takes longest here.
    """

    def __init__(self, statistic: SpatialStatistic, periods: int, units: int) -> None:
        self.statistic, self.shape = statistic, (periods, units)
        self._parts = tuple(np.empty(self.shape) for _ in _BEFORE.get(statistic, (np.nan,)))
        self._covered = _Rows(self.shape)
        self._present: _Rows | None = None  # the same as what is covered, until something differs

    def add(self, first: int, partial: Partial, members: NDArray[np.intp] | slice = slice(None)) -> None:
        """Take in what a block says of the periods from number `first` on; its units are all there are."""
        for whole, part in zip(self._parts, partial.parts, strict=True):
            whole[first : first + partial.steps] = part.T
        if self._present is None and partial.present is not None:
            self._present = deepcopy(self._covered)
        self._covered.put(first, partial.steps, partial.covered.T)
        if self._present is not None:
            present = partial.covered if partial.present is None else partial.present
            self._present.put(first, partial.steps, present.T)

    def finished(self, area: Floats) -> tuple[Floats, Floats]:
        """Return values, NaN for none, and valid fractions; `area` is that of each unit, in cells.

        The fractions are a view that cannot be written to where they are the same in all periods.
        """
        covered, present = self._covered.rows, (self._present or self._covered).rows
        values = self._parts[-1] if self._parts else np.broadcast_to(covered, self.shape).copy()
        for rows in _within_cache(self.shape):
            _finish(self.statistic, values[rows], covered if len(covered) == 1 else covered[rows])
        return values, np.broadcast_to(_fractions(present, area), self.shape)


class AccumulatedStrips:
    """Results that are added up from strips of a grid, each with some of the units."""

    def __init__(self, statistic: SpatialStatistic, periods: int, units: int) -> None:
        self.statistic = statistic
        self.covered = np.zeros((periods, units))
        self.present: Floats | None = None  # the same as `covered`, until something differs
        self.parts = tuple(np.full((periods, units), value) for value in _BEFORE.get(statistic, (np.nan,)))

    def add(self, first: int, partial: Partial, members: NDArray[np.intp] | slice = slice(None)) -> None:
        """Take in what a block says of these units in the periods from number `first` on."""
        here = _place(first, partial.steps, members)
        self._join_parts(here, partial)
        if self.present is None and partial.present is not None:
            self.present = self.covered.copy()
        self.covered[here] += partial.covered.T
        if self.present is not None:
            self.present[here] += (partial.covered if partial.present is None else partial.present).T

    def finished(self, area: Floats) -> tuple[Floats, Floats]:
        """Return values, NaN for none, and valid fractions; `area` is that of each unit, in cells."""
        values = self.parts[-1] if self.parts else self.covered.copy()
        _finish(self.statistic, values, self.covered)
        return values, _fractions(self.covered if self.present is None else self.present, area)

    def _join_parts(self, here: Any, partial: Partial) -> None:
        if self.statistic == "std":
            self._join_moments(here, partial)
            return
        join = _JOINS.get(self.statistic)
        for whole, part in zip(self.parts, partial.parts, strict=True):
            if join is np.add:
                whole[here] += part.T
            elif join:
                some = np.where(partial.covered > 0, part, np.nan)
                whole[here] = join(whole[here], some.T)
            else:
                whole[here] = part.T

    def _join_moments(self, here: Any, partial: Partial) -> None:
        """Join mean and squared deviations by the formula of Chan, Golub and LeVeque (1979)."""
        (mean, squares), before = self.parts, self.covered[here]
        added, (its_mean, its_squares) = partial.covered.T, (part.T for part in partial.parts)
        total = before + added
        share = np.divide(added, total, out=np.zeros_like(total), where=total > 0)
        distance = its_mean - mean[here]
        squares[here] += np.where(added > 0, its_squares + distance * distance * before * share, 0.0)
        mean[here] += np.where(added > 0, distance * share, 0.0)


class _Rows:
    """An array (period, unit) that is written in order, and is one row only as long as all are the same."""

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
    """Make values final, in place; `covered` has as many rows, or one."""
    nothing = covered == 0
    if statistic in ("mean", "std"):
        with np.errstate(invalid="ignore"):  # of nothing it makes NaN
            values /= covered
    if statistic == "std":
        np.sqrt(values, out=values)
    if nothing.any():
        np.copyto(values, np.nan, where=nothing)


def _fractions(present: Floats, area: Floats) -> Floats:
    """Make what is present the share of the area that it is, in place."""
    for rows in _within_cache(present.shape):
        shares = present[rows]
        np.divide(shares, area, out=shares, where=area > 0)
        # the same shares added up in another order differ in the last digits: whole is whole
        np.copyto(shares, 1.0, where=shares > 1 - _ROUNDING)
    return present


def _within_cache(shape: tuple[int, ...]) -> list[slice]:
    """Return parts of the rows of an array, so that one after the other is finished before it is forgotten."""
    rows = max(1, CACHED_BYTES // (8 * max(1, shape[1])))
    return [slice(first, first + rows) for first in range(0, shape[0], rows)]


def _place(first: int, steps: int, members: NDArray[np.intp] | slice) -> Any:
    if isinstance(members, slice):
        return slice(first, first + steps), members
    return np.ix_(np.arange(first, first + steps), members)
