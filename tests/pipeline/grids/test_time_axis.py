from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.grids.temporal import complete_periods, step_hours
from tests.pipeline.formats.made_netcdf import netcdf
from tests.pipeline.made_files import DAYS, check, cube, opened, request, written


def test_a_descending_time_axis_is_turned(tmp_path: Path) -> None:
    written(cube().isel(time=slice(None, None, -1)), tmp_path / "t2m.nc")
    check(opened(request(tmp_path, "t2m.nc")))


def test_a_time_beside_the_grid_is_its_time(tmp_path: Path) -> None:
    written(cube().isel(time=0), tmp_path / "t2m.nc")
    check(opened(request(tmp_path, "t2m.nc")), days=1)


def test_only_the_interval_is_taken(tmp_path: Path) -> None:
    written(cube(), tmp_path / "t2m.nc")
    grid = opened(request(tmp_path, "t2m.nc", "2025-07-02", "2025-07-03"))
    assert grid.values[:, 0, 0].tolist() == [1065.0, 2065.0]


def test_labels_at_noon_are_days(tmp_path: Path) -> None:
    dataset = cube()
    written(dataset.assign_coords(time=dataset["time"] + np.timedelta64(12, "h")), tmp_path / "t2m.nc")
    check(opened(request(tmp_path, "t2m.nc")))


@pytest.mark.parametrize(("said", "name"), [("time_bnds", "time_bnds"), ("", "time_bnds"), ("time_bnds", "time_bound")])
def test_bounds_decide_where_labels_are_the_end_of_a_day(tmp_path: Path, said: str, name: str) -> None:
    dataset = cube()
    start = dataset["time"].values
    dataset = dataset.assign_coords(time=start + np.timedelta64(1, "D"))
    dataset["time"].attrs["bounds"] = said
    dataset["time"].encoding["units"] = "days since 2025-01-01"
    dataset[name] = (("time", "bnds"), np.stack([start, start + np.timedelta64(1, "D")], 1))
    written(dataset, tmp_path / "t2m.nc")
    check(opened(request(tmp_path, "t2m.nc")))


def test_a_time_axis_without_steps_is_said_to_be_empty(tmp_path: Path) -> None:
    dataset = cube(2)
    dataset["time"].encoding["units"] = "days since 2025-01-01"
    written(dataset.isel(time=slice(0, 0)), tmp_path / "t2m.nc")
    with pytest.raises(SourceError, match=r"t2m.nc: holds no time steps, its time axis is empty"):
        opened(request(tmp_path, "t2m.nc"))


@pytest.mark.parametrize(("days", "step"), [(1, "day"), (31, "month"), (0, "month")])
def test_bounds_tell_how_long_a_single_step_is(tmp_path: Path, days: int, step: str) -> None:
    dataset = cube(1)
    start = dataset["time"].values
    dataset["time"].encoding["units"] = "days since 2025-01-01"
    if days:
        dataset["time_bnds"] = (("time", "bnds"), np.stack([start, start + np.timedelta64(days, "D")], 1))
    written(dataset, tmp_path / "t2m.nc")
    grid = opened(request(tmp_path, "t2m.nc", end="2025-07-31", periodType="monthly"))
    assert (grid.attrs["step"], grid["time"].values.tolist()) == (step, start.astype("M8[ns]").tolist())


@pytest.mark.parametrize(
    ("labels", "step", "first"),
    [
        (["2025-01-16", "2025-02-15", "2025-03-16"], "month", "2025-01-01"),
        (["2025-01-31", "2025-02-28", "2025-03-31"], "month", "2025-01-01"),
        (["2024-07-02", "2025-07-02", "2026-07-02"], "year", "2024-01-01"),
        (["2025-01-01T00:30", "2025-01-01T01:30", "2025-01-01T02:30"], "hour", "2025-01-01"),
        (["2025-01-01T01:30", "2025-01-01T04:30", "2025-01-01T07:30"], "hour", "2025-01-01"),
        (["2025-01-01", "2025-01-02", "2025-01-05"], "day", "2025-01-01"),
    ],
)
def test_steps_are_inferred_and_labelled_with_their_start(
    tmp_path: Path, labels: list[str], step: str, first: str
) -> None:
    dataset = cube(3).assign_coords(time=np.array(labels, "M8[ns]"))
    written(dataset, tmp_path / "t2m.nc")
    grid = opened(request(tmp_path, "t2m.nc", "2024-01-01", "2026-12-31"))
    assert grid.attrs["step"] == step
    assert grid["time"].values[0] == np.datetime64(first)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            ["2025-01-01", "2025-01-09", "2025-01-17"],
            "its time steps are 8 days apart; allowed: hours, days, weeks, dekads, months or years",
        ),
        (["2025-01-01T00", "2025-01-01T05", "2025-01-01T10"], "its time steps are 5 hours apart"),
        (["2025-01-01", "2025-01-02", "2025-01-02"], "holds 2025-01-02T00:00 twice"),
    ],
)
def test_time_axes_that_make_no_periods_are_refused(tmp_path: Path, labels: list[str], message: str) -> None:
    written(cube(3).assign_coords(time=np.array(labels, "M8[ns]")), tmp_path / "t2m.nc")
    with pytest.raises(SourceError, match=message):
        opened(request(tmp_path, "t2m.nc", "2025-01-01", "2025-12-31"))


def test_days_of_a_calendar_of_models_are_refused(tmp_path: Path) -> None:
    dataset = cube().drop_vars("time").assign_coords(time=("time", np.arange(DAYS)))
    dataset["time"].attrs.update(units="days since 2025-07-01", calendar="360_day")
    written(dataset, tmp_path / "t2m.nc")
    with pytest.raises(SourceError, match=r"its days are those of a climate model \(360_day\)"):
        opened(request(tmp_path, "t2m.nc"))


