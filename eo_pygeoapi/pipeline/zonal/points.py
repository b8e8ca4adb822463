"""Say which units are points, and that a point has no sum."""

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from eo_pygeoapi.contract.models import LeftOut
from eo_pygeoapi.pipeline.zonal.streaming import Found

_NO_SUM = "is a point, and has no area to sum over; with spatial: mean it has the value of its cell"


def are_points(geometries: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Return which geometries are points."""
    return np.asarray(shapely.get_type_id(geometries) == shapely.GeometryType.POINT)


def without_sums_of_points(
    found: Found, geometries: NDArray[np.object_], ids: Sequence[str]
) -> tuple[Found, list[LeftOut]]:
    """Return sums over the cells of units without those of points, and the list of these."""
    points = are_points(geometries) & found.on_grid
    if not points.any():
        return found, []
    found.values[:, points] = np.nan
    listed = np.broadcast_to(points, found.values.shape)
    return found._replace(listed=listed), [
        LeftOut(org_unit=ids[n], reason=_NO_SUM) for n in np.flatnonzero(points).tolist()
    ]
