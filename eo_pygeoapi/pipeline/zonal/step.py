"""Step 4: from cells to organisation units, and from the time steps of the source to DHIS2 periods.

What share of each cell a unit covers is computed once, by exactextract; the rest is one sparse product a block of
time. Sums of shares are float64, whatever the grid is.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import IntEnum

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from eo_pygeoapi.contract.models import LeftOut
from eo_pygeoapi.contract.periods import Period
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.grids.temporal import PeriodSteps, complete_periods, step_hours
from eo_pygeoapi.pipeline.grids.units import Conversion, conversion
from eo_pygeoapi.pipeline.zonal.arrays import aggregate, coverage_weights
from eo_pygeoapi.pipeline.zonal.cluster import Cluster
from eo_pygeoapi.pipeline.zonal.coverage import CoverageWeights
from eo_pygeoapi.pipeline.zonal.streaming import Means, aggregate_periods
from eo_pygeoapi.pipeline.zonal.weights_cache import Store, WeightsCache

__all__ = ["Aggregated", "CoverageWeights", "Means", "aggregate", "aggregate_to_org_units", "coverage_weights", "means"]

Floats = NDArray[np.float64]
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Aggregated:
    """Values of units and periods, and what has none.

    `frame` has the columns `orgUnit`, `period` (DHIS2 id), `start`, `end` (ISO dates), `value` (float64, NaN for
    null) and `validFraction` (float64, the share of the unit's area, and of the period's steps, that has data),
    ordered by period, then as the units are.
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
) -> Aggregated:
    """Aggregate a grid to the units and periods, in the dataset's units and decimals.

    `grid` is normalised (see `grids.py`) and covers the units as far as the source does; `units` has the columns
    `orgUnit` and `geometry` (valid Polygon, MultiPolygon or Point, EPSG:4326). Time comes before space. Values whose
    valid fraction is under the dataset's `minValidFraction` are null, and listed. `progress` is told the share that
    is done; `means` are kept weights, memory and cluster. Raises SourceError where steps are longer than periods, or
    units do not convert.
    """
    grid, finish = _converted(grid, dataset)
    complete, left_out = complete_periods(grid, periods, dataset.time_zone)
    geometries = units.geometry.to_numpy()
    found = aggregate_periods(grid, geometries, complete, dataset.aggregation, means or Means(), progress)
    values, fractions, on_grid = found
    values *= finish.scale
    values += finish.offset
    why = _why_null(values, fractions, on_grid, dataset.min_valid_fraction)
    values[why > 0] = np.nan
    if dataset.decimals is not None:
        values.round(dataset.decimals, out=values)
    values += 0.0  # -0.0 becomes 0.0
    left_out += _left_out(why, fractions, list(units["orgUnit"]), complete, dataset.min_valid_fraction)
    return Aggregated(_frame(values, fractions, list(units["orgUnit"]), complete), left_out)


@contextmanager
def means(store: Store, memory_mib: int, scheduler: str = "") -> Iterator[Means]:
    """Yield what an aggregation may use: a store for weights, memory, and the dask cluster of a scheduler's address."""
    cluster = Cluster.at(scheduler) if scheduler else None
    try:
        yield Means(cache=WeightsCache(store), memory=memory_mib * 2**20, cluster=cluster)
    finally:
        if cluster:
            cluster.close()


def _converted(grid: xr.DataArray, dataset: Dataset) -> tuple[xr.DataArray, Conversion]:
    """Return the grid, its cells converted only where they must be, and the conversion that is left for the results.

    To convert a few results is faster than many cells, and does not cost float32 its digits. But an offset does not
    commute with a sum, and rates become amounts cell by cell where time steps differ in length. Shares of cells
    (`count`) are not in the source's units at all, and a standard deviation is a difference, which has no offset.
    """
    statistics = dataset.aggregation
    if statistics.spatial == "count":
        return grid, Conversion()
    found = conversion(str(grid.attrs.get("units", "")), dataset.units.to)
    if statistics.spatial == "std":
        found = replace(found, offset=0.0)
    hours = step_hours(grid)
    of_sums = found.offset != 0 and "sum" in (statistics.spatial, statistics.temporal)
    if not of_sums and not (found.per_hour and np.ptp(hours) > 0):
        return grid, Conversion(float(found.factor(float(hours[0]))), found.offset)
    factor = xr.DataArray(np.broadcast_to(found.factor(hours), hours.shape), dims="time")
    return (grid.astype("float64") * factor + found.offset).assign_attrs(grid.attrs), Conversion()


class _Why(IntEnum):
    """Why a value is null; 0 where it is not."""

    OFF_GRID = 1
    NO_DATA = 2
    TOO_LITTLE = 3


def _why_null(values: Floats, fractions: Floats, on_grid: NDArray[np.bool_], least: float) -> NDArray[np.int8]:
    why = np.zeros(values.shape, "int8")
    why[fractions < least - _ROUNDING] = _Why.TOO_LITTLE
    why[np.isnan(values)] = _Why.NO_DATA
    why[:, ~on_grid] = _Why.OFF_GRID
    return why


def _left_out(
    why: NDArray[np.int8], fractions: Floats, org_units: Sequence[str], complete: Sequence[PeriodSteps], least: float
) -> list[LeftOut]:
    """List the units without a value: once where that is so, for the same reason, in every period."""
    found = []
    for unit in np.flatnonzero((why > 0).any(axis=0)).tolist():
        of_unit, shares = why[:, unit], fractions[:, unit]
        if (of_unit == of_unit[0]).all():
            found.append(LeftOut(org_unit=org_units[unit], reason=_reason(of_unit[0], shares, least)))
            continue
        found += [
            LeftOut(
                org_unit=org_units[unit], period=complete[n].period.id, reason=_reason(of_unit[n], shares[[n]], least)
            )
            for n in np.flatnonzero(of_unit).tolist()
        ]
    return found


def _reason(why: int, fractions: Floats, least: float) -> str:
    if why == _Why.OFF_GRID:
        return "lies outside the grid of the data"
    if why == _Why.NO_DATA:
        return "no cell of it has data"
    low, high = (f"{fraction:.3g}" for fraction in (fractions.min(), fractions.max()))
    return f"valid fraction {low}{'' if low == high else f' to {high}'} is below minValidFraction {least:g}"


def _frame(
    values: Floats, fractions: Floats, org_units: Sequence[str], complete: Sequence[PeriodSteps]
) -> pd.DataFrame:
    periods, count = [steps.period for steps in complete], len(org_units)

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
