"""HDF5 files with cells that nobody wrote, which the library reads as 0."""

from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats.opening import open_variable
from tests.pipeline.formats.made_netcdf import LATITUDES, LONGITUDES, netcdf, read

LAYOUTS: dict[str, dict[str, Any]] = {
    "one block": {},
    "a chunk a step": {"chunks": (1, 3, 4)},
    "chunks that end beyond the variable": {"chunks": (2, 2, 3)},
    "compressed": {"chunks": (1, 3, 4), "compression": "gzip"},
    "one dimension may grow": {"chunks": (1, 3, 4), "maxshape": (None, 3, 4)},
    "two dimensions may grow": {"chunks": (1, 3, 4), "maxshape": (None, None, 4)},
    "a fill value of its own": {"chunks": (1, 3, 4), "fillvalue": -1.0},
}


def hdf5(path: Path, version: str, absent: str = "", times: int = 3, **layout: Any) -> Path:
    """Write an HDF5 file of so many days without the values of `v`, nor of the coordinate `absent`."""
    with h5py.File(path, "w", libver=version) as file:
        for name, values in {"time": np.arange(float(times)), "lat": LATITUDES, "lon": LONGITUDES}.items():
            file.create_dataset(name, values.shape, "f8").make_scale(name)
            if name != absent:
                file[name][:] = values
        file["time"].attrs["units"] = "days since 2024-01-01"
        data = file.create_dataset("v", (times, 3, 4), "f4", **layout)
        for n, name in enumerate(("time", "lat", "lon")):
            data.dims[n].attach_scale(file[name])
    return path


@pytest.mark.parametrize("version", ["earliest", "latest"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_what_nobody_wrote_is_missing(tmp_path: Path, layout: dict[str, Any], version: str) -> None:
    path = hdf5(tmp_path / "v.nc", version, **layout)
    assert np.isnan(read(path)).all()
    assert np.isnan(open_variable(str(path), "v", "v.nc")[1, 1:, [0, 2]].values).all()
    with h5py.File(path, "r+") as file:
        file["v"][:] = 0
    assert (read(path) == 0).all()


@pytest.mark.parametrize("version", ["earliest", "latest"])
@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS.values() if layout.get("chunks") == (1, 3, 4)])
def test_days_that_nobody_wrote_are_missing(tmp_path: Path, layout: dict[str, Any], version: str) -> None:
    path = hdf5(tmp_path / "v.nc", version, **layout)
    with h5py.File(path, "r+") as file:
        file["v"][1] = np.arange(12).reshape(3, 4)
    found = open_variable(str(path), "v", "v.nc")
    assert np.isnan(found.values[[0, 2]]).all()
    assert found[1].values.tolist() == np.arange(12.0).reshape(3, 4).tolist()
    assert found[1, 2].values.tolist() == [8, 9, 10, 11]
    assert np.array_equal(found[:, 0, 1].values, np.array([np.nan, 1, np.nan]), equal_nan=True)
    assert np.array_equal(found[[2, 1], 1:, 3].values, np.array([[np.nan, np.nan], [7, 11]]), equal_nan=True)


@pytest.mark.parametrize("chunks", [None, (1, 3, 4)])
def test_a_netcdf_4_that_is_not_filled_before_it_is_written(tmp_path: Path, chunks: Any) -> None:
    path = netcdf(tmp_path / "v.nc", None, times=[0, 1, 2], attributes={"_FillValue": False}, chunksizes=chunks)
    assert np.isnan(read(path)).all()
    with netCDF4.Dataset(path, "r+") as file:
        file["v"][1] = 0
    assert (read(path)[1] == 0).all()


@pytest.mark.parametrize(("dtype", "chunks"), [("i1", (1, 3, 4)), ("u1", (4, 3, 4)), ("f4", (4, 3, 4))])
def test_a_variable_that_ends_before_its_dimension(tmp_path: Path, dtype: str, chunks: tuple[int, ...]) -> None:
    path = netcdf(tmp_path / "v.nc", 0, dtype=dtype, times=[0, 1], unlimited=True, chunksizes=chunks)
    with netCDF4.Dataset(path, "r+") as file:
        file["time"][:] = np.arange(4)
    assert read(path)[:, 0, 0].tolist()[:2] == [0, 0]
    assert np.isnan(read(path)[2:]).all()
    assert np.isnan(open_variable(str(path), "v", "v.nc")[3, 1].values).all()


@pytest.mark.parametrize("name", ["time", "lat", "lon"])
def test_coordinates_that_nobody_wrote_are_an_error(tmp_path: Path, name: str) -> None:
    path = hdf5(tmp_path / "v.nc", "latest", absent=name)
    with pytest.raises(SourceError, match=rf"^v.nc: nobody wrote the values of its {name}, or not all of them$"):
        read(path)
