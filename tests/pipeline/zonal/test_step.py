import sys
from datetime import date
from pathlib import Path
from typing import Any

import exactextract
import geopandas as gpd
import numpy as np
import pytest
import rasterio
import xarray as xr
from shapely.geometry import MultiPolygon, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.contract.statistics import SpatialStatistic
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.sources.step import SourceRequest, extract_source_data, open_source_data
from eo_pygeoapi.pipeline.zonal import step as zonal
from tests.pipeline import made
from tests.pipeline.made import NINE

NAN = np.nan
DATA = Path(__file__).parents[3] / "../shared/data"
STATISTICS: tuple[SpatialStatistic, ...] = ("mean", "sum", "min", "max", "median", "count")
real_data = pytest.mark.skipif(not DATA.exists(), reason="the shared real data are not beside this checkout")


def of(values: object, geometry: BaseGeometry, statistic: SpatialStatistic = "mean") -> tuple[Any, Any]:
    """The statistic of one unit on one time step, and its valid fraction."""
    grid = made.grid(np.asarray(values, "float64"))
    weights = zonal.coverage_weights(grid, made.units({"a": geometry}))
    found, fractions = zonal.aggregate(grid.values, weights, statistic)
    return float(found[0, 0]), float(fractions[0, 0])


# 7 8 9 lies in the south, so the square covers a quarter of 1, 3, 7, 9, half of 2, 4, 6, 8 and all of 5
@pytest.mark.parametrize(
    ("statistic", "expected"),
    [("mean", 5.0), ("sum", 20.0), ("min", 1.0), ("max", 9.0), ("median", 5.0), ("count", 4.0)],
)
def test_a_square_over_nine_cells(statistic: SpatialStatistic, expected: float) -> None:
    assert of(NINE, box(0.5, 0.5, 2.5, 2.5), statistic) == (expected, 1.0)


def test_the_first_row_is_the_northern_one() -> None:
    assert of(NINE, box(0, 2, 1, 3)) == (1.0, 1.0)
    assert of(NINE, box(2, 0, 3, 1)) == (9.0, 1.0)


def test_a_unit_smaller_than_a_cell_has_its_value() -> None:
    assert of(NINE, box(1.4, 1.4, 1.41, 1.41)) == (5.0, 1.0)


def test_cells_without_data_do_not_count_and_the_valid_fraction_says_so() -> None:
    values = NINE.copy()
    values[:, 2] = NAN
    assert of(values, box(0, 0, 3, 3)) == (pytest.approx((1 + 2 + 4 + 5 + 7 + 8) / 6), pytest.approx(2 / 3))


@pytest.mark.parametrize("statistic", STATISTICS)
def test_over_nothing_every_statistic_is_null(statistic: SpatialStatistic) -> None:
    value, fraction = of(np.full((3, 3), NAN), box(0, 0, 3, 3), statistic)
    assert np.isnan(value)
    assert fraction == 0.0


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("outside", [box(10, 10, 11, 11), Point(-0.1, 1.5), box(3, 0, 4, 3)])
def test_a_unit_outside_the_grid_is_null_and_never_0(statistic: SpatialStatistic, outside: BaseGeometry) -> None:
    value, fraction = of(NINE, outside, statistic)
    assert np.isnan(value)
    assert fraction == 0.0


def test_what_lies_outside_the_grid_counts_against_the_valid_fraction() -> None:
    assert of(NINE, box(2, 0, 6, 1)) == (9.0, pytest.approx(0.25))


def test_borders_along_the_edges_of_cells_do_not_reach_into_the_next() -> None:
    grid = made.grid(np.arange(400.0).reshape(20, 20), cell=0.1)
    weights = zonal.coverage_weights(grid, made.units({"a": box(0.3, 0.6, 0.7, 0.9)}))
    values, _ = zonal.aggregate(grid.values, weights, "max")
    assert values[0, 0] == 400 - 6 * 20 - 20 + 6
    assert np.diff(weights.indptr) == [12]


def test_a_moving_mask_has_its_own_denominator_at_every_step() -> None:
    block = np.stack([NINE, NINE, NINE])
    block[0, 0, 0] = block[1, 1, 1] = NAN
    grid = made.grid(block)
    values, fractions = zonal.aggregate(block, zonal.coverage_weights(grid, made.units({"a": box(0, 0, 3, 3)})), "mean")
    assert values[:, 0] == pytest.approx([44 / 8, 40 / 8, 45 / 9])
    assert fractions[:, 0] == pytest.approx([8 / 9, 8 / 9, 1.0])


