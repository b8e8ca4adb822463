"""A glance says of files that are right that they are, and never of one that a job cannot read."""

from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import rioxarray  # noqa: F401  registers `.rio`
import xarray as xr

from eo_pygeoapi.pipeline.formats.glance import is_right
from tests.pipeline.made_files import LONGITUDES, cube, geotiff, numbers, written


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


def _no_times(data: xr.Dataset) -> xr.Dataset:
    return data.drop_vars("time")


def _numbers_for_times(data: xr.Dataset) -> xr.Dataset:
    return data.assign_coords(time=np.arange(data.sizes["time"]))


def _packed_by_words(data: xr.Dataset) -> xr.Dataset:
    return data.assign(t2m=data["t2m"].assign_attrs(add_offset="nothing"))


@pytest.mark.parametrize(
    "made",
    [_uneven, _off_the_earth, _levels, _no_times, _numbers_for_times, _packed_by_words],
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


def test_coordinates_that_nobody_wrote(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "t2m.nc", "w") as file:
        for name, size in (("time", 2), ("lat", 3), ("lon", 3)):
            file.createDimension(name, size)
            file.createVariable(name, "f8", (name,), chunksizes=(size,), fill_value=0.0)
        file["time"].units = "days since 2025-01-01"
        file["lat"][:], file["lon"][:] = np.arange(3), np.arange(3)
        file.createVariable("t2m", "f4", ("time", "lat", "lon"))[:] = 0
    assert not is_right(str(tmp_path / "t2m.nc"), "", 0, dated=False)
