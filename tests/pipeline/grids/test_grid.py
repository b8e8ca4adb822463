from dataclasses import replace
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import rasterio
import xarray as xr

from eo_pygeoapi.datasets.block import Units
from eo_pygeoapi.errors import SourceError
from tests.pipeline.made_files import LATITUDES, LONGITUDES, check, cube, geotiff, numbers, opened, request, written


@pytest.mark.parametrize(
    "names",
    [
        {"lat": "latitude", "lon": "longitude", "time": "valid_time"},
        {"lat": "y", "lon": "x"},
        {"lat": "LAT", "lon": "Lon", "time": "Time"},
    ],
)
def test_names_of_the_axes(tmp_path: Path, names: dict[str, str]) -> None:
    written(cube().rename(names), tmp_path / "t2m.nc")
    check(opened(request(tmp_path, "t2m.nc")))


def test_axes_with_other_names_are_known_by_their_standard_names(tmp_path: Path) -> None:
    dataset = cube().rename(lat="rows", lon="columns")
    dataset["rows"].attrs["standard_name"], dataset["columns"].attrs["standard_name"] = "latitude", "longitude"
    written(dataset, tmp_path / "t2m.nc")
    check(opened(request(tmp_path, "t2m.nc")))


def test_ascending_latitudes_are_turned(tmp_path: Path) -> None:
    written(cube().isel(lat=slice(None, None, -1)), tmp_path / "t2m.nc")
    check(opened(request(tmp_path, "t2m.nc")))


def test_longitudes_from_0_to_360_are_turned_across_the_prime_meridian(tmp_path: Path) -> None:
    whole = cube().reindex(lon=np.arange(0.25, 360, 0.5) - 180)
    turned = whole.assign_coords(lon=whole["lon"] % 360).sortby("lon")
    assert float(turned["lon"].min()) == 0.25
    written(turned, tmp_path / "t2m.nc")
    check(opened(request(tmp_path, "t2m.nc")))


def test_scalars_and_strings_beside_the_data_are_dropped(tmp_path: Path) -> None:
    versions = ("time", np.array(["0001", "0001", "0005", "0005", "0005"]))
    written(cube().assign_coords(number=0, expver=versions), tmp_path / "t2m.nc")
    grid = opened(request(tmp_path, "t2m.nc"))
    assert set(grid.coords) == {"time", "y", "x"}
    check(grid)


def test_a_dimension_of_size_1_is_dropped_and_a_longer_one_refused(tmp_path: Path) -> None:
    written(cube().expand_dims(number=[0]), tmp_path / "one.nc")
    check(opened(request(tmp_path, "one.nc")))
    written(cube().expand_dims(number=[0, 1]), tmp_path / "two.nc")
    with pytest.raises(SourceError, match=r"two.nc: has the dimensions \(number: 2, time: 5, .*not number"):
        opened(request(tmp_path, "two.nc"))


def test_a_projected_grid_is_refused(tmp_path: Path) -> None:
    geotiff(
        tmp_path / "utm.tif",
        numbers(1)[0],
        crs="EPSG:32628",
        transform=rasterio.transform.from_origin(5e5, 1e6, 1e3, 1e3),
    )
    with pytest.raises(SourceError, match="is in WGS 84 / UTM zone 28N; expected longitudes and latitudes"):
        opened(request(tmp_path, "utm.tif", options={"time": "2025-07-01"}))


def test_a_grid_that_is_not_regular_is_refused(tmp_path: Path) -> None:
    uneven = np.where(LATITUDES < 2, LATITUDES - 0.2, LATITUDES)
    written(cube().assign_coords(lat=uneven), tmp_path / "t2m.nc")
    with pytest.raises(SourceError, match="its latitudes are not evenly spaced; expected a regular grid"):
        opened(request(tmp_path, "t2m.nc"))


@pytest.mark.parametrize(("first", "columns"), [(-279.75, 720), (74.25, 720), (-359.75, 720)])
def test_longitudes_of_oceans_begin_elsewhere(tmp_path: Path, first: float, columns: int) -> None:
    whole = cube().reindex(lon=np.arange(0.25, 360, 0.5) - 180)
    longitudes = first + 0.5 * np.arange(columns)
    turned = whole.sel(lon=(longitudes + 180) % 360 - 180, method="nearest").assign_coords(lon=longitudes)
    written(turned, tmp_path / "t2m.nc")
    check(opened(request(tmp_path, "t2m.nc")))


def test_latitudes_beyond_a_pole_are_refused(tmp_path: Path) -> None:
    dataset = cube().assign_coords(lat=170.25 - 0.5 * np.arange(12))  # counted from the south pole
    written(dataset, tmp_path / "t2m.nc")
    with pytest.raises(SourceError, match="its latitudes are not degrees; expected longitudes and latitudes"):
        opened(request(tmp_path, "t2m.nc"))


