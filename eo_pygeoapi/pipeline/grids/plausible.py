"""Find values that cannot be: outside the limits of cells and of sums, or marks for missing data.

The pipeline judges cells before it aggregates over units, so that a single wrong cell does not spoil its unit unseen:
it leaves out and counts impossible cells like cells without data. It judges the units' values by the same limits.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from eo_pygeoapi.pipeline.grids.units import Conversion

Range = tuple[float, float]
OPEN: Range = (-np.inf, np.inf)
# providers write these numbers for missing data, often undeclared; no quantity is exactly one of them
MARKS = (-999.0, -999.9, -9999.0, -9999.9, -32768.0, -99999.0, -999999.0, -9999999.0)
_FIRST_MARK = max(MARKS)
ABSURD = 9e19  # 1e20 and more are marks of models and of floating-point numbers
_SHARE = 1e-5  # of a range: the most that rounding may put a value beside it
_OPEN_NOISE = 1e-3  # the same, of a range that is open to one side
_DIFFERENCES = 1.0  # a difference of rounded numbers may be this much below 0


@dataclass(frozen=True)
class Limits:
    """The possible values of a cell's steps and periods, in the units that these have when they are judged."""

    steps: Range = OPEN
    periods: Range = OPEN

    def before(self, found: Conversion) -> "Limits":
        """Return the limits in the units before a conversion, which may turn their order."""
        turned = [[(end - found.offset) / found.scale for end in ends] for ends in (self.steps, self.periods)]
        return Limits(*((min(ends), max(ends)) for ends in turned))


def ends(declared: tuple[float | None, float | None]) -> Range:
    """Return a range as numbers; None is an open end."""
    low, high = declared
    return (-np.inf if low is None else float(low)), (np.inf if high is None else float(high))


def with_room(declared: tuple[float | None, float | None]) -> Range:
    """Return a range with room for rounding."""
    low, high = ends(declared)
    noise = rounding((low, high))
    return low - noise, high + noise


def limits(plausible: Range, *, cells_are_summed: bool, steps_are_summed: bool, differences: bool) -> Limits:
    """Return the limits of cells for `plausible` values of units, with room for rounding.

    A part of a sum lies within the sum's limits only where no part is below 0. `differences` says that the steps are
    differences of rounded numbers, which need more room.
    """
    periods = _of_parts(plausible) if cells_are_summed else plausible
    steps = _of_parts(periods) if steps_are_summed else periods
    noise = rounding(plausible)
    more = max(noise, _DIFFERENCES) if differences else noise
    return Limits((steps[0] - more, steps[1] + noise), (periods[0] - noise, periods[1] + noise))


def rounding(plausible: Range) -> float:
    """Return how far rounding may put a value beside its limits."""
    span = plausible[1] - plausible[0]
    return span * _SHARE if np.isfinite(span) else _OPEN_NOISE


def marked(values: NDArray[np.floating]) -> NDArray[np.bool_] | None:
    """Return which numbers are marks for missing data, None where there are none."""
    low, high = _extremes(values)
    found = np.abs(values) >= ABSURD
    for mark in np.array(MARKS).astype(values.dtype):
        if low <= mark <= high:
            found |= values == mark
    return found if found.any() else None


def is_mark(value: float) -> bool:
    """Return whether a number, of single precision or double, is a mark for missing data."""
    return bool(abs(value) >= ABSURD or np.float32(value) in np.array(MARKS, "float32"))


def outside(values: NDArray[np.floating], ends: Range) -> NDArray[np.bool_] | None:
    """Return which values are outside of a range, None where there are none."""
    if ends == OPEN or _within(*_extremes(values), ends):
        return None
    return np.asarray((values < ends[0]) | (values > ends[1]))


def _within(low: float, high: float, ends: Range) -> bool:
    """Return whether values from low to high lie in a range; NaN, for no values, does."""
    return not (low < ends[0] or high > ends[1])


class Judge:
    """Removes impossible values from blocks of a grid, and converts units where cells need it one by one.

    Reads the grid's attributes `source_limits` (of steps, as the source gives them), `limits` (Limits) and
    `conversion` (Conversion). `found` is the range of the values that it removed.
    """

    def __init__(self, grid: xr.DataArray, hours: NDArray[np.float64]) -> None:
        self.limits: Limits = grid.attrs.get("limits", Limits())
        self._of_source: Range = grid.attrs.get("source_limits", OPEN)
        self._conversion: Conversion | None = grid.attrs.get("conversion")
        self._hours = hours
        self.found: Range | None = None

    def steps(self, values: NDArray[np.floating], positions: slice | NDArray[np.integer]) -> "Judged":
        """Judge the time steps at these positions of the grid, shape (time, y, x)."""
        low, high = _extremes(values)
        impossible = None
        if low <= _FIRST_MARK or high >= ABSURD or not _within(low, high, self._of_source):
            found = _either(marked(values), outside(values, self._of_source))
            values, impossible = self._without(values, found, owned=False)
            low, high = _extremes(values)
        if self._conversion:
            factor = np.broadcast_to(self._conversion.factor(self._hours), self._hours.shape)[positions]
            values = values.astype("float64") * factor[:, None, None] + self._conversion.offset
        elif _within(low, high, self.limits.steps):
            return Judged(values, impossible)
        owned = bool(self._conversion) or impossible is not None
        values, more = self._without(values, outside(values, self.limits.steps), owned=owned)
        return Judged(values, _either(impossible, more))

    def both(self, values: NDArray[np.floating], positions: NDArray[np.integer]) -> "Judged":
        """Judge time steps that are periods."""
        values, impossible = self.steps(values, positions)
        if self.limits.periods == self.limits.steps:
            return Judged(values, impossible)
        values, more = self._without(values, outside(values, self.limits.periods), owned=False)
        return Judged(values, _either(impossible, more))

    def periods(self, values: NDArray[np.floating]) -> "Judged":
        """Judge sums of steps, shape (period, y, x)."""
        return Judged(*self._without(values, outside(values, self.limits.periods), owned=True))

    def _without(
        self, values: NDArray[np.floating], impossible: NDArray[np.bool_] | None, *, owned: bool
    ) -> tuple[NDArray[np.floating], NDArray[np.bool_] | None]:
        if impossible is None:
            return values, None
        low, high = _extremes(values[impossible])
        self.found = (low, high) if self.found is None else (min(low, self.found[0]), max(high, self.found[1]))
        values = values if owned else values.copy()
        values[impossible] = np.nan
        return values, impossible


class Judged(NamedTuple):
    """Values with NaN for impossible ones, and where these were; None for nowhere."""

    values: NDArray[np.floating]
    impossible: NDArray[np.bool_] | None


def _either(one: NDArray[np.bool_] | None, other: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    return one if other is None else other if one is None else one | other


def _extremes(values: NDArray[np.floating]) -> tuple[float, float]:
    if not values.size:
        return np.nan, np.nan
    return float(np.fmin.reduce(values, axis=None)), float(np.fmax.reduce(values, axis=None))


def _of_parts(ends: Range) -> Range:
    return (0.0, ends[1]) if ends[0] >= 0 else OPEN
