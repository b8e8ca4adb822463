"""The time axis of a grid: ascending, labelled with the start of each step in UTC, and how long a step is.

Sources label days at 00:00, at noon or at their end; months on the 1st, the 15th or the last. Where the file says
the bounds of its steps (CF `bounds`) these decide, otherwise a label is taken to lie in its step.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from eo_pygeoapi.errors import SourceError

Step = Literal["hour", "day", "month", "year"]
_HOUR = np.timedelta64(3600 * 10**9, "ns")
_UNITS = {"day": "D", "month": "M", "year": "Y"}


@dataclass(frozen=True)
class StepLength:
    """What a time step is; `hours` counts for hours only (3 for a value every three hours)."""

    step: Step
    hours: float = 1.0


def ordered(data: xr.DataArray, known: Step | None, otherwise: Step, source: str) -> xr.DataArray:
    """Return the grid with its time axis ascending, labelled with the starts of the steps, `step` as an attribute.

    `known` is what a step is where that is known without looking at the labels, `otherwise` what it is where they
    do not tell, for there is only one. Raises SourceError for labels that are no dates of the usual calendar, come
    twice, or are spaced in a way that does not make up DHIS2 periods.
    """
    labels = data["time"].values
    if labels.dtype.kind != "M":
        calendar = data["time"].encoding.get("calendar") or data["time"].attrs.get("calendar") or labels.dtype
        raise SourceError(f"{source}: its times are not dates of the usual calendar ({calendar}); expected `standard`")
    order = np.argsort(labels, kind="stable")
    length = StepLength(known) if known else _inferred(labels[order], source) or StepLength(otherwise)
    starts = _starts(labels[order].astype("M8[ns]"), length)
    twice = np.flatnonzero(np.diff(starts) == np.timedelta64(0, "ns"))
    if twice.size:
        raise SourceError(f"{source}: holds {starts[twice[0]].astype('M8[m]')} twice; expected each {length.step} once")
    if not np.array_equal(order, np.arange(order.size)):
        data = data.isel(time=order)
    data = data.assign_coords(time=starts)
    hours = {"step_hours": length.hours} if length.step == "hour" else {}
    return data.assign_attrs(step=length.step, **hours)


def _inferred(labels: NDArray[np.datetime64], source: str) -> StepLength | None:
    """Return what a step is by the smallest distance of two labels, for steps may be missing."""
    distances = np.unique(np.diff(labels))
    distances = distances[distances > np.timedelta64(0, "ns")]
    if not distances.size:
        return None
    hours = float(distances[0] / _HOUR)
    even = bool((distances % distances[0] == np.timedelta64(0, "ns")).all())
    if hours < 24 and even and (24 / hours).is_integer():
        return StepLength("hour", hours)
    if hours == 24 and even:
        return StepLength("day")
    if 28 * 24 <= hours <= 31 * 24:
        return StepLength("month")
    if 365 * 24 <= hours <= 366 * 24:
        return StepLength("year")
    text = f"{hours / 24:g} days" if hours >= 24 else f"{hours:g} hours"
    raise SourceError(f"{source}: its time steps are {text} apart; allowed: hours, days, months or years")


def _starts(labels: NDArray[np.datetime64], length: StepLength) -> NDArray[np.datetime64]:
    if length.step == "hour":
        nanoseconds = labels.astype("int64")
        starts = nanoseconds - nanoseconds % round(length.hours * 3600 * 10**9)  # 1970 began with a day
    else:
        starts = labels.astype(f"M8[{_UNITS[length.step]}]")
    return np.asarray(starts.astype("M8[ns]"))


def with_bounds(data: xr.DataArray, dataset: xr.Dataset) -> xr.DataArray:
    """Label the time steps with the lower bounds that the file gives them, where it does; `data` has `time`."""
    time = data["time"]
    # xarray keeps the name among the attributes, or among the encoding where it has decoded the bounds as well
    name = time.attrs.get("bounds") or time.encoding.get("bounds")
    bounds = dataset.variables.get(name) if name else None
    if bounds is None or bounds.ndim != 2 or bounds.shape != (data.sizes["time"], 2) or bounds.dtype.kind != "M":
        return data
    lower = bounds.values.min(axis=1)
    return data.assign_coords(time=("time", lower, data["time"].attrs))
