"""Let a dask cluster read and aggregate the blocks of a grid."""

import importlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import xarray as xr
from dask.delayed import delayed
from numpy.typing import NDArray

from eo_pygeoapi.contract.models import Aggregation
from eo_pygeoapi.errors import EoError, SourceError, SourceUnavailableError
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.pipeline.grids.blocks import unreadable
from eo_pygeoapi.pipeline.grids.days import period_values
from eo_pygeoapi.pipeline.grids.temporal import PeriodSteps
from eo_pygeoapi.pipeline.zonal.coverage import CoverageWeights
from eo_pygeoapi.pipeline.zonal.statistics import BlockStatistics, Partial

_SECONDS = 30  # for the scheduler to answer
_AHEAD = 2  # tasks for each thread of the cluster, so that no thread waits


class Cluster:
    """A dask.distributed cluster; its workers need this package and access to the files of a grid."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    def at(cls, address: str) -> "Cluster":
        """Connect to the scheduler at an address such as `tcp://scheduler:8786`; raises a SourceError if that fails."""
        try:
            distributed: Any = importlib.import_module("distributed")
        except ImportError as error:
            message = "EO_DASK_SCHEDULER is set, but distributed is not installed; install eo-pygeoapi[distributed]"
            raise SourceError(message) from error
        try:
            return cls(distributed.Client(address, timeout=_SECONDS, set_as_default=False))
        except (OSError, TimeoutError, ValueError) as error:
            raise SourceUnavailableError(f"the dask scheduler at {address} does not answer: {error}") from error

    def close(self) -> None:
        """Leave the cluster."""
        self._client.close()

    def partials(
        self,
        grid: xr.DataArray,
        complete: Sequence[PeriodSteps],
        aggregation: Aggregation,
        weights: CoverageWeights,
        memory: int,
    ) -> Iterator[tuple[int, Partial]]:
        """Yield the results of the blocks of a grid, in order, each with the number of its first period.

        A task reads the steps of the periods that begin in the same chunk and aggregates them; it returns a few
        numbers for each unit.
        """
        scattered = self._client.scatter(weights, broadcast=True, hash=False)
        most = _AHEAD * max(1, sum(self._client.nthreads().values()))
        waiting: deque[tuple[PeriodSteps, PeriodSteps, Any]] = deque()
        edges = np.cumsum(grid.chunks[0]) if grid.chunks else np.array([grid.sizes["time"]])
        number = 0
        for _, same_chunk in groupby(complete, lambda steps: int(np.searchsorted(edges, steps.first + 1))):
            group = list(same_chunk)
            if len(waiting) >= most:
                yield from _result(grid, *waiting.popleft())
            begin = group[0].first
            steps = slice(begin, group[-1].stop)
            shifted = [replace(each, first=each.first - begin, stop=each.stop - begin) for each in group]
            task = delayed(_aggregated, pure=False)(
                grid.data[steps],
                grid["time"].values[steps],
                dict(grid.attrs),
                number,
                shifted,
                aggregation,
                scattered,
                memory,
            )
            waiting.append((group[0], group[-1], self._client.compute(task)))
            number += len(group)
        while waiting:
            yield from _result(grid, *waiting.popleft())


def _aggregated(
    values: NDArray[np.floating],
    times: NDArray[np.datetime64],
    attrs: JsonObject,
    number: int,
    periods: list[PeriodSteps],
    aggregation: Aggregation,
    weights: CoverageWeights,
    memory: int,
) -> list[tuple[int, Partial]]:
    """Aggregate some periods, in a worker of the cluster."""
    grid = xr.DataArray(values, dims=("time", "y", "x"), coords={"time": times}, attrs=attrs)
    statistics = BlockStatistics(weights, aggregation.spatial)
    blocks = period_values(grid, periods, aggregation, memory)
    return [(number + block.first, statistics.of(block)) for block in blocks]


def _result(grid: xr.DataArray, first: PeriodSteps, last: PeriodSteps, future: Any) -> list[tuple[int, Partial]]:
    try:
        found: list[tuple[int, Partial]] = future.result()
    except EoError:
        raise
    except Exception as error:  # each driver, and the cluster, raises its own
        raise unreadable(grid, first.first, last.stop, error) from error
    return found