@pytest.mark.parametrize("statistic", ["mean", "sum", "min", "max", "median"])
def test_a_point_takes_the_value_of_its_cell(statistic: SpatialStatistic) -> None:
    assert of(NINE, Point(2.2, 1.9), statistic) == (6.0, 1.0)
    assert of(NINE, Point(3.0, 0.0), statistic) == (9.0, 1.0)  # on the corner of the grid
    assert of(NINE, Point(2.2, 1.9), "count") == (1.0, 1.0)


def test_a_point_has_no_sum_and_is_listed() -> None:
    grid, units = made.grid(NINE), made.units({"clinic": Point(2.2, 1.9), "all": box(0, 0, 3, 3), "far": Point(9, 9)})
    periods = periods_in(Interval(start=date(2025, 7, 1), end=date(2025, 7, 1)), "daily")
    summed = made.dataset(aggregation={"spatial": "sum"})
    found = zonal.aggregate_to_org_units(grid, units, periods, summed)
    clinic, everywhere, far = found.frame["value"]
    assert np.isnan(clinic) and everywhere == 45 and np.isnan(far)
    assert [(entry.org_unit, entry.reason) for entry in found.left_out] == [
        ("clinic", "is a point, and has no area to sum over; with spatial: mean it has the value of its cell"),
        ("far", "lies outside the grid of the data"),
    ]


def test_a_sum_that_lacks_a_part_of_its_unit_is_listed() -> None:
    half, sliver = box(1, 0, 5, 1), box(0, 0, 3.02, 1)
    grid, units = made.grid(NINE), made.units({"half": half, "sliver": sliver, "inside": box(0, 0, 3, 3)})
    day = periods_in(Interval(start=date(2025, 7, 1), end=date(2025, 7, 1)), "daily")
    found = zonal.aggregate_to_org_units(grid, units, day, made.dataset(aggregation={"spatial": "sum"}))
    assert found.frame["value"].tolist() == [17.0, 24.0, 45.0]
    assert [(entry.org_unit, entry.reason) for entry in found.left_out] == [
        ("half", "50 % of its area lies outside the grid of the data; its value is that of the rest")
    ]
    of_means = zonal.aggregate_to_org_units(grid, units, day, made.dataset())  # the valid fraction is for these
    assert of_means.left_out == [] and of_means.frame["validFraction"][0] == pytest.approx(0.5)


def test_a_point_on_the_sea_takes_the_nearest_cell_with_data_but_none_farther_than_one() -> None:
    values = NINE.copy()
    values[1, 1] = NAN
    assert of(values, Point(1.9, 1.5)) == (6.0, 1.0)
    assert of(values, Point(1.5, 1.1)) == (8.0, 1.0)
    values[:, 1:] = NAN
    assert of(values, Point(1.5, 2.9)) == (1.0, 1.0)
    assert np.isnan(of(values, Point(2.5, 2.5))[0])


def test_the_nearest_cell_is_chosen_at_every_step() -> None:
    block = np.stack([NINE, NINE])
    block[0, 1, 1] = block[1, 1, 1] = block[1, 1, 2] = NAN
    weights = zonal.coverage_weights(made.grid(block), made.units({"a": Point(1.9, 1.6)}))
    assert zonal.aggregate(block, weights, "mean")[0][:, 0].tolist() == [6.0, 2.0]


def test_units_of_all_kinds_keep_their_order() -> None:
    units = made.units(
        {
            "point": Point(0.5, 2.5),
            "nine": box(2, 0, 3, 1),
            "outside": box(5, 5, 6, 6),
            "two islands": MultiPolygon([box(1, 2, 2, 3), box(0, 0, 1, 1)]),
            "id": box(1, 1, 2, 2),
        }
    )
    values, _ = zonal.aggregate(NINE[None], zonal.coverage_weights(made.grid(NINE), units), "mean")
    assert np.array_equal(values[0], [1.0, 9.0, NAN, 4.5, 5.0], equal_nan=True)


