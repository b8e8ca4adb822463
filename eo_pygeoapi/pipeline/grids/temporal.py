"""Aggregate the time steps of a source into DHIS2 periods, cell by cell.

Time steps are labelled with their start, in UTC (see `time_axis.py`). The days of daily and coarser sources are the
source's own and cannot be shifted; hours are gathered into the days of the dataset's time zone (`utc_bounds`).
The periods themselves are those of `periods.py`.
"""

from calendar import day_name
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from eo_pygeoapi.contract.models import LeftOut
from eo_pygeoapi.contract.periods import Period
from eo_pygeoapi.contract.statistics import TemporalStatistic
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.grids.blocks import MEMORY, Block, blocks
from eo_pygeoapi.pipeline.grids.plausible import Judge, Judged, Range
from eo_pygeoapi.pipeline.grids.time_axis import next_starts, steps_between

_NEARLY_A_YEAR = timedelta(350)  # as Ethiopian years of DHIS2 are
# step of the source -> the period types that such steps make up
_FILLS = {
    "hour": "all",
    "day": "all",
    "week": "weekly, weeklySunday and the other weekly ones, that of the day on which its weeks begin",
    "dekad": "dekadal, monthly, quarterly, yearly and the others of whole months",
    "month": "monthly, quarterly, yearly and the others of whole months",
    "year": "yearly",
}


def utc_bounds(start: date, end: date, step: str, time_zone: str) -> tuple[np.datetime64, np.datetime64]:
    """Return where the days from `start` to `end` begin and end (exclusive) on the source's time axis.

    Hours belong to the days of `time_zone`, whose days may have 23 or 25 of them; where its offset is not a whole
    number of steps, a step belongs to the day in which it starts. Longer steps have the source's own days.
    """
    zone = ZoneInfo(time_zone if step == "hour" else "UTC")
    first, last = (
        datetime.combine(day, time(), zone).astimezone(UTC).replace(tzinfo=None) for day in (start, end + timedelta(1))
    )
    return np.datetime64(first, "ns"), np.datetime64(last, "ns")


@dataclass(frozen=True)
class PeriodSteps:
    """The time steps of a period: positions `first` to `stop` (exclusive) on the time axis."""

    period: Period
    first: int
    stop: int


def complete_periods(
    grid: xr.DataArray, periods: Sequence[Period], time_zone: str = "UTC"
) -> tuple[list[PeriodSteps], list[LeftOut]]:
    """Find the time steps of each period, and list periods that lack any: 'incomplete: 27 of 31 days'.

    `grid` is as `grids.normalised` makes it. Raises SourceError where a step of the source is longer than a period.
    """
    times, step, hours = grid["time"].values, grid.attrs["step"], float(grid.attrs.get("step_hours", 1.0))
    complete, left_out = [], []
    for period in periods:
        start, last = period.start, period.end
        if grid.attrs.get("of_own_year") and last - start > _NEARLY_A_YEAR:
            start, last = date(period.year, 1, 1), date(period.year, 12, 31)
        begin, end = utc_bounds(start, last, step, time_zone)
        first, stop = (int(i) for i in np.searchsorted(times, [begin, end]))
        if step == "hour":
            expected = _starts_between(begin, end, times[0], hours)
        elif (found := steps_between(begin, end, step, times)) is not None:
            expected = found
        else:
            weekday = day_name[times[0].astype("M8[D]").item().weekday()]
            begins = f"; its weeks begin on a {weekday}" if step == "week" else ""
            raise SourceError(
                f"the source has one value a {step}, which do not make up the period {period.id} "
                f"({period.start} to {period.end}){begins}; allowed period types: {_FILLS[step]}"
            )
        if not expected:  # where clocks skipped a day, as in Samoa
            left_out.append(LeftOut(period=period.id, reason=f"there was no such day in {time_zone}"))
        elif stop - first == expected:
            complete.append(PeriodSteps(period, first, stop))
        elif stop == first:
            left_out.append(LeftOut(period=period.id, reason="no data in the source"))
        else:
            unit = step if hours == 1.0 else "time step"
            left_out.append(LeftOut(period=period.id, reason=f"incomplete: {stop - first} of {expected} {unit}s"))
    return complete, left_out


