"""Open groups with the numbers as they are stored.

xarray gets its backends as classes: for a backend's name it would load all of them, GRIB's too.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from eo_pygeoapi.pipeline.formats.degrees import rows_and_columns

# decodes nothing; `decode_cf=False` fails with engines that are classes
_RAW: dict[str, Any] = dict.fromkeys(
    ("mask_and_scale", "decode_times", "decode_timedelta", "decode_coords", "concat_characters", "cache"), False
)

Shape = dict[str, int]


def opened(place: str, engine: Any, **options: Any) -> xr.Dataset:
    """Open a place with a backend of xarray."""
    return xr.open_dataset(place, engine=engine, **_RAW, **options)


def with_parents(group: str, opened: Callable[[str], xr.Dataset]) -> xr.Dataset:
    """Return a group with those variables of the groups around it that fit its dimensions.

    Latitudes and longitudes in two dimensions that make up a regular grid are there as those of rows and columns too.
    """
    dataset = opened(group)
    parts = group.split("/") if group else []
    for depth in range(len(parts) - 1, -1, -1):
        around = opened("/".join(parts[:depth]))
        for name, data in around.variables.items():
            fits = all(dataset.sizes.get(dimension, -1) == size for dimension, size in data.sizes.items())
            if name not in dataset.variables and fits and np.prod(data.shape) >= 1:
                dataset[name] = data
    for name, (dimension, values, attributes) in rows_and_columns(dataset).items():
        dataset[name] = xr.Variable((dimension,), values, attributes)
    return dataset
