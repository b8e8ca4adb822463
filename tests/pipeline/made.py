"""Small grids, units and datasets that can be checked by hand."""

from collections.abc import Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike
from shapely.geometry.base import BaseGeometry

from eo_pygeoapi.datasets.block import Dataset

NINE = np.arange(1.0, 10.0).reshape(3, 3)


def grid(values: ArrayLike, *, times: Any = None, step: str = "day", cell: float = 1.0, **attrs: Any) -> xr.DataArray:
    """Make a normalised grid whose south-western corner is 0, 0; `values` is (y, x) or (time, y, x)."""
    array = np.asarray(values)
    array = array[None] if array.ndim == 2 else array
    steps, rows, columns = array.shape
    unit = {"hour": "h", "day": "D", "month": "M", "year": "Y"}[step]
    if times is None:
        times = np.array("2025-07-01T00", "M8[h]").astype(f"M8[{unit}]") + np.arange(steps).astype(f"m8[{unit}]")
    return xr.DataArray(
        array,
        dims=("time", "y", "x"),
        coords={
            "time": np.asarray(times, "M8[ns]"),
            "y": (np.arange(rows)[::-1] + 0.5) * cell,
            "x": (np.arange(columns) + 0.5) * cell,
        },
        attrs={"step": step, "units": "", "source": "made.nc", **attrs},
    )


def units(geometries: Mapping[str, BaseGeometry]) -> gpd.GeoDataFrame:
    """Make organisation units as `org_units.py` hands them on."""
    columns = {
        "orgUnit": list(geometries),
        "name": [f"Unit {name}" for name in geometries],
        "level": pd.array([pd.NA] * len(geometries), dtype="Int64"),
    }
    return gpd.GeoDataFrame(columns, geometry=list(geometries.values()), crs="EPSG:4326")


def dataset(**eo: Any) -> Dataset:
    """Make a dataset of the source `file` with these keys of the `eo:` block."""
    return Dataset.model_validate({"id": "made", "source": "file", "options": {"href": "made.nc"}} | eo)