def _starts_between(begin: np.datetime64, end: np.datetime64, known: np.datetime64, hours: float) -> int:
    """Return how many steps of so many hours start from `begin` to `end` (exclusive), where one starts at `known`.

    A day of 23 hours has 7 or 8 steps of three hours, by where they lie in it.
    """
    step = hours * 3600 * 1e9
    before_end, before_begin = (ceil(round(float((at - known).astype("int64")) / step, 6)) for at in (end, begin))
    return before_end - before_begin


@dataclass(frozen=True)
class PeriodBlock:
    """Values per cell of consecutive periods, beginning with the one at position `first`.

    `values` has the shape (period, y, x), with NaN for missing. `observed`, of the same shape, is the share of the
    period's steps that a cell has; None where that is 1 for all cells with a value and 0 for the others. `impossible`,
    of the same shape, says where a step or the period had a value that cannot be, None for nowhere; `found` is the
    range of all such values so far.
    """

    first: int
    values: NDArray[np.floating]
    observed: NDArray[np.floating] | None = None
    impossible: NDArray[np.bool_] | None = None
    found: Range | None = None


def to_periods(
    grid: xr.DataArray, complete: Sequence[PeriodSteps], statistic: TemporalStatistic, memory: int = MEMORY
) -> Iterator[PeriodBlock]:
    """Aggregate time steps into periods, cell by cell, in blocks of bounded size; yield every period once, in order.

    Replaces values that cannot be (see `plausible.py`) by NaN, in steps and in sums. A step that is itself a period
    passes through bit-identical and, if nothing changes it, without a copy. Otherwise, for a cell that lacks some steps
    of a period:

    - `sum` gives NaN, because the sum of fewer days is too small;
    - `mean`, `min` and `max` are those of the steps that the cell has, as usual for data with a moving mask (clouds);
      `observed` says how many these are, it flows into the valid fraction of each unit, and `minValidFraction`
      decides what is too few.

    Means weigh each step by its length, which matters for the months of a quarter or year. Sums and means are
    float64; min and max keep the type of the grid. The grid's attribute `least` is the lowest sum: rounding may put
    hourly differences of an amount below 0, but not their sum.
    `complete` comes from `complete_periods`.
    """
    if any(steps.stop - steps.first != 1 for steps in complete):
        yield from _aggregated(grid, complete, statistic, memory)
        return
    positions = np.array([steps.first for steps in complete], dtype=int)
    judge = Judge(grid, step_hours(grid))
    for block in blocks(grid, positions, memory):
        here = np.flatnonzero((positions >= block.first) & (positions < block.stop))
        whole = here.size == block.stop - block.first
        values = block.values if whole else block.values[positions[here] - block.first]
        judged = judge.both(values, positions[here])
        yield PeriodBlock(int(here[0]), judged.values, impossible=judged.impossible, found=judge.found)


