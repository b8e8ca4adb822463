from pathlib import Path

import numpy as np
import pytest

from eo_pygeoapi.errors import SourceError
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


def test_bounds_decide_where_labels_are_the_end_of_a_day(tmp_path: Path) -> None:
    dataset = cube()
    start = dataset["time"].values
    dataset = dataset.assign_coords(time=start + np.timedelta64(1, "D"))
    dataset["time"].attrs["bounds"] = "time_bnds"
    dataset["time"].encoding["units"] = "days since 2025-01-01"
    dataset["time_bnds"] = (("time", "bnds"), np.stack([start, start + np.timedelta64(1, "D")], 1))
    written(dataset, tmp_path / "t2m.nc")
    check(opened(request(tmp_path, "t2m.nc")))


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


def test_calendars_without_leap_years_are_refused(tmp_path: Path) -> None:
    dataset = cube().drop_vars("time").assign_coords(time=("time", np.arange(DAYS)))
    dataset["time"].attrs.update(units="days since 2025-07-01", calendar="360_day")
    written(dataset, tmp_path / "t2m.nc")
    with pytest.raises(SourceError, match=r"not dates of the usual calendar .*360_day"):
        opened(request(tmp_path, "t2m.nc"))
