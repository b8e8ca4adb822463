"""NetCDF files written number by number, as programs of all kinds write them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import ArrayLike

from eo_pygeoapi.pipeline.formats.opening import open_variable

LATITUDES, LONGITUDES = np.array([2.5, 1.5, 0.5]), np.array([10.5, 11.5, 12.5, 13.5])


def netcdf(
    path: Path,
    stored: ArrayLike | None,
    *,
    dtype: str = "f4",
    attributes: Mapping[str, Any] | None = None,
    times: ArrayLike = (0,),
    time_type: str = "f8",
    time: Mapping[str, Any] | None = None,
    names: tuple[str, str, str] = ("time", "lat", "lon"),
    kind: Any = "NETCDF4",
    unlimited: bool = False,
    **options: Any,
) -> Path:
    """Write `stored`, as it is, over three latitudes and four longitudes; None writes nothing.

    The time dimension may grow where it is `unlimited`.
    """
    attributes = dict(attributes or {})
    with netCDF4.Dataset(path, "w", format=kind) as file:
        for name, size in zip(names, (len(np.asarray(times)), 3, 4), strict=True):
            file.createDimension(name, None if unlimited and name == names[0] else size)
        axis = file.createVariable(names[0], time_type, names[:1])
        axis.setncatts({"units": "days since 2024-01-01"} if time is None else dict(time))
        axis.set_auto_maskandscale(False)
        axis[:] = np.asarray(times)
        for name, values in zip(names[1:], (LATITUDES, LONGITUDES), strict=True):
            file.createVariable(name, "f8", (name,))[:] = values
        fill = attributes.pop("_FillValue", None)
        data = file.createVariable("v", dtype, names, fill_value=fill, **options)
        data.set_auto_maskandscale(False)
        data.setncatts(attributes)
        if stored is not None:
            data[:] = np.broadcast_to(np.asarray(stored, dtype), (len(np.asarray(times)), 3, 4))
    return path


def read(path: Path, variable: str = "v") -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(open_variable(str(path), variable, path.name).values, "float64")
