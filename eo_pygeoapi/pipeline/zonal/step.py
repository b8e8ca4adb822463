"""Step 4: aggregate cells to organisation units, and the time steps of the source to DHIS2 periods.

exactextract computes once which share of each cell a unit covers; the rest is one sparse product for each block of
time. Sums of shares are float64, whatever the type of the grid.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from eo_pygeoapi.contract.day_statistics import day_statistic
from eo_pygeoapi.contract.models import LeftOut
from eo_pygeoapi.contract.periods import Period
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.grids.people import People
from eo_pygeoapi.pipeline.grids.plausible import limits, with_room
from eo_pygeoapi.pipeline.grids.temporal import complete_periods, step_hours
from eo_pygeoapi.pipeline.grids.units import Conversion, conversion, refuse_sum_of_rates
from eo_pygeoapi.pipeline.zonal.arrays import aggregate, coverage_weights
from eo_pygeoapi.pipeline.zonal.beyond_grid import sums_of_a_part
from eo_pygeoapi.pipeline.zonal.by_people import Compute, Units, aggregate_by_people
from eo_pygeoapi.pipeline.zonal.cluster import Cluster
from eo_pygeoapi.pipeline.zonal.coverage import CoverageWeights
from eo_pygeoapi.pipeline.zonal.left_out import ends_of, judged
from eo_pygeoapi.pipeline.zonal.points import without_sums_of_points
from eo_pygeoapi.pipeline.zonal.streaming import Means, aggregate_periods
from eo_pygeoapi.pipeline.zonal.vectors import aggregate_directions
from eo_pygeoapi.pipeline.zonal.weights_cache import Store, WeightsCache

__all__ = ["Aggregated", "CoverageWeights", "Means", "aggregate", "aggregate_to_org_units", "coverage_weights", "means"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Aggregated:
    """Values of units and periods, and a list of those left out.

    `frame` has the columns `orgUnit`, `period` (DHIS2 id), `start`, `end` (ISO dates), `value` (float64, NaN for
    null) and `validFraction` (float64, the share of the unit's area, and of the period's steps, that has data), in
    the order of periods, then of units.
    """

    frame: pd.DataFrame
    left_out: list[LeftOut]


def aggregate_to_org_units(
    grid: xr.DataArray,
    units: gpd.GeoDataFrame,
    periods: Sequence[Period],
    dataset: Dataset,
    progress: Callable[[float], None] | None = None,
    means: Means | None = None,
    people: People | None = None,
) -> Aggregated:
    """Aggregate a grid to the units and periods, in the dataset's units and decimals.

    `grid` is normalised (see `grids.py`) and covers the units as far as the source does; `units` has the columns
    `orgUnit` and `geometry` (valid Polygon, MultiPolygon or Point, EPSG:4326). Aggregates time before space. Values
    with a valid fraction below the dataset's `minValidFraction`, or that are not `plausible`, and sums of points are
    null and listed.
    Calls `progress` with the share that is done; `means` are weights of before, memory and a cluster; `people` weigh
    cells, or are counted (`exposure`). Raises SourceError where steps are longer than periods, or units do not convert.
    """
    grid, finish = _prepared(grid, dataset)
    complete, left_out = complete_periods(grid, periods, dataset.time_zone)
    geometries = units.geometry.to_numpy()
    compute: Compute = aggregate_directions if grid.dtype.kind == "c" else aggregate_periods
    ids, how, means = list(units["orgUnit"]), dataset.aggregation, means or Means()
    if people is not None and complete:
        if dataset.exposure is not None:
            how = how.model_copy(update={"spatial": "sum"})
        placed = Units(ids, geometries)
        found, more = aggregate_by_people(compute, grid, placed, complete, how, means, people, progress)
        left_out += more
    else:
        found = compute(grid, geometries, complete, how, means, progress)
        if how.spatial == "sum":
            found, more = without_sums_of_points(found, geometries, ids)
            left_out += more
    if how.spatial == "sum":
        left_out += sums_of_a_part(grid, geometries, ids, found.on_grid)
    values = found.values
    values *= finish.scale
    values += finish.offset
    judgement = judged(found, dataset)
    values[judgement.null] = np.nan
    if dataset.decimals is not None:
        values.round(dataset.decimals, out=values)
    if grid.dtype.kind == "c":
        values %= 360.0  # which rounding may have made of the north
    values += 0.0  # -0.0 becomes 0.0
    left_out += judgement.left_out(ids, complete)
    return Aggregated(as_frame(values, found.fractions, ids, [steps.period for steps in complete]), left_out)


@contextmanager
def means(store: Store, memory_mib: int, scheduler: str = "") -> Iterator[Means]:
    """Yield a store for weights, memory, and the dask cluster of a scheduler's address, for an aggregation."""
    cluster = Cluster.at(scheduler) if scheduler else None
    try:
        yield Means(cache=WeightsCache(store), memory=memory_mib * 2**20, cluster=cluster)
    finally:
        if cluster:
            cluster.close()


