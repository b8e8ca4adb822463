"""A glance says of files that are right that they are, and never of one that a job cannot read."""

from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import rioxarray  # noqa: F401  registers `.rio`
import xarray as xr

from eo_pygeoapi.pipeline.formats.glance import is_right
from tests.pipeline.formats.test_unwritten import hdf5
from tests.pipeline.made_files import LATITUDES, LONGITUDES, cube, geotiff, numbers, written


@pytest.mark.parametrize("version", [2, 3])
def test_files_as_most_are(tmp_path: Path, version: int) -> None:
    zarr = tmp_path / "t2m.zarr"
    cube().to_zarr(zarr, zarr_format=version, consolidated=version == 2)
    assert is_right(str(zarr), "", 0, dated=False)
    netcdf = written(cube(), tmp_path / "t2m.nc")
    assert is_right(str(netcdf), "", 0, dated=False) and is_right(str(netcdf), "t2m", 0, dated=False)
    raster = str(geotiff(tmp_path / "people.tif", numbers(1)[0]))
    assert is_right(raster, "", 0, dated=True) and not is_right(raster, "", 0, dated=False)
    bands = str(geotiff(tmp_path / "bands.tif", numbers(3)))
    assert is_right(bands, "", 3, dated=True)
    assert not is_right(bands, "", 4, dated=True) and not is_right(bands, "", 0, dated=True)


def test_a_file_in_degrees_that_says_so(tmp_path: Path) -> None:
    degrees, metres = (cube().rio.write_crs(crs) for crs in ("EPSG:4326", "EPSG:32736"))
    assert is_right(str(written(degrees, tmp_path / "degrees.nc")), "t2m", 0, dated=False)
    assert not is_right(str(written(metres, tmp_path / "metres.nc")), "t2m", 0, dated=False)


def _uneven(data: xr.Dataset) -> xr.Dataset:
    return data.assign_coords(lon=np.append(LONGITUDES[:-1], 60.0))


def _off_the_earth(data: xr.Dataset) -> xr.Dataset:
    return data.assign_coords(lat=data["lat"] * 100)


def _levels(data: xr.Dataset) -> xr.Dataset:
    return data.expand_dims(level=[1, 2])


def _north_of_the_pole(data: xr.Dataset) -> xr.Dataset:
    return data.assign_coords(lat=data["lat"] + 100)


def _two_grids(data: xr.Dataset) -> xr.Dataset:
    return data.assign(d2m=data["t2m"])


def _no_times(data: xr.Dataset) -> xr.Dataset:
    return data.drop_vars("time")


def _numbers_for_times(data: xr.Dataset) -> xr.Dataset:
    return data.assign_coords(time=np.arange(data.sizes["time"]))


def _packed_by_words(data: xr.Dataset) -> xr.Dataset:
    return data.assign(t2m=data["t2m"].assign_attrs(add_offset="nothing"))


@pytest.mark.parametrize(
    "made",
    [_uneven, _off_the_earth, _north_of_the_pole, _two_grids, _levels, _no_times, _numbers_for_times, _packed_by_words],
    ids=lambda made: made.__name__,
)
def test_what_a_job_cannot_read(tmp_path: Path, made: Callable[[xr.Dataset], xr.Dataset]) -> None:
    assert not is_right(str(written(made(cube()), tmp_path / "t2m.nc")), "", 0, dated=False)
    made(cube()).to_zarr(tmp_path / "t2m.zarr", consolidated=False)
    assert not is_right(str(tmp_path / "t2m.zarr"), "", 0, dated=False)


def test_files_that_are_not_whole_or_not_there(tmp_path: Path) -> None:
    whole = written(cube(), tmp_path / "t2m.nc").read_bytes()
    (tmp_path / "half.nc").write_bytes(whole[: len(whole) // 2])
    cube().to_zarr(tmp_path / "t2m.zarr", consolidated=False)
    (tmp_path / "t2m.zarr" / "lat" / "c" / "0").unlink()
    for name in ("half.nc", "t2m.zarr", "nowhere.nc"):
        assert not is_right(str(tmp_path / name), "", 0, dated=False)
    assert not is_right(str(tmp_path / "t2m.nc"), "rain", 0, dated=False)


def test_a_grid_of_one_day_needs_its_date_from_elsewhere(tmp_path: Path) -> None:
    path = str(written(cube().isel(time=0, drop=True), tmp_path / "t2m.nc"))
    assert is_right(path, "", 0, dated=True) and not is_right(path, "", 0, dated=False)


def test_a_file_with_groups_is_left_to_who_opens_it(tmp_path: Path) -> None:
    path = written(cube(), tmp_path / "t2m.nc")
    cube().to_netcdf(path, mode="a", group="more", engine="netcdf4")
    assert not is_right(str(path), "", 0, dated=False)


def test_values_that_were_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "t2m.nc"
    cube().fillna(0.0).to_netcdf(path, engine="netcdf4", format="NETCDF3_CLASSIC", unlimited_dims=["time"])
    assert is_right(str(path), "", 0, dated=False)
    path.write_bytes(path.read_bytes()[:-100])
    assert not is_right(str(path), "", 0, dated=False)


def test_a_date_that_nobody_wrote(tmp_path: Path) -> None:
    netcdf, zarr = tmp_path / "t2m.nc", tmp_path / "t2m.zarr"
    for version in ("earliest", "latest"):
        hdf5(netcdf, version, times=1)
        assert is_right(str(netcdf), "", 0, dated=False)
        hdf5(netcdf, version, "time", times=1)
        assert not is_right(str(netcdf), "", 0, dated=False)
    cube(1).to_zarr(zarr, consolidated=False)
    assert is_right(str(zarr), "", 0, dated=False)
    (zarr / "time" / "c" / "0").unlink()  # as it would be read, 1 January 2025
    assert not is_right(str(zarr), "", 0, dated=False)


def test_coordinates_are_decoded_once(tmp_path: Path) -> None:
    packed = {"lat": {"dtype": "i2", "scale_factor": 10.0, "_FillValue": -999}}
    path = written(cube().assign_coords(lat=60.0 - 10 * np.arange(12)), tmp_path / "t2m.nc", **packed)
    assert is_right(str(path), "", 0, dated=False)


def test_a_latitude_that_is_the_mark_for_none(tmp_path: Path) -> None:
    cube().to_zarr(tmp_path / "t2m.zarr", zarr_format=2, encoding={"lat": {"_FillValue": LATITUDES[3]}})
    assert not is_right(str(tmp_path / "t2m.zarr"), "", 0, dated=False)


def test_a_raster_that_says_not_where_it_lies_or_holds_several(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "people.tif"
    geotiff(path, numbers(1)[0], transform=None)
    recwarn.clear()
    assert not is_right(str(path), "", 0, dated=True) and not recwarn.list
    geotiff(path, numbers(1)[0])
    geotiff(path, numbers(1)[0], append_subdataset=True)
    assert not is_right(str(path), "", 0, dated=True)


def test_coordinates_that_nobody_wrote(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "t2m.nc", "w") as file:
        for name, size in (("time", 2), ("lat", 3), ("lon", 3)):
            file.createDimension(name, size)
            file.createVariable(name, "f8", (name,), chunksizes=(size,), fill_value=0.0)
        file["time"].units = "days since 2025-01-01"
        file["lat"][:], file["lon"][:] = np.arange(3), np.arange(3)
        file.createVariable("t2m", "f4", ("time", "lat", "lon"))[:] = 0
    assert not is_right(str(tmp_path / "t2m.nc"), "", 0, dated=False)
