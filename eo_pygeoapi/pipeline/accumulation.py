"""What the blocks and strips of a grid say, put together to values and valid fractions of units and periods."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.models import SpatialStatistic
from eo_pygeoapi.pipeline.statistics import Floats, Partial

_ROUNDING = 1e-9
# how many parts a statistic has, and what they are before anything is known
_BEFORE: dict[str, tuple[float, ...]] = {"count": (), "std": (0.0, 0.0)}
_JOINS: dict[str, np.ufunc] = {"mean": np.add, "sum": np.add, "min": np.fmin, "max": np.fmax}


class Accumulated:
    """Partial results of all units and periods; arrays are (period, unit), and become the results in place."""

    def __init__(self, statistic: SpatialStatistic, periods: int, units: int) -> None:
        self.statistic = statistic
        self.covered = np.zeros((periods, units))
        self.present: Floats | None = None  # the same as `covered`, until something differs
        nothing = 0.0 if statistic in ("mean", "sum") else np.nan
        self.parts = tuple(np.full((periods, units), value) for value in _BEFORE.get(statistic, (nothing,)))

    def add(self, first: int, members: NDArray[np.intp] | slice, partial: Partial) -> None:
        """Take in what a block says of these units in the periods from number `first` on."""
        here = _place(first, partial.steps, members)
        before = self.covered[here].copy() if self.statistic == "std" else None
        self._join_parts(here, partial, before)
        if self.present is None and partial.present is not None:
            self.present = self.covered.copy()
        self.covered[here] += partial.covered.T
        if self.present is not None:
            self.present[here] += (partial.covered if partial.present is None else partial.present).T

    def _join_parts(self, here: Any, partial: Partial, before: Floats | None) -> None:
        if self.statistic == "std":
            assert before is not None
            self._join_moments(here, partial, before)
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

    def _join_moments(self, here: Any, partial: Partial, before: Floats) -> None:
        """Join mean and squared deviations by the formula of Chan, Golub and LeVeque (1979)."""
        mean, squares = self.parts
        added, (its_mean, its_squares) = partial.covered.T, (part.T for part in partial.parts)
        total = before + added
        share = np.divide(added, total, out=np.zeros_like(total), where=total > 0)
        distance = its_mean - mean[here]
        squares[here] += np.where(added > 0, its_squares + distance * distance * before * share, 0.0)
        mean[here] += np.where(added > 0, distance * share, 0.0)

    def finished(self, area: Floats) -> tuple[Floats, Floats]:
        """Return values, NaN for none, and valid fractions; `area` is that of each unit, in cells."""
        values = self._values()
        values[self.covered == 0] = np.nan
        fractions = self.covered if self.present is None else self.present
        np.divide(fractions, area, out=fractions, where=area > 0)
        # the same shares added up in another order differ in the last digits: whole is whole
        fractions[fractions > 1 - _ROUNDING] = 1.0
        return values, fractions

    def _values(self) -> Floats:
        if self.statistic == "count":
            return self.covered.copy()
        first = self.parts[0]
        if self.statistic == "mean":
            np.divide(first, self.covered, out=first, where=self.covered > 0)
        elif self.statistic == "std":
            squares = self.parts[1]
            np.divide(squares, self.covered, out=squares, where=self.covered > 0)
            return np.asarray(np.sqrt(squares, out=squares))
        return first


def _place(first: int, steps: int, members: NDArray[np.intp] | slice) -> Any:
    if isinstance(members, slice):
        return slice(first, first + steps), members
    return np.ix_(np.arange(first, first + steps), members)
