"""Boxes across 180 degrees, whose west is greater than their east, such as Fiji's, and grids that go beyond it."""

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.grids.axis import Box
from eo_pygeoapi.pipeline.grids.frames import Frame, cell_size


def box_around(geometries: NDArray[np.object_]) -> Box:
    """Return west, south, east, north; west is greater than east where all lie within half the earth across 180."""
    west, south, east, north = (float(edge) for edge in shapely.total_bounds(geometries))
    if east - west > 180:
        bounds = shapely.bounds(shapely.get_parts(geometries))
        bounds = bounds[np.argsort(bounds[:, 0])]
        reached = np.maximum.accumulate(bounds[:-1, 2])
        gaps = bounds[1:, 0] - reached
        widest = int(np.argmax(gaps)) if gaps.size else 0
        if gaps.size and gaps[widest] > 180:
            west, east = float(bounds[widest + 1, 0]), float(reached[widest])
    return west, south, east, north


def halves(box: Box) -> list[Box]:
    """Return the boxes on either side of 180 degrees, or the box itself where it does not cross them."""
    west, south, east, north = box
    return [box] if west <= east else [(west, south, 180.0, north), (-180.0, south, east, north)]


def across_180(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a ring of longitudes and latitudes in which an edge of 179 to -179 goes on to 181.

    The same ring where none of its edges is longer than half the earth, or where it goes around a pole.
    """
    steps = np.diff(ring[:, 0])
    # an edge from -180 to 180 lies on one meridian
    turns = np.where((np.abs(steps) > 180) & (np.abs(steps) < 360), -np.sign(steps), 0.0).cumsum()
    if not turns.any() or turns[-1]:
        return ring
    return np.column_stack([ring[:, 0] + np.concatenate([[0.0], turns * 360]), ring[:, 1]])


def beside(shell: NDArray[np.float64], hole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a hole as many times 360 degrees further as brings it to its shell."""
    turns = np.round((np.ptp(shell[:, 0]) / 2 + shell[:, 0].min() - hole[:, 0].mean()) / 360)
    return hole + np.array([turns * 360, 0.0]) if turns else hole


def within_180(geometry: BaseGeometry) -> BaseGeometry:
    """Return a valid geometry with the parts beyond 180 degrees, to either side, turned back within them."""
    if np.abs(shapely.bounds(geometry)[[0, 2]]).max() <= 180:
        return geometry
    turns = [(shapely.box(-180 + turn, -90, 180 + turn, 90), turn) for turn in (-360, 0, 360)]
    cut = [shapely.transform(geometry & box, lambda xy, by=turn: xy - (by, 0)) for box, turn in turns]
    # a geometry that only touches 180 degrees leaves a line or a corner on the other side
    dimensions = shapely.get_dimensions(geometry)
    parts = [part for whole in cut for part in shapely.get_parts(whole) if not part.is_empty]
    return shapely.union_all([part for part in parts if shapely.get_dimensions(part) == dimensions])


def joined_at_180(before: xr.DataArray, after: xr.DataArray, source: str) -> xr.DataArray:
    """Join the grids of both halves, lazily; the longitudes of `after` go on beyond 180 degrees.

    Keeps the time steps that both have. Raises SourceError where the cells of one do not follow those of the other.
    """
    cell, rows, columns = cell_size(before, "x"), before["y"], after["x"].values + 360
    fresh = columns > before["x"].values[-1] + cell / 2  # both may have the cell that lies across 180 degrees
    longitudes = np.concatenate([before["x"].values, columns[fresh]])
    same_rows = after.sizes["y"] == rows.size and np.allclose(after["y"], rows, rtol=0, atol=1e-3 * cell)
    if not same_rows or not np.allclose(np.diff(longitudes), cell, rtol=1e-3):
        raise SourceError(f"{source}: its cells on both sides of 180 degrees do not make one grid")
    after = after.isel(x=np.flatnonzero(fresh)).assign_coords(y=rows)
    grid = xr.concat([before, after], "x", join="inner", combine_attrs="override", coords="minimal", compat="override")
    return grid.assign_coords(x=("x", longitudes, {"cell": cell}))


def beyond_180(geometries: NDArray[np.object_], frame: Frame) -> NDArray[np.object_]:
    """Return geometries whose parts west of a grid that reaches beyond 180 degrees are 360 degrees further east."""
    if frame.east <= 180:
        return geometries
    geometries = geometries.copy()
    for n in np.flatnonzero(shapely.bounds(geometries)[:, 0] < frame.west):
        parts = shapely.get_parts(geometries[n])
        west = shapely.bounds(parts)[:, 2] < frame.west
        parts[west] = shapely.transform(parts[west], lambda xy: xy + np.array([360.0, 0.0]))
        geometries[n] = shapely.union_all(parts) if west.any() else geometries[n]
    return geometries