def test_exactextract_agrees_on_every_statistic_with_gaps_and_crooked_units() -> None:
    rng = np.random.default_rng(5)
    values = rng.random((30, 40)).astype("float32")
    values[rng.random((30, 40)) < 0.2] = NAN
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    shapes = {
        f"unit{n}": Polygon(
            np.c_[20 + 3 * n + (4 + n) * np.cos(angles) * rng.uniform(0.7, 1, 60), 15 + (4 + n) * np.sin(angles)]
        ).buffer(0)
        for n in range(5)
    }
    grid, units = made.grid(values), made.units(shapes)
    weights = zonal.coverage_weights(grid, units)
    raster = exactextract.raster.NumPyRasterSource(values.astype("float64"), 0, 0, 40, 30, nodata=NAN)
    features = [{"type": "Feature", "properties": {}, "geometry": s.__geo_interface__} for s in shapes.values()]
    expected = exactextract.exact_extract(raster, features, list(STATISTICS))
    for statistic in STATISTICS:
        found, _ = zonal.aggregate(grid.values, weights, statistic)
        assert found[0] == pytest.approx([e["properties"][statistic] for e in expected], rel=1e-9)


def aggregated(
    grid: xr.DataArray, geometries: dict[str, BaseGeometry], period_type: PeriodType = "daily", **eo: object
) -> zonal.Aggregated:
    days = Interval(start=date(2025, 7, 1), end=date(2025, 7, 31))
    dataset = made.dataset(periodType=period_type, **eo)
    wanted = periods_in(days, period_type)[: grid.sizes["time"]]
    return zonal.aggregate_to_org_units(grid, made.units(geometries), wanted, dataset)


def test_the_frame_is_ordered_by_period_then_unit() -> None:
    found = aggregated(made.grid(np.stack([NINE, NINE * 10])), {"b": box(0, 0, 1, 1), "a": box(1, 1, 2, 2)})
    frame = found.frame
    assert list(frame.columns) == ["orgUnit", "period", "start", "end", "value", "validFraction"]
    assert frame[["orgUnit", "period", "start", "end", "value"]].to_numpy().tolist() == [
        ["b", "20250701", "2025-07-01", "2025-07-01", 7.0],
        ["a", "20250701", "2025-07-01", "2025-07-01", 5.0],
        ["b", "20250702", "2025-07-02", "2025-07-02", 70.0],
        ["a", "20250702", "2025-07-02", "2025-07-02", 50.0],
    ]
    assert frame["value"].dtype == frame["validFraction"].dtype == "float64"
    assert found.left_out == []


def test_units_without_data_are_listed_once_and_the_others_have_values() -> None:
    values = np.stack([NINE, NINE])
    values[:, 0, 0] = NAN
    found = aggregated(made.grid(values), {"sea": box(0, 2, 1, 3), "off": box(9, 9, 10, 10), "land": box(1, 1, 2, 2)})
    assert [(e.org_unit, e.period, e.reason) for e in found.left_out] == [
        ("sea", "", "no cell of it has data"),
        ("off", "", "lies outside the grid of the data"),
    ]
    assert found.frame["value"].isna().tolist() == [True, True, False] * 2


def test_a_unit_under_the_valid_fraction_is_null_and_listed_for_the_periods_where_it_is() -> None:
    values = np.stack([NINE, NINE])
    values[0, :, 1:] = NAN
    found = aggregated(made.grid(values), {"a": box(0, 0, 3, 3)}, minValidFraction=0.5)
    assert [(e.org_unit, e.period, e.reason) for e in found.left_out] == [
        ("a", "20250701", "valid fraction 0.333 is below minValidFraction 0.5")
    ]
    assert found.frame["value"].isna().tolist() == [True, False]
    assert found.frame["validFraction"].tolist() == [pytest.approx(1 / 3), 1.0]


def test_a_unit_under_the_valid_fraction_at_all_times_is_one_entry() -> None:
    values = np.stack([NINE, NINE])
    values[0, :, 1:] = values[1, :, 2:] = values[1, 0, 0] = NAN
    found = aggregated(made.grid(values), {"a": box(0, 0, 3, 3)}, minValidFraction=0.9)
    assert [(e.period, e.reason) for e in found.left_out] == [
        ("", "valid fraction 0.333 to 0.556 is below minValidFraction 0.9")
    ]


def test_a_unit_that_is_whole_passes_the_strictest_threshold() -> None:
    found = aggregated(made.grid(NINE), {"a": box(0.1, 0.2, 2.7, 2.9)}, minValidFraction=1.0)
    assert found.left_out == []


def test_missing_days_lower_the_valid_fraction_of_a_mean() -> None:
    values = np.stack([NINE] * 31)
    values[:20] = NAN
    found = aggregated(made.grid(values), {"a": box(0, 0, 3, 3)}, "monthly", minValidFraction=0.5)
    assert found.frame["validFraction"].tolist() == [pytest.approx(11 / 31)]
    assert found.left_out[0].reason == "valid fraction 0.355 is below minValidFraction 0.5"