@pytest.mark.parametrize(("other", "right"), [("millimeters", True), ("", True), ("kg m-2", True), ("m", False)])
def test_files_of_other_units_are_refused(tmp_path: Path, other: str, right: bool) -> None:
    for day, units in ((1, "mm"), (2, "mm"), (3, other)):
        dataset = cube().isel(time=[day - 1])
        dataset["t2m"].attrs = {"units": units} if units else {}
        written(dataset, tmp_path / f"2025-07-{day:02}.nc")
    asked = request(tmp_path, "{YYYY}-{MM}-{DD}.nc", end="2025-07-03")
    if right:
        assert opened(asked).attrs["units"] == "mm"
        return
    with pytest.raises(SourceError, match="are in different units: 'mm' and, from 2025-07-03 on, 'm'; expected the"):
        opened(asked)
    said = replace(asked, dataset=asked.dataset.model_copy(update={"units": Units.model_validate({"from": "mm"})}))
    assert opened(said).attrs["units"] == "mm"


def test_each_file_of_hours_has_its_own_clock(tmp_path: Path) -> None:
    hours = np.datetime64("2025-07-01", "ns") + np.arange(48).astype("m8[h]")
    whole = cube().isel(time=np.zeros(48, int)).assign_coords(time=hours)
    whole["t2m"] = whole["t2m"] * 0 + xr.DataArray(np.arange(48.0), dims="time")
    for day, clock in ((1, 3), (2, 0)):
        part = whole.isel(time=slice(24 * day - 24, 24 * day))
        part = part.assign_coords(time=part["time"] + np.timedelta64(clock, "h"))
        part["time"].encoding = {"units": "hours since 2025-07-01", "dtype": "float64"}
        path = written(part, tmp_path / f"2025-07-{day:02}.nc")
        with netCDF4.Dataset(path, "a") as file:
            file["time"].units = f"hours since 2025-07-01 00:00:00 +{clock:02}:00"
    grid = opened(request(tmp_path, "{YYYY}-{MM}-{DD}.nc", end="2025-07-02"))
    assert grid.sizes["time"] == 48
    assert (np.diff(grid["time"].values) == np.timedelta64(1, "h")).all()
    assert grid.values[:, 0, 0].tolist() == list(range(48))


def test_units_beside_the_grid_are_an_error_that_says_where_both_are(tmp_path: Path) -> None:
    written(cube().assign_coords(lon=LONGITUDES + 100), tmp_path / "t2m.nc")
    with pytest.raises(
        SourceError, match=r"covers 95 to 105 and 0 to 6; the organisation units lie in -2 to 3 and 1 to 4"
    ):
        opened(request(tmp_path, "t2m.nc"))


def test_a_grid_that_ends_within_the_box_is_taken_as_far_as_it_goes(tmp_path: Path) -> None:
    written(cube().isel(lon=slice(0, 8)), tmp_path / "t2m.nc")
    assert opened(request(tmp_path, "t2m.nc"))["x"].values.tolist() == [-2.25, -1.75, -1.25]


def test_integers_without_gaps_become_floats(tmp_path: Path) -> None:
    written(cube().fillna(0).astype("int32"), tmp_path / "people.nc")
    grid = opened(request(tmp_path, "people.nc"))
    assert grid.dtype == "float64"
    assert grid.values[0, 0, 0] == 65


@pytest.mark.parametrize("places", [2, 3, 4])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_coordinates_that_were_rounded_are_put_back(tmp_path: Path, places: int, dtype: str) -> None:
    centres = (np.arange(24) + 0.5) / 12
    rounded = np.round(centres, places).astype(dtype)
    coordinates = {"time": np.array(["2025-07-01"], "M8[ns]"), "lat": rounded[::-1], "lon": rounded}
    data = xr.DataArray(np.zeros((1, 24, 24)), dims=("time", "lat", "lon"), coords=coordinates, name="v")
    written(data.to_dataset(), tmp_path / "v.nc")
    grid = opened(replace(request(tmp_path, "v.nc", "2025-07-01", "2025-07-01"), bbox=(0, 0, 2, 2)))
    assert grid["x"].values == pytest.approx(centres, abs=1e-12)
    assert grid["y"].values == pytest.approx(centres[::-1], abs=1e-12)


@pytest.mark.parametrize(("places", "cells"), [(2, 48), (1, 12), (1, 10)])
def test_coordinates_that_were_rounded_too_much_are_refused(tmp_path: Path, places: int, cells: int) -> None:
    rounded = np.round((np.arange(24) + 0.5) / cells, places)
    data = xr.DataArray(np.zeros((24, 24)), dims=("lat", "lon"), coords={"lat": rounded, "lon": rounded}, name="v")
    written(data.to_dataset(), tmp_path / "v.nc")
    with pytest.raises(SourceError, match="rounded"):
        opened(request(tmp_path, "v.nc", options={"time": "2025"}))
