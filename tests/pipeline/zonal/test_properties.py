"""Whatever the grid and the units are, the result is exactextract's, step by step."""

from datetime import date
from typing import Any

import exactextract
import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from eo_pygeoapi.contract.models import Aggregation
from eo_pygeoapi.contract.periods import Period
from eo_pygeoapi.pipeline.grids.temporal import PeriodSteps
from eo_pygeoapi.pipeline.zonal import step as zonal
from eo_pygeoapi.pipeline.zonal.arrays import coverage_weights
from eo_pygeoapi.pipeline.zonal.streaming import Means, aggregate_periods
from tests.pipeline import made

STATISTICS = {
    "mean": "mean",
    "sum": "sum",
    "min": "min(min_coverage_frac=1e-10)",
    "max": "max(min_coverage_frac=1e-10)",
    "count": "count",
    "std": "stdev",
    "median": "median(min_coverage_frac=1e-10)",
    "p10": "quantile(q=0.1,min_coverage_frac=1e-10)",
    "p90": "quantile(q=0.9,min_coverage_frac=1e-10)",
}
QUANTILES = ("median", "p10", "p90")
STEPS = 3
often = settings(
    deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@st.composite
def grids(draw: st.DrawFn) -> xr.DataArray:
    """A grid anywhere, of any cell size and orientation, with a mask that may move; no two values are the same."""
    rows, columns = draw(st.integers(2, 12)), draw(st.integers(2, 12))
    height, width = draw(st.sampled_from([0.05, 0.1, 0.25, 1.0])), draw(st.sampled_from([0.05, 0.1, 0.25, 1.0]))
    north, west = draw(st.integers(-60, 70)), draw(st.integers(-170, 150))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    values = rng.permutation(STEPS * rows * columns).reshape(STEPS, rows, columns)
    values = (values * draw(st.sampled_from([1.0, 0.01])) + draw(st.sampled_from([0.0, 270.0, -30.0]))).astype(dtype)
    gaps = rng.random((rows, columns)) < draw(st.sampled_from([0.0, 0.0, 0.2, 0.7, 1.0]))
    values[:, gaps] = np.nan
    if draw(st.booleans()):
        values[rng.random(values.shape) < 0.2] = np.nan
    y, x = north - (np.arange(rows) + 0.5) * height, west + (np.arange(columns) + 0.5) * width
    return xr.DataArray(values, dims=("time", "y", "x"), coords={"y": y, "x": x})


@st.composite
def polygons(draw: st.DrawFn, grid: xr.DataArray) -> BaseGeometry:
    """A star, a ring, islands or a box along the edges of cells; inside the grid, across its border or beside it."""
    y, x = grid["y"].values, grid["x"].values
    height, width = y[0] - y[1], x[1] - x[0]
    where = st.floats(-0.3, 1.3)
    middle = (x[0] + draw(where) * (x[-1] - x[0]), y[-1] + draw(where) * (y[0] - y[-1]))
    kind = draw(st.sampled_from(["star", "ring", "islands", "cells"]))
    if kind == "cells":
        column, row = draw(st.integers(-1, x.size)), draw(st.integers(-1, y.size))
        west, north = x[0] + (column - 0.5) * width, y[0] - (row - 0.5) * height
        return box(west, north - draw(st.integers(1, 4)) * height, west + draw(st.integers(1, 4)) * width, north)
    scale = draw(st.sampled_from([0.01, 0.3, 1.0, 4.0]))
    angles = np.linspace(0, 2 * np.pi, draw(st.integers(3, 12)), endpoint=False)
    reach = np.random.default_rng(draw(st.integers(0, 2**32))).uniform(0.3, 1.0, angles.size)
    star = np.c_[np.cos(angles) * width, np.sin(angles) * height] * reach[:, None] * scale
    outer = star + middle
    if kind == "ring":
        return Polygon(outer, [(star * 0.5 + middle)[::-1]])
    if kind == "islands":
        return MultiPolygon([Polygon(outer), Polygon(outer + np.array([3 * scale * width, 0]))])
    return Polygon(outer)


def expected(grid: xr.DataArray, shapes: list[BaseGeometry], op: str) -> NDArray[np.float64]:
    """What exactextract gives for each step and polygon, NaN where no cell has data.

    Where a polygon ends along the edge of a cell, exactextract finds it covers 1e-15 of the next one; that is nothing.
    """
    y, x = grid["y"].values, grid["x"].values
    height, width = (y[0] - y[-1]) / (y.size - 1) / 2, (x[-1] - x[0]) / (x.size - 1) / 2
    edges = (x[0] - width, y[-1] - height, x[-1] + width, y[0] + height)
    features = [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(s)} for s in shapes]
    nothing = 1e-9 * np.minimum(1.0, shapely.area(shapes) / (4 * width * height))
    rows = []
    for band in grid.values:
        raster = exactextract.raster.NumPyRasterSource(band, *edges, nodata=np.nan)
        found = [f["properties"] for f in exactextract.exact_extract(raster, features, [f"v={op}", "n=count"])]
        # exactextract adds to the name which quantile it is
        named = [next(value for name, value in row.items() if name.startswith("v")) for row in found]
        values = [np.nan if value is None else float(value) for value in named]
        rows.append(np.where([row["n"] for row in found] > nothing, values, np.nan))
    return np.array(rows)


