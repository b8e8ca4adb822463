"""Order the time axis of a grid, label its steps with their starts in UTC, and find how long a step is.

Sources label days at 00:00, at noon or at their end; months on the 1st, the 15th or the last. Where the file says
the bounds of its steps (CF `bounds`) these decide, otherwise a label lies somewhere in its step. Labels that rounding
moved off the hour (fractions of days, single precision) go back to it.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from eo_pygeoapi.errors import SourceError

Step = Literal["hour", "day", "week", "dekad", "month", "year"]
_HOUR = 3600 * 10**9  # nanoseconds
_DAY = 24 * _HOUR
_UNITS = {"day": "D", "month": "M", "year": "Y"}
_ROUNDED = 0.1  # of a step or an hour: single precision days since 1900 are up to three minutes off
_HALF_A_SECOND = 5 * 10**8
_ALLOWED = "allowed: hours, days, weeks, dekads, months or years"
# the days on which dekads begin, end, or have their middle
_DEKAD_DAYS = ({1, 11, 21}, {10, 20, 28, 29, 30, 31}, {5, 15, 25, 26}, {6, 16, 26})


@dataclass(frozen=True)
class StepLength:
    """The length of a time step; `hours` is for hours only (3 for a value every three hours)."""

    step: Step
    hours: float = 1.0


def ordered(data: xr.DataArray, known: Step | None, otherwise: Step, source: str) -> xr.DataArray:
    """Return the grid with its time axis ascending, labelled with the starts of the steps, `step` as an attribute.

    `known` is the length of a step where the source knows it; otherwise the labels tell it, of a single label its `end`
    or, without one, `otherwise`. The labels are those of a clock that is the coordinate's attribute `ahead` (seconds,
    one number or one for each label) ahead of UTC: days and longer steps keep that clock, hours become UTC. Raises
    SourceError for labels that come twice, or whose spacing does not make up DHIS2 periods.
    """
    labels = data["time"].values.astype("M8[ns]")
    if not labels.size:
        raise SourceError(f"{source}: holds no time steps, its time axis is empty; get it from the provider again")
    moments = np.sort(np.append(labels, np.asarray(data["time"].attrs.get("end", labels[:0]), "M8[ns]")))
    length = StepLength(known) if known else _inferred(moments, source) or StepLength(otherwise)
    starts = _starts(labels, length)
    if length.step == "hour":
        starts = starts - np.round(np.asarray(data["time"].attrs.get("ahead", 0.0)) * 1e9).astype("m8[ns]")
    order = np.argsort(starts, kind="stable")
    starts = starts[order]
    twice = np.flatnonzero(np.diff(starts) == np.timedelta64(0, "ns"))
    if twice.size:
        raise SourceError(f"{source}: holds {starts[twice[0]].astype('M8[m]')} twice; expected each {length.step} once")
    if not np.array_equal(order, np.arange(order.size)):
        data = data.isel(time=order)
    data = data.assign_coords(time=starts)
    hours = {"step_hours": length.hours} if length.step == "hour" else {}
    return data.assign_attrs(step=length.step, **hours)


def _inferred(labels: NDArray[np.datetime64], source: str) -> StepLength | None:
    """Return the length of a step by the smallest distance of two labels, as steps may be missing."""
    distances = np.diff(labels).astype("int64")
    distances = distances[distances > 0]
    if not distances.size:
        return None
    smallest = int(distances.min())
    if smallest < _DAY * (1 - _ROUNDED):
        steps = round(_DAY / smallest)
        step = _DAY / steps
        _, scatter = _beside(labels, step)
        most = min(_ROUNDED * step, _ROUNDED * _HOUR)
        if scatter > most or abs(smallest - step) > most or step < 60 * 10**9:
            raise SourceError(
                f"{source}: its time steps are {smallest / _HOUR:g} hours apart and make up no days, or its times are "
                f"rounded too much to tell; {_ALLOWED}"
            )
        return StepLength("hour", step / _HOUR)
    days = smallest / _DAY
    even = bool((np.abs(distances - np.round(distances / _DAY) * _DAY) <= _ROUNDED * _HOUR).all())
    if round(days) == 1 and even:
        return StepLength("day")
    if round(days) == 7 and even and (np.round(distances / _DAY) % 7 == 0).all():
        return StepLength("week")
    if 7 < days <= 11:
        of_month = set((labels.astype("M8[D]") - labels.astype("M8[M]").astype("M8[D]")).astype("int64") + 1)
        regular = any(of_month <= known for known in _DEKAD_DAYS)
        if regular and np.unique(_dekads(labels)).size == labels.size:
            return StepLength("dekad")
    if 28 <= round(days, 3) <= 31:
        return StepLength("month")
    if 365 <= round(days, 3) <= 366:
        return StepLength("year")
    raise SourceError(f"{source}: its time steps are {days:g} days apart; {_ALLOWED}")


def _beside(labels: NDArray[np.datetime64], step: float) -> tuple[float, float]:
    """Return the usual distance of labels from whole steps since midnight, and their largest deviation from it."""
    turns = (labels.astype("int64") % _DAY) / step * 2 * np.pi
    usual = np.angle(np.exp(1j * turns).mean())
    scatter = np.abs(np.angle(np.exp(1j * (turns - usual)))).max()
    return float(usual / (2 * np.pi) * step), float(scatter / (2 * np.pi) * step)


def _nearest(nanoseconds: NDArray[np.int64], step: int) -> NDArray[np.int64]:
    """Return the nearest whole steps since the start of 1970."""
    return (nanoseconds + step // 2) // step * step


def _dekads(labels: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    """Return the first days of the dekads of a month: its 1st, 11th and 21st."""
    months = labels.astype("M8[M]").astype("M8[D]")
    number = np.minimum((labels.astype("M8[D]") - months).astype("int64") // 10, 2)
    return np.asarray(months + number * np.timedelta64(10, "D"))


def _starts(labels: NDArray[np.datetime64], length: StepLength) -> NDArray[np.datetime64]:
    """Return the starts of the steps in which the labels lie."""
    nanoseconds = labels.astype("int64")
    if length.step == "hour":
        step = round(length.hours * _HOUR)
        beside, scatter = _beside(labels, step)
        if abs(beside) <= max(_HALF_A_SECOND, scatter):  # whole steps, but for rounding
            return np.asarray((_nearest(nanoseconds, step)).astype("M8[ns]"))
        # the label of a step lies within it, in its middle for example
        shift = round(beside % step)
        return np.asarray(_nearest(nanoseconds - shift, step).astype("M8[ns]"))
    beside, scatter = _beside(labels, _DAY)
    if abs(beside) <= min(max(_HALF_A_SECOND, scatter), _ROUNDED * _HOUR):  # midnights
        labels = _nearest(nanoseconds, _DAY).astype("M8[ns]")
    if length.step == "week":
        starts = labels.astype("M8[D]")
    elif length.step == "dekad":
        starts = _dekads(labels)
    else:
        starts = labels.astype(f"M8[{_UNITS[length.step]}]")
    return np.asarray(starts.astype("M8[ns]"))


def next_starts(starts: NDArray[np.datetime64], step: str) -> NDArray[np.datetime64]:
    """Return the starts of the steps after these days, weeks, dekads, months or years."""
    if step == "week":
        return np.asarray(starts.astype("M8[D]") + np.timedelta64(7, "D"))
    if step == "dekad":
        return _dekads(np.asarray(starts.astype("M8[D]") + np.timedelta64(11, "D"), "M8[D]"))
    return np.asarray(starts.astype(f"M8[{_UNITS[step]}]") + 1)


def steps_between(begin: np.datetime64, end: np.datetime64, step: str, starts: NDArray[np.datetime64]) -> int | None:
    """Return how many steps lie between two moments, None where a step reaches across one of them.

    Weeks begin on the day of the week of these starts.
    """
    if step == "week":
        days = [int((moment - starts[0]) / np.timedelta64(1, "D")) for moment in (begin, end)]
        return None if any(day % 7 for day in days) else (days[1] - days[0]) // 7
    ends = np.array([begin, end], "M8[ns]")
    if step == "dekad":
        if (_dekads(ends) != ends).any():
            return None
        months = ends.astype("M8[M]")
        numbers = months.astype("int64") * 3 + (ends.astype("M8[D]") - months.astype("M8[D]")).astype("int64") // 10
        return int(numbers[1] - numbers[0])
    whole = ends.astype(f"M8[{_UNITS[step]}]")
    return None if (whole.astype("M8[ns]") != ends).any() else int((whole[1] - whole[0]).astype("int64"))
