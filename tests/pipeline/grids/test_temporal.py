from datetime import date
from typing import Any

import numpy as np
import pytest
import xarray as xr

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.contract.periods import Period, periods_in
from eo_pygeoapi.contract.statistics import TemporalStatistic
from eo_pygeoapi.errors import SourceError, SourceUnavailableError
from eo_pygeoapi.pipeline.grids.blocks import BLOCK_BYTES, blocks, steps_per_block
from eo_pygeoapi.pipeline.grids.temporal import complete_periods, to_periods, utc_bounds
from tests.pipeline import made

NAN = np.nan


def periods(start: str, end: str, period_type: PeriodType) -> list[Period]:
    return periods_in(Interval(start=date.fromisoformat(start), end=date.fromisoformat(end)), period_type)


def daily_cell(values: list[float], start: str = "2025-07-01", copies: int = 2) -> xr.DataArray:
    """A row of cells with these values a day."""
    times = np.datetime64(start) + np.arange(len(values))
    return made.grid(np.array(values)[:, None, None].repeat(copies, 2), times=times)


def aggregated(grid: xr.DataArray, wanted: list[Period], statistic: TemporalStatistic, zone: str = "UTC") -> Any:
    complete, _ = complete_periods(grid, wanted, zone)
    found = list(to_periods(grid, complete, statistic))
    shares = [np.isfinite(b.values) * 1.0 if b.observed is None else b.observed for b in found]
    return np.concatenate([block.values for block in found]), np.concatenate(shares)


def test_steps_that_are_periods_pass_through_as_they_are_and_are_not_copied() -> None:
    grid = made.grid(np.random.default_rng(1).random((5, 2, 3), "float32"))
    complete, left_out = complete_periods(grid, periods("2025-07-01", "2025-07-05", "daily"))
    (block,) = to_periods(grid, complete, "sum")
    assert left_out == []
    assert block.values.dtype == "float32"
    assert np.shares_memory(block.values, grid.values)
    assert np.array_equal(block.values, grid.values)


def test_a_missing_day_is_left_out_and_the_others_stay_in_place() -> None:
    grid = made.grid(
        np.arange(4.0)[:, None, None] * np.ones((4, 2, 2)),
        times=["2025-07-01", "2025-07-02", "2025-07-04", "2025-07-05"],
    )
    complete, left_out = complete_periods(grid, periods("2025-07-01", "2025-07-05", "daily"))
    assert [(entry.period, entry.reason) for entry in left_out] == [("20250703", "no data in the source")]
    (block,) = to_periods(grid, complete, "mean")
    assert block.values[:, 0, 0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("statistic", "expected"), [("sum", 496.0), ("mean", 16.0), ("min", 1.0), ("max", 31.0)])
def test_a_month_of_days(statistic: TemporalStatistic, expected: float) -> None:
    grid = daily_cell([float(day) for day in range(1, 32)])
    values, _ = aggregated(grid, periods("2025-07-01", "2025-07-31", "monthly"), statistic)
    assert values.tolist() == [[[expected, expected]]]


def test_weeks_across_the_end_of_a_year() -> None:
    grid = daily_cell([1.0] * 21, start="2024-12-23")
    wanted = periods("2024-12-23", "2025-01-12", "weekly")
    values, _ = aggregated(grid, wanted, "sum")
    assert [period.id for period in wanted] == ["2024W52", "2025W1", "2025W2"]
    assert values[:, 0, 0].tolist() == [7.0, 7.0, 7.0]


def test_a_month_that_lacks_days_is_left_out_never_summed_as_if_whole() -> None:
    grid = daily_cell([1.0] * 58, start="2025-07-01")  # to 27 August
    wanted = periods("2025-07-01", "2025-09-30", "monthly")
    complete, left_out = complete_periods(grid, wanted)
    assert [steps.period.id for steps in complete] == ["202507"]
    assert [(entry.period, entry.reason) for entry in left_out] == [
        ("202508", "incomplete: 27 of 31 days"),
        ("202509", "no data in the source"),
    ]


def test_a_cell_that_lacks_a_day_has_no_sum() -> None:
    grid = made.grid(
        np.array([[[1.0, 1.0]], [[1.0, NAN]], [[1.0, 1.0]]] + [[[1.0, 1.0]]] * 4),
        times=np.datetime64("2024-01-29") + np.arange(7),
    )
    values, observed = aggregated(grid, periods("2024-01-29", "2024-02-04", "weekly"), "sum")
    assert np.array_equal(values, [[[7.0, NAN]]], equal_nan=True)
    assert observed.tolist() == [[[1.0, 0.0]]]


