"""Decode the stored numbers of a variable, and translate the errors of drivers, when a block of it is read."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing
from zarr.errors import ChunkNotFoundError

from eo_pygeoapi.errors import SourceError
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
        values = self._stored.decoded(np.asarray(raw))
        if self._unwritten is not None:
            values = np.where(self._unwritten.cells(key), self.dtype.type(np.nan), values)
        return values


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

    def __init__(self, raw: xr.Variable, reading: Callable[[], AbstractContextManager[None]]) -> None:
        self._raw, self._reading = raw, reading
        self.shape, self.dtype = raw.shape, raw.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        with self._reading():
            return np.asarray(self._raw[key].values)


def translated(data: xr.DataArray, reading: Callable[[], AbstractContextManager[None]]) -> xr.DataArray:
    """Return a lazy array each block of which is read within a context of `reading`, which can be pickled."""
    raw = data.variable
    values = indexing.LazilyIndexedArray(_Translated(raw, reading))
    variable = xr.Variable(raw.dims, values, raw.attrs, raw.encoding, fastpath=True)
    return xr.DataArray(variable, data.coords, name=data.name)
