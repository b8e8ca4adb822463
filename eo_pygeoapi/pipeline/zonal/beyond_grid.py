"""Say which sums lack a part of their unit because the grid of the data ends within it."""

from collections.abc import Iterator, Sequence

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray

from eo_pygeoapi.contract.models import LeftOut
from eo_pygeoapi.pipeline.grids.antimeridian import beyond_180
from eo_pygeoapi.pipeline.grids.frames import Frame, with_cell_sizes

_SLIVER = 0.01  # of the area of a unit: outlines from two hands differ by as much


def sums_of_a_part(
    grid: xr.DataArray, geometries: NDArray[np.object_], ids: Sequence[str], on_grid: NDArray[np.bool_]
) -> Iterator[LeftOut]:
    """Yield an entry for each unit of which more than a hundredth of the area (in square degrees) is off the grid.

    `grid` is normalised; `on_grid` says which units have any cell of it.
    """
    frame = Frame.of(with_cell_sizes(grid))
    whole = beyond_180(geometries, frame)
    reach = np.flatnonzero(~frame.holds(shapely.bounds(whole)) & on_grid & (shapely.area(whole) > 0))
    grid_box = shapely.box(frame.west, frame.south, frame.east, frame.north)
    inside = shapely.area(shapely.intersection(whole[reach], grid_box))
    for unit, share in zip(reach.tolist(), 1 - inside / shapely.area(whole[reach]), strict=True):
        if share > _SLIVER:
            reason = f"{share * 100:.3g} % of its area lies outside the grid of the data; its value is that of the rest"
            yield LeftOut(org_unit=ids[unit], reason=reason)
