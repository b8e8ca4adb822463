"""Compute zonal statistics of any array and polygons, without the rest of this package.

    weights = coverage_weights(grid, units)
    values, valid_fraction = aggregate(grid, weights, "mean")

`docs/zonal.md` explains them.
"""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import geopandas as gpd
import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from eo_pygeoapi.contract.statistics import QUANTILE, SPATIAL_STATISTICS, SpatialStatistic
from eo_pygeoapi.errors import OrgUnitsError, SourceError
from eo_pygeoapi.pipeline.grids.blocks import MEMORY, blocks, threads_beside
from eo_pygeoapi.pipeline.grids.frames import Frame
from eo_pygeoapi.pipeline.grids.geometry import usable_geometry
from eo_pygeoapi.pipeline.grids.grid import dimension, oriented
from eo_pygeoapi.pipeline.zonal.accumulation import Accumulated
from eo_pygeoapi.pipeline.zonal.coverage import CoverageWeights, as_wkb
from eo_pygeoapi.pipeline.zonal.statistics import BlockStatistics
from eo_pygeoapi.pipeline.zonal.weights_cache import WeightsCache

_NAME = "the grid"
_CACHE = WeightsCache()  # the latest weights of this process


class Zonal(NamedTuple):
    """Values, NaN for missing, and valid fractions, both (time, unit); DataArrays for values in a DataArray."""

    values: Any
    valid_fraction: Any


def coverage_weights(
    grid: xr.DataArray,
    units: gpd.GeoDataFrame,
    *,
    weight: Literal["cell", "area"] = "cell",
    cache: WeightsCache | None = None,
) -> CoverageWeights:
    """Compute the share of each cell that every unit covers; read no values.

    `grid` has dimensions for latitude and longitude (`y`, `lat`, `latitude`, …) in degrees, in any direction, and
    perhaps `time`. `units` are Polygons, MultiPolygons or Points in any coordinate reference system, in degrees where
    it has none; invalid ones are repaired, and a unit without a geometry covers nothing. With `weight="area"` cells
    weigh by their area on the sphere. Weights of the same grid and geometries come from a cache. Raises
    SourceError for a grid that is not regular, OrgUnitsError for coordinates that are not on the earth.
    """
    if units.crs is not None and not CRS(units.crs).equals(CRS("EPSG:4326"), ignore_axis_order=True):
        units = units.to_crs("EPSG:4326")
    geometries: NDArray[np.object_] = units.geometry.to_numpy().copy()
    bounds = shapely.bounds(geometries)
    if bool((np.abs(bounds[:, [0, 2]]) > 360).any() or (np.abs(bounds[:, [1, 3]]) > 90).any()):
        raise OrgUnitsError("the units have coordinates that are no longitudes and latitudes; set their crs")
    with ThreadPoolExecutor(1) as beside:
        usual = beside.submit(_are_usual, geometries, bounds)
        frame = _frame_of(grid)
        wkb = as_wkb(geometries)
    for n in np.flatnonzero(~usual.result()):
        usable = usable_geometry(geometries[n])
        geometries[n] = None if isinstance(usable, str) else usable
        wkb[n : n + 1] = as_wkb(geometries[n : n + 1])
    found = (cache or _CACHE).weights(frame, geometries, wkb)
    return found.by_area() if weight == "area" else found


def _frame_of(grid: xr.DataArray) -> Frame:
    """Return where the cells of a grid lie; of its values one step is enough."""
    time = dimension(grid, "time")
    return Frame.of(oriented(grid.isel({time: slice(1)}) if time else grid, _NAME))


def _are_usual(geometries: NDArray[np.object_], bounds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which geometries exactextract can take as they are."""
    usual: NDArray[np.bool_] = shapely.is_valid(geometries)  # first, for it lets other threads compute
    usual &= np.isin(shapely.get_type_id(geometries), (0, 3, 6)) & (np.abs(bounds[:, [0, 2]]) <= 180).all(axis=1)
    return usual


def aggregate(
    values: xr.DataArray | NDArray[np.floating],
    weights: CoverageWeights,
    statistic: SpatialStatistic = "mean",
    *,
    memory: int = MEMORY,
    progress: Callable[[float], None] | None = None,
) -> Zonal:
    """Aggregate cells to units at every time step; return values and valid fractions, each (time, unit) float64.

    `values` is a DataArray on the grid of the weights, read block by block where it is lazy; or an array of
    shape (time, y, x) or (y, x), rows from north to south. Cells that are NaN do not count. `mean`, `sum`, `std`,
    `median` and quantiles (`p90`) weigh cells by the share that the unit covers, as `count` adds these shares up;
    `min` and `max` take every cell of which the unit covers an area. Where no cell has a value, every statistic is NaN:
    the sum over nothing is unknown and not 0. A point takes the value of its cell, or of the nearest with
    data among the eight around it, whatever the statistic; its `count` is 1 and its `std` 0.

    The valid fraction is the share of the unit's area, including that outside the grid, that has data. Raises
    SourceError for another grid than that of the weights, ValueError for an unknown statistic.
    """
    if statistic not in SPATIAL_STATISTICS and not re.fullmatch(QUANTILE, statistic):
        raise ValueError(f"unknown statistic {statistic!r}; allowed: {', '.join(SPATIAL_STATISTICS)}, p1 to p99")
    grid = _as_grid(values, weights)
    steps = grid.sizes["time"]
    whole = Accumulated(statistic, steps, len(weights.area))
    statistics = BlockStatistics(weights, statistic, threads_beside(grid))
    for block in blocks(grid, np.arange(steps), memory):
        whole.add(block.first, statistics(block.values))
        if progress:
            progress(block.stop / steps)
    found = whole.finished(weights.area)
    if not isinstance(values, xr.DataArray):
        return Zonal(*found)
    times = {"time": values["time"]} if "time" in values.coords and "time" in values.dims else {}
    return Zonal(*(xr.DataArray(array, dims=("time", "unit"), coords=times) for array in found))


def _as_grid(values: xr.DataArray | NDArray[np.floating], weights: CoverageWeights) -> xr.DataArray:
    """Return values as a grid of (time, y, x); raise SourceError where its cells are not those of the weights."""
    if not isinstance(values, xr.DataArray):
        array = np.asarray(values)
        if array.ndim not in (2, 3) or array.shape[-2:] != weights.shape:
            raise SourceError(f"an array of shape {array.shape}; the weights are for (time, {weights.shape})")
        array = array if array.dtype.kind == "f" else array.astype("float64")
        return xr.DataArray(array.reshape(-1, *weights.shape), dims=("time", "y", "x"))
    grid = _normalised(values)
    frame = Frame.of(grid)
    edges, others = (np.array([each.west, each.south, each.east, each.north]) for each in (frame, weights.frame))
    if frame.shape != weights.shape or np.abs(edges - others).max() > 1e-3 * min(frame.cell):
        raise SourceError(f"the grid is {frame}; the weights are for {weights.frame}")
    return grid if "time" in grid.dims else grid.expand_dims("time")


def _normalised(data: xr.DataArray) -> xr.DataArray:
    """Return a grid in our orientation, decoded by its CF attributes where nothing has decoded it yet."""
    attrs = data.attrs
    missing = [attrs[name] for name in ("_FillValue", "missing_value") if name in attrs]
    for value in missing:
        data = data.where(data != value)
    if "scale_factor" in attrs or "add_offset" in attrs:
        data = data.astype("float64") * attrs.get("scale_factor", 1.0) + attrs.get("add_offset", 0.0)
    return oriented(data, _NAME)
