"""Join the opened files of a source into the normalised grid of a request."""

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from eo_pygeoapi.contract.periods import months_in
from eo_pygeoapi.errors import NoDataError, SourceError
from eo_pygeoapi.pipeline.grids import grid as grids
from eo_pygeoapi.pipeline.grids import time_axis
from eo_pygeoapi.pipeline.grids.directions import is_direction
from eo_pygeoapi.pipeline.grids.quantities import limits_of
from eo_pygeoapi.pipeline.grids.temporal import utc_bounds
from eo_pygeoapi.pipeline.grids.time_axis import Step
from eo_pygeoapi.pipeline.grids.units import Conversion, conversion, units_problem
from eo_pygeoapi.pipeline.sources.request import SourceRequest

OPEN = (None, None)


def assemble(
    parts: Sequence[xr.DataArray],
    request: SourceRequest,
    source: str,
    known: Step | None,
    made: Callable[[xr.DataArray], xr.DataArray] = lambda data: data,
) -> xr.DataArray:
    """Join grids of different times, all cut to the box, and take the time steps of the request's interval.

    `known` is the length of a time step where the source knows it; otherwise the times tell it. `made` turns the joined
    time steps into those of the grid, such as amounts since midnight into hourly amounts. The units are those of the
    dataset's configuration, else the file's. The file's standard name tells the limits of the values where the source
    does not, and whether they are directions, of which `as_vectors` makes vectors. Raises SourceError for grids, times
    or units that do not fit together, and NoDataError where no time step lies in the interval; messages begin with
    `source`.
    """
    dataset, interval = request.dataset, request.interval
    months = months_in(dataset.period_type)
    otherwise: Step = "year" if months == 12 else "month" if months else "day"
    data = time_axis.ordered(grids.joined(parts, source), known, otherwise, source)
    data = made(data)
    times = data["time"].values
    bounds = utc_bounds(interval.start, interval.end, data.attrs["step"], dataset.time_zone)
    first, stop = np.searchsorted(times, np.array(bounds))
    if first == stop:
        if not times.size:
            raise NoDataError(f"{source}: holds no whole time step from {interval.start} to {interval.end}")
        held = " to ".join(str(time.astype("M8[D]")) for time in (times[0], times[-1]))
        raise NoDataError(f"{source}: holds {held}; nothing from {interval.start} to {interval.end}")
    units = dataset.units.from_ or _units_of(parts, source)
    about = {name: data.attrs[name] for name in ("step", "step_hours", "least") if name in data.attrs}
    steps = data.isel(time=slice(int(first), int(stop)))
    standard_name = data.attrs.get("standard_name", "")
    if dataset.options.plausible() == OPEN and (limits := limits_of(standard_name, units)) != OPEN:
        about["plausible"] = limits
    if is_direction(standard_name):
        about["directions"] = True
    return steps.drop_attrs(deep=False).assign_attrs(about, units=units, source=source)


def _units_of(parts: Sequence[xr.DataArray], source: str) -> str:
    """Return the units that the files say, '' for none; SourceError where they differ in more than their spelling."""
    first, *others = dict.fromkeys(str(part.attrs.get("units", "")) for part in parts)
    for other in others:
        if first and other and (units_problem(first, other) or conversion(first, other) != Conversion()):
            when = next(part["time"].values[0] for part in parts if part.attrs.get("units") == other)
            raise SourceError(
                f"{source}: its files are in different units: {first!r} and, from {when.astype('M8[D]')} on, {other!r}"
                "; expected the same units in all; write them anew in one unit, or make a dataset of each kind"
            )
        first = first or other
    return first
