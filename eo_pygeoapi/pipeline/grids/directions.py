"""Make vectors of directions in degrees, so that their mean is that of vectors: that of 350 and 10 degrees is 0."""

import re

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from eo_pygeoapi.contract.models import Aggregation
from eo_pygeoapi.datasets.combinations import refused_for_directions
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.grids.units import conversion

# of the CF standard name table: wind_from_direction, wind_to_direction, sea_surface_wave_from_direction …
_DIRECTION = re.compile(r"\w+_(from|to)_direction(_\w+)?")
_FULL_CIRCLE = 360.0


def is_direction(standard_name: str) -> bool:
    """Return whether a CF standard name is that of a direction."""
    return bool(_DIRECTION.fullmatch(standard_name))


def as_vectors(grid: xr.DataArray, aggregation: Aggregation) -> xr.DataArray:
    """Return a normalised grid of directions as vectors of length 1 that come from there, lazily.

    What is no direction, such as a mark for missing data, stays as it is, beyond the limits of a component; the
    aggregation leaves it out and lists it. Raises SourceError for a statistic that directions do not have.
    """
    source = grid.attrs["source"]
    if refused := refused_for_directions(aggregation):
        raise SourceError(f"{source}: holds directions, which {refused}")
    degrees = conversion(str(grid.attrs["units"]) or "degree", "degree")

    def vectors(values: NDArray[np.floating]) -> NDArray[np.complex128]:
        angles = values.astype("float64") * degrees.scale
        radians = np.radians(angles)
        is_one = ~(np.abs(angles) > _FULL_CIRCLE)
        return np.where(is_one, -np.sin(radians) - 1j * np.cos(radians), values + 1j * values)

    found: xr.DataArray = xr.apply_ufunc(vectors, grid, dask="parallelized", output_dtypes=["complex128"])
    about = {name: value for name, value in grid.attrs.items() if name != "directions"}
    return found.assign_attrs(about, units="degree", plausible=(-1.0, 1.0))