def _prepared(grid: xr.DataArray, dataset: Dataset) -> tuple[xr.DataArray, Conversion]:
    """Return the grid with the limits of its cells and the conversion that cells need, and the one that results need.

    Converting few results is faster than many cells, and keeps the digits of float32. But an offset does not commute
    with a sum, a threshold is in the dataset's units, and rates become amounts cell by cell where time steps differ in
    length. Shares of cells (`count`) are
    not in the source's units at all, nor are directions, and a standard deviation is a difference, which has no offset.
    """
    statistics = dataset.aggregation
    of_steps = grid.attrs.get("plausible") or dataset.options.plausible()  # a source may have steps of several lengths
    grid = grid.assign_attrs(source_limits=with_room(of_steps), time_zone=dataset.time_zone)
    if grid.dtype.kind == "c" and dataset.exposure is not None:
        raise SourceError("exposure is of values above or below a threshold, and the values are directions")
    if grid.dtype.kind == "c" or (statistics.spatial == "count" and dataset.plausible is None):
        return grid, Conversion()
    units = str(grid.attrs.get("units", ""))
    whole = conversion(units, dataset.units.to)
    found = replace(whole, offset=0.0) if statistics.spatial == "std" else whole
    if dataset.exposure is not None:
        grid = grid.assign_attrs(exposure=dataset.exposure)
    hours = step_hours(grid)
    if whole == Conversion() and "sum" in (statistics.temporal, statistics.daily):
        refuse_sum_of_rates(units, hours)
    of_sums = found.offset != 0 and "sum" in (statistics.spatial, statistics.temporal, statistics.daily)
    has_threshold = dataset.exposure is not None or day_statistic(statistics.temporal) is not None
    by_cells = of_sums or has_threshold or bool(found.per_hour and np.ptp(hours) > 0)
    allowed = limits(
        ends_of(dataset),
        cells_are_summed=statistics.spatial == "sum",
        steps_are_summed="sum" in (statistics.temporal, statistics.daily),
        differences="least" in grid.attrs,
    )
    if by_cells:
        needed = {"conversion": found} if found != Conversion() else {}
        return grid.assign_attrs(limits=allowed, **needed), Conversion()
    factor = float(np.max(whole.factor(float(hours[0]))))
    grid = grid.assign_attrs(limits=allowed.before(Conversion(factor, whole.offset)))
    return grid, Conversion() if statistics.spatial == "count" else Conversion(factor, found.offset)


def as_frame(values: Floats, fractions: Floats, org_units: Sequence[str], periods: Sequence[Period]) -> pd.DataFrame:
    """Return values and valid fractions, (period, unit), as the rows of `Aggregated`."""
    count = len(org_units)

    def repeated(texts: Iterator[str]) -> NDArray[np.object_]:
        return np.repeat(np.array(list(texts), dtype=object), count)

    return pd.DataFrame(
        {
            "orgUnit": np.tile(np.array(org_units, dtype=object), len(periods)),
            "period": repeated(period.id for period in periods),
            "start": repeated(period.start.isoformat() for period in periods),
            "end": repeated(period.end.isoformat() for period in periods),
            "value": values.ravel(),
            "validFraction": fractions.ravel(),
        }
    )
