"""Open a file of any format as a lazy array of one variable."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from rasterio.errors import RasterioError

from eo_pygeoapi.errors import SourceError, SourceUnavailableError
from eo_pygeoapi.pipeline.formats.attributes import STEP_TYPE, text
from eo_pygeoapi.pipeline.formats.axes import axes_of, refuse_others, two_dimensional
from eo_pygeoapi.pipeline.formats.degrees import CURVED, degrees_of
from eo_pygeoapi.pipeline.formats.drivers import driver_of
from eo_pygeoapi.pipeline.formats.geotiff import Bands, open_geotiff
from eo_pygeoapi.pipeline.formats.kinds import format_of
from eo_pygeoapi.pipeline.formats.lazy import Reading, decoded
from eo_pygeoapi.pipeline.formats.stored import Stored, stored_as
from eo_pygeoapi.pipeline.formats.time_values import times_of
from eo_pygeoapi.pipeline.formats.unwritten import Unwritten, find_unwritten
from eo_pygeoapi.pipeline.formats.variables import Found, find_variable
from eo_pygeoapi.pipeline.formats.whole import check_whole

# attributes of a variable that describes a coordinate reference system
_CRS = ("crs_wkt", "spatial_ref", "grid_mapping_name")
_KEPT = ("units", "long_name", "standard_name")
_ONE_BAND = Bands()


def open_variable(place: str, variable: str, source: str, bands: Bands = _ONE_BAND) -> xr.DataArray:
    """Open a path or URL as an array, decoded (NaN, scale and offset, dates), lazily; `time` only where it has one.

    `variable` may be empty where the file has only one, and may begin with a group (`Grid/precipitation`); `bands`
    says what the bands of a GeoTIFF are; messages call the file `source`. The dimensions are `y`, `x`, `time` and
    others of size 1. Raises SourceError, or SourceUnavailableError for a URL that does not answer.
    """
    kind = format_of(place, source)
    try:
        if "://" not in place:
            check_whole(place, kind, source)
        if kind == "GeoTIFF":
            return open_geotiff(place, source, bands)
        reading = partial(driver_of(kind).reading, source)
        with reading():
            return _open_gridded(place, kind, variable, reading, source)
    except SourceError:
        raise
    except Exception as error:  # each driver raises its own
        words = " ".join(str(error).split())
        if "://" not in place:
            words = f"cannot be read as {kind}, it is damaged or not whole: {words}"
        elif isinstance(error, FileNotFoundError) or "response code: 404" in words:
            words = "does not exist"
        elif isinstance(error, RasterioError) and "not recognized" in words:
            words = f"cannot be read as {kind}: {words}"
        else:
            raise SourceUnavailableError(f"{source}: cannot be read: {words}; try again later") from error
        raise SourceError(f"{source}: {words}") from error


def _open_gridded(place: str, kind: str, variable: str, reading: Reading, source: str) -> xr.DataArray:
    found = find_variable(place, kind, variable, source)
    known = found.dataset.variables[found.name]
    stored = stored_as(known.dtype, known.attrs, source, netcdf=kind == "NetCDF")
    if kind == "Zarr":
        return _array(_without_absent(place, found, stored), stored, None, reading, source)
    unwritten = find_unwritten(place, found.path, known.shape)
    for name in (axis.values for axis in axes_of(known, found.dataset).values() if axis.values):
        if find_unwritten(place, f"{found.group}/{name}", found.dataset.variables[name].shape):
            raise SourceError(f"{source}: nobody wrote the values of its {name}, or not all of them")
    if unwritten is not None and _is_missing(unwritten.fill, stored):
        unwritten = None  # the cells are missing already
    return _array(found, stored, unwritten, reading, source)


def _without_absent(place: str, found: Found, stored: Stored) -> Found:
    """Return a variable of a Zarr store that is not read where chunks are absent, unless that means missing values."""
    from eo_pygeoapi.pipeline.formats import zarr_store  # imported for Zarr alone

    if _is_missing(zarr_store.fill_value(place, found.path), stored):
        return found
    return replace(found, dataset=zarr_store.open_group(place, found.group, absent=False))


def _is_missing(fill: Any, stored: Stored) -> bool:
    """Return whether the number that a library reads for absent chunks means a missing value."""
    return fill is not None and bool(np.isnan(stored.decoded(np.array([fill]).astype(stored.stored))[0]))


def _array(found: Found, stored: Stored, unwritten: Unwritten | None, reading: Reading, source: str) -> xr.DataArray:
    """Return the variable with the dimensions `y`, `x` and `time`, and with their coordinates alone."""
    dataset, name = found.dataset, found.name
    variable = dataset.variables[name]
    axes = axes_of(variable, dataset)
    shape = ", ".join(f"{dimension}: {size}" for dimension, size in variable.sizes.items())
    if not ({"y", "x"} <= axes.keys() and axes["y"].values and axes["x"].values) and two_dimensional(variable, dataset):
        raise SourceError(f"{source}: {CURVED}")
    if not {"y", "x"} <= axes.keys():
        raise SourceError(f"{source}: {name} has the dimensions ({shape}); expected latitude and longitude")
    refuse_others(variable, axes, dataset, source)
    coordinates: dict[str, Any] = {}
    for ours in ("y", "x"):
        if not axes[ours].values:
            name = axes[ours].dimension
            raise SourceError(f"{source}: not on a regular grid of longitudes and latitudes; {name} has no values")
        coordinates[ours] = (ours, degrees_of(axes[ours], variable, dataset, source))
    time = times_of(variable, axes, dataset, source)
    if time is not None and "time" in axes:
        # the end of a single step tells how long it is; the distances of several do
        ends = {"end": time.ends[0]} if time.ends is not None and time.labels.size == 1 else {}
        coordinates["time"] = ("time", time.labels, {"ahead": time.ahead, **ends})
    if "expver" in variable.dims and "expver" in dataset.variables:
        coordinates["expver"] = ("expver", dataset.variables["expver"].values)
    names = {axis.dimension: ours for ours, axis in axes.items()}
    attributes = {key: text(variable.attrs, key) for key in _KEPT if key in variable.attrs}
    bounds = text(dataset.variables[axes["time"].values].attrs, "bounds") if "time" in axes else ""
    if STEP_TYPE in variable.attrs and not bounds:
        attributes[STEP_TYPE] = text(variable.attrs, STEP_TYPE)
    lazy = decoded(variable, stored, unwritten, names, reading)
    data = xr.Dataset({name: lazy}, coords=coordinates)[name].assign_attrs(attributes)
    grid_mapping = text(variable.attrs, "grid_mapping").partition(":")[0].strip()
    for crs in (dataset.variables.get(each) for each in (grid_mapping, "spatial_ref", "crs")):
        if crs is not None and any(text(crs.attrs, attribute) for attribute in _CRS):
            data = data.assign_coords(spatial_ref=xr.Variable((), 0, crs.attrs))  # named as rioxarray expects
            break
    if time is not None and "time" not in axes:
        data = data.expand_dims(time=time.labels)
        data["time"].attrs["ahead"] = time.ahead
    return data
