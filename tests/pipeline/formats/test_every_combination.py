"""Files in every combination of format, type, packing, convention, time and cut: never a number that is wrong.

Each file is made from known values; what is read of it is these values and gaps, or a SourceError. Nothing else is
right: no other number, no gap where there is a value, no value where there is a gap, no traceback.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import rasterio
import zarr
from numpy.typing import NDArray

from eo_pygeoapi.errors import EoError
from eo_pygeoapi.pipeline.formats.opening import open_variable
from eo_pygeoapi.pipeline.grids.blocks import blocks
from eo_pygeoapi.pipeline.grids.grid import cut_to_box
from eo_pygeoapi.pipeline.grids.time_axis import ordered

STEPS, ROWS, COLUMNS = 4, 5, 6
FORMATS = ("NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA", "zarr2", "zarr3", "GTiff")
TYPES = ("f4", "f8", "i1", "i2", "i4", "u1")
PACKINGS = ("none", "scale", "scale and offset", "scale as text", "single scale")
MISSING = (
    "_FillValue",
    "missing_value",
    "several",
    "other type",
    "as text",
    "valid_min",
    "valid_max",
    "valid_range",
    "never written",
    "no storage",
    "none",
)
TIMES = ("days", "offset", "float hours", "single", "digits", "words", "months")
STARTS = {"months": "2024-01"}
# rounds of numbers that the types and packings can write exactly
NUMBERS = np.arange(STEPS * ROWS * COLUMNS).reshape(STEPS, ROWS, COLUMNS) % 100 + 1


@dataclass(frozen=True)
class Case:
    """How a file is written, and which cells have no value."""

    format: str
    dtype: str
    packing: str
    missing: str
    time: str
    gaps: NDArray[np.bool_] = field(repr=False)
    turned: bool
    cut: float

    @property
    def scale(self) -> tuple[float, float]:
        return {"none": (1.0, 0.0), "scale and offset": (0.5, -20.0)}.get(self.packing, (0.25, 0.0))

    @property
    def values(self) -> NDArray[np.float64]:
        scale, offset = self.scale
        return np.where(self.gaps, np.nan, NUMBERS * scale + offset)


def drawn(rng: np.random.Generator) -> Case:
    kind, dtype = str(rng.choice(FORMATS)), str(rng.choice(TYPES))
    if kind in ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET") and dtype == "u1":
        dtype = "i1"
    packing = str(rng.choice(PACKINGS)) if dtype[0] in "iu" else "none"
    missing = str(rng.choice(MISSING))
    if missing == "never written" and (kind not in FORMATS[:4] or dtype[1] == "1"):
        missing = "_FillValue"  # bytes have no number for it, and other formats none at all
    if missing == "no storage" and kind != "NETCDF4":
        missing = "_FillValue"
    gaps = rng.random(NUMBERS.shape) < rng.choice([0.0, 0.2, 0.9])
    if missing == "no storage":
        gaps[:] = gaps[:, :1, :1]  # of whole days
    if missing == "none":
        gaps[:] = False
    cut = float(rng.random()) if rng.random() < 0.4 else 1.0
    return Case(kind, dtype, packing, missing, str(rng.choice(TIMES)), gaps, bool(rng.random() < 0.5), cut)


def marks(case: Case) -> tuple[list[float], dict[str, Any]]:
    """Return the stored numbers that stand in the gaps, and the attributes that say so."""
    stored = np.dtype(case.dtype)
    low = 0 if stored.kind == "u" else -100
    first, second = (low, low + 1) if stored.kind != "u" else (250, 251)
    if case.missing == "_FillValue":
        return [first], {"_FillValue": stored.type(first)}
    if case.missing == "missing_value":
        return [first], {"missing_value": stored.type(first)}
    if case.missing == "several":
        return [first, second], {"missing_value": np.array([first, second], stored)}
    if case.missing == "other type":
        return [first], {"missing_value": float(first) if stored.kind != "f" else np.int32(first)}
    if case.missing == "as text":
        return [first, second], {"missing_value": f"{first}, {second}"}
    if case.missing == "valid_min" and stored.kind != "u":
        return [first, second], {"valid_min": stored.type(0)}
    if case.missing in ("valid_max", "valid_min"):
        return [120], {"valid_max": stored.type(110)}
    if case.missing == "valid_range":
        return [0, 120], {"valid_range": np.array([1, 110], stored)}
    if case.missing == "never written":
        never: Any = netCDF4.default_fillvals[case.dtype]
        return [never], {}
    return [0], {}


def attributes(case: Case) -> dict[str, Any]:
    scale, offset = case.scale
    found: dict[str, dict[str, Any]] = {
        "none": {},
        "scale": {"scale_factor": scale},
        "scale and offset": {"scale_factor": scale, "add_offset": offset},
        "scale as text": {"scale_factor": str(scale)},
        "single scale": {"scale_factor": np.float32(scale)},
    }
    return found[case.packing]


def axis(case: Case) -> tuple[NDArray[Any], dict[str, Any]]:
    steps = np.arange(STEPS)
    return {
        "days": (steps, {"units": "days since 2024-01-01"}),
        "offset": (steps.astype("f8"), {"units": "days since 2024-01-01 00:00:00 +03:00"}),
        "float hours": (steps * 24.0 + 1e-7, {"units": "hours since 2024-01-01", "calendar": "gregorian"}),
        "single": ((19723 * 86400.0 + steps * 86400).astype("f4"), {"units": "seconds since 1970-01-01"}),
        "digits": (20240101 + steps, {}),
        "words": (np.array([list(f"2024-01-0{step + 1}") for step in steps], "S1"), {}),
        "months": (steps + 0.5, {"units": "months since 2024-01-01", "calendar": "360"}),
    }[case.time]


def stored(case: Case, rng: np.random.Generator) -> tuple[NDArray[Any], dict[str, Any]]:
    numbers, about = marks(case)
    array = NUMBERS.astype(case.dtype)
    array[case.gaps] = rng.choice(np.array(numbers, case.dtype), int(case.gaps.sum()))
    return array, about | attributes(case)


def write(case: Case, path: Path, rng: np.random.Generator) -> None:
    array, about = stored(case, rng)
    rows = np.arange(ROWS) + 0.5
    north_up = rows[::-1]
    if case.turned:
        array, north_up = array[:, ::-1], rows
    if case.format == "GTiff":
        _write_geotiff(path, np.where(case.gaps, -100.0, case.values), rng)
    elif case.format.startswith("zarr"):
        _write_zarr(case, path, array, about, north_up)
    else:
        _write_netcdf(case, path, array, about, north_up)


def _write_netcdf(case: Case, path: Path, array: NDArray[Any], about: dict[str, Any], rows: NDArray[Any]) -> None:
    times, of_time = axis(case)
    form: Any = case.format
    with netCDF4.Dataset(path, "w", format=form) as file:
        for name, size in (("time", None if case.turned else STEPS), ("lat", ROWS), ("lon", COLUMNS), ("c", 10)):
            file.createDimension(name, size)
        dims = ("time", "c") if times.dtype.kind == "S" else ("time",)
        kind = "i4" if times.dtype == np.int64 else times.dtype.str[1:] if times.dtype.kind != "S" else "S1"
        file.createVariable("lat", "f8", ("lat",))[:] = rows
        file.createVariable("lon", "f8", ("lon",))[:] = np.arange(COLUMNS) + 0.5
        time = file.createVariable("time", kind, dims)
        time.setncatts(of_time)
        time.set_auto_maskandscale(False)
        time[:] = times
        absent = case.missing == "no storage"
        fill = False if absent else about.pop("_FillValue", None)
        chunks = (1, ROWS, COLUMNS) if absent else None
        data = file.createVariable("v", case.dtype, ("time", "lat", "lon"), fill_value=fill, chunksizes=chunks)
        data.set_auto_maskandscale(False)
        data.setncatts(about)
        written = ~case.gaps.all(axis=(1, 2)) if absent else np.ones(STEPS, bool)
        for step in np.flatnonzero(written):
            data[step] = array[step]


def _write_zarr(case: Case, path: Path, array: NDArray[Any], about: dict[str, Any], rows: NDArray[Any]) -> None:
    version: Any = int(case.format[-1])
    times, of_time = axis(case)
    if times.dtype.kind == "S":
        times, of_time = np.arange(STEPS), {"units": "days since 2024-01-01"}
    group = zarr.open_group(path, mode="w", zarr_format=version)
    fill = about.pop("_FillValue", None)
    arrays = {"time": (times, of_time, ["time"]), "lat": (rows, {}, ["lat"]), "lon": (np.arange(6) + 0.5, {}, ["lon"])}
    arrays["v"] = (array, about, ["time", "lat", "lon"])
    for name, (values, attrs, dims) in arrays.items():
        chunks = (1, ROWS, COLUMNS) if name == "v" else values.shape
        names: dict[str, Any] = {"dimension_names": dims} if version == 3 else {}
        known: dict[str, Any] = {"fill_value": fill} if name == "v" and fill is not None else {}
        made = group.create_array(name, shape=values.shape, chunks=chunks, dtype=values.dtype, **names, **known)
        made[:] = values
        plain = {key: value.tolist() if hasattr(value, "tolist") else value for key, value in attrs.items()}
        if version == 2:
            plain["_ARRAY_DIMENSIONS"] = dims
        elif fill is not None and name == "v":
            plain["missing_value"] = fill.item()
        made.attrs.update(plain)


def _write_geotiff(path: Path, values: NDArray[Any], rng: np.random.Generator) -> None:
    shape = {"driver": "GTiff", "count": STEPS, "height": ROWS, "width": COLUMNS, "dtype": "float32"}
    place = {"crs": "EPSG:4326", "transform": rasterio.transform.from_origin(0, ROWS, 1, 1)}
    compress = {"compress": str(rng.choice(["deflate", "lzw", "none"]))}
    with rasterio.open(path, "w", **shape, **place, **compress, nodata=-100.0) as file:
        file.write(values.astype("float32"))
        file.descriptions = [f"2024-01-0{step + 1}" for step in range(STEPS)]


def cut(case: Case, path: Path, rng: np.random.Generator) -> None:
    """Break the copy off: a file anywhere, a store by the chunks that are not there."""
    if case.cut >= 1:
        return
    if path.is_dir():
        chunks = [file for file in (path / "v").rglob("*") if file.is_file() and file.name[0].isdigit()]
        for file in chunks[int(case.cut * len(chunks)) :]:
            file.unlink()
        return
    whole = path.read_bytes()
    path.write_bytes(whole[: int(case.cut * len(whole))])


def expected_times(case: Case) -> list[str]:
    if case.time == "months" and case.format != "GTiff":
        return [f"2024-0{step + 1}-01" for step in range(STEPS)]
    return [f"2024-01-0{step + 1}" for step in range(STEPS)]


def is_right(case: Case, path: Path) -> bool:
    """Return whether the file was read; raises AssertionError where anything of it is wrong."""
    try:
        grid = cut_to_box(open_variable(str(path), "", "made"), (0, 0, COLUMNS, ROWS), "made")
        grid = ordered(grid, None, "day", "made").assign_attrs(source="made")
        found = np.concatenate([block.values for block in blocks(grid, np.arange(grid.sizes["time"]))])
    except EoError as error:
        assert case.cut < 1, f"{case}: {error}"
        return False
    expected = case.values
    wrong = ~((found == expected) | (np.isnan(found) & np.isnan(expected)))
    if case.cut < 1:
        wrong &= ~np.isnan(found)  # where chunks are not there, nothing is
    assert not wrong.any(), f"{case}: {found[wrong][:5]} instead of {expected[wrong][:5]}"
    assert [str(time)[:10] for time in grid["time"].values] == expected_times(case), case
    return True


def run(folder: Path, seed: int, number: int) -> tuple[int, int]:
    """Write and read so many files; return how many were read and how many refused."""
    rng = np.random.default_rng(seed)
    read = 0
    for n in range(number):
        case = drawn(rng)
        path = (
            folder / f"{n}{'.zarr' if case.format.startswith('zarr') else '.tif' if case.format == 'GTiff' else '.nc'}"
        )
        write(case, path, rng)
        cut(case, path, rng)
        read += is_right(case, path)
    return read, number - read


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_some_hundred_files(tmp_path: Path) -> None:
    read, refused = run(tmp_path, 1, 300)
    assert read > 150
    assert refused > 30


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_five_thousand_files(tmp_path: Path) -> None:
    read, refused = run(tmp_path, 2, 5000)
    print(f"{read} read, {refused} refused, none wrong")
    assert read > 2500
    assert refused > 500
