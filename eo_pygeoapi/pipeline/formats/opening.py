"""Open one file of whatever format as a lazy array of one variable.

xarray's backends are named as classes: by their names it would load every backend there is, GRIB's among them.
"""

import warnings
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import rioxarray
import xarray as xr
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from xarray.backends import NetCDF4BackendEntrypoint, ZarrBackendEntrypoint

from eo_pygeoapi.errors import SourceError, SourceUnavailableError
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.pipeline.formats.gdal import configure_gdal
from eo_pygeoapi.pipeline.grids.grid import dimension
from eo_pygeoapi.pipeline.grids.time_axis import with_bounds

_MAGIC = {
    b"\x89HDF": "NetCDF",
    b"CDF\x01": "NetCDF",
    b"CDF\x02": "NetCDF",
    b"CDF\x05": "NetCDF",
    b"II*\x00": "GeoTIFF",
    b"MM\x00*": "GeoTIFF",
    b"II+\x00": "GeoTIFF",
    b"MM\x00+": "GeoTIFF",
}
_SUFFIXES = {".tif": "GeoTIFF", ".tiff": "GeoTIFF", ".cog": "GeoTIFF", ".zarr": "Zarr"}
_CHUNK_CACHE = 8 * 2**20
# nothing decoded; `decode_cf=False` fails with engines that are classes
_RAW: JsonObject = dict.fromkeys(
    ("mask_and_scale", "decode_times", "decode_timedelta", "decode_coords", "concat_characters"), False
)


def format_of(place: str, source: str) -> str:
    """Return NetCDF, GeoTIFF or Zarr: of a path by its first bytes, of a URL by its suffix ('' if that does not tell).

    Raises SourceError where there is no such file, or it is none of these.
    """
    if "://" in place:
        return _SUFFIXES.get(Path(place.partition("?")[0].rstrip("/")).suffix.lower(), "")
    path = Path(place)
    if path.is_dir() and any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zmetadata")):
        return "Zarr"
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise SourceError(f"{source}: cannot be read: {error.strerror}") from error
    if magic not in _MAGIC:
        hint = "; convert GRIB to NetCDF first" if magic == b"GRIB" else ""
        raise SourceError(f"{source}: is no raster; allowed: NetCDF, GeoTIFF (COG), Zarr{hint}")
    return _MAGIC[magic]


def open_variable(place: str, variable: str, source: str) -> xr.DataArray:
    """Open a path or URL as an array, decoded (NaN, scale and offset, dates), lazily; `time` only where it has one.

    `variable` may be empty where there is only one; messages call the file `source`. Raises SourceError, or
    SourceUnavailableError for a URL that does not answer.
    """
    kind = format_of(place, source)
    try:
        if kind == "GeoTIFF":
            return _open_geotiff(place, source)
        dataset = _open_zarr(place) if kind == "Zarr" else _open_netcdf(place)
    except SourceError:
        raise
    except Exception as error:  # each driver raises its own
        raise _translated(error, kind, place, source) from error
    return _one_variable(dataset, variable, source)


def _open_netcdf(place: str) -> xr.Dataset:
    # every chunk is read once; by default the library would keep 64 MiB of them
    netCDF4.set_chunk_cache(_CHUNK_CACHE)
    return _decoded(xr.open_dataset(place, engine=NetCDF4BackendEntrypoint, **_RAW))


def _open_zarr(place: str) -> xr.Dataset:
    try:
        raw = xr.open_dataset(place, engine=ZarrBackendEntrypoint, **_RAW, consolidated=True)
    except (KeyError, ValueError):  # no consolidated metadata
        raw = xr.open_dataset(place, engine=ZarrBackendEntrypoint, **_RAW, consolidated=False)
    return _decoded(raw)


def _decoded(raw: xr.Dataset) -> xr.Dataset:
    """Decode by CF. To look for a fill value of NaN, which is NaN already, takes a tenth of the time of reading."""
    for variable in raw.variables.values():
        if np.ndim(fill := variable.attrs.get("_FillValue", 0)) == 0 and fill != fill:
            del variable.attrs["_FillValue"]
    return xr.decode_cf(raw, decode_coords="all", decode_timedelta=False)


def _open_geotiff(place: str, source: str) -> xr.DataArray:
    configure_gdal()
    with warnings.catch_warnings():
        # without these tags GDAL takes a file for one from 0 degrees on; over HTTP they may be what was cut off
        warnings.simplefilter("error", NotGeoreferencedWarning)
        data = rioxarray.open_rasterio(place, mask_and_scale=True, lock=False)
    if not isinstance(data, xr.DataArray):
        raise SourceError(f"{source}: holds several rasters; expected one")
    if data.sizes["band"] != 1:
        raise SourceError(f"{source}: holds {data.sizes['band']} bands; expected one")
    if data.rio.transform().is_identity or not data.rio.transform().is_rectilinear:
        raise SourceError(f"{source}: has no place on the earth, or is rotated; expected a north-up GeoTIFF")
    return data.squeeze("band", drop=True)


def _translated(error: Exception, kind: str, place: str, source: str) -> SourceError:
    text = " ".join(str(error).split())
    if "://" not in place:
        return SourceError(f"{source}: cannot be read as {kind}: {text}")
    if isinstance(error, FileNotFoundError) or "response code: 404" in text:
        return SourceError(f"{source}: does not exist")
    if isinstance(error, RasterioError) and "not recognized" in text:
        return SourceError(f"{source}: cannot be read as {kind}: {text}")
    return SourceUnavailableError(f"{source}: cannot be read: {text}; try again later")


def _one_variable(dataset: xr.Dataset, variable: str, source: str) -> xr.DataArray:
    gridded = [str(name) for name, data in dataset.data_vars.items() if dimension(data, "y") and dimension(data, "x")]
    if variable and variable not in dataset.data_vars:
        raise SourceError(f"{source}: has no variable {variable!r} (available: {_list(gridded or dataset.data_vars)})")
    if not variable and len(gridded) != 1:
        if not gridded:
            found = _list(dataset.data_vars)
            raise SourceError(f"{source}: has no variable on latitudes and longitudes (its variables: {found})")
        raise SourceError(f"{source}: has several variables; set options.variable (available: {_list(gridded)})")
    data = dataset[variable or gridded[0]]
    time = dimension(data, "time")
    if time:
        renamed = data if time == "time" else data.rename({time: "time"})
        return with_bounds(renamed, dataset)
    return _with_scalar_time(data)


def _with_scalar_time(data: xr.DataArray) -> xr.DataArray:
    """Make a time that stands beside the grid, as of a file with one time step, a dimension."""
    for name, coordinate in data.coords.items():
        if coordinate.ndim == 0 and str(name).lower() in ("time", "valid_time") and coordinate.dtype.kind == "M":
            renamed = data if name == "time" else data.rename({name: "time"})
            return renamed.expand_dims("time")
    return data


def _list(names: Any) -> str:
    listed: list[Hashable] = list(names)
    return ", ".join(str(name) for name in listed) or "none"
