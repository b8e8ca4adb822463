"""Find the UTC days that a dataset's days need, and turn accumulated values into hourly amounts.

ERA5-Land's accumulated variables count from 00 UTC: the number at 01:00 is the amount of the first hour, at 00:00 the
total of the day before. Packing makes a number now and then a little smaller than the one before; a program that takes
this for a new day counts the whole day twice. So only the clock decides.
"""

from datetime import date, timedelta

import numpy as np
import xarray as xr

from eo_pygeoapi.pipeline.grids.temporal import utc_bounds

_HOUR = np.timedelta64(1, "h")


def needed_days(start: date, end: date, time_zone: str, *, accumulated: bool) -> list[date]:
    """Return the UTC days whose hours the days from `start` to `end` of a time zone need.

    Accumulated variables also need the hour after the last: 00:00 of the following day at the end of a UTC day.
    """
    begin, stop = utc_bounds(start, end, "hour", time_zone)
    after_last = stop.astype("M8[h]") + (_HOUR if stop != stop.astype("M8[h]") else np.timedelta64(0, "h"))
    last = after_last if accumulated else after_last - _HOUR
    first_day: date = begin.astype("M8[D]").item()
    last_day: date = last.astype("M8[D]").item()
    return [first_day + timedelta(n) for n in range((last_day - first_day).days + 1)]


def amounts(data: xr.DataArray) -> xr.DataArray:
    """Turn accumulated values, labelled with the ends of hours, into amounts of hours, labelled with their starts.

    Leaves out an hour whose predecessor is missing, unless it is the first of its day. Values are float64.
    """
    times = data["time"].values.astype("M8[h]")
    first_of_day = times.astype("int64") % 24 == 1
    follows = np.concatenate([[False], np.diff(times) == _HOUR])
    usable = np.flatnonzero(first_of_day | follows)
    longest = max(data.chunks[0]) if data.chunks else 0
    data = data.astype("float64")
    before = data.isel(time=np.maximum(usable - 1, 0)).drop_vars("time")
    here = data.isel(time=usable)
    resets = xr.DataArray(first_of_day[usable], dims="time")
    found = here - before.where(~resets, 0.0)
    if longest:
        found = found.chunk({"time": longest})
    found.attrs = data.attrs
    return found.assign_coords(time=(times[usable] - _HOUR).astype("M8[ns]"))
