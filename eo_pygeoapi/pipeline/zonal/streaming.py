"""Aggregate a grid to periods and geometries with a bounded number of cells in memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray

from eo_pygeoapi.contract.models import Aggregation
from eo_pygeoapi.pipeline.grids.antimeridian import beyond_180
from eo_pygeoapi.pipeline.grids.blocks import CELL_BYTES, MEMORY, cells_at_once, threads_beside
from eo_pygeoapi.pipeline.grids.days import period_values
from eo_pygeoapi.pipeline.grids.frames import Frame, with_cell_sizes
from eo_pygeoapi.pipeline.grids.plausible import Range
from eo_pygeoapi.pipeline.grids.temporal import PeriodSteps
from eo_pygeoapi.pipeline.zonal.accumulation import Accumulated, AccumulatedStrips, Impossible
from eo_pygeoapi.pipeline.zonal.cluster import Cluster
from eo_pygeoapi.pipeline.zonal.coverage import Floats, areas, as_wkb
from eo_pygeoapi.pipeline.zonal.direct import area_of, statistics_of
from eo_pygeoapi.pipeline.zonal.parts import Part, parts
from eo_pygeoapi.pipeline.zonal.people import Weigher
from eo_pygeoapi.pipeline.zonal.statistics import BlockStatistics, Partial, weighs_cells
from eo_pygeoapi.pipeline.zonal.weights_cache import WeightsCache, content_key

# values may take one in so many of the cells in memory while weights are computed, which take as much
_SMALL = 8


@dataclass(frozen=True)
class Means:
    """What an aggregation may use: a cache of weights, bytes of memory beside its results, a dask cluster."""

    cache: WeightsCache = field(default_factory=WeightsCache)
    memory: int = MEMORY
    cluster: Cluster | None = None


class Found(NamedTuple):
    """Values, NaN for missing, and valid fractions, shape (period, unit), and which units are on the grid.

    `impossible` is the share of each unit whose cells had impossible values, None for nowhere; `between` is the range
    of these values. `listed` says which values are null for a reason that is in a list already.
    """

    values: Floats
    fractions: Floats
    on_grid: NDArray[np.bool_]
    impossible: Floats | None = None
    between: Range | None = None
    listed: NDArray[np.bool_] | None = None


def aggregate_periods(
    grid: xr.DataArray,
    geometries: NDArray[np.object_],
    complete: Sequence[PeriodSteps],
    aggregation: Aggregation,
    means: Means,
    progress: Callable[[float], None] | None = None,
    weigher: Weigher | None = None,
) -> Found:
    """Aggregate a normalised grid, time before space, to periods and geometries.

    Geometries are valid Polygons, MultiPolygons or Points in degrees; None and empty ones have no value. Calls
    `progress` after every block with the share that is done. `weigher`, where given, weighs cells by people.
    """
    grid = with_cell_sizes(grid)
    geometries = beyond_180(geometries, Frame.of(grid))
    seen = _Seen(np.zeros(len(geometries)), np.zeros(len(geometries)), np.zeros(len(geometries), bool))
    most = cells_at_once(means.memory)
    single = weigher is None and _is_single_step(geometries, complete, aggregation)
    if single:  # a grid in memory takes no more
        most = cells_at_once(means.memory, CELL_BYTES) if grid.chunks else int(grid[0].size)
    listed = list(parts(grid, geometries, aggregation.spatial, most, undivided=weigher is not None))
    all_at_once = len(listed) == 1 and isinstance(listed[0].members, slice)
    whole = (Accumulated if all_at_once else AccumulatedStrips)(aggregation.spatial, len(complete), len(geometries))
    impossible = Impossible(len(complete), len(geometries))
    for number, part in enumerate(listed):
        for first, partial, its_units in _partials(
            part, geometries[part.members], complete, aggregation, means, weigher, single=single
        ):
            whole.add(first, partial, part.members)
            impossible.add(first, partial, part.members)
            if first == 0:
                seen.add(part.members, its_units)
            if progress:
                progress((number + (first + partial.steps) / len(complete)) / len(listed))
    area = areas(Frame.of(grid), geometries, seen.inside)
    area *= np.divide(seen.weighed, seen.inside, out=np.ones_like(area), where=seen.inside > 0)
    values, fractions = whole.finished(area)
    return Found(values, fractions, seen.on_grid, impossible.shares(area), impossible.found)


class _Seen(NamedTuple):
    """The area of units on the grid in cells, plain and weighed, and whether any of it is."""

    inside: Floats
    weighed: Floats
    on_grid: NDArray[np.bool_]

    def add(self, members: NDArray[np.intp] | slice, more: "_Seen") -> None:
        self.inside[members] += more.inside
        self.weighed[members] += more.weighed
        self.on_grid[members] |= more.on_grid


def _partials(
    part: Part,
    geometries: NDArray[np.object_],
    complete: Sequence[PeriodSteps],
    aggregation: Aggregation,
    means: Means,
    weigher: Weigher | None,
    *,
    single: bool,
) -> Iterator[tuple[int, Partial, _Seen]]:
    """Yield the results of the blocks of a part, each with the number of its first period."""
    frame = Frame.of(part.grid)
    wkb = as_wkb(geometries)
    # the hash of all geometries takes a tenth of the time of a single step
    key = content_key(frame, wkb) if not single or means.cache.may_have(frame, len(geometries)) else ""
    weights = means.cache.find(key, frame, len(geometries)) if key else None
    blocks = period_values(part.grid, complete, aggregation, means.memory)
    if weights is None:
        if single:
            units = wkb.tolist()
            for block in blocks:
                partial, inside = statistics_of(frame, block.values[0], units, aggregation.spatial)
                if block.impossible is not None:
                    area = area_of(frame, block.impossible[0], units)
                    partial = replace(partial, impossible=area, found=block.found)
                yield 0, partial, _Seen(inside, inside, inside > 0)
            return
        if not means.cluster and part.cells <= cells_at_once(means.memory) // _SMALL:
            blocks = chain(list(islice(blocks, 1)), blocks)  # begin to read ahead
        weights = means.cache.computed(key, frame, geometries, wkb)
    inside, on_grid = weights.inside, weights.on_grid
    if weigher is not None:
        weights = weigher.weighed(weights, key, geometries, part.members)
    elif aggregation.weight == "area" and weighs_cells(aggregation.spatial):
        weights = weights.by_area()
    if means.cluster:
        found = means.cluster.partials(part.grid, complete, aggregation, weights, means.memory)
    else:
        statistics = BlockStatistics(weights, aggregation.spatial, threads_beside(part.grid))
        found = ((block.first, statistics.of(block)) for block in blocks)
    for first, partial in found:
        yield first, partial, _Seen(inside, weights.inside, on_grid)


def _is_single_step(geometries: NDArray[np.object_], complete: Sequence[PeriodSteps], aggregation: Aggregation) -> bool:
    """Return whether this is a single step that exactextract can aggregate alone."""
    single = len(complete) == 1 and complete[0].stop - complete[0].first == 1
    weighs = aggregation.weight == "area" and weighs_cells(aggregation.spatial)
    areal = shapely.get_type_id(geometries) >= shapely.GeometryType.POLYGON
    return bool(single and not weighs and areal.all() and not shapely.is_empty(geometries).any())