@pytest.mark.parametrize("name", ["grads", "exact", "single", "jitter"])
def test_hours_whose_times_are_rounded(tmp_path: Path, name: str) -> None:
    hours, since = np.arange(48), (date(2024, 1, 1) - date(1900, 1, 1)).days
    written_as = {
        "grads": (np.round(date(2024, 1, 1).toordinal() + 1 + hours / 24, 6), "f8", "days since 1-1-1 00:00:0.0"),
        "exact": (date(2024, 1, 1).toordinal() + 1 + hours / 24, "f8", "days since 1-1-1 00:00:0.0"),
        "single": (since + hours / 24, "f4", "days since 1900-01-01"),
        "jitter": (hours * 3600.0 + 0.001 * (hours % 2), "f8", "seconds since 2024-01-01"),
    }
    times, time_type, units = written_as[name]
    netcdf(tmp_path / "v.nc", hours[:, None, None], times=times, time_type=time_type, time={"units": units})
    grid = opened(replace(request(tmp_path, "v.nc", "2024-01-01", "2024-01-02"), bbox=(11, 1, 12, 2)))
    assert grid.attrs["step"] == "hour"
    assert grid["time"].values.tolist() == (np.datetime64("2024-01-01", "ns") + hours.astype("m8[h]")).tolist()


@pytest.mark.parametrize(
    ("unit", "first", "last"), [("days", "2024-01-01T00", "2024-01-03T00"), ("hours", "2024-01-01T00", "2024-01-01T02")]
)
def test_a_clock_before_utc(tmp_path: Path, unit: str, first: str, last: str) -> None:
    """Days are those of the clock, hours are put into UTC."""
    netcdf(tmp_path / "v.nc", 1, times=np.arange(24), time={"units": f"{unit} since 2024-01-01 00:00:00 +03:00"})
    asked = request(tmp_path, "v.nc", "2024-01-01", "2024-01-03", timeZone="Africa/Nairobi")
    times = opened(replace(asked, bbox=(11, 1, 12, 2)))["time"].values[:3]
    ahead = np.timedelta64(3 if unit == "hours" else 0, "h")
    assert (times[0], times[-1]) == (np.datetime64(first) - ahead, np.datetime64(last) - ahead)


@pytest.mark.parametrize("days", [["01", "11", "21"], ["10", "20", "31"], ["05", "15", "25"]])
def test_dekads_are_known_wherever_their_labels_lie(tmp_path: Path, days: list[str]) -> None:
    dataset = cube(3).assign_coords(time=np.array([f"2025-01-{day}" for day in days], "M8[ns]"))
    written(dataset, tmp_path / "v.nc")
    grid = opened(request(tmp_path, "v.nc", "2025-01-01", "2025-01-31", periodType="monthly"))
    assert grid.attrs["step"] == "dekad"
    assert [str(time)[:10] for time in grid["time"].values] == ["2025-01-01", "2025-01-11", "2025-01-21"]
    complete, _ = complete_periods(grid, periods_in(Interval(start=date(2025, 1, 1), end=date(2025, 1, 31)), "monthly"))
    assert (complete[0].first, complete[0].stop) == (0, 3)
    assert step_hours(grid).tolist() == [240, 240, 264]
    with pytest.raises(SourceError, match="one value a dekad, which do not make up the period 2025W1 "):
        complete_periods(grid, periods_in(Interval(start=date(2024, 12, 30), end=date(2025, 1, 12)), "weekly"))


def test_weeks_make_up_the_weeks_that_begin_on_their_day(tmp_path: Path) -> None:
    mondays = np.datetime64("2024-12-30", "ns") + np.arange(5) * np.timedelta64(7, "D")
    written(cube(5).assign_coords(time=mondays), tmp_path / "v.nc")
    interval = Interval(start=date(2024, 12, 30), end=date(2025, 1, 12))
    grid = opened(request(tmp_path, "v.nc", "2024-12-30", "2025-01-12", periodType="weekly"))
    assert grid.attrs["step"] == "week"
    complete, left_out = complete_periods(grid, periods_in(interval, "weekly"))
    assert [(each.period.id, each.first, each.stop) for each in complete] == [("2025W1", 0, 1), ("2025W2", 1, 2)]
    assert not left_out
    with pytest.raises(SourceError, match=r"one value a week, .* its weeks begin on a Monday; allowed period types"):
        complete_periods(grid, periods_in(interval, "weeklyWednesday"))


def test_midnights_of_single_precision_are_midnights(tmp_path: Path) -> None:
    """1.7e9 seconds are 64 off, which is the day before."""
    seconds = (np.datetime64("2024-01-01", "s").astype("int64") + np.arange(5) * 86400).astype("f4")
    netcdf(tmp_path / "v.nc", 1, times=seconds, time_type="f4", time={"units": "seconds since 1970-01-01"})
    grid = opened(replace(request(tmp_path, "v.nc", "2024-01-01", "2024-01-05"), bbox=(11, 1, 12, 2)))
    assert [str(time)[:10] for time in grid["time"].values] == [f"2024-01-0{day}" for day in range(1, 6)]


def test_a_label_at_the_last_second_of_a_day_is_of_that_day(tmp_path: Path) -> None:
    dataset = cube()
    written(dataset.assign_coords(time=dataset["time"] + np.timedelta64(86399, "s")), tmp_path / "t2m.nc")
    check(opened(request(tmp_path, "t2m.nc")))
