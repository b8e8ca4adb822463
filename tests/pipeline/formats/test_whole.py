"""Files whose copy broke off, cut at every place."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats.opening import open_variable
from tests.pipeline.formats.made_netcdf import netcdf, read
from tests.pipeline.made_files import cube, geotiff, numbers

CLASSIC = ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"]


def cut_anywhere(path: Path, step: int) -> int:
    """Cut the file at many lengths, the last byte too; each is refused, or nothing it gives is wrong."""
    whole, values = path.read_bytes(), read(path, "")
    refused = 0
    for size in [*range(0, len(whole), step), len(whole) - 1]:
        path.write_bytes(whole[:size])
        try:
            found = read(path, "")
        except SourceError as error:
            assert "Error" not in str(error)
            refused += 1
            continue
        except Exception as error:  # of the driver, while reading; `blocks` makes a SourceError of it
            assert not isinstance(error, AssertionError)
            refused += 1
            continue
        assert np.array_equal(found, values, equal_nan=True), f"{size} of {len(whole)} bytes"
    return refused


@pytest.mark.parametrize("kind", CLASSIC)
@pytest.mark.parametrize("dtype", ["f4", "i2", "i1"])
def test_a_classic_netcdf(tmp_path: Path, kind: str, dtype: str) -> None:
    path = netcdf(tmp_path / "rain.nc", 5, dtype=dtype, kind=kind, times=np.arange(9))
    assert cut_anywhere(path, 13) > 35


@pytest.mark.parametrize("kind", CLASSIC)
def test_a_classic_netcdf_of_records(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "rain.nc"
    written = cube(9).fillna(3.0)
    written.to_netcdf(path, engine="netcdf4", format=kind, unlimited_dims=["time"])
    assert cut_anywhere(path, 331) > 5


def test_the_words_for_a_file_that_was_cut_off(tmp_path: Path) -> None:
    path = netcdf(tmp_path / "rain.nc", 5, kind="NETCDF3_CLASSIC", times=np.arange(9))
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    message = (
        rf"^rain.nc: is not whole, its copy was cut off \({len(whole) - 100} of {len(whole)} bytes are there\); copy"
    )
    with pytest.raises(SourceError, match=message):
        read(path)


@pytest.mark.parametrize("options", [{}, {"zlib": True, "chunksizes": (1, 3, 4)}])
def test_a_netcdf_4(tmp_path: Path, options: dict[str, Any]) -> None:
    path = netcdf(tmp_path / "rain.nc", 5, times=np.arange(9), **options)
    assert cut_anywhere(path, 487) > 10


@pytest.mark.parametrize(
    "profile",
    [
        {},
        {"compress": "deflate"},
        {"tiled": True, "blockxsize": 16, "blockysize": 16},
        {"BIGTIFF": "YES", "compress": "lzw"},
        {"driver": "COG"},
    ],
)
def test_a_geotiff(tmp_path: Path, profile: dict[str, Any]) -> None:
    path = geotiff(tmp_path / "rain.tif", np.tile(np.nan_to_num(numbers(1)[0]), (4, 4)), **profile)
    assert cut_anywhere(path, 97) > 5


@pytest.mark.parametrize("version", [2, 3])
def test_chunks_that_are_not_there_are_no_zeros(tmp_path: Path, version: Any) -> None:
    path = tmp_path / "rain.zarr"
    cube().fillna(1).astype("int32").chunk(time=1).to_zarr(path, zarr_format=version, consolidated=False)
    assert open_variable(str(path), "t2m", "rain.zarr").values[0, 0, 0] == 0
    chunk = path / "t2m" / ("3.0.0" if version == 2 else "c/3/0/0")
    chunk.unlink()
    data = open_variable(str(path), "t2m", "rain.zarr")
    assert data[2].values[0, 1] == 2001
    with pytest.raises(SourceError, match=r"rain.zarr: is not whole, chunks of it are not there; copy or download"):
        data.load()


def test_chunks_that_are_not_there_are_missing_where_the_store_says_so(tmp_path: Path) -> None:
    path = tmp_path / "rain.zarr"
    cube().chunk(time=1).to_zarr(path, zarr_format=2, consolidated=False)
    (path / "t2m" / "3.0.0").unlink()
    assert np.isnan(open_variable(str(path), "t2m", "rain.zarr").values[3]).all()


def test_a_zero_of_zarr_2_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "rain.zarr"
    cube().to_zarr(path, zarr_format=2, consolidated=False)
    shutil.rmtree(path / "t2m")
    group = zarr.open_group(path, mode="r+")
    array = group.create_array("t2m", shape=(5, 12, 20), chunks=(5, 12, 20), dtype="float32", fill_value=0)
    array.attrs["_ARRAY_DIMENSIONS"] = ["time", "lat", "lon"]
    array[:] = np.arange(1200.0).reshape(5, 12, 20)
    assert open_variable(str(path), "t2m", "rain.zarr").values[0, 0, :2].tolist() == [0.0, 1.0]
    assert isinstance(xr.open_zarr(path, consolidated=False), xr.Dataset)
