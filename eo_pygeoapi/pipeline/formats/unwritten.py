"""Find the cells of an HDF5 file that nobody ever wrote.

HDF5 reads them as its fill value, which is 0 unless the writer chose one, or leaves in memory what was there before.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Unwritten:
    """Which chunks of a variable have no storage, and the number that HDF5 reads there.

    `chunks` has one cell for each chunk of the size `chunk`; a variable that is not chunked is one chunk. `shape` is
    the variable's in NetCDF, `written` its own: another variable may have made a dimension that both share longer.
    """

    fill: int | float
    chunks: NDArray[np.bool_]
    chunk: tuple[int, ...]
    shape: tuple[int, ...]
    written: tuple[int, ...]

    def cells(self, key: tuple[Any, ...]) -> NDArray[np.bool_]:
        """Return which cells at `key` (a whole number, slice or array for each dimension) nobody wrote."""
        positions = [np.arange(size)[index] for size, index in zip(self.shape, key, strict=True)]
        flat = [np.atleast_1d(at) for at in positions]
        absent = self.chunks[np.ix_(*(at // size for at, size in zip(flat, self.chunk, strict=True)))]
        beyond = [at >= size for at, size in zip(flat, self.written, strict=True)]
        absent = reduce(np.logical_or, np.meshgrid(*beyond, indexing="ij", sparse=True), absent)
        return absent.reshape([at.size for at in positions if at.ndim])


def find_unwritten(place: str, path: str, shape: tuple[int, ...]) -> Unwritten | None:
    """Return what nobody wrote of the variable at `path` in a file, None where all is written.

    Return None also for a classic NetCDF, and for a variable whose values are in other files.
    """
    if not h5py.is_hdf5(place):
        return None
    with h5py.File(place, locking=False) as file:
        data = file.get(path)
        if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external or 0 in shape:
            return None
        if data.shape == shape and data.id.get_space_status() == h5py.h5d.SPACE_STATUS_ALLOCATED:
            return None
        chunk = data.chunks or shape
        absent = np.ones([-(-size // each) for size, each in zip(shape, chunk, strict=True)], bool)
        stored: list[tuple[int, ...]] = []
        if data.chunks:
            data.id.chunk_iter(lambda found: stored.append(found.chunk_offset))
        for offset in stored:
            absent[tuple(start // each for start, each in zip(offset, chunk, strict=True))] = False
        return Unwritten(np.asarray(data.fillvalue).item(), absent, chunk, shape, data.shape)