@pytest.mark.parametrize(("statistic", "expected"), [("mean", 3.0), ("min", 1.0), ("max", 5.0)])
def test_means_and_extremes_are_of_the_days_that_a_cell_has_and_say_how_many(
    statistic: TemporalStatistic, expected: float
) -> None:
    week = np.full((7, 1, 2), NAN)
    week[:2, 0, 0] = 1.0, 5.0
    grid = made.grid(week, times=np.datetime64("2024-01-29") + np.arange(7))
    values, observed = aggregated(grid, periods("2024-01-29", "2024-02-04", "weekly"), statistic)
    assert np.array_equal(values, [[[expected, NAN]]], equal_nan=True)
    assert observed.tolist() == [[[2 / 7, 0.0]]]


def test_the_mean_of_a_quarter_weighs_its_months_by_their_days() -> None:
    grid = made.grid(
        np.array([10.0, 20.0, 30.0])[:, None, None] * np.ones((3, 2, 2)),
        times=["2025-01", "2025-02", "2025-03"],
        step="month",
    )
    values, _ = aggregated(grid, periods("2025-01-01", "2025-03-31", "quarterly"), "mean")
    assert values[0, 0, 0] == pytest.approx((31 * 10 + 28 * 20 + 31 * 30) / 90)


def test_the_parts_of_a_period_come_together_whatever_the_blocks() -> None:
    values = np.random.default_rng(2).random((365, 3, 4)).astype("float32")
    values[17, 1, 1] = NAN
    times = np.datetime64("2025-01-01") + np.arange(365)
    whole, chunked = made.grid(values, times=times), made.grid(values, times=times).chunk(time=13)
    wanted = periods("2025-01-01", "2025-12-31", "monthly")
    for statistic in ("sum", "mean", "min", "max"):
        expected, shares = aggregated(whole, wanted, statistic)
        got, observed = aggregated(chunked, wanted, statistic)
        assert np.allclose(got, expected, rtol=1e-14, atol=0, equal_nan=True)
        assert np.array_equal(observed, shares)
    means = made.grid(values, times=times).resample(time="MS").mean(skipna=True)
    assert np.allclose(aggregated(chunked, wanted, "mean")[0], means, rtol=1e-6)


def test_hours_make_days_in_utc_or_in_the_time_zone_of_the_dataset() -> None:
    hours = np.arange(72.0)[:, None, None] * np.ones((72, 2, 2))
    grid = made.grid(hours, times=np.datetime64("2025-07-01T00") + np.arange(72), step="hour")
    wanted = periods("2025-07-01", "2025-07-03", "daily")
    assert aggregated(grid, wanted, "min")[0][:, 0, 0].tolist() == [0, 24, 48]
    complete, left_out = complete_periods(grid, wanted, "Africa/Nairobi")
    assert [(entry.period, entry.reason) for entry in left_out] == [("20250701", "incomplete: 21 of 24 hours")]
    assert [(steps.first, steps.stop) for steps in complete] == [(21, 45), (45, 69)]


def test_a_day_of_the_change_to_summer_time_has_23_hours() -> None:
    first, last = utc_bounds(date(2025, 3, 30), date(2025, 3, 30), "hour", "Europe/Oslo")
    assert (last - first) / np.timedelta64(3600, "s") == 23


def test_daily_sources_keep_their_days_in_every_time_zone() -> None:
    assert utc_bounds(date(2025, 7, 1), date(2025, 7, 1), "day", "Asia/Kathmandu") == (
        np.datetime64("2025-07-01"),
        np.datetime64("2025-07-02"),
    )


def test_three_hourly_steps() -> None:
    grid = made.grid(
        np.ones((9, 2, 2)),
        times=np.datetime64("2025-07-01T00") + 3 * np.arange(9).astype("m8[h]"),
        step="hour",
        step_hours=3.0,
    )
    complete, left_out = complete_periods(grid, periods("2025-07-01", "2025-07-02", "daily"))
    assert [(steps.first, steps.stop) for steps in complete] == [(0, 8)]
    assert left_out[0].reason == "incomplete: 1 of 8 time steps"


@pytest.mark.parametrize(
    ("step", "period_type", "allowed"),
    [
        ("month", "daily", "monthly, quarterly, yearly"),
        ("month", "weekly", "monthly, quarterly, yearly"),
        ("year", "monthly", "yearly"),
    ],
)
def test_steps_longer_than_the_periods_are_an_error(step: str, period_type: PeriodType, allowed: str) -> None:
    grid = made.grid(np.ones((2, 2, 2)), step=step)
    with pytest.raises(
        SourceError, match=f"one value a {step}, .*; allowed period types: {allowed}( and the others of whole months)?$"
    ):
        complete_periods(grid, periods("2025-01-01", "2025-12-31", period_type))


