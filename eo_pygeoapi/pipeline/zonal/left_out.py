"""List for people which units have no value in a period, or the value of some of their cells only, and why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.contract.day_statistics import day_statistic
from eo_pygeoapi.contract.models import NOT_PLAUSIBLE, LeftOut
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.grids.plausible import OPEN, Range, ends, is_mark, rounding
from eo_pygeoapi.pipeline.grids.temporal import PeriodSteps
from eo_pygeoapi.pipeline.zonal.streaming import Found

_ROUNDING = 1e-9
_MANY = 0.01  # of the values: more impossible ones than this are no accident


class _Why(IntEnum):
    """Why a value is null; 0 stands for a value."""

    OFF_GRID = 1
    NO_DATA = 2
    TOO_LITTLE = 3
    IMPLAUSIBLE = 4


@dataclass(frozen=True, eq=False)
class Judgement:
    """Which values of an aggregation are null, and why: arrays (period, unit), in the dataset's units."""

    why: NDArray[np.int8]
    values: NDArray[np.float64]
    found: Found
    dataset: Dataset

    @property
    def null(self) -> NDArray[np.bool_]:
        """Which values are null."""
        return np.asarray(self.why > 0)

    def left_out(self, org_units: Sequence[str], complete: Sequence[PeriodSteps]) -> list[LeftOut]:
        """List units without a value, and units with the value of some of their cells.

        The first entry is for all of them where more than a hundredth of the values are not plausible.
        """
        listed, found = Listed(org_units, complete), list[LeftOut]()
        if doubts := self._doubts():
            found.append(LeftOut(reason=f"{doubts}; look at the data and their units"))
        found += listed.of(self.why, self._why_null)
        if (impossible := self.found.impossible) is not None:
            in_part = (impossible > _ROUNDING) & (self.why == 0)
            percent, cells = np.round(impossible * 100, 1), self._cells()
            found += listed.of(
                in_part.astype("int8"),
                lambda unit, periods: (
                    f"its value is that of the other cells: {between(percent[periods, unit])} % of its area has cells "
                    f"of {cells}"
                ),
            )
        return found

    def _doubts(self) -> str:
        """Say that more than a hundredth of the values, or of the cells, cannot be; marks for missing data may."""
        count, impossible = int((self.why == _Why.IMPLAUSIBLE).sum()), self.found.impossible
        if count > _MANY * self.why.size:
            return f"{count} of {self.why.size} values {NOT_PLAUSIBLE} ({self._allowed()})"
        if impossible is None or all(is_mark(end) for end in self.found.between or ()):
            return ""
        share = float(impossible.mean())
        return f"{share * 100:.3g} % of the cells {NOT_PLAUSIBLE}: they hold {self._cells()}" if share > _MANY else ""

    def _why_null(self, unit: int, periods: NDArray[np.integer]) -> str:
        why = self.why[periods[0], unit]
        if why == _Why.OFF_GRID:
            return "lies outside the grid of the data"
        if why == _Why.IMPLAUSIBLE:
            return f"{between(self.values[periods, unit])} is not plausible ({self._allowed()})"
        if why == _Why.NO_DATA:
            impossible = self.found.impossible
            if impossible is not None and (impossible[periods, unit] > _ROUNDING).any():
                return f"no cell of it has a value that can be; there are cells of {self._cells()}"
            return "no cell of it has data"
        share = between(self.found.fractions[periods, unit])
        return f"valid fraction {share} is below minValidFraction {self.dataset.min_valid_fraction:g}"

    def _cells(self) -> str:
        """Name the range of the impossible numbers in cells, in the units of the source."""
        low, high = self.found.between or OPEN
        numbers = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        return f"{numbers}, which cannot be"

    def _allowed(self) -> str:
        low, high = self.dataset.plausible or (0.0, None)
        allowed = (["at least", f"{low:g}"] if low is not None else []) + (
            ["at most", f"{high:g}"] if high is not None else []
        )
        return " ".join(["allowed:", *allowed, self.dataset.units.to]).strip()


def judged(found: Found, dataset: Dataset) -> Judgement:
    """Judge values in the dataset's units; clip, in place, values that rounding put beside its limits.

    The limits do not apply to a count of cells or days and a deviation, which are no values of the quantity.
    """
    values, fractions = found.values, found.fractions
    why = np.zeros(values.shape, "int8")
    statistics = dataset.aggregation
    counts = statistics.spatial in ("count", "std") or day_statistic(statistics.temporal) is not None
    of_values = not counts and dataset.exposure is None
    low, high = ends_of(dataset) if of_values else OPEN
    noise = rounding((low, high))
    why[(values < low - noise) | (values > high + noise)] = _Why.IMPLAUSIBLE
    why[fractions < dataset.min_valid_fraction - _ROUNDING] = _Why.TOO_LITTLE
    why[np.isnan(values)] = _Why.NO_DATA
    why[:, ~found.on_grid] = _Why.OFF_GRID
    if found.listed is not None:
        why[found.listed & np.isnan(values)] = 0
    before = values.copy() if (why == _Why.IMPLAUSIBLE).any() else values
    if (low, high) != OPEN:
        np.clip(values, low, high, out=values)
    return Judgement(why, before, found, dataset)


def ends_of(dataset: Dataset) -> Range:
    """Return the range of the dataset's possible values."""
    if dataset.plausible is None:
        # the source's limits are for its time steps and in its units; only 0 is the same in all units
        return (0.0 if dataset.options.plausible()[0] == 0 else -np.inf), np.inf
    return ends(dataset.plausible)


@dataclass(frozen=True)
class Listed:
    """Lists units of an aggregation."""

    org_units: Sequence[str]
    complete: Sequence[PeriodSteps]

    def of(self, kinds: NDArray[np.integer], reason: Callable[[int, NDArray[np.integer]], str]) -> list[LeftOut]:
        """List units where `kinds` is not 0: once where it is the same in every period, else each period."""
        found, which = [], kinds > 0
        for unit in np.flatnonzero(which.any(axis=0)).tolist():
            name, periods = self.org_units[unit], np.flatnonzero(which[:, unit])
            if periods.size == len(which) and len(set(kinds[periods, unit].tolist())) == 1:
                found.append(LeftOut(org_unit=name, reason=reason(unit, periods)))
                continue
            found += [
                LeftOut(org_unit=name, period=self.complete[n].period.id, reason=reason(unit, np.array([n])))
                for n in periods.tolist()
            ]
        return found


def between(numbers: NDArray[np.floating]) -> str:
    """Return the range of numbers in words, one number where they are the same."""
    low, high = (f"{number:.3g}" for number in (numbers.min(), numbers.max()))
    return low if low == high else f"{low} to {high}"
