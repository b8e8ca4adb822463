"""Read a grid along time, in blocks of bounded size.

One reader, for HDF5 has a global lock; it fetches the next block while the present one is used.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from eo_pygeoapi.errors import EoError, SourceError, SourceUnavailableError

BLOCK_BYTES = 16 * 2**20  # of float64: as much as a processor's cache holds, more is not faster


@dataclass(frozen=True)
class Block:
    """The values of the time steps from `first` to `stop` (exclusive), shape (time, y, x)."""

    first: int
    stop: int
    values: NDArray[np.floating]


def steps_per_block(cells: int, stored: int = 1) -> int:
    """Return how many time steps of so many cells make a block.

    It is a multiple of the `stored` steps that a file keeps together, unless these are far too large themselves.
    """
    steps = max(1, BLOCK_BYTES // (8 * max(cells, 1)))
    if stored <= 8 * steps:
        return max(1, round(steps / stored)) * stored
    return steps


def blocks(grid: xr.DataArray, wanted: NDArray[np.integer]) -> Iterator[Block]:
    """Yield the blocks that hold the time steps at the `wanted` positions, ascending.

    `grid` has the dimensions (time, y, x). Its chunks are the blocks; a grid in memory is cut into views. A block
    begins and ends with a wanted step. Raises SourceError, or SourceUnavailableError for what is read from a URL.
    """
    ranges = list(_ranges(grid, wanted))
    if grid.chunks is None:
        yield from (Block(first, stop, grid.values[first:stop]) for first, stop in ranges)
        return
    with ThreadPoolExecutor(1, "read-blocks") as reader:
        pending = [reader.submit(_read, grid, *ranges[0])] if ranges else []
        for following in [*ranges[1:], None]:
            block = pending.pop().result()
            if following:
                pending.append(reader.submit(_read, grid, *following))
            yield block


def _ranges(grid: xr.DataArray, wanted: NDArray[np.integer]) -> Iterator[tuple[int, int]]:
    steps, *shape = grid.shape
    if grid.chunks is None:
        edges = np.arange(0, steps, steps_per_block(int(np.prod(shape))))[1:]
    else:
        edges = np.cumsum(grid.chunks[0])[:-1]
    for positions in np.split(wanted, np.searchsorted(wanted, edges)):
        if positions.size:
            yield int(positions[0]), int(positions[-1]) + 1


def _read(grid: xr.DataArray, first: int, stop: int) -> Block:
    try:
        return Block(first, stop, grid.data[first:stop].compute(scheduler="synchronous"))
    except EoError:
        raise
    except Exception as error:  # whatever the driver of the format raises
        source = grid.attrs.get("source", "the source")
        message = f"{source}: cannot read the time steps {first} to {stop - 1}: {error}"
        raise (SourceUnavailableError if "://" in source else SourceError)(message) from error
