"""Decode the stored numbers of a variable, and translate the errors of drivers, when a block of it is read."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Any

import numpy as np
import xarray as xr
from aiohttp import ClientResponseError
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing
from zarr.errors import ChunkNotFoundError

from eo_pygeoapi.errors import SourceError, SourceUnavailableError
from eo_pygeoapi.pipeline.formats.stored import Stored
from eo_pygeoapi.pipeline.formats.unwritten import Unwritten


class _Decoded(BackendArray):
    """Reads blocks of a lazy variable and decodes them."""

    def __init__(self, raw: xr.Variable, stored: Stored, unwritten: Unwritten | None, source: str) -> None:
        self._raw, self._stored, self._unwritten, self._source = raw, stored, unwritten, source
        self.shape, self.dtype = raw.shape, stored.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[np.floating]:
        try:
            raw = self._raw[key].values
        except ChunkNotFoundError as error:
            raise SourceError(
                f"{self._source}: is not whole, chunks of it are not there; copy or download it again (a program "
                "that leaves out chunks of zeros must write them: `write_empty_chunks=True`)"
            ) from error
        except ClientResponseError as error:
            raise of_answer(error, self._source) from error
        values = self._stored.decoded(np.asarray(raw))
        if self._unwritten is not None:
            values = np.where(self._unwritten.cells(key), self.dtype.type(np.nan), values)
        return values


def of_answer(error: ClientResponseError, source: str) -> SourceError:
    """Return our error for what the server of a Zarr store answers: a refusal stays one, all else may pass."""
    said = f"{source}: the server answers {error.status} {error.message}"
    if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return SourceError(f"{said}; it wants a login, which a netrc of the worker may hold")
    return SourceUnavailableError(f"{said}; try again later")


def decoded(
    raw: xr.Variable, stored: Stored, unwritten: Unwritten | None, names: Mapping[str, str], source: str
) -> xr.Variable:
    """Return a lazy variable of decoded values, NaN in `unwritten` cells; `names` maps its dimensions to ours."""
    values = indexing.LazilyIndexedArray(_Decoded(raw, stored, unwritten, source))
    stored_together = {
        names.get(str(name), str(name)): n for name, n in raw.encoding.get("preferred_chunks", {}).items()
    }
    dimensions = tuple(names.get(str(name), str(name)) for name in raw.dims)
    return xr.Variable(dimensions, values, None, {"preferred_chunks": stored_together}, fastpath=True)


class _Translated(BackendArray):
    """Reads blocks of a lazy variable within a context that translates what its driver raises."""

    def __init__(
        self,
        raw: xr.Variable,
        reading: Callable[[], AbstractContextManager[None]],
        refused: type[Exception],
        again: Callable[[], xr.Variable] | None,
    ) -> None:
        self._raw, self._reading, self._refused, self._again = raw, reading, refused, again
        self.shape, self.dtype = raw.shape, raw.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        try:
            with self._reading():
                return np.asarray(self._raw[key].values)
        except self._refused:
            if self._again is None:
                raise
        with self._reading():
            self._raw = self._again()
            return np.asarray(self._raw[key].values)


def translated(
    data: xr.DataArray,
    reading: Callable[[], AbstractContextManager[None]],
    refused: type[Exception],
    again: Callable[[], xr.Variable] | None = None,
) -> xr.DataArray:
    """Return a lazy array each block of which is read within a context of `reading`.

    After the error `refused` the block is read once more of what `again` opens, where that is given; both can be
    pickled.
    """
    raw = data.variable
    values = indexing.LazilyIndexedArray(_Translated(raw, reading, refused, again))
    variable = xr.Variable(raw.dims, values, raw.attrs, raw.encoding, fastpath=True)
    return xr.DataArray(variable, data.coords, name=data.name)
