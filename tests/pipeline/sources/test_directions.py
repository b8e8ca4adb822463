"""Directions in files of users: their mean is that of vectors, whether the file says so or the options."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import circmean, directional_stats

from eo_pygeoapi.contract.models import Aggregation, Interval
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.grids.directions import as_vectors, is_direction
from eo_pygeoapi.pipeline.zonal.step import Aggregated, aggregate_to_org_units
from tests.pipeline import made
from tests.pipeline.made_files import BOX, cube, geotiff, opened, request, written

LEFT = shapely.box(-1.5, 2.0, -0.5, 3.0)  # two cells wide and high
UNITS = made.units({"all": shapely.box(*BOX), "left": LEFT})


def computed(tmp_path: Path, href: str, **eo: Any) -> Aggregated:
    asked = request(tmp_path, href, **eo)
    periods = periods_in(asked.interval, asked.dataset.period_type)
    return aggregate_to_org_units(opened(asked), UNITS, periods, asked.dataset)


def winds(path: Path, days: list[Any], name: str = "wind_from_direction", units: str = "degree") -> None:
    """Write a file with a direction for all cells of each day, or for each cell."""
    dataset = cube(len(days))
    dataset["t2m"][:] = np.stack([np.broadcast_to(day, dataset["t2m"].shape[1:]) for day in days])
    dataset["t2m"].attrs = {"standard_name": name, "units": units}
    written(dataset, path)


@pytest.mark.parametrize("name", ["wind_from_direction", "wind_to_direction", "sea_surface_wave_from_direction"])
def test_the_mean_of_350_and_10_degrees_is_0_in_space_and_time(tmp_path: Path, name: str) -> None:
    beside = np.where(np.arange(20) % 2, 350.0, 10.0)  # every second column
    winds(tmp_path / "cells.nc", [beside], name)
    assert list(computed(tmp_path, "cells.nc", end="2025-07-01").frame["value"]) == pytest.approx([0, 0], abs=1e-9)
    winds(tmp_path / "days.nc", [200.0, 350.0, 10.0, 350.0, 10.0, 20.0, 340.0, 0.0], name)
    week = {"start": "2025-07-02", "end": "2025-07-08", "periodType": "weeklyWednesday"}
    found = computed(tmp_path, "days.nc", **week).frame["value"]
    assert list(np.cos(np.radians(found))) == pytest.approx([1, 1])


def test_directions_of_a_raster_are_told_by_the_options(tmp_path: Path) -> None:
    geotiff(tmp_path / "wind.tif", np.where(np.arange(12 * 20).reshape(12, 20) % 2, 350.0, 10.0))
    day = {"start": "2025-07-01", "end": "2025-07-01"}
    options = {"time": "2025-07-01"}
    as_numbers = computed(tmp_path, "wind.tif", options=options, **day)
    assert list(as_numbers.frame["value"]) == [180, 180]
    found = computed(tmp_path, "wind.tif", options=options | {"direction": True}, **day)
    assert list(found.frame["value"]) == pytest.approx([0, 0], abs=1e-9)


def test_three_cells_by_hand(tmp_path: Path) -> None:
    # two winds from the east and one from the north: east 2, north 1, so it is atan(2 / 1) east of the north
    grid = as_vectors(made.grid([[90.0, 90.0, 0.0]] * 2), Aggregation())
    found = _aggregated(grid, shapely.box(0, 0, 3, 1))
    assert found.frame["value"][0] == pytest.approx(np.degrees(np.arctan2(2, 1)))
    assert found.frame["value"][0] == pytest.approx(63.4349488)


def test_winds_against_each_other_have_no_direction() -> None:
    grid = as_vectors(made.grid([[10.0, 190.0]] * 2), Aggregation())
    assert np.isnan(_aggregated(grid, shapely.box(0, 0, 2, 1)).frame["value"][0])


@pytest.mark.parametrize("mark", [-9999.0, 500.0])
def test_what_is_no_direction_is_left_out_and_listed(mark: float) -> None:
    grid = as_vectors(made.grid([[90.0, mark, 90.0, np.nan]] * 2), Aggregation())
    found = _aggregated(grid, shapely.box(0, 0, 4, 1))
    assert (found.frame["value"][0], found.frame["validFraction"][0]) == (pytest.approx(90), 0.5)
    reasons = [entry.reason for entry in found.left_out]
    assert f"25 % of its area has cells of {mark:g}, which cannot be" in reasons[-1]


def test_radians_become_degrees() -> None:
    grid = as_vectors(made.grid([[np.pi / 2] * 2] * 2, units="radian"), Aggregation())
    assert _aggregated(grid, shapely.box(0, 0, 2, 1)).frame["value"][0] == pytest.approx(90)


@pytest.mark.parametrize("aggregation", [{"spatial": "max"}, {"temporal": "sum"}, {"daily": "mean"}])
def test_a_file_of_directions_has_no_other_statistics(tmp_path: Path, aggregation: dict[str, str]) -> None:
    winds(tmp_path / "wind.nc", [10.0])
    with pytest.raises(SourceError, match=r"wind\.nc: holds directions, which have a mean alone"):
        computed(tmp_path, "wind.nc", end="2025-07-01", aggregation=aggregation)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 360), min_size=2, max_size=12))
def test_it_is_the_mean_of_scipy(degrees: list[float]) -> None:
    radians = np.radians(degrees)
    assume(directional_stats(np.column_stack([np.cos(radians), np.sin(radians)])).mean_resultant_length > 1e-3)
    found = _aggregated(as_vectors(made.grid([degrees] * 2), Aggregation()), shapely.box(0, 0, len(degrees), 1))
    apart = found.frame["value"][0] - circmean(degrees, high=360)
    assert abs((apart + 180) % 360 - 180) < 1e-4


def test_names_of_directions() -> None:
    assert is_direction("wind_from_direction") and is_direction("sea_surface_wave_to_direction")
    assert not is_direction("wind_speed") and not is_direction("sea_surface_wave_directional_spread")


def _aggregated(grid: Any, unit: Any) -> Aggregated:
    asked = made.dataset()
    from_, to = (np.datetime64(grid["time"].values[0], "D").item(),) * 2
    periods = periods_in(Interval(start=from_, end=to), "daily")
    return aggregate_to_org_units(grid, made.units({"a": unit}), periods, asked)
