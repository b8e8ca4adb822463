"""Bring the grids of all sources into one form, cut to the box that the units need.

A normalised grid is a DataArray with the dimensions (time, y, x): time ascending, the start of each step in UTC; y
descending, x ascending in -180..180 or, across these, on beyond 180, both regular and in degrees; NaN where there are
no data. Its attributes are `units`, `step` (hour, day, month or year), `step_hours` (of hours only), `source` (for
messages) and, where there is one, `least`: no sum of time steps can be less; `plausible`: what a time step can be;
`directions`: values are degrees of a circle; and `of_own_year`: years of other calendars have the value of the
Gregorian year that they belong to. A grid of vectors holds complex numbers: what goes east, and i times what goes
north.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import rioxarray  # noqa: F401  registers `.rio`
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.grids.blocks import cells_at_once, steps_per_block
from eo_pygeoapi.pipeline.grids.frames import cell_size
from eo_pygeoapi.pipeline.grids.rounded import unrounded

Box = tuple[float, float, float, float]

_NAMES = {"y": ("y", "lat", "latitude"), "x": ("x", "lon", "longitude"), "time": ("time", "valid_time")}
_ROUNDING = 1e-6  # of a cell: a box that ends on the edge of a cell does not need the next cell
_VERSION = "expver"  # of ECMWF, along which final and provisional values lie side by side
_STANDARD_NAMES = {"y": "latitude", "x": "longitude", "time": "time"}


def dimension(data: xr.DataArray | xr.Dataset, axis: str) -> str | None:
    """Return the name of the dimension that is the axis `y`, `x` or `time`, by its name or its CF attributes."""
    for name in data.dims:
        if str(name).lower() in _NAMES[axis]:
            return str(name)
    for name in data.dims:
        if name in data.coords and data.coords[name].attrs.get("standard_name") == _STANDARD_NAMES[axis]:
            return str(name)
    return None


def cut_to_box(data: xr.DataArray, box: Box, source: str) -> xr.DataArray:
    """Return the cells that cover the box and one more on each side, lazily, as float, in our orientation.

    `box` is west, south, east, north in degrees; all longitudes where west is greater than east. The result has the
    dimensions (y, x), after `time` where the grid has one, and no other coordinates. Raises SourceError where the grid
    is not regular in longitude and latitude, or does not reach the box; the message begins with `source`.
    """
    data, y, x = _with_axes(data, source)
    west, south, east, north = box if box[0] <= box[2] else (-180, box[1], 180, box[3])
    rows, columns = y.covering(-north, -south), x.covering(west, east)
    if not rows or not columns:
        raise SourceError(
            f"{source}: covers {x.text(1)} and {y.text(-1)}; the organisation units lie in "
            f"{west:g} to {east:g} and {south:g} to {north:g}, which is outside"
        )
    return _cut(data, y, x, rows, columns)


def oriented(data: xr.DataArray, source: str) -> xr.DataArray:
    """Return the whole grid in the form that `cut_to_box` gives a part."""
    data, y, x = _with_axes(data, source)
    return _cut(data, y, x, slice(None), slice(None))


def _with_axes(data: xr.DataArray, source: str) -> "tuple[xr.DataArray, _Axis, _Axis]":
    """Return a grid with our dimensions, and its axes y and x; raise SourceError where it is not regular in degrees."""
    try:
        crs = data.rio.crs
        known = CRS.from_wkt(crs.to_wkt()) if crs else None
    except (CRSError, ValueError) as error:
        raise SourceError(f"{source}: has a coordinate reference system that cannot be read: {error}") from error
    if known and not known.is_geographic:
        raise SourceError(f"{source}: is in {known.name}; expected longitudes and latitudes (EPSG:4326)")
    sizes = _sizes_of_single_cells(data, source)
    data = _only_our_dimensions(data, source)
    latitudes, longitudes = data["y"].values, data["x"].values
    y = _axis(latitudes.astype("float64"), latitudes.dtype, "latitudes", source, sizes)
    degrees = longitudes.astype("float64")
    x = _axis(np.where(degrees > 180, degrees - 360, degrees), longitudes.dtype, "longitudes", source, sizes)
    return data.transpose(..., "y", "x"), y, x.around_the_earth()


def _cut(data: xr.DataArray, y: "_Axis", x: "_Axis", rows: slice, columns: slice) -> xr.DataArray:
    """Return these rows and columns as float, of several versions the final one where it has a value.

    The file is read as few contiguous boxes. A lazy file cannot be sliced backwards, so boxes become dask arrays before
    they are turned: in chunks along time, and very large ones in strips, aligned with the file's. Of what is in memory
    already, boxes are views.
    """
    preferred, parts = data.encoding.get("preferred_chunks", {}), []
    stored = {axis: size for axis in _NAMES for name, size in preferred.items() if str(name).lower() in _NAMES[axis]}
    for down, along in product(_runs(y.positions[rows]), _runs(x.positions[columns])):
        part = data.isel(y=_slice(down), x=_slice(along))
        if part.chunks is None and not part.variable._in_memory:  # xarray has no public word for it
            cells, sizes = part.sizes["y"] * part.sizes["x"], {str(name): -1 for name in part.dims}
            if "time" in sizes:
                sizes["time"] = steps_per_block(cells, stored.get("time", 1))
            if cells > cells_at_once():
                sizes["y"] = steps_per_block(part.sizes["x"], stored.get("y", 1))
            part = part.chunk(sizes)
        parts.append(part.isel(y=_direction(down), x=_direction(along)))
    data = parts[0] if len(parts) == 1 else xr.concat(parts, "x", coords="minimal", compat="override")
    if _VERSION in data.dims:
        versions = data[_VERSION].values if _VERSION in data.coords else np.arange(data.sizes[_VERSION])
        whole = data
        data, *others = (whole.isel({_VERSION: n}, drop=True) for n in np.argsort(versions, kind="stable").tolist())
        for other in others:
            data = data.where(data.notnull(), other)
    if data.dtype.kind != "f":
        data = data.astype("float32" if data.dtype.itemsize <= 2 else "float64")
    return data.assign_coords(
        y=("y", -y.centres[rows], {"cell": y.size}), x=("x", x.centres[columns], {"cell": x.size})
    )


def _sizes_of_single_cells(data: xr.DataArray, source: str) -> dict[str, float]:
    """Return the cell size of axes with one cell: from a raster's transform, else that of a square cell."""
    names = {axis: dimension(data, axis) for axis in ("y", "x")}
    single = [axis for axis, name in names.items() if name and data.sizes[name] == 1]
    if not single:
        return {}
    ours = {axis: data[name].attrs["cell"] for axis, name in names.items() if name and "cell" in data[name].attrs}
    if len(ours) == 2:  # a part of a normalised grid
        return {"latitudes": ours["y"], "longitudes": ours["x"]}
    transform = str(data.coords["spatial_ref"].attrs.get("GeoTransform", "")) if "spatial_ref" in data.coords else ""
    if len(numbers := transform.split()) == 6:
        return {"latitudes": abs(float(numbers[5])), "longitudes": abs(float(numbers[1]))}
    other = names["x" if single == ["y"] else "y"]
    if len(single) == 2 or other not in data.coords:
        return {}
    centres = data[other].values.astype("float64")
    size = float(np.median(np.abs(np.diff(centres))))
    return {"latitudes": size, "longitudes": size}


