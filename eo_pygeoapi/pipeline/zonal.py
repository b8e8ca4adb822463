"""Step 4: from cells to organisation units, and from the time steps of the source to DHIS2 periods.

What share of each cell a unit covers is computed once, by exactextract; the rest is one sparse product a block of
time. Sums of shares are float64, whatever the grid is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from eo_pygeoapi.datasets import Dataset
from eo_pygeoapi.models import LeftOut
from eo_pygeoapi.pipeline.coverage import CoverageWeights, coverage_weights
from eo_pygeoapi.pipeline.grids import MANY_CELLS, Box, within
from eo_pygeoapi.pipeline.periods import Period
from eo_pygeoapi.pipeline.statistics import aggregate
from eo_pygeoapi.pipeline.temporal import PeriodSteps, complete_periods, step_hours, to_periods
from eo_pygeoapi.pipeline.units import Conversion, conversion

__all__ = ["Aggregated", "CoverageWeights", "aggregate", "aggregate_to_org_units", "coverage_weights"]

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
) -> Aggregated:
    """Aggregate a grid to the units and periods, in the dataset's units and decimals.

    `grid` is normalised (see `grids.py`) and covers the units as far as the source does; `units` has the columns
    `orgUnit` and `geometry` (valid Polygon, MultiPolygon or Point, EPSG:4326). Time comes before space. Values whose
    valid fraction is under the dataset's `minValidFraction` are null, and listed. `progress` is told the share that
    is done. Raises SourceError where steps are longer than periods, or units do not convert.
    """
    grid, finish = _converted(grid, dataset)
    complete, left_out = complete_periods(grid, periods, dataset.time_zone)
    values = np.full((len(complete), len(units)), np.nan)
    fractions, on_grid = np.zeros_like(values), np.zeros(len(units), bool)
    batches = list(_batches(grid, units))
    for number, (members, around) in enumerate(batches):
        weights = coverage_weights(around, units.iloc[members])
        on_grid[members] = weights.on_grid
        for block in to_periods(around, complete, dataset.aggregation.temporal):
            stop = block.first + len(block.values)
            here = np.ix_(np.arange(block.first, stop), members)
            found = aggregate(block.values, weights, dataset.aggregation.spatial, block.observed)
            values[here], fractions[here] = found
            if progress:
                progress((number + stop / len(complete)) / len(batches))
    values = values * finish.scale + finish.offset
    why = _why_null(values, fractions, on_grid, dataset.min_valid_fraction)
    values[why > 0] = np.nan
    if dataset.decimals is not None:
        values = values.round(dataset.decimals)
    values += 0.0  # -0.0 becomes 0.0
    left_out += _left_out(why, fractions, list(units["orgUnit"]), complete, dataset.min_valid_fraction)
    return Aggregated(_frame(values, fractions, list(units["orgUnit"]), complete), left_out)


def _batches(grid: xr.DataArray, units: gpd.GeoDataFrame) -> Iterator[tuple[NDArray[np.intp], xr.DataArray]]:
    """Yield the units, as positions, in groups that lie together, and the part of the grid that covers each group.

    A coarse grid is one group. Where a country has a hundred million cells, no more of them are in memory than a few
    million, or as many as the largest unit has.
    """
    everything = np.arange(len(units))
    if grid.sizes["y"] * grid.sizes["x"] <= MANY_CELLS:
        yield everything, grid
        return
    bounds = units.geometry.bounds.to_numpy()
    order = np.argsort(-bounds[:, 3], kind="stable")
    first = 0
    while first < len(order):
        stop = first + 1
        part = within(grid, _union(bounds[order[first:stop]]))
        while stop < len(order):
            larger = within(grid, _union(bounds[order[first : stop + 1]]))
            if larger.sizes["y"] * larger.sizes["x"] > MANY_CELLS:
                break
            part, stop = larger, stop + 1
        yield np.sort(order[first:stop]), part
        first = stop


def _union(bounds: Floats) -> Box:
    west, south = bounds[:, :2].min(axis=0)
    east, north = bounds[:, 2:].max(axis=0)
    return float(west), float(south), float(east), float(north)


def _converted(grid: xr.DataArray, dataset: Dataset) -> tuple[xr.DataArray, Conversion]:
    """Return the grid, its cells converted only where they must be, and the conversion that is left for the results.

    To convert a few results is faster than many cells, and does not cost float32 its digits. But an offset does not
    commute with a sum, and rates become amounts cell by cell where time steps differ in length. Shares of cells
    (`count`) are not in the source's units at all.
    """
    statistics = dataset.aggregation
    if statistics.spatial == "count":
        return grid, Conversion()
    found = conversion(str(grid.attrs.get("units", "")), dataset.units.to)
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
