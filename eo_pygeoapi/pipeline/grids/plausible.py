"""What values can be: the limits of cells, of the parts that are summed up, and what can be no value anywhere.

Cells are judged before space is aggregated, so that a single one does not spoil its unit unseen: those that cannot be
are left out like cells without data, and counted. Values of units are judged by the same limits afterwards.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from eo_pygeoapi.pipeline.grids.units import Conversion

Range = tuple[float, float]
OPEN: Range = (-np.inf, np.inf)
# what providers put where there are no data, often without saying so; no quantity is exactly that
MARKS = (-999.0, -999.9, -9999.0, -9999.9, -32768.0, -99999.0, -999999.0, -9999999.0)
_FIRST_MARK = max(MARKS)
_ABSURD = 9e19  # 1e20 and more are marks of models and of floating-point numbers
_SHARE = 1e-5  # of a range, by which a value may be beside it because it was rounded
_OPEN_NOISE = 1e-3  # the same, of a range that is open to one side
_DIFFERENCES = 1.0  # what is the difference of rounded numbers may be so much below nothing


@dataclass(frozen=True)
class Limits:
    """What steps and periods of a cell can be, in the units that they have when they are judged."""

    steps: Range = OPEN
    periods: Range = OPEN

    def before(self, found: Conversion) -> "Limits":
        """Return the limits in the units from which a conversion makes the present ones."""
        return Limits(
            *(_ordered((end - found.offset) / found.scale for end in ends) for ends in (self.steps, self.periods))
        )


def ends(declared: tuple[float | None, float | None]) -> Range:
    """Return a range as numbers; None is an open end."""
    low, high = declared
    return (-np.inf if low is None else float(low)), (np.inf if high is None else float(high))


def with_room(declared: tuple[float | None, float | None]) -> Range:
    """Return a range with room for what was rounded."""
    low, high = ends(declared)
    noise = rounding((low, high))
    return low - noise, high + noise


def limits(plausible: Range, *, cells_are_summed: bool, steps_are_summed: bool, differences: bool) -> Limits:
    """Return the limits of cells where those of values are `plausible`, with room for what was rounded.

    A part of a sum is within the sum's limits only where no part is below 0; `differences` says that the steps are
    differences of rounded numbers.
    """
    periods = _of_parts(plausible) if cells_are_summed else plausible
    steps = _of_parts(periods) if steps_are_summed else periods
    noise = rounding(plausible)
    more = max(noise, _DIFFERENCES) if differences else noise
    return Limits((steps[0] - more, steps[1] + noise), (periods[0] - noise, periods[1] + noise))


def rounding(plausible: Range) -> float:
    """Return by how much a value may be beside its limits without being wrong."""
    span = plausible[1] - plausible[0]
    return span * _SHARE if np.isfinite(span) else _OPEN_NOISE


def marked(values: NDArray[np.floating]) -> NDArray[np.bool_] | None:
    """Return which numbers mark that there is no value; None, the quickest answer, for none."""
    low, high = _extremes(values)
    found = np.abs(values) >= _ABSURD
    for mark in np.array(MARKS).astype(values.dtype):
        if low <= mark <= high:
            found |= values == mark
    return found if found.any() else None


def outside(values: NDArray[np.floating], ends: Range) -> NDArray[np.bool_] | None:
    """Return which values are outside of a range; None, the quickest answer, for none."""
    if ends == OPEN or _within(*_extremes(values), ends):
        return None
    return np.asarray((values < ends[0]) | (values > ends[1]))


def _within(low: float, high: float, ends: Range) -> bool:
    """Return whether values from low to high, NaN where there are none, lie in a range."""
    return not (low < ends[0] or high > ends[1])


class Judge:
    """Judges blocks of a grid, and converts them where that has to be done cell by cell.

    It reads the grid's attributes `source_limits` (of its steps, as they come), `limits` (Limits) and `conversion`
    (Conversion), and remembers between which
    numbers those lie that it found impossible.
    """

    def __init__(self, grid: xr.DataArray, hours: NDArray[np.float64]) -> None:
        self.limits: Limits = grid.attrs.get("limits", Limits())
        self._of_source: Range = grid.attrs.get("source_limits", OPEN)
        self._conversion: Conversion | None = grid.attrs.get("conversion")
        self._hours = hours
        self.found: Range | None = None

    def steps(self, values: NDArray[np.floating], positions: slice | NDArray[np.integer]) -> "Judged":
        """Judge time steps, shape (time, y, x), which stand at these positions of the grid."""
        low, high = _extremes(values)
        impossible = None
        if low <= _FIRST_MARK or high >= _ABSURD or not _within(low, high, self._of_source):
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
    """Values, NaN where they were impossible, and which these were; None for none."""

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


def _ordered(ends: object) -> Range:
    low, high = sorted(ends)  # type: ignore[call-overload]
    return low, high
