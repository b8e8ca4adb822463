"""Grids as people write them."""

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import rasterio
import xarray as xr

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats.contents import contents
from eo_pygeoapi.pipeline.formats.opening import open_variable
from tests.pipeline.formats.made_netcdf import LATITUDES, LONGITUDES, netcdf
from tests.pipeline.made_files import LATITUDES as ROWS
from tests.pipeline.made_files import LONGITUDES as COLUMNS
from tests.pipeline.made_files import check, cube, geotiff, numbers, opened, request, written


@pytest.mark.parametrize("standard", [True, False])
def test_dimensions_with_other_names_than_their_coordinates(tmp_path: Path, standard: bool) -> None:
    about = (
        ({"standard_name": "latitude"}, {"standard_name": "longitude"})
        if standard
        else ({"units": "degrees_north"}, {"units": "degrees_east"})
    )
    data = cube().rename(lat="nlat", lon="nlon").drop_vars(["nlat", "nlon"])
    data["rows" if standard else "lat"] = ("nlat", ROWS, about[0])
    data["columns" if standard else "lon"] = ("nlon", COLUMNS, about[1])
    written(data, tmp_path / "t2m.nc")
    check(opened(request(tmp_path, "t2m.nc")))


def test_a_variable_in_a_group(tmp_path: Path) -> None:
    path = tmp_path / "imerg.nc"
    with netCDF4.Dataset(path, "w") as file:
        grid = file.createGroup("Grid")
        for name, values in (("lon", LONGITUDES), ("lat", LATITUDES)):
            grid.createDimension(name, len(values))
            grid.createVariable(name, "f8", (name,))[:] = values
        grid.createDimension("time", 1)
        time = grid.createVariable("time", "i4", ("time",))
        time.units = "seconds since 1970-01-01"
        time[:] = 1704067200
        grid.createVariable("precipitation", "f4", ("time", "lon", "lat"), fill_value=-9999.9)[:] = np.arange(
            12
        ).reshape(1, 4, 3)
    found = open_variable(str(path), "Grid/precipitation", "imerg.nc")
    assert found.transpose("time", "y", "x").values[0, :, 0].tolist() == [0, 1, 2]
    assert found["time"].values[0] == np.datetime64("2024-01-01")
    assert open_variable(str(path), "", "imerg.nc").identical(found)
    with pytest.raises(SourceError, match=r"no variable 'Grid/rain' \(available: Grid/precipitation\)"):
        open_variable(str(path), "Grid/rain", "imerg.nc")
    with pytest.raises(SourceError, match=r"no variable 'precipitation' \(available: Grid/precipitation\)"):
        open_variable(str(path), "precipitation", "imerg.nc")


def test_coordinates_of_the_group_around(tmp_path: Path) -> None:
    path = tmp_path / "v.nc"
    netcdf(path, 1)
    with netCDF4.Dataset(path, "a") as file:
        file.createGroup("model").createVariable("w", "f4", ("time", "lat", "lon"))[:] = 7
    found = open_variable(str(path), "model/w", "v.nc")
    assert found["y"].values.tolist() == LATITUDES.tolist()
    assert (found.values == 7).all()


def test_what_a_file_holds(tmp_path: Path) -> None:
    netcdf(tmp_path / "v.nc", 1)
    assert contents(str(tmp_path / "v.nc"), "v.nc")["v"] == {"time": 1, "lat": 3, "lon": 4}
    geotiff(tmp_path / "v.tif", numbers(2))
    assert list(contents(str(tmp_path / "v.tif"), "v.tif")) == ["band 1", "band 2"]
    cube().to_zarr(tmp_path / "v.zarr", zarr_format=3, consolidated=False)
    assert contents(str(tmp_path / "v.zarr"), "v.zarr")["t2m"] == {"time": 5, "lat": 12, "lon": 20}


def test_an_empty_spatial_ref_says_nothing(tmp_path: Path) -> None:
    data = cube()
    data["spatial_ref"] = ((), 0, {"crs_wkt": "", "spatial_ref": ""})
    data["t2m"].attrs["grid_mapping"] = "spatial_ref"
    written(data, tmp_path / "t2m.nc")
    check(opened(request(tmp_path, "t2m.nc")))


@pytest.mark.parametrize("versions", [[1, 5], [5, 1], ["0001", "0005"]])
def test_final_and_provisional_values_side_by_side_are_merged(tmp_path: Path, versions: list[Any]) -> None:
    data = cube()
    final, provisional = data.where(data["time"] < data["time"][3]), data.where(data["time"] >= data["time"][3])
    both = {str(versions[0]): final, str(versions[1]): provisional}
    if versions[0] == 5:
        both = {"5": provisional, "1": final}
    written(xr.concat(list(both.values()), xr.Variable("expver", versions)), tmp_path / "t2m.nc")
    check(opened(request(tmp_path, "t2m.nc")))


def test_where_both_versions_have_a_value_the_final_one_counts(tmp_path: Path) -> None:
    written(xr.concat([cube() + 500, cube()], xr.Variable("expver", [5, 1])), tmp_path / "t2m.nc")
    check(opened(request(tmp_path, "t2m.nc")))


def test_a_band_is_chosen(tmp_path: Path) -> None:
    geotiff(tmp_path / "bands.tif", numbers(3))
    asked = {"time": "2025-07-01", "band": 2}
    grid = opened(request(tmp_path, "bands.tif", "2025-07-01", "2025-07-01", options=asked))
    assert grid.values[0, 0, 0] == 1065
    with pytest.raises(SourceError, match=r"bands.tif: has no band 4; allowed: 1 to 3"):
        opened(request(tmp_path, "bands.tif", options={"time": "2025-07-01", "band": 4}))


def test_bands_are_time_steps_from_a_time_on(tmp_path: Path) -> None:
    geotiff(tmp_path / "bands.tif", numbers(5))
    check(opened(request(tmp_path, "bands.tif", options={"time": "2025-07-01/P1D"})))
    monthly = request(
        tmp_path, "bands.tif", "2025-03-01", "2025-04-30", options={"time": "2025-01/P1M"}, periodType="monthly"
    )
    assert opened(monthly).values[:, 0, 0].tolist() == [2065, 3065]


def test_bands_are_time_steps_by_their_names(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "bands.tif", numbers(5))
    with rasterio.open(path, "r+") as file:
        file.descriptions = [f"2025070{day}_precipitation" for day in range(1, 6)]
    check(opened(request(tmp_path, "bands.tif")))