def test_blocks_are_bounded_and_aligned_with_what_a_file_keeps_together() -> None:
    assert steps_per_block(1000) * 1000 * 8 <= BLOCK_BYTES
    assert steps_per_block(1000, stored=24) % 24 == 0
    assert steps_per_block(10**9) == 1
    assert steps_per_block(131072, stored=8760) == BLOCK_BYTES / 131072 / 8  # 8760 would be 9 GB


def test_only_the_blocks_with_wanted_steps_are_read() -> None:
    grid = made.grid(np.arange(20.0)[:, None, None] * np.ones((20, 2, 2))).chunk(time=5)
    found = [(block.first, block.stop) for block in blocks(grid, np.array([6, 7, 12, 19]))]
    assert found == [(6, 8), (12, 13), (19, 20)]


@pytest.mark.parametrize(
    ("source", "error"), [("rain.nc", SourceError), ("https://x.org/rain.tif", SourceUnavailableError)]
)
def test_what_a_driver_raises_becomes_our_error(source: str, error: type[SourceError]) -> None:
    def broken(block: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        raise RuntimeError("NetCDF: HDF error")

    grid = made.grid(np.ones((4, 2, 2)), source=source).chunk(time=2)
    grid = grid.copy(data=grid.data.map_blocks(broken, dtype=float, meta=np.empty((0, 0, 0))))
    with pytest.raises(error, match="cannot read the time steps 0 to 1: NetCDF: HDF error") as caught:
        list(blocks(grid, np.arange(4)))
    assert caught.type is error


@pytest.mark.parametrize(
    ("zone", "day", "steps"),
    [
        ("Asia/Beirut", "2025-03-29", 8),  # 22 UTC to 22 UTC
        ("Asia/Beirut", "2025-03-30", 7),  # 22 to 21 UTC: 0, 3, …, 18
        ("Africa/Cairo", "2025-04-25", 7),  # 22 to 21 UTC
        ("Africa/Cairo", "2025-10-30", 9),  # 21 to 22 UTC: 21, 0, …, 21
        ("Asia/Kathmandu", "2025-07-10", 8),  # 18:15 to 18:15 UTC
        ("Africa/Freetown", "2025-07-10", 8),
    ],
)
def test_a_day_of_23_or_25_hours_has_the_steps_of_three_hours_that_start_in_it(zone: str, day: str, steps: int) -> None:
    wanted = periods(day, day, "daily")
    begin = np.datetime64(day, "h") - 48
    times = np.arange(begin, begin + 120, 3)
    grid = made.grid(np.ones((times.size, 1, 1)), step="hour", times=times, step_hours=3.0)
    values, _ = aggregated(grid, wanted, "sum", zone)
    assert values.ravel().tolist() == [steps]
    one_missing = grid.isel(time=grid["time"].dt.floor("h").values != np.datetime64(day, "h") + 6)
    _, left_out = complete_periods(one_missing, wanted, zone)
    assert [entry.reason for entry in left_out] == [f"incomplete: {steps - 1} of {steps} time steps"]


def test_the_month_of_a_clock_that_is_put_forward_is_whole() -> None:
    times = np.arange(np.datetime64("2025-02-27T00"), np.datetime64("2025-04-03T00"), 3)
    grid = made.grid(np.ones((times.size, 1, 1)), step="hour", times=times, step_hours=3.0)
    values, _ = aggregated(grid, periods("2025-03-01", "2025-03-31", "monthly"), "sum", "Asia/Beirut")
    assert values.ravel().tolist() == [31 * 8 - 1]  # 28 February 22 UTC to 31 March 21 UTC


def test_a_day_that_clocks_skipped_is_left_out_and_its_month_is_whole() -> None:
    # Samoa went from 29 to 31 December 2011
    times = np.arange(np.datetime64("2011-11-30T00"), np.datetime64("2012-01-02T00"))
    grid = made.grid(np.ones((times.size, 1, 1)), step="hour", times=times)
    complete, left_out = complete_periods(grid, periods("2011-12-29", "2011-12-31", "daily"), "Pacific/Apia")
    assert [steps.period.id for steps in complete] == ["20111229", "20111231"]
    assert [(e.period, e.reason) for e in left_out] == [("20111230", "there was no such day in Pacific/Apia")]
    values, _ = aggregated(grid, periods("2011-12-01", "2011-12-31", "monthly"), "sum", "Pacific/Apia")
    assert values.ravel().tolist() == [30 * 24]
