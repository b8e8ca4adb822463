"""Read a grid along time, in blocks of bounded size.

One thread reads, because HDF5 has a global lock; it fetches the next blocks while others use the present one.
"""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import xarray as xr
from dask.local import get_sync  # by its name dask would import all of distributed first, which takes seconds
from numpy.typing import NDArray

from eo_pygeoapi.errors import EoError, SourceError, SourceUnavailableError

MEMORY = 256 * 2**20  # an aggregation may take this beside its results, if no setting says otherwise
BLOCK_BYTES = 16 * 2**20  # of float64: reading larger ones is not faster
CHUNK_BYTES = 64 * 2**20  # a chunk of a file up to this size is read at once
AHEAD_BYTES = 8 * 2**20  # of blocks to read ahead, one block at least
# the most that a cell of one time step takes: its values, read twice, and the results
CELL_BYTES = 64
WEIGHED_BYTES = 128  # while its weights are computed


@dataclass(frozen=True)
class Block:
    """The values of the time steps from `first` to `stop` (exclusive), shape (time, y, x)."""

    first: int
    stop: int
    values: NDArray[np.floating]


def cells_at_once(memory: int = MEMORY, cell_bytes: int = WEIGHED_BYTES) -> int:
    """Return how many cells of one time step fit into the memory."""
    return max(1, memory // cell_bytes)


def steps_per_block(cells: int, stored: int = 1) -> int:
    """Return how many time steps of so many cells make a block.

    It is a multiple of the `stored` steps in a chunk of the file, unless such a chunk is far too large.
    """
    cells = max(cells, 1)
    steps = max(1, BLOCK_BYTES // (8 * cells))
    if stored <= max(steps, CHUNK_BYTES // (4 * cells)):
        return max(1, steps // stored) * stored
    return steps


def blocks(grid: xr.DataArray, wanted: NDArray[np.integer], memory: int = MEMORY) -> Iterator[Block]:
    """Yield the blocks with the time steps at the `wanted` positions, ascending.

    `grid` has the dimensions (time, y, x). Its chunks are the blocks; a grid in memory is cut into views. A block
    begins and ends with a wanted step. A thread reads the next blocks ahead where they fit the memory. Raises
    SourceError, or SourceUnavailableError for a URL.
    """
    steps, *shape = grid.shape
    if grid.chunks is None:
        edges = np.arange(0, steps, steps_per_block(int(np.prod(shape))))[1:]
    else:
        edges = np.cumsum(grid.chunks[0])[:-1]
    by_block = np.split(wanted, np.searchsorted(wanted, edges))
    ranges = [(int(positions[0]), int(positions[-1]) + 1) for positions in by_block if positions.size]
    if grid.chunks is None:
        yield from (Block(first, stop, grid.values[first:stop]) for first, stop in ranges)
        return
    largest = max((stop - first for first, stop in ranges), default=0) * grid[:1].nbytes
    if 3 * largest > memory:
        yield from (_read(grid, first, stop) for first, stop in ranges)
        return
    ahead = max(1, min(AHEAD_BYTES, memory // 3) // max(1, largest))
    reader, waiting = ThreadPoolExecutor(1, "read-blocks"), iter(ranges)
    try:
        pending = deque(reader.submit(_read, grid, *each) for each in islice(waiting, ahead))
        while pending:
            block = pending.popleft().result()
            pending.extend(reader.submit(_read, grid, *each) for each in islice(waiting, 1))
            yield block
            del block  # free its memory before waiting for the next one
    finally:
        reader.shutdown(cancel_futures=True)  # after an error nobody asks for more


def threads_beside(grid: xr.DataArray) -> int:
    """Return how many threads may compute while one reads the blocks of a grid; more than four wait for memory."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    reading = 1 if grid.chunks else 0
    return min(4, max(1, here - reading))


def _read(grid: xr.DataArray, first: int, stop: int) -> Block:
    try:
        return Block(first, stop, grid.data[first:stop].compute(scheduler=get_sync))
    except EoError:
        raise
    except Exception as error:  # each driver raises its own
        raise unreadable(grid, first, stop, error) from error


def unreadable(grid: xr.DataArray, first: int, stop: int, error: Exception) -> SourceError:
    """Return the error for time steps that a driver or a cluster could not read."""
    source = str(grid.attrs.get("source", "the source"))
    message = f"{source}: cannot read the time steps {first} to {stop - 1}: {error}"
    return SourceUnavailableError(message) if "://" in source else SourceError(message)