def turned(grid: xr.DataArray, way: str) -> xr.DataArray:
    """The same grid as other providers would write it."""
    if way == "ascending":
        return grid.isel(y=slice(None, None, -1))
    if way == "0 to 360":
        return grid.assign_coords(x=np.where(grid["x"] < 0, grid["x"] + 360, grid["x"])).sortby("x")
    if way == "turned over":
        return grid.isel(x=slice(None, None, -1)).transpose("x", "time", "y")
    return grid


@pytest.mark.parametrize("statistic", STATISTICS)
@settings(often, max_examples=20)
@given(data=st.data())
def test_exactextract_agrees(statistic: str, data: st.DataObject) -> None:
    grid = data.draw(grids())
    shapes = data.draw(st.lists(polygons(grid), min_size=1, max_size=4))
    shown = turned(grid, data.draw(st.sampled_from(["as it is", "ascending", "0 to 360", "turned over"])))
    units = gpd.GeoDataFrame(geometry=shapes, crs="EPSG:4326")
    found = zonal.aggregate(shown, coverage_weights(shown, units), statistic)
    check(statistic, found.values, expected(grid, shapes, STATISTICS[statistic]), grid)


@pytest.mark.parametrize("statistic", ["mean", "min", "std", "median"])
@settings(often, max_examples=10)
@given(data=st.data())
def test_strips_and_blocks_make_no_difference(statistic: str, data: st.DataObject) -> None:
    grid = data.draw(grids())
    shapes = np.array(data.draw(st.lists(polygons(grid), min_size=1, max_size=4)), dtype=object)
    day = date(2025, 7, 1)
    periods = [PeriodSteps(Period(str(n), day, day), n, n + 1) for n in range(STEPS)]
    grid = grid.assign_coords(time=np.arange(STEPS).astype("M8[D]").astype("M8[ns]")).assign_attrs(step="day")
    asked = Aggregation(spatial=statistic)
    whole = aggregate_periods(grid, shapes, periods, asked, Means())
    small = Means(memory=64 * grid.sizes["x"] * data.draw(st.integers(1, 3)))
    strips = aggregate_periods(grid.chunk(time=1, y=2), shapes, periods, asked, small)
    check(statistic, strips.values, whole.values, grid)
    np.testing.assert_allclose(strips.fractions, whole.fractions, rtol=1e-6, atol=1e-12)
    assert strips.on_grid.tolist() == whole.on_grid.tolist()


def check(statistic: str, found: Any, wanted: NDArray[np.float64], grid: xr.DataArray, relative: float = 1e-9) -> None:
    relative = 1e-6 if statistic in QUANTILES else relative
    largest = float(np.nanmax(np.abs(grid.values), initial=0.0))
    if statistic == "std":
        # of a unit whose values are all the same there is only the last digit of their squares, and its root is large
        found, wanted, relative, largest = np.square(found), np.square(wanted), 2 * relative, largest**2
    # shares of a cell below 1e-10 do not count with us; to a deviation of nothing they add themselves times a square
    absolute = (1e-10 if statistic == "std" else 1e-13) * largest
    np.testing.assert_allclose(found, wanted, rtol=relative, atol=absolute)


@settings(often, max_examples=20)
@given(data=st.data())
def test_exactextract_agrees_on_the_mean_weighed_by_area(data: st.DataObject) -> None:
    grid = data.draw(grids())
    shapes = data.draw(st.lists(polygons(grid), min_size=1, max_size=4))
    units = gpd.GeoDataFrame(geometry=shapes, crs="EPSG:4326")
    found = zonal.aggregate(grid, coverage_weights(grid, units, weight="area"), "mean")
    wanted = expected(grid, shapes, "mean(coverage_weight=area_spherical_m2)")
    check("mean", found.values, wanted, grid, 2e-7)  # exactextract keeps a share times its area as float32


def test_the_made_grid_is_what_the_others_are_checked_on() -> None:
    units = gpd.GeoDataFrame(geometry=[box(0.5, 0.5, 2.5, 2.5)], crs="EPSG:4326")
    grid = made.grid(made.NINE)
    assert expected(grid, list(units.geometry), "mean").tolist() == [[5.0]]
    assert zonal.aggregate(grid, coverage_weights(grid, units), "mean").values.item() == 5.0
