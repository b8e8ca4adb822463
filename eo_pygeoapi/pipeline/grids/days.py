"""Aggregate the time steps of a source into days, and the days into DHIS2 periods, cell by cell.

For what the steps alone do not tell: the monthly mean of daily maxima, days above a threshold, spells. `temporal.py`
makes the days, in blocks of bounded size; here they are gathered one after the other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import chain

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from eo_pygeoapi.contract.day_statistics import DayStatistic, day_statistic
from eo_pygeoapi.contract.models import Aggregation
from eo_pygeoapi.contract.periods import Period
from eo_pygeoapi.contract.statistics import TEMPORAL_STATISTICS
from eo_pygeoapi.datasets.people import Exposure
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.grids.blocks import MEMORY
from eo_pygeoapi.pipeline.grids.temporal import PeriodBlock, PeriodSteps, to_periods, utc_bounds

Floats = NDArray[np.float64]


def period_values(
    grid: xr.DataArray, complete: Sequence[PeriodSteps], aggregation: Aggregation, memory: int = MEMORY
) -> Iterator[PeriodBlock]:
    """Aggregate time steps into periods as `to_periods` does, by days where the aggregation asks for days.

    A statistic over days is null for a cell that lacks one of them, as `sum` is. The grid's attribute `time_zone` says
    whose days hours make up; `exposure`, where there is one, makes 1 of values beyond its threshold and 0 of others.
    Raises SourceError where the source has no days.
    """
    exposure: Exposure | None = grid.attrs.get("exposure")
    for block in _periods(grid, complete, aggregation, memory):
        yield block if exposure is None else replace(block, values=_exposed(block.values, exposure))


def _exposed(values: NDArray[np.floating], exposure: Exposure) -> Floats:
    if exposure.above is not None:
        return np.where(np.isnan(values), np.nan, values > exposure.above)
    return np.where(np.isnan(values), np.nan, values < (exposure.below or 0.0))


def _periods(
    grid: xr.DataArray, complete: Sequence[PeriodSteps], aggregation: Aggregation, memory: int
) -> Iterator[PeriodBlock]:
    if not aggregation.daily and day_statistic(aggregation.temporal) is None:
        simple = next(known for known in TEMPORAL_STATISTICS if known == aggregation.temporal)
        yield from to_periods(grid, complete, simple, memory)
        return
    step = grid.attrs["step"]
    if step not in ("hour", "day"):
        raise SourceError(f"the source has one value a {step}; {_asked(aggregation)} needs days or hours")
    if step == "hour" and not aggregation.daily:
        known = ", ".join(TEMPORAL_STATISTICS)
        raise SourceError(f"{_asked(aggregation)} of hours needs aggregation.daily; allowed: {known}")
    of_periods = [list(_days(grid, steps)) for steps in complete]
    days, last_days = list(chain.from_iterable(of_periods)), np.cumsum([len(days) for days in of_periods]) - 1
    number, gathered = 0, _Days(aggregation.temporal)
    for block in to_periods(grid, days, aggregation.daily or "mean", memory):
        done: list[_Days] = []
        for position in range(len(block.values)):
            gathered.add(block, position)
            if block.first + position == last_days[number + len(done)]:
                done.append(gathered)
                gathered = _Days(aggregation.temporal)
        if done:
            yield _block(number, done, block)
            number += len(done)


def _asked(aggregation: Aggregation) -> str:
    daily = f"daily: {aggregation.daily}, " if aggregation.daily else ""
    return f"aggregation {{{daily}temporal: {aggregation.temporal}}}"


def _days(grid: xr.DataArray, steps: PeriodSteps) -> Iterator[PeriodSteps]:
    """Yield the time steps of each day of a period, which is whole; a day that clocks skipped has none."""
    times, step, zone = grid["time"].values, grid.attrs["step"], str(grid.attrs.get("time_zone", "UTC"))
    for n in range((steps.period.end - steps.period.start).days + 1):
        day = steps.period.start + timedelta(n)
        first, stop = (int(i) for i in np.searchsorted(times, utc_bounds(day, day, step, zone)))
        if stop > first:
            yield PeriodSteps(Period(f"{day:%Y%m%d}", day, day), first, stop)


def _block(first: int, done: "Sequence[_Days]", days: PeriodBlock) -> PeriodBlock:
    values = np.stack([each.values() for each in done])
    observed = np.stack([each.observed() for each in done])
    impossible: NDArray[np.bool_] | None = None
    if any(each.impossible is not None for each in done):
        nowhere = np.zeros(values.shape[1:], bool)
        impossible = np.stack([nowhere if each.impossible is None else each.impossible for each in done])
    whole = bool(np.array_equal(observed, ~np.isnan(values)))
    return PeriodBlock(first, values, None if whole else observed, impossible, days.found)


class _Days:
    """Gathers the days of one period, cell by cell, shape (y, x)."""

    def __init__(self, statistic: str) -> None:
        self._statistic, self._of_days = statistic, day_statistic(statistic)
        self._days = 0
        self._total: Floats | None = None
        self._spell: Floats | float = 0.0  # the length of the spell that goes on
        self._seen: Floats | float = 0.0  # days with a value
        self._shares: Floats | float = 0.0  # of the steps of these days that have one
        self.impossible: NDArray[np.bool_] | None = None

    def add(self, block: PeriodBlock, position: int) -> None:
        """Add the next day, which has this position in a block of days."""
        values = block.values[position].astype("float64")
        valid = ~np.isnan(values)
        self._days += 1
        self._seen = self._seen + valid
        self._shares = self._shares + (valid if block.observed is None else block.observed[position])
        if block.impossible is not None:
            here = block.impossible[position]
            self.impossible = here.copy() if self.impossible is None else self.impossible | here
        part = self._part(values, valid)
        join = {"min": np.fmin, "max": np.fmax}.get(self._statistic, np.add)
        if self._of_days and "spell" in self._of_days.kind:
            self._spell = np.where(part > 0, self._spell + part, 0.0)
            part, join = (self._spell, np.maximum)
            if self._of_days.days:  # a spell counts on the day on which it is long enough
                part, join = (self._spell == self._of_days.days).astype("float64"), np.add
        self._total = part if self._total is None else join(self._total, part)

    def _part(self, values: Floats, valid: NDArray[np.bool_]) -> Floats:
        """Return what a day adds to the statistic; 0 where it has no value."""
        if self._of_days is None:
            return values if self._statistic in ("min", "max") else np.where(valid, values, 0.0)
        return np.where(valid, _of_day(values, self._of_days), 0.0)

    def values(self) -> Floats:
        """Return the statistic, NaN where the days do not suffice for it."""
        assert self._total is not None
        seen = np.asarray(self._seen)
        if self._statistic in ("mean", "min", "max"):  # those of the days that there are
            days = seen if self._statistic == "mean" else np.ones_like(seen)
            return np.asarray(np.divide(self._total, days, out=np.full_like(self._total, np.nan), where=seen > 0))
        return np.where(seen == self._days, self._total, np.nan)

    def observed(self) -> Floats:
        """Return the share of the period's steps that a cell has; nothing of a cell without a value."""
        return np.where(np.isnan(self.values()), 0.0, np.asarray(self._shares) / self._days)


def _of_day(values: Floats, statistic: DayStatistic) -> Floats:
    """Return 1 for days that count, else 0; for degree days how far they are above the threshold."""
    match statistic.kind:
        case "days-above":
            counted = values > statistic.threshold
        case "days-below" | "longest-dry-spell" | "dry-spells":
            counted = values < statistic.threshold
        case "longest-wet-spell" | "wet-spells":
            counted = values >= statistic.threshold
        case "degree-days":
            return np.maximum(values - statistic.threshold, 0.0)
    return counted.astype("float64")