def test_periods_that_are_not_complete_are_listed() -> None:
    found = aggregated(made.grid(np.stack([NINE] * 27)), {"a": box(0, 0, 3, 3)}, "monthly")
    assert [(e.period, e.reason) for e in found.left_out] == [("202507", "incomplete: 27 of 31 days")]
    assert found.frame.empty


@pytest.mark.parametrize(("decimals", "expected"), [(None, [0.125, -0.04]), (1, [0.1, 0.0]), (0, [0.0, 0.0])])
def test_values_are_rounded_and_minus_0_is_0(decimals: int | None, expected: list[float]) -> None:
    values = np.full((3, 3), 0.125)
    values[2] = -0.04
    found = aggregated(made.grid(values), {"a": box(0, 2, 1, 3), "b": box(0, 0, 1, 1)}, decimals=decimals)
    assert found.frame["value"].tolist() == expected
    assert not np.signbit(found.frame["value"][1]) or decimals is None


def test_the_results_are_converted_and_counts_are_not() -> None:
    grid, unit = made.grid(NINE + 273.15, units="K"), {"a": box(0, 0, 3, 3)}
    kelvin = {"from": "K", "to": "degC"}
    assert aggregated(grid, unit, units=kelvin).frame["value"].tolist() == [pytest.approx(5.0)]
    count = aggregated(grid, unit, units=kelvin, aggregation={"spatial": "count", "temporal": "mean"})
    assert count.frame["value"].tolist() == [9.0]


def test_a_sum_of_temperatures_is_the_sum_of_the_converted_ones() -> None:
    grid = made.grid(np.stack([NINE + 273.15] * 31), units="K")
    found = aggregated(
        grid,
        {"a": box(0, 0, 3, 3)},
        "monthly",
        units={"to": "degC"},
        aggregation={"spatial": "mean", "temporal": "sum"},
    )
    assert found.frame["value"].tolist() == [pytest.approx(31 * 5.0)]


def test_rates_of_months_become_amounts_by_the_length_of_each() -> None:
    grid = made.grid(np.full((3, 2, 2), 2.0), times=["2025-01", "2025-02", "2025-03"], step="month", units="mm/day")
    dataset = made.dataset(
        periodType="quarterly", units={"to": "mm"}, aggregation={"spatial": "mean", "temporal": "sum"}
    )
    quarter = periods_in(Interval(start=date(2025, 1, 1), end=date(2025, 3, 31)), "quarterly")
    found = zonal.aggregate_to_org_units(grid, made.units({"a": box(0, 0, 2, 2)}), quarter, dataset)
    assert found.frame["value"].tolist() == [180.0]


@pytest.mark.parametrize("how", [{"temporal": "sum"}, {"daily": "sum", "temporal": "max"}])
def test_a_sum_of_rates_needs_units(how: dict[str, str]) -> None:
    grid = made.grid(np.ones((24, 3, 3)), step="hour", units="kg m-2 s-1")
    day = periods_in(Interval(start=date(2025, 7, 1), end=date(2025, 7, 1)), "daily")
    units = made.units({"a": box(0, 0, 3, 3)})
    with pytest.raises(SourceError, match=r"its values are rates \(kg m-2 s-1\), of which the sum .* set units.to"):
        zonal.aggregate_to_org_units(grid, units, day, made.dataset(aggregation=how))
    found = zonal.aggregate_to_org_units(grid, units, day, made.dataset(aggregation=how, units={"to": "mm"}))
    assert found.frame["value"].tolist() == [86400]


def test_units_that_do_not_convert_are_an_error() -> None:
    with pytest.raises(SourceError, match="'K' cannot be converted to 'mm'"):
        aggregated(made.grid(NINE, units="K"), {"a": box(0, 0, 3, 3)}, units={"to": "mm"})


