"""NetCDF files: their groups and their contents."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import netCDF4
import xarray as xr
from xarray.backends import NetCDF4BackendEntrypoint

from eo_pygeoapi.pipeline.formats.raw import Shape, opened, with_parents

_CHUNK_CACHE = 8 * 2**20


def open_group(place: str, group: str = "") -> xr.Dataset:
    """Open a group ('' for the root), with the coordinates of the groups around it."""
    # the library would cache 64 MiB of chunks, but we read each chunk once
    netCDF4.set_chunk_cache(_CHUNK_CACHE)
    return with_parents(group, lambda each: opened(place, NetCDF4BackendEntrypoint, group=each or None))


def groups(place: str) -> Sequence[str]:
    """Return the groups below the root."""
    with netCDF4.Dataset(place) as file:
        return [group.path.strip("/") for group in _below(file)]


def contents(place: str) -> dict[str, Shape]:
    """Return the variables of all groups by their path."""
    with netCDF4.Dataset(place) as file:
        return {
            f"{group.path.strip('/')}/{name}".strip("/"): dict(zip(variable.dimensions, variable.shape, strict=True))
            for group in (file, *_below(file))
            for name, variable in group.variables.items()
        }


def reading(source: str) -> AbstractContextManager[None]:
    """Translate nothing: what the library raises has no words for users."""
    return nullcontext()


def _below(group: Any) -> Iterator[Any]:
    for child in group.groups.values():
        yield child
        yield from _below(child)
