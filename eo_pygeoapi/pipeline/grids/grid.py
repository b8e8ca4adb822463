"""Bring the grids of all sources into one form, cut to the box that the units need.

A normalised grid is a DataArray with the dimensions (time, y, x): time ascending, the start of each step in UTC; y
descending, x ascending in -180..180 or, across these, on beyond 180, both regular and in degrees; NaN where there are
no data. Its attributes are `units`, `step` (hour, day, month or year), `step_hours` (of hours only), `source` (for
messages) and, where there is one, `least`: no sum of time steps can be less; `plausible`: what a time step can be;
`directions`: values are degrees of a circle; and `of_own_year`: years of other calendars have the value of the
Gregorian year that they belong to. A grid of vectors holds complex numbers: what goes east, and i times what goes
north.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
import rioxarray  # noqa: F401  registers `.rio`
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.grids.axis import Axis, Box, axes_in_degrees, cells_of_box, in_degrees
from eo_pygeoapi.pipeline.grids.blocks import cells_at_once, steps_per_block
from eo_pygeoapi.pipeline.grids.frames import cell_size

_NAMES = {"y": ("y", "lat", "latitude"), "x": ("x", "lon", "longitude"), "time": ("time", "valid_time")}
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
    rows, columns = cells_of_box(y, x, box, source)
    return _cut(data, y, x, rows, columns)


def oriented(data: xr.DataArray, source: str) -> xr.DataArray:
    """Return the whole grid in the form that `cut_to_box` gives a part."""
    data, y, x = _with_axes(data, source)
    return _cut(data, y, x, slice(None), slice(None))


def _with_axes(data: xr.DataArray, source: str) -> "tuple[xr.DataArray, Axis, Axis]":
    """Return a grid with our dimensions, and its axes y and x; raise SourceError where it is not regular in degrees."""
    try:
        crs = data.rio.crs
        known = CRS.from_wkt(crs.to_wkt()) if crs else None
    except (CRSError, ValueError) as error:
        raise SourceError(f"{source}: has a coordinate reference system that cannot be read: {error}") from error
    if known and not in_degrees(known):
        system = "the degrees of a rotated pole" if known.is_geographic else known.name
        raise SourceError(f"{source}: is in {system}; expected longitudes and latitudes (EPSG:4326)")
    sizes = _sizes_of_single_cells(data, source)
    data = _only_our_dimensions(data, source)
    y, x = axes_in_degrees(data["y"].values, data["x"].values, source, sizes)
    return data.transpose(..., "y", "x"), y, x


def _cut(data: xr.DataArray, y: "Axis", x: "Axis", rows: slice, columns: slice) -> xr.DataArray:
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
        Axis(sign * grid[axis].values, np.arange(grid.sizes[axis]), cell_size(grid, axis))
        for axis, sign in (("y", -1), ("x", 1))
    )
    # outside the grid any cells will do
    rows = y.covering(-north, -south) or slice(0, 2)
    return grid.isel(y=rows, x=x.covering(west, east) or slice(0, 2))


def joined(parts: Sequence[xr.DataArray], source: str) -> xr.DataArray:
    """Join grids of different times, lazily; raise SourceError where their cells differ.

    The coordinate `time` has the attribute `ahead`, one number or one for each label: how far the clocks of the files
    are ahead of UTC (seconds). Where all is one step, it may have `end`, the end of that step.
    """
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
    ahead = [np.full(part.sizes["time"], float(part["time"].attrs.get("ahead", 0.0))) for part in parts]
    whole = xr.concat(parts, "time", join="override", combine_attrs="override", coords="minimal", compat="override")
    end = {"end": first["time"].attrs["end"]} if whole.sizes["time"] == 1 and "end" in first["time"].attrs else {}
    whole["time"].attrs = {"ahead": np.concatenate(ahead), **end}
    return whole
