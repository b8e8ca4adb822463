"""Files as providers make them, whose numbers tell their place."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from numpy.typing import NDArray

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.sources.step import SourceRequest, extract_source_data, open_source_data

BOX = (-2.0, 1.0, 3.0, 4.0)
ROWS, COLUMNS, DAYS = 12, 20, 5
LATITUDES = 5.75 - 0.5 * np.arange(ROWS)
LONGITUDES = -4.75 + 0.5 * np.arange(COLUMNS)


def numbers(days: int = DAYS) -> NDArray[np.float32]:
    """Values that tell their place: day, row from the north, column from the west; a gap at one cell."""
    day, row, column = np.indices((days, ROWS, COLUMNS))
    values = np.asarray(1000.0 * day + 20.0 * row + column, "float32")
    values[:, 5, 9] = np.nan
    return values


def cube(days: int = DAYS) -> xr.Dataset:
    """A file as most providers make them."""
    coordinates = {"time": np.datetime64("2025-07-01") + np.arange(days), "lat": LATITUDES, "lon": LONGITUDES}
    data = xr.DataArray(numbers(days), dims=("time", "lat", "lon"), coords=coordinates, attrs={"units": "K"})
    data["time"].encoding["units"] = "days since 2025-01-01"
    return data.to_dataset(name="t2m")


def written(dataset: xr.Dataset, path: Path, **encoding: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.to_netcdf(path, engine="netcdf4", encoding=encoding)
    return path


def geotiff(path: Path, values: NDArray[Any], **profile: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    usual = {
        "driver": "GTiff",
        "width": values.shape[-1],
        "height": values.shape[-2],
        "count": 1 if values.ndim == 2 else len(values),
        "dtype": values.dtype,
        "crs": "EPSG:4326",
        "transform": rasterio.transform.from_origin(-5, 6, 0.5, 0.5),
    }
    tags = profile.pop("scales", None)
    with rasterio.open(path, "w", **usual | profile) as file:
        file.write(values if values.ndim == 3 else values[None])
        if tags:
            file.scales, file.offsets = [tags[0]], [tags[1]]
    return path


def request(
    tmp_path: Path, href: object, start: str = "2025-07-01", end: str = "2025-07-05", **eo: Any
) -> SourceRequest:
    options = {"href": str(href)} | eo.pop("options", {})
    given = {"id": "made", "source": "file", "options": options, "base": str(tmp_path)} | eo
    interval = Interval(start=date.fromisoformat(start), end=date.fromisoformat(end))
    return SourceRequest(Dataset.model_validate(given), interval, BOX, tmp_path / "cache")


def opened(asked: SourceRequest) -> xr.DataArray:
    return open_source_data(asked, extract_source_data(asked))


def check(grid: xr.DataArray, days: int = DAYS) -> None:
    """The grid holds the numbers of its places, and no more cells than the box needs."""
    assert grid.dims == ("time", "y", "x")
    assert (np.diff(grid["y"]) < 0).all()
    assert (np.diff(grid["x"]) > 0).all()
    # the box and one more cell on each side
    assert grid["y"].values == pytest.approx(4.25 - 0.5 * np.arange(8))
    assert grid["x"].values == pytest.approx(-2.25 + 0.5 * np.arange(12))
    expected = numbers()[:days, 3:11, 5:17]
    assert np.array_equal(grid.values, expected, equal_nan=True)
    assert (
        grid["time"].values.tolist() == (np.datetime64("2025-07-01", "ns") + np.arange(days).astype("m8[D]")).tolist()
    )
    assert grid.attrs["step"] == "day"


def daily_files(folder: Path, suffix: str = "tif", days: int = DAYS) -> None:
    for day, values in enumerate(numbers(days), 1):
        geotiff(folder / f"2025/07/rain-202507{day:02}.{suffix}", values)
