"""A variable of a file whose numbers become values when they are read, block by block."""

from collections.abc import Mapping
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
    """Reads from a lazy variable what it is asked for, and decodes it."""

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
                f"{self._source}: is not whole, chunks of it are not there; copy or download it again (where they are "
                "left out because all in them is 0, write them: `write_empty_chunks=True`)"
            ) from error
        values = self._stored.decoded(np.asarray(raw))
        if self._unwritten is not None:
            values = np.where(self._unwritten.cells(key), self.dtype.type(np.nan), values)
        return values


def decoded(
    raw: xr.Variable, stored: Stored, unwritten: Unwritten | None, names: Mapping[str, str], source: str
) -> xr.Variable:
    """Return a lazy variable of the values that stored numbers stand for, with dimensions of other names.

    Cells that are `unwritten` are missing.
    """
    values = indexing.LazilyIndexedArray(_Decoded(raw, stored, unwritten, source))
    stored_together = {
        names.get(str(name), str(name)): n for name, n in raw.encoding.get("preferred_chunks", {}).items()
    }
    dimensions = tuple(names.get(str(name), str(name)) for name in raw.dims)
    return xr.Variable(dimensions, values, None, {"preferred_chunks": stored_together}, fastpath=True)
