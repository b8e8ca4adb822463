"""Step 4: from cells to organisation units, and from the time steps of the source to DHIS2 periods.

What share of each cell a unit covers is computed once, by exactextract; the rest is one sparse product a block of
time. Sums of shares are float64, whatever the grid is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import xarray as xr
from numpy.typing import NDArray

from eo_pygeoapi.datasets import Dataset
from eo_pygeoapi.models import LeftOut, SpatialStatistic
from eo_pygeoapi.pipeline.coverage import CoverageWeights, coverage_weights
from eo_pygeoapi.pipeline.periods import Period
from eo_pygeoapi.pipeline.temporal import PeriodSteps, complete_periods, step_hours, to_periods
from eo_pygeoapi.pipeline.units import Conversion, conversion

__all__ = ["Aggregated", "CoverageWeights", "aggregate", "aggregate_to_org_units", "coverage_weights"]

Floats = NDArray[np.float64]


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
    statistics = dataset.aggregation
    weights = coverage_weights(grid, units)
    grid, finish = _converted(grid, dataset)
    complete, left_out = complete_periods(grid, periods, dataset.time_zone)
    values = np.full((len(complete), len(units)), np.nan)
    fractions = np.zeros_like(values)
    for block in to_periods(grid, complete, statistics.temporal):
        here = slice(block.first, block.first + len(block.values))
        values[here], fractions[here] = aggregate(block.values, weights, statistics.spatial, block.observed)
        if progress:
            progress(here.stop / len(complete))
    values = values * finish.scale + finish.offset
    without = _without_value(values, fractions, weights, dataset.min_valid_fraction)
    values[without != _Reason.NONE] = np.nan
    if dataset.decimals is not None:
        values = values.round(dataset.decimals)
    values += 0.0  # -0.0 becomes 0.0
    left_out += _listed(without, fractions, units["orgUnit"], complete, dataset.min_valid_fraction)
    return Aggregated(_frame(values, fractions, units["orgUnit"], complete), left_out)