def test_progress_is_told_and_ends_with_1() -> None:
    told: list[float] = []
    grid = made.grid(np.stack([NINE] * 4)).chunk(time=1)
    days = periods_in(Interval(start=date(2025, 7, 1), end=date(2025, 7, 4)), "daily")
    zonal.aggregate_to_org_units(grid, made.units({"a": box(0, 0, 3, 3)}), days, made.dataset(), told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.skipif(sys.platform != "linux", reason="measures as Linux does")
def test_memory_does_not_grow_with_the_time_axis() -> None:
    import resource

    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

    steps = 8760
    lazy = xr.DataArray(np.zeros(1, "float32")).chunk().expand_dims(time=steps, y=90, x=200)
    grid = made.grid(np.empty((1, 90, 200))).isel(time=0, drop=True)
    times = np.datetime64("2025-01-01T00") + np.arange(steps)
    lazy = lazy.squeeze(drop=True).assign_coords(time=times.astype("M8[ns]"), y=grid["y"], x=grid["x"])
    lazy = lazy.chunk(time=58, y=-1, x=-1).assign_attrs(step="hour", units="", source="made")
    year = periods_in(Interval(start=date(2025, 1, 1), end=date(2025, 12, 31)), "daily")
    before = peak()
    found = zonal.aggregate_to_org_units(lazy, made.units({"a": box(1, 1, 150, 80)}), year, made.dataset())
    assert len(found.frame) == 365
    assert peak() - before < 150  # the whole grid has 631 MB


def test_a_very_large_grid_is_taken_in_parts_with_the_same_result() -> None:
    values = np.random.default_rng(7).random((2100, 2000), "float32")
    values[:, 1000:1010] = NAN
    grid = made.grid(values, cell=0.01)
    units = {f"row{n}": box(0.5, 0.1 + 2 * n, 15.0, 1.9 + 2 * n) for n in range(10)}
    units |= {
        "all": box(0, 0, 20, 21),
        "off": box(30, 0, 31, 1),
        "point": Point(10.095, 3.003),
        "corner": box(19, 20, 25, 25),
    }
    found = aggregated(grid, units)
    expected, fractions = zonal.aggregate(grid.values, zonal.coverage_weights(grid, made.units(units)), "mean")
    assert np.allclose(found.frame["value"], expected[0], rtol=1e-12, atol=0, equal_nan=True)
    assert np.allclose(found.frame["validFraction"], fractions[0], rtol=1e-9)
    assert [entry.org_unit for entry in found.left_out] == ["off"]


def districts() -> gpd.GeoDataFrame:
    frame = gpd.read_file(DATA / "sierra-leone-districts.geojson")
    return frame.rename(columns={"id": "orgUnit"})[["orgUnit", "name", "geometry"]]


def of_real_file(tmp_path: Path, interval: Interval, **eo: object) -> zonal.Aggregated:
    dataset, units = made.dataset(**eo), districts()
    west, south, east, north = units.total_bounds
    request = SourceRequest(dataset, interval, (west, south, east, north), tmp_path)
    grid = open_source_data(request, extract_source_data(request))
    return zonal.aggregate_to_org_units(grid, units, periods_in(interval, dataset.period_type), dataset)


@real_data
def test_worldpop_agrees_with_exactextract_alone(tmp_path: Path) -> None:
    file = DATA / "worldpop-sierra-leone-2026-1km.tif"
    found = of_real_file(
        tmp_path,
        Interval(start=date(2026, 1, 1), end=date(2026, 12, 31)),
        options={"href": str(file), "time": "2026"},
        periodType="yearly",
        aggregation={"spatial": "sum", "temporal": "mean"},
    )
    with rasterio.open(file) as raster:
        expected = exactextract.exact_extract(raster, districts(), ["sum"], include_cols=["orgUnit"], output="pandas")
    assert found.frame["orgUnit"].tolist() == expected["orgUnit"].tolist()
    assert found.frame["period"].unique().tolist() == ["2026"]
    assert np.abs(found.frame["value"] / expected["sum"] - 1).max() < 1e-9
    assert found.left_out == []


@real_data
def test_era5_land_agrees_with_exactextract_alone(tmp_path: Path) -> None:
    file = DATA / "era5-land-t2m-daily-sierra-leone-2025-07.nc"
    found = of_real_file(
        tmp_path,
        Interval(start=date(2025, 7, 1), end=date(2025, 7, 31)),
        options={"href": str(file)},
        units={"from": "K"},
    )
    with xr.open_dataset(file, engine=xr.backends.NetCDF4BackendEntrypoint) as dataset:
        bands = [
            exactextract.raster.NumPyRasterSource(band, -14.05, 5.95, -9.95, 10.05, nodata=NAN, name=f"d{n:02}")
            for n, band in enumerate(dataset["t2m"].values)
        ]
    expected = exactextract.exact_extract(bands, districts(), ["mean"], include_cols=["orgUnit"], output="pandas")
    got = found.frame["value"].to_numpy().reshape(31, 13)
    assert np.abs(got / expected.filter(regex="mean").to_numpy().T - 1).max() < 1e-9
    assert 0.7 < found.frame["validFraction"].min() < found.frame["validFraction"].max() == 1.0
