"""Decode the stored numbers of a variable, and translate the errors of drivers, when a block of it is read."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from eo_pygeoapi.pipeline.formats.stored import Stored
from eo_pygeoapi.pipeline.formats.unwritten import Unwritten

Reading = Callable[[], AbstractContextManager[None]]


class _Decoded(BackendArray):
    """Reads blocks of a lazy variable and decodes them."""

    def __init__(self, raw: xr.Variable, stored: Stored, unwritten: Unwritten | None, reading: Reading) -> None:
        self._raw, self._stored, self._unwritten, self._reading = raw, stored, unwritten, reading
        self.shape, self.dtype = raw.shape, stored.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[np.floating]:
        with self._reading():
            raw = self._raw[key].values
        values = self._stored.decoded(np.asarray(raw))
        if self._unwritten is not None:
            values = np.where(self._unwritten.cells(key), self.dtype.type(np.nan), values)
        return values


def decoded(
    raw: xr.Variable, stored: Stored, unwritten: Unwritten | None, names: Mapping[str, str], reading: Reading
) -> xr.Variable:
    """Return a lazy variable of decoded values, NaN in `unwritten` cells; `names` maps its dimensions to ours.

    Each block is read within a context of `reading`, which can be pickled.
    """
    values = indexing.LazilyIndexedArray(_Decoded(raw, stored, unwritten, reading))
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
        reading: Reading,
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
    reading: Reading,
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