def _aggregated(
    grid: xr.DataArray, complete: Sequence[PeriodSteps], statistic: TemporalStatistic, memory: int
) -> Iterator[PeriodBlock]:
    hours = step_hours(grid)
    lengths = hours / hours[0]  # exactly 1 where all are the same
    wanted = np.concatenate([np.arange(steps.first, steps.stop) for steps in complete])
    number, cells, judge = 0, _Cells(statistic, lengths), Judge(grid, hours)
    for block in blocks(grid, wanted, memory):
        judged, done = judge.steps(block.values, slice(block.first, block.stop)), []
        while number < len(complete) and complete[number].first < block.stop:
            steps = complete[number]
            cells.add(block, judged, max(block.first, steps.first), min(block.stop, steps.stop))
            if steps.stop > block.stop:
                break  # the rest of this period comes with the next block
            done.append(cells.result(float(lengths[steps.first : steps.stop].sum())))
            number, cells = number + 1, _Cells(statistic, lengths)
        if not done:
            continue
        observed = np.stack([period.observed for period in done])
        values = np.stack([period.values for period in done])
        impossible: NDArray[np.bool_] | None = None
        if any(period.impossible is not None for period in done):
            nowhere = np.zeros(values.shape[1:], bool)
            impossible = np.stack([nowhere if period.impossible is None else period.impossible for period in done])
        if statistic == "sum":
            values, more = judge.periods(values)
            values = np.maximum(values, float(grid.attrs.get("least", -np.inf)))
            impossible = more if impossible is None else impossible if more is None else impossible | more
        whole = statistic == "sum" or bool(np.isin(observed, (0.0, 1.0)).all())
        yield PeriodBlock(number - len(done), values, None if whole else observed, impossible, judge.found)


def step_hours(grid: xr.DataArray) -> NDArray[np.float64]:
    """Return the length of each time step in hours, shape (time,)."""
    times, step = grid["time"].values, grid.attrs["step"]
    if step == "hour":
        return np.full(times.size, float(grid.attrs.get("step_hours", 1.0)))
    following = next_starts(times, step)
    return np.asarray((following.astype("M8[h]") - times.astype("M8[h]")).astype("int64"), "float64")


# joins the parts of a period in different blocks
_JOINS: dict[TemporalStatistic, np.ufunc] = {"sum": np.add, "mean": np.add, "min": np.fmin, "max": np.fmax}


class _Period(NamedTuple):
    """Values and observed shares of a period, shape (y, x), and where a value cannot be."""

    values: NDArray[np.floating]
    observed: NDArray[np.floating]
    impossible: NDArray[np.bool_] | None


class _Cells:
    """Gathers one period: per cell the sum or extreme, and the total length of the steps with a value."""

    def __init__(self, statistic: TemporalStatistic, lengths: NDArray[np.float64]) -> None:
        self.statistic, self.lengths = statistic, lengths
        self.total: NDArray[np.floating] | None = None
        self.seen: NDArray[np.float64] | float = 0.0
        self.impossible: NDArray[np.bool_] | None = None

    def add(self, block: Block, judged: Judged, first: int, stop: int) -> None:
        """Add the steps from `first` to `stop` (exclusive) of a judged block."""
        here = slice(first - block.first, stop - block.first)
        values = judged.values[here]
        if judged.impossible is not None:
            some = judged.impossible[here].any(axis=0)
            self.impossible = some if self.impossible is None else self.impossible | some
        lengths = self.lengths[first:stop]
        valid = ~np.isnan(values)
        self.seen = self.seen + _weighted_sum(valid, lengths)
        join = _JOINS[self.statistic]
        match self.statistic:
            case "sum":
                part = values.sum(axis=0, dtype="float64")
            case "mean":
                part = _weighted_sum(values, lengths, valid)
            case "min" | "max":
                part = join.reduce(values, axis=0)
        self.total = part if self.total is None else join(self.total, part)

    def result(self, length: float) -> "_Period":
        """Return the result for a period of this length."""
        assert self.total is not None
        values, seen = self.total, np.asarray(self.seen)
        if self.statistic == "mean":
            values = np.divide(values, seen, out=np.full_like(values, np.nan), where=seen > 0)
        return _Period(values, seen / length, self.impossible)


def _weighted_sum(
    values: NDArray[Any], weights: NDArray[np.float64], valid: NDArray[np.bool_] | Literal[True] = True
) -> NDArray[np.float64]:
    """Sum (time, y, x) values along time where they are valid; the usual case, equal weights, is the fast one."""
    if np.ptp(weights) > 0:
        values, weights = values * weights[:, None, None], np.ones(1)
    total: NDArray[np.float64] = values.sum(axis=0, dtype="float64", where=valid) * weights[0]
    return total
