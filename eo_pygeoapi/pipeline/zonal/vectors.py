"""Aggregate grids of vectors, complex numbers of east and north, to the directions of their mean vectors."""

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from earthkit.meteo.wind import array as wind
from numpy.typing import NDArray

from eo_pygeoapi.contract.models import Aggregation
from eo_pygeoapi.pipeline.grids.temporal import PeriodSteps
from eo_pygeoapi.pipeline.zonal.people import Weigher
from eo_pygeoapi.pipeline.zonal.streaming import Found, Means, aggregate_periods

_CALM = 1e-9  # what rounding leaves of vectors that cancel each other; it has no direction


def aggregate_directions(
    grid: xr.DataArray,
    geometries: NDArray[np.object_],
    complete: Sequence[PeriodSteps],
    aggregation: Aggregation,
    means: Means,
    progress: Callable[[float], None] | None = None,
    weigher: Weigher | None = None,
) -> Found:
    """Return where the mean vectors of periods and geometries come from, in degrees: 0 is north, 90 is east.

    Both components are averaged over time and cells as any grid is (`aggregate_periods`), and make a direction then:
    the mean of 350 and 10 degrees is 0, not 180.
    """
    parts = []
    for number, component in enumerate((grid.real, grid.imag)):
        share = (lambda done, number=number: progress((number + done) / 2)) if progress else None
        component = component.assign_attrs(grid.attrs)
        parts.append(aggregate_periods(component, geometries, complete, aggregation, means, share, weigher))
    east, north = parts
    found = np.asarray(wind.direction(east.values, north.values))
    calm = np.hypot(east.values, north.values) < _CALM
    return east._replace(values=np.where(calm, np.nan, found))
