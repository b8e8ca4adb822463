"""Hours of ECMWF's files, which the Climate Data Store labels with their ends."""

import numpy as np
import xarray as xr

from eo_pygeoapi.pipeline.formats.attributes import STEP_TYPE
from eo_pygeoapi.pipeline.grids.frames import cell_size
from eo_pygeoapi.pipeline.sources.era5_land.hours import amounts

# of the time since the label before; other values are those of a moment
_OF_THE_TIME_BEFORE = ("accum", "avg", "max", "min")
_CELL_OF_ERA5_LAND = 0.1  # degrees; ERA5's cells have 0.25


def by_starts(data: xr.DataArray) -> xr.DataArray:
    """Return hours labelled with their starts, as all other grids are.

    What ERA5-Land accumulates counts from 00 UTC, and becomes what came in each hour. Other grids stay as they are.
    """
    kind = str(data.attrs.get(STEP_TYPE, ""))
    if kind not in _OF_THE_TIME_BEFORE or data.attrs["step"] != "hour":
        return data
    hours = float(data.attrs["step_hours"])
    if kind == "accum" and hours == 1 and abs(cell_size(data, "x") - _CELL_OF_ERA5_LAND) < 1e-3:
        return amounts(data).assign_attrs(least=0.0)
    return data.assign_coords(time=data["time"].values - np.timedelta64(round(hours * 3600), "s"))
