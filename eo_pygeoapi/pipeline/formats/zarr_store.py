"""Zarr stores: their groups, their contents and what zarr and the server of a store raise.

`drivers` imports this for the first Zarr: with zarr and aiohttp it takes 14 MB, which every process of jobs would hold.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import xarray as xr
import zarr
from aiohttp import ClientResponseError
from xarray.backends import ZarrBackendEntrypoint
from zarr.errors import ChunkNotFoundError

from eo_pygeoapi.errors import SourceError, SourceUnavailableError
from eo_pygeoapi.pipeline.formats.attributes import listed
from eo_pygeoapi.pipeline.formats.raw import Shape, opened, with_parents


def open_group(place: str, group: str = "", *, absent: bool = True) -> xr.Dataset:
    """Open a group ('' for the root); `absent` allows to read absent chunks as the fill value."""
    with zarr.config.set({"array.read_missing_chunks": absent}):
        return with_parents(group, lambda each: _opened(place, each))


def groups(place: str) -> Sequence[str]:
    """Return no groups: in a Zarr store the variable of a group is always named."""
    return ()


def contents(place: str) -> dict[str, Shape]:
    """Return the arrays of all groups by their path."""
    found: dict[str, Shape] = {}
    for path, member in sorted(_store(place).members(max_depth=None)):
        if isinstance(member, zarr.Array):
            named: Any = getattr(member.metadata, "dimension_names", None) or member.attrs.get("_ARRAY_DIMENSIONS")
            dimensions = [str(name) for name in named] if named else [f"dimension {n}" for n in range(member.ndim)]
            found[path] = dict(zip(dimensions, member.shape, strict=True))
    return found


def fill_value(place: str, path: str) -> Any:
    """Return the fill value of an array, which zarr reads for absent chunks; None where it has none."""
    found = _store(place)[path]
    return found.fill_value if isinstance(found, zarr.Array) else None


@contextmanager
def reading(source: str) -> Iterator[None]:
    """Translate what is raised for absent chunks, and for what the server of a store answers.

    A refusal stays one, all else may pass.
    """
    try:
        yield
    except ChunkNotFoundError as error:
        raise SourceError(
            f"{source}: is not whole, chunks of it are not there; copy or download it again (a program "
            "that leaves out chunks of zeros must write them: `write_empty_chunks=True`)"
        ) from error
    except ClientResponseError as error:
        said = f"{source}: the server answers {error.status} {error.message}"
        if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise SourceError(f"{said}; it wants a login, which a netrc of the worker may hold") from error
        raise SourceUnavailableError(f"{said}; try again later") from error


def _opened(place: str, group: str) -> xr.Dataset:
    options = {"group": group or None, "storage_options": _options_of(place)}
    try:
        raw = opened(place, ZarrBackendEntrypoint, consolidated=True, **options)
    except (KeyError, ValueError):  # no consolidated metadata
        raw = opened(place, ZarrBackendEntrypoint, consolidated=False, **options)
    if zeros := [str(name) for name, data in raw.variables.items() if 0 in listed(data.attrs, "_FillValue")]:
        # the fill value of Zarr 2 is 0 by default: a number, not a mark for missing values
        arrays = _store(place, group)
        for name in zeros:
            if "_FillValue" not in arrays[name].attrs:
                raw.variables[name].attrs.pop("_FillValue")
    return raw


def _store(place: str, group: str = "") -> zarr.Group:
    return zarr.open_group(place, mode="r", path=group or None, storage_options=_options_of(place))


def _options_of(place: str) -> dict[str, Any] | None:
    """Return what fsspec needs to read a place through the proxy that the environment names, as all else does."""
    return {"client_kwargs": {"trust_env": True}} if place.startswith(("http://", "https://")) else None
