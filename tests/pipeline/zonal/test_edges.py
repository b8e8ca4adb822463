"""The edges of grids and units; none of them fails the other units."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import xarray as xr
from shapely.geometry import MultiPolygon, Point, Polygon, box

from eo_pygeoapi.errors import OrgUnitsError, SourceError
from eo_pygeoapi.pipeline.zonal.arrays import aggregate, coverage_weights
from tests.pipeline import made
from tests.pipeline.made import NINE
from tests.pipeline.made_files import geotiff, opened, request

NAN = np.nan


def frame(*geometries: object, crs: str | None = "EPSG:4326") -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(geometry=list(geometries), crs=crs)


def means(grid: xr.DataArray, *geometries: object, crs: str | None = "EPSG:4326") -> list[float]:
    found = aggregate(grid, coverage_weights(grid, frame(*geometries, crs=crs)), "mean")
    return [float(value) for value in found.values[0]]


def test_units_that_cannot_be_used_are_null_and_the_others_have_values() -> None:
    bow_tie = Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    sliver = box(0, 2.5, 3, 2.5 + 1e-9)
    holed = Polygon([(0, 0), (3, 0), (3, 3), (0, 3)], [[(1, 1), (2, 1), (2, 2), (1, 2)]])
    islands = MultiPolygon([box(0, 0, 1, 1), box(2, 2, 3, 3)])
    found = means(
        made.grid(NINE), None, Polygon(), box(9, 9, 10, 10), bow_tie, sliver, holed, islands, Point(0.5, 0.5), Point()
    )
    expected = [NAN, NAN, NAN, 6.0, 2.0, 5.0, 5.0, 7.0, NAN]
    assert found == pytest.approx(expected, nan_ok=True)


def test_the_same_unit_twice_has_its_value_twice() -> None:
    assert means(made.grid(NINE), box(0, 0, 1, 1), box(0, 0, 1, 1)) == [7.0, 7.0]


def test_units_of_another_reference_system_are_brought_to_the_grid() -> None:
    utm = frame(box(1.2, 1.2, 1.8, 1.8)).to_crs("EPSG:32631")
    grid = made.grid(NINE)
    assert aggregate(grid, coverage_weights(grid, utm)).values.item() == pytest.approx(5.0)


def test_coordinates_that_are_no_degrees_are_an_error() -> None:
    with pytest.raises(OrgUnitsError, match="no longitudes and latitudes; set their crs"):
        coverage_weights(made.grid(NINE), frame(box(5e5, 1e6, 6e5, 2e6), crs=None))


@pytest.fixture
def earth() -> xr.DataArray:
    """A grid from 0 to 360 degrees, whose cells say their longitude; one lies across 180 degrees."""
    longitudes = np.arange(0, 360, 2.0)
    values = np.broadcast_to(longitudes, (2, 3, 180)).copy()
    return xr.DataArray(
        values, dims=("time", "lat", "lon"), coords={"lat": [2.0, 0.0, -2.0], "lon": longitudes, "time": [0, 1]}
    )


def test_at_the_antimeridian_the_cell_across_it_belongs_to_both_sides(earth: xr.DataArray) -> None:
    west, east = box(179.2, -1, 180, 1), box(-180, -1, -179.2, 1)
    both, beyond = MultiPolygon([west, east]), box(179.2, -1, 180.8, 1)
    found = aggregate(earth, coverage_weights(earth, frame(west, east, both, beyond, Point(-179.5, 0))))
    assert found.values[0].values.tolist() == pytest.approx([180.0] * 5)
    assert found.valid_fraction[0].values.tolist() == [1.0] * 5


def test_a_sum_across_the_antimeridian_counts_every_cell_once(earth: xr.DataArray) -> None:
    ones = xr.ones_like(earth)
    found = aggregate(ones, coverage_weights(ones, frame(box(177, -1, 183, 1), box(-180, -3, 180, 3))), "sum")
    assert found.values[0].values.tolist() == pytest.approx([3.0, 540.0])


def test_a_single_row_has_square_cells_and_a_single_cell_is_an_error_without_a_size() -> None:
    grid = made.grid(NINE)
    assert means(grid.isel(y=[1]), box(0, 1, 3, 2), box(0, 1.9, 1, 2.5), box(0, 2, 1, 3)) == pytest.approx(
        [5.0, 4.0, NAN], nan_ok=True
    )
    assert means(grid.isel(x=[0]), box(0, 0, 1, 3)) == pytest.approx([4.0])
    with pytest.raises(SourceError, match="has only one of its latitudes; at least two are needed"):
        means(grid.isel(x=[0], y=[0]), box(0, 0, 1, 1))


def test_a_raster_of_one_cell_has_the_size_that_it_says(tmp_path: Path) -> None:
    geotiff(tmp_path / "one.tif", np.full((1, 1), 7.0, "float32"))  # -5 to -4.5, 5.5 to 6
    wanted = request(tmp_path, "one.tif", options={"time": "2025-07-01"})
    grid = opened(type(wanted)(wanted.dataset, wanted.interval, (-4.9, 5.6, -4.6, 5.9), wanted.cache))
    assert means(grid, box(-5, 5.5, -4.5, 6), box(-5, 5, -4.5, 5.5)) == pytest.approx([7.0, NAN], nan_ok=True)


def test_a_grid_that_is_not_regular_is_an_error() -> None:
    grid = made.grid(NINE).assign_coords(y=[2.5, 1.7, 0.5])
    with pytest.raises(SourceError, match="its latitudes are not evenly spaced; expected a regular grid"):
        coverage_weights(grid, frame(box(0, 0, 1, 1)))


def test_numbers_that_mean_no_data_scale_and_offset_are_understood() -> None:
    stored = np.array([[[100, 200], [-9999, 400]]], "int16")
    grid = made.grid(stored).assign_attrs(_FillValue=-9999, scale_factor=0.1, add_offset=5.0)
    assert means(grid, box(0, 0, 2, 2)) == pytest.approx([(15 + 25 + 45) / 3])
    plain = aggregate(stored.astype("float32"), coverage_weights(grid, frame(box(1, 0, 2, 1))))
    assert plain.values.tolist() == [[400.0]]


def test_values_of_another_grid_are_an_error() -> None:
    grid = made.grid(NINE)
    weights = coverage_weights(grid, frame(box(0, 0, 1, 1)))
    with pytest.raises(SourceError, match="the weights are for"):
        aggregate(grid.assign_coords(x=grid["x"] + 0.5), weights)
    with pytest.raises(SourceError, match=r"an array of shape \(4, 4\); the weights are for \(time, \(3, 3\)\)"):
        aggregate(np.zeros((4, 4)), weights)


def test_an_unknown_statistic_is_an_error() -> None:
    grid = made.grid(NINE)
    for unknown in ("avg", "p0", "p100", "percentile"):
        with pytest.raises(ValueError, match=f"unknown statistic '{unknown}'; allowed: mean, sum, .*p1 to p99"):
            aggregate(grid, coverage_weights(grid, frame(box(0, 0, 1, 1))), unknown)


def test_results_of_an_array_carry_its_times() -> None:
    grid = made.grid(np.stack([NINE, NINE * 2]))
    found = aggregate(grid, coverage_weights(grid, frame(box(0, 0, 3, 3))), "std")
    assert found.values.dims == ("time", "unit")
    assert np.array_equal(found.values["time"], grid["time"])
    assert found.values[:, 0].values.tolist() == pytest.approx([NINE.std(), 2 * NINE.std()])


def test_area_weights_are_the_cosine_of_the_latitude_for_small_cells() -> None:
    grid = made.grid(np.array([[1.0], [0.0]]) * np.ones((2, 2)), cell=0.5).assign_coords(y=[60.25, 59.75])
    unit = frame(box(0, 59.5, 1, 60.5))
    found = aggregate(grid, coverage_weights(grid, unit, weight="area"))
    north, south = np.cos(np.radians([60.25, 59.75]))
    assert found.values.item() == pytest.approx(north / (north + south), rel=1e-9)
    assert found.valid_fraction.item() == 1.0


@pytest.mark.parametrize("statistic", ["mean", "sum"])
def test_where_space_and_time_commute_both_ways_agree(statistic: str) -> None:
    """Linear in space and time, and a mask that stands still: days of hours, either first."""
    rng = np.random.default_rng(3)
    hours = rng.random((48, 8, 9)) + 270
    hours[:, rng.random((8, 9)) < 0.3] = NAN
    grid = made.grid(hours, step="hour")
    weights = coverage_weights(grid, frame(box(0.3, 0.4, 5.5, 6.1), Polygon([(2, 1), (8.7, 3), (4, 7.5)])))
    time_first = aggregate(hours.reshape(2, 24, 8, 9).mean(axis=1), weights, statistic).values
    space_first = aggregate(hours, weights, statistic).values.reshape(2, 24, 2).mean(axis=1)
    np.testing.assert_allclose(time_first, space_first, rtol=1e-12)
    highest_first = aggregate(hours.reshape(2, 24, 8, 9).max(axis=1), weights, statistic).values
    assert not np.allclose(highest_first, aggregate(hours, weights, statistic).values.reshape(2, 24, 2).max(axis=1))
