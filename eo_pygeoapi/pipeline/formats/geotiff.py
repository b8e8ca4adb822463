"""Open a GeoTIFF lazily: one band, or bands as time steps."""

import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import rioxarray
import xarray as xr
from rasterio.errors import NotGeoreferencedWarning

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats.gdal import configure_gdal

_DATE = re.compile(r"(?<!\d)(\d{4})[-_./]?(0[1-9]|1[0-2])(?:[-_./]?(0[1-9]|[12]\d|3[01]))?(?!\d)")
_DURATION = re.compile(r"P(?:(\d+)([DWMY])|T(\d+)H)")


@dataclass(frozen=True)
class Bands:
    """Which band of a raster to take (`band`, 0 for all), or which times its bands have.

    The first is of the time `start`, and the others follow at intervals of `step`, a duration such as P1D or P1M.
    """

    band: int = 0
    start: str = ""
    step: str = ""


def open_geotiff(place: str, source: str, bands: Bands) -> xr.DataArray:
    """Open a GeoTIFF as (y, x), or (time, y, x) where its bands are time steps; raises SourceError."""
    configure_gdal()
    with warnings.catch_warnings():
        # GDAL places a file without these tags at 0 degrees; over HTTP a broken download may have lost them
        warnings.simplefilter("error", NotGeoreferencedWarning)
        data = rioxarray.open_rasterio(place, mask_and_scale=True, lock=False)
    if not isinstance(data, xr.DataArray):
        raise SourceError(f"{source}: holds several rasters; expected one")
    if data.rio.transform().is_identity or not data.rio.transform().is_rectilinear:
        raise SourceError(f"{source}: has no georeference, or is rotated; expected a north-up GeoTIFF")
    return of_bands(data, source, bands)


def of_bands(data: xr.DataArray, source: str, bands: Bands) -> xr.DataArray:
    """Return the band of an opened raster that is asked for, or its bands as time steps; raises SourceError."""
    count = data.sizes["band"]
    if bands.band:
        if bands.band > count:
            raise SourceError(f"{source}: has no band {bands.band}; allowed: 1 to {count}")
        return data.isel(band=bands.band - 1, drop=True)
    if count == 1 and not bands.step:
        return data.isel(band=0, drop=True)
    if bands.step:
        match = _DURATION.fullmatch(bands.step)
        assert match, f"{source}: {bands.step} was not checked"
        unit, many = ("h", int(match[3])) if match[3] else (match[2], int(match[1]))
        each, many = ("M", many * (12 if unit == "Y" else 1)) if unit in "MY" else (unit, many)
        first: Any = np.datetime64(bands.start, "M" if each == "M" else "ns")
        times = (first + (np.arange(count) * many).astype(f"m8[{each}]")).astype("M8[ns]")
        return data.rename(band="time").assign_coords(time=times)
    named = data.attrs.get("long_name", ())
    names = [named] if isinstance(named, str) else list(named)
    found = [_DATE.search(str(name)) for name in names]
    dates = ["-".join(part for part in match.groups() if part) for match in found if match]
    if len(dates) == count and len(set(dates)) == count:
        return data.rename(band="time").assign_coords(time=np.array(dates, "M8[ns]"))
    some = f" ({', '.join(str(name) for name in names[:3])}, …)" if names else ""
    raise SourceError(
        f"{source}: holds {count} bands{some}; expected one; choose one by options.band (1 to {count}), or, where "
        "each is a time step, give the time of the first and how far they are apart: options.time: 2024-01/P1M"
    )