def _only_our_dimensions(data: xr.DataArray, source: str) -> xr.DataArray:
    """Return a grid with the dimensions time, y and x alone; raise SourceError for others of several cells."""
    found = {axis: dimension(data, axis) for axis in ("time", "y", "x")}
    shape = ", ".join(f"{name}: {size}" for name, size in data.sizes.items())
    if not found["y"] or not found["x"]:
        raise SourceError(f"{source}: has the dimensions ({shape}); expected latitude and longitude")
    others = [name for name in data.dims if name not in found.values()]
    if long := [str(name) for name in others if data.sizes[name] != 1 and name != _VERSION]:
        raise SourceError(
            f"{source}: has the dimensions ({shape}); expected time, latitude and longitude, not {long[0]}"
        )
    for axis in ("y", "x"):
        name = found[axis]
        if name not in data.coords or data.coords[name].ndim != 1:
            raise SourceError(f"{source}: not on a regular grid of longitudes and latitudes; {name} has no values")
    data = data.squeeze([name for name in others if data.sizes[name] == 1], drop=True)
    # scalars such as `number` and strings such as `expver` would keep files from being joined
    data = data.drop_vars([name for name in data.coords if name not in data.dims])
    return data.rename({name: axis for axis, name in found.items() if name and name != axis})


