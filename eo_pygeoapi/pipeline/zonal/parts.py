"""Divide a grid and its units into parts, so that a bounded number of cells is in memory.

A grid of a usual size is one part with all units. A larger one becomes strips of whole file chunks, each with the units
that it touches, because most statistics of a unit can be added up. Points, which look at their neighbours, and
quantiles, which need all cells of a unit at once, take the part of the grid around units that lie together.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray

from eo_pygeoapi.contract.statistics import SpatialStatistic
from eo_pygeoapi.pipeline.grids.axis import Box
from eo_pygeoapi.pipeline.grids.frames import Frame
from eo_pygeoapi.pipeline.grids.grid import within
from eo_pygeoapi.pipeline.zonal.statistics import quantile_of

Positions = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Part:
    """Units, as positions or a slice of all, and the part of the grid with their cells."""

    members: Positions | slice
    grid: xr.DataArray

    @property
    def cells(self) -> int:
        """The number of cells of a time step."""
        return self.grid.sizes["y"] * self.grid.sizes["x"]


def parts(
    grid: xr.DataArray, geometries: NDArray[np.object_], statistic: SpatialStatistic, most: int, *, undivided: bool
) -> Iterator[Part]:
    """Yield the parts of a normalised grid, of at most `most` cells unless a single unit needs more.

    Each unit lies in one part where the statistic needs that, or with `undivided`.
    """
    if grid.sizes["y"] * grid.sizes["x"] <= most:
        yield Part(slice(None), grid)
        return
    whole = shapely.get_type_id(geometries) == shapely.GeometryType.POINT
    if undivided or quantile_of(statistic) is not None:
        whole[:] = True
    usable = ~(shapely.is_missing(geometries) | shapely.is_empty(geometries))
    yield from _together(grid, geometries, np.flatnonzero(whole & usable), most)
    # the others in strips of whole chunks where these are small enough
    members = np.flatnonzero(~whole & usable)
    bounds = shapely.bounds(geometries[members])
    rows, first, at_once = grid.sizes["y"], 0, max(1, most // grid.sizes["x"])
    edges = np.cumsum(grid.chunks[1]) if grid.chunks else np.arange(1, rows + 1)
    while first < rows:
        possible = edges[(edges > first) & (edges <= first + at_once)]
        stop = int(possible[-1]) if possible.size else min(first + at_once, rows)
        strip = grid.isel(y=slice(first, stop))
        frame = Frame.of(strip)
        touched = (bounds[:, 1] < frame.north) & (bounds[:, 3] > frame.south)
        if touched.any():
            yield Part(members[touched], strip)
        first = stop


def _together(grid: xr.DataArray, geometries: NDArray[np.object_], members: Positions, most: int) -> Iterator[Part]:
    """Yield groups of units that lie together, from north to south; a large unit alone may need more cells."""
    bounds = shapely.bounds(geometries)
    order = members[np.argsort(-bounds[members, 3], kind="stable")]
    height, width = Frame.of(grid).cell
    first = 0
    while first < len(order):
        stop, box = first + 1, _union(bounds[order[first : first + 1]])
        while stop < len(order):
            larger = _union(np.vstack([box, bounds[order[stop]]]))
            west, south, east, north = larger
            if ((east - west) / width + 2) * ((north - south) / height + 2) > most:
                break
            box, stop = larger, stop + 1
        yield Part(np.sort(order[first:stop]), within(grid, box))
        first = stop


def _union(bounds: NDArray[np.float64]) -> Box:
    west, south = bounds[:, :2].min(axis=0)
    east, north = bounds[:, 2:].max(axis=0)
    return float(west), float(south), float(east), float(north)
