"""A glance at a file, with the library of its format alone: can a job read it as most files are?

xarray with all that it brings takes two seconds to import, this a fifth of one. The rules are those by which `opening`
and `grids/grid.py` read a file, and the functions theirs; what they allow and hardly any file has (groups, dimensions
beside time, latitude and longitude, single cells) a glance cannot tell.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from eo_pygeoapi.pipeline.formats.attributes import text
from eo_pygeoapi.pipeline.formats.axes import axes_of, gridded
from eo_pygeoapi.pipeline.formats.degrees import degrees_of
from eo_pygeoapi.pipeline.formats.gdal import configure_gdal
from eo_pygeoapi.pipeline.formats.kinds import format_of
from eo_pygeoapi.pipeline.formats.stored import stored_as
from eo_pygeoapi.pipeline.formats.time_values import times_of
from eo_pygeoapi.pipeline.formats.unwritten import find_unwritten
from eo_pygeoapi.pipeline.formats.whole import check_whole
from eo_pygeoapi.pipeline.grids.axis import WORLD, axes_in_degrees, cells_of_box, in_degrees


def is_right(path: str, variable: str, band: int, dated: bool) -> bool:
    """Return whether a job can read this file of latitudes and longitudes; False also where a glance cannot tell.

    `variable` may be empty where the file has only one, and `band` 0 where a GeoTIFF has; `dated` says that its time is
    known where the file itself has none. Raises nothing: who opens the file says what is wrong with it.
    """
    try:
        kind = format_of(path, path)
        check_whole(path, kind, path)
        if kind == "GeoTIFF":
            return dated and _is_right_raster(path, band)
        with _netcdf(path) if kind == "NetCDF" else _zarr(path) as dataset:
            return _is_right_grid(dataset, variable, path, kind == "NetCDF", dated)
    except Exception:  # each library raises its own
        return False


@dataclass(frozen=True)
class _Variable:
    """A variable as it is stored; `read` returns its values."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    attrs: Mapping[str, Any]
    read: Callable[[], NDArray[Any]]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def sizes(self) -> Mapping[Any, int]:
        return dict(zip(self.dims, self.shape, strict=True))

    @property
    def values(self) -> NDArray[Any]:
        return self.read()


@dataclass(frozen=True)
class _Dataset:
    variables: Mapping[str, _Variable]


@contextmanager
def _netcdf(path: str) -> Iterator[_Dataset]:
    import netCDF4  # each format's library is imported for its files alone

    with netCDF4.Dataset(path) as file:
        if file.groups:
            raise ValueError("has groups")
        file.set_auto_maskandscale(False)
        file.set_auto_chartostring(False)
        yield _Dataset({name: _of_netcdf(variable) for name, variable in file.variables.items()})


def _of_netcdf(variable: Any) -> _Variable:
    dtype = np.dtype(object if variable.dtype is str else variable.dtype)
    attributes = {name: variable.getncattr(name) for name in variable.ncattrs()}
    return _Variable(variable.dimensions, variable.shape, dtype, attributes, lambda: np.asarray(variable[...]))


@contextmanager
def _zarr(path: str) -> Iterator[_Dataset]:
    import zarr

    with zarr.config.set({"array.read_missing_chunks": False}):
        arrays = dict(zarr.open_group(path, mode="r").arrays())
        yield _Dataset({name: _of_zarr(array) for name, array in arrays.items()})


def _of_zarr(array: Any) -> _Variable:
    named = getattr(array.metadata, "dimension_names", None) or array.attrs["_ARRAY_DIMENSIONS"]
    # that of Zarr 2 is 0 by default: a number, not a mark for missing values
    fill = {"_FillValue": array.fill_value} if array.metadata.zarr_format == 2 and array.fill_value else {}
    return _Variable(tuple(named), array.shape, array.dtype, fill | dict(array.attrs), lambda: np.asarray(array[...]))


def _is_right_grid(dataset: _Dataset, variable: str, path: str, netcdf: bool, dated: bool) -> bool:
    names = [variable] if variable else gridded(dataset)
    if len(names) != 1:
        return False
    known = dataset.variables[names[0]]
    axes = axes_of(known, dataset)
    if {axis.dimension for axis in axes.values()} != set(known.dims) or not _is_on_degrees(known, dataset):
        return False
    stored_as(known.dtype, known.attrs, path, netcdf=netcdf)
    coordinates = {name: dataset.variables[axis.values] for name, axis in axes.items()}
    if netcdf and any(find_unwritten(path, axes[name].values, data.shape) for name, data in coordinates.items()):
        return False
    y, x = (degrees_of(axes[name], known, dataset, path) for name in ("y", "x"))
    return _covers_some(y, x, path) and (times_of(known, axes, dataset, path) is not None or dated)


def _is_on_degrees(variable: _Variable, dataset: _Dataset) -> bool:
    """Return whether the file has no coordinate reference system, or says in words that it is one of degrees."""
    grid_mapping = text(variable.attrs, "grid_mapping").partition(":")[0].strip()
    described = [
        dataset.variables[name].attrs for name in (grid_mapping, "spatial_ref", "crs") if name in dataset.variables
    ]
    written = [text(attrs, "crs_wkt") or text(attrs, "spatial_ref") for attrs in described]
    return all(words and in_degrees(CRS.from_wkt(words)) for words in written)


def _is_right_raster(path: str, band: int) -> bool:
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    configure_gdal()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # its place is then the identity
        with rasterio.open(path) as raster:
            place = raster.transform
            north_up = not (place.b or place.d)
            degrees = raster.crs is None or in_degrees(CRS.from_wkt(raster.crs.to_wkt()))
            has_band = band <= raster.count if band else raster.count == 1
            if raster.subdatasets or place.is_identity or not (north_up and degrees and has_band):
                return False
            x = place.c + place.a * (np.arange(raster.width) + 0.5)
            y = place.f + place.e * (np.arange(raster.height) + 0.5)
    return _covers_some(y, x, path)


def _covers_some(latitudes: NDArray[Any], longitudes: NDArray[Any], path: str) -> bool:
    """Return whether coordinates are regular and on the earth."""
    y, x = axes_in_degrees(latitudes, longitudes, path, {})
    return bool(cells_of_box(y, x, WORLD, path))