@dataclass(frozen=True)
class _Axis:
    """A regular ascending axis (latitudes negated): centres of cells, their positions in the file, their size."""

    centres: NDArray[np.float64]
    positions: NDArray[np.integer]
    size: float

    def around_the_earth(self) -> "_Axis":
        """Return longitudes around the whole earth with the cell across 180 degrees at both ends, others unchanged."""
        west, east = self.centres[0] - self.size / 2, self.centres[-1] + self.size / 2
        if abs(east - west - 360) > 1e-3 * self.size:
            return self
        # repeat the last cell before the first, and the first after the last, where they reach across
        last = [-1] if west > -180 + 1e-3 * self.size else []
        first = [0] if east < 180 - 1e-3 * self.size else []
        centres = [self.centres[last] - 360, self.centres, self.centres[first] + 360]
        positions = [self.positions[last], self.positions, self.positions[first]]
        return replace(self, centres=np.concatenate(centres), positions=np.concatenate(positions))

    def covering(self, low: float, high: float) -> slice | None:
        """Return the cells from `low` to `high` and one more on each side, None where the axis has none of them."""
        first = (low - self.centres[0]) / self.size + 0.5
        last = (high - self.centres[0]) / self.size + 0.5
        if last <= 0 or first >= self.centres.size:
            return None
        return slice(
            max(0, int(np.floor(first + _ROUNDING)) - 1), min(self.centres.size, int(np.ceil(last - _ROUNDING)) + 1)
        )

    def text(self, sign: int) -> str:
        """Write the outer edges of the cells: `-13 to -10`."""
        ends = sorted(sign * edge + 0.0 for edge in (self.centres[0] - self.size / 2, self.centres[-1] + self.size / 2))
        return f"{ends[0]:g} to {ends[1]:g}"


def _axis(
    degrees: NDArray[np.float64], dtype: np.dtype[Any], what: str, source: str, sizes: Mapping[str, float]
) -> _Axis:
    """Return the axis of degrees that the file stores with this type, which says how exact they are."""
    if what == "latitudes":
        degrees = -degrees
    if np.abs(degrees).max(initial=0) > 361:
        raise SourceError(f"{source}: its {what} are not degrees; expected longitudes and latitudes (EPSG:4326)")
    if degrees.size == 1 and what in sizes:
        return _Axis(degrees, np.zeros(1, int), sizes[what])
    if degrees.size < 2:
        raise SourceError(f"{source}: has only one of its {what}; at least two are needed to know the size of a cell")
    positions = np.argsort(degrees, kind="stable")
    steps = np.diff(degrees[positions])
    usual = float(np.median(steps))
    twice = steps <= 1e-6 * usual
    if twice.sum() > 1 or usual <= 0:
        raise SourceError(f"{source}: holds several of its {what} twice, as coordinates that were rounded too much do")
    # a global grid may hold both 0 and 360 degrees
    positions = positions[np.concatenate(([True], ~twice))]
    ends = degrees[positions[[0, -1]]]
    regular = np.linspace(ends[0], ends[1], positions.size)
    rounding = 4 * np.abs(degrees).max() * float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0
    beside = float(np.abs(degrees[positions] - regular).max())
    if beside > 1e-6 * usual + rounding:
        try:
            regular = unrounded(degrees[positions], rounding, f"{source}: its {what}")
        except SourceError:
            if beside > 1e-3 * usual + rounding:
                raise
    return _Axis(regular, positions, float(regular[-1] - regular[0]) / (regular.size - 1))


def _runs(positions: NDArray[np.integer]) -> list[NDArray[np.integer]]:
    """Split into runs of neighbours: one, or two of columns where the box crosses the border of a 0..360 grid."""
    return np.split(positions, np.flatnonzero(np.abs(np.diff(positions)) != 1) + 1)


def _slice(run: NDArray[np.integer]) -> slice:
    return slice(int(run.min()), int(run.max()) + 1)


def _direction(run: NDArray[np.integer]) -> slice:
    return slice(None, None, -1 if run[0] > run[-1] else 1)


def within(grid: xr.DataArray, box: Box) -> xr.DataArray:
    """Return the part of a normalised grid that covers the box, with one more cell on each side where there is one."""
    west, south, east, north = box
    y, x = (
        _Axis(sign * grid[axis].values, np.arange(grid.sizes[axis]), cell_size(grid, axis))
        for axis, sign in (("y", -1), ("x", 1))
    )
    # outside the grid any cells will do
    rows = y.covering(-north, -south) or slice(0, 2)
    return grid.isel(y=rows, x=x.covering(west, east) or slice(0, 2))


def joined(parts: Sequence[xr.DataArray], source: str) -> xr.DataArray:
    """Join grids of different times, lazily; raise SourceError where their cells differ."""
    first = parts[0]
    for part in parts[1:]:
        if part.sizes["y"] != first.sizes["y"] or part.sizes["x"] != first.sizes["x"]:
            same = False
        else:
            same = all(
                np.allclose(part[axis], first[axis], rtol=0, atol=max(1e-6, 1e-3 * cell_size(first, axis)))
                for axis in ("y", "x")
            )
        if not same:
            raise SourceError(f"{source}: its files are on different grids; expected the same cells in all")
    return xr.concat(parts, "time", join="override", combine_attrs="override", coords="minimal", compat="override")
