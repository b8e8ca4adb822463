"""Where cells lie: coordinates of other systems, at the corners of cells, and in two dimensions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats.glance import is_right
from tests.pipeline.made_files import LATITUDES, LONGITUDES, check, cube, opened, request, written

EARTH_NORTH, EARTH_EAST = {"units": "degrees_north"}, {"units": "degrees_east"}


def refused(folder: Path, dataset: xr.Dataset, words: str) -> None:
    path = written(dataset, folder / "t2m.nc")
    with pytest.raises(SourceError, match=words):
        opened(request(folder, "t2m.nc", options={"variable": "t2m"}))
    assert not is_right(str(path), "t2m", 0, True)


def in_two(latitudes: NDArray[Any], longitudes: NDArray[Any], **names: str) -> xr.Dataset:
    """The file of `cube` with coordinates in two dimensions."""
    dataset = cube().drop_vars(["lat", "lon"]).rename({"lat": "y", "lon": "x"} | names)
    rows, columns = names.get("lat", "y"), names.get("lon", "x")
    return dataset.assign(
        nav_lat=((rows, columns), latitudes, EARTH_NORTH), nav_lon=((rows, columns), longitudes, EARTH_EAST)
    )


@pytest.mark.parametrize(
    ("standard", "units", "words"),
    [
        ("grid_latitude", "degrees", "its y is grid_latitude"),
        ("projection_y_coordinate", "km", r"its y is projection_y_coordinate \(km\)"),
        ("projection_y_coordinate", "", "its y is projection_y_coordinate"),
        ("", "km", "its y is in km; expected longitudes and latitudes"),
        ("", "radian", "its y is in radian"),
    ],
)
def test_coordinates_of_another_system_are_no_degrees(tmp_path: Path, standard: str, units: str, words: str) -> None:
    dataset = cube().rename(lat="y", lon="x")
    dataset["y"].attrs = {name: value for name, value in (("standard_name", standard), ("units", units)) if value}
    refused(tmp_path, dataset, words)


def test_a_rotated_pole_is_named(tmp_path: Path) -> None:
    rotated = {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 39.25,
        "grid_north_pole_longitude": -162.0,
    }
    dataset = cube().rename(lat="y", lon="x").assign_coords(pole=xr.Variable((), 0, rotated))
    dataset["t2m"].encoding["grid_mapping"] = "pole"
    path = written(dataset, tmp_path / "t2m.nc")
    with pytest.raises(SourceError, match="is in the degrees of a rotated pole; expected longitudes and latitudes"):
        opened(request(tmp_path, "t2m.nc", options={"variable": "t2m"}))
    assert not is_right(str(path), "t2m", 0, True)


@pytest.mark.parametrize("corner", [-0.25, 0.25])
def test_where_bounds_say_that_coordinates_are_corners_the_middles_count(tmp_path: Path, corner: float) -> None:
    dataset = cube().assign_coords(lat=LATITUDES + corner, lon=LONGITUDES + corner)
    for name, centres in (("lat", LATITUDES), ("lon", LONGITUDES)):
        dataset[name].attrs["bounds"] = f"{name}_bnds"
        dataset[f"{name}_bnds"] = ((name, "ends"), np.stack([centres - 0.25, centres + 0.25], axis=1))
    path = written(dataset, tmp_path / "t2m.nc")
    check(opened(request(tmp_path, "t2m.nc")))
    assert is_right(str(path), "t2m", 0, True)


@pytest.mark.parametrize("fault", ["empty", "elsewhere", "half"])
def test_bounds_that_are_no_cells_change_nothing(tmp_path: Path, fault: str) -> None:
    dataset = cube()
    bounds = np.stack([LATITUDES - 0.25, LATITUDES + 0.25], axis=1)
    if fault == "empty":
        bounds[:] = 0
    elif fault == "elsewhere":
        bounds += 10
    else:
        bounds[0, 1] = LATITUDES[0]  # a half cell, as at a pole
    dataset["lat"].attrs["bounds"] = "lat_bnds"
    written(dataset.assign(lat_bnds=(("lat", "ends"), bounds)), tmp_path / "t2m.nc")
    check(opened(request(tmp_path, "t2m.nc", options={"variable": "t2m"})))


@pytest.mark.parametrize("names", [{}, {"lat": "south_north", "lon": "west_east"}])
@pytest.mark.parametrize("numbered", [False, True])
def test_a_regular_grid_with_coordinates_in_two_dimensions(
    tmp_path: Path, names: dict[str, str], numbered: bool
) -> None:
    latitudes, longitudes = np.meshgrid(LATITUDES.astype("float32"), LONGITUDES.astype("float32"), indexing="ij")
    dataset = in_two(latitudes, longitudes, **names)
    if numbered:
        rows, columns = names.get("lat", "y"), names.get("lon", "x")
        dataset = dataset.assign_coords({rows: np.arange(len(LATITUDES)), columns: np.arange(len(LONGITUDES))})
    written(dataset, tmp_path / "t2m.nc")
    check(opened(request(tmp_path, "t2m.nc")))


@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize("names", [{}, {"lat": "south_north", "lon": "west_east"}])
def test_a_curvilinear_grid_is_refused(tmp_path: Path, numbered: bool, names: dict[str, str]) -> None:
    latitudes, longitudes = np.meshgrid(LATITUDES, LONGITUDES, indexing="ij")
    dataset = in_two(latitudes + 0.1 * longitudes, longitudes, **names)
    if numbered:
        rows, columns = names.get("lat", "y"), names.get("lon", "x")
        dataset = dataset.assign_coords({rows: np.arange(len(LATITUDES)), columns: np.arange(len(LONGITUDES))})
    refused(tmp_path, dataset, "is on a curvilinear grid, with latitudes and longitudes in two dimensions")
