"""Open NetCDF and Zarr, and their groups, with the numbers as they are stored.

xarray gets its backends as classes: for a backend's name it would load all of them, GRIB's too.
"""

from collections.abc import Callable, Iterator
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
import zarr
from xarray.backends import NetCDF4BackendEntrypoint, ZarrBackendEntrypoint

from eo_pygeoapi.pipeline.formats.attributes import listed

_CHUNK_CACHE = 8 * 2**20
# decodes nothing; `decode_cf=False` fails with engines that are classes
_RAW: dict[str, Any] = dict.fromkeys(
    ("mask_and_scale", "decode_times", "decode_timedelta", "decode_coords", "concat_characters", "cache"), False
)


def open_netcdf(place: str, group: str = "") -> xr.Dataset:
    """Open a group of a NetCDF file ('' for the root), with the coordinates of the groups around it."""
    # the library would cache 64 MiB of chunks, but we read each chunk once
    netCDF4.set_chunk_cache(_CHUNK_CACHE)
    return _with_parents(group, lambda each: _opened(place, NetCDF4BackendEntrypoint, group=each or None))


def open_zarr(place: str, group: str = "", *, absent: bool = True) -> xr.Dataset:
    """Open a group of a Zarr store; `absent` allows to read absent chunks as the fill value."""
    with zarr.config.set({"array.read_missing_chunks": absent}):
        return _with_parents(group, lambda each: _open_zarr_group(place, each))


def zarr_fill(place: str, path: str) -> Any:
    """Return the fill value of a Zarr array, which zarr reads for absent chunks; None where it has none."""
    found = zarr.open_group(place, mode="r", storage_options=options_of(place))[path]
    return found.fill_value if isinstance(found, zarr.Array) else None


def options_of(place: str) -> dict[str, Any] | None:
    """Return what fsspec needs to read a place through the proxy that the environment names, as all else does."""
    return {"client_kwargs": {"trust_env": True}} if place.startswith(("http://", "https://")) else None


def groups(place: str) -> list[str]:
    """Return the groups of a NetCDF file below its root."""
    with netCDF4.Dataset(place) as file:
        return [path.strip("/") for path in _below(file)]


def _below(group: Any) -> Iterator[str]:
    for child in group.groups.values():
        yield child.path
        yield from _below(child)


def _opened(place: str, engine: Any, **options: Any) -> xr.Dataset:
    return xr.open_dataset(place, engine=engine, **_RAW, **options)


def _open_zarr_group(place: str, group: str) -> xr.Dataset:
    options = {"group": group or None, "storage_options": options_of(place)}
    try:
        raw = _opened(place, ZarrBackendEntrypoint, consolidated=True, **options)
    except (KeyError, ValueError):  # no consolidated metadata
        raw = _opened(place, ZarrBackendEntrypoint, consolidated=False, **options)
    if zeros := [str(name) for name, data in raw.variables.items() if 0 in listed(data.attrs, "_FillValue")]:
        # the fill value of Zarr 2 is 0 by default: a number, not a mark for missing values
        arrays = zarr.open_group(place, mode="r", path=group or None, storage_options=options_of(place))
        for name in zeros:
            if "_FillValue" not in arrays[name].attrs:
                raw.variables[name].attrs.pop("_FillValue")
    return raw


def _with_parents(group: str, opened: Callable[[str], xr.Dataset]) -> xr.Dataset:
    """Return a group with those variables of the groups around it that fit its dimensions."""
    dataset = opened(group)
    parts = group.split("/") if group else []
    for depth in range(len(parts) - 1, -1, -1):
        around = opened("/".join(parts[:depth]))
        for name, data in around.variables.items():
            fits = all(dataset.sizes.get(dimension, -1) == size for dimension, size in data.sizes.items())
            if name not in dataset.variables and fits and np.prod(data.shape) >= 1:
                dataset[name] = data
    return dataset
