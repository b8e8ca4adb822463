"""Read the longitudes and latitudes of a grid's columns and rows, in degrees, at the centres of cells."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats.attributes import text
from eo_pygeoapi.pipeline.formats.axes import Axis, says_degrees, two_dimensional
from eo_pygeoapi.pipeline.formats.raw_types import RawDataset, RawVariable
from eo_pygeoapi.pipeline.formats.stored import stored_as

# standard names and units of coordinates of other systems: a rotated pole, a projection, a satellite's view
_OTHERS = re.compile(r"grid_(latitude|longitude)|projection_[xy]_(angular_)?coordinate")
_LENGTHS = re.compile(r"k?m|(kilo)?met(er|re)s?|(micro|milli)?rad(ian)?s?", re.IGNORECASE)
CURVED = (
    "is on a curvilinear grid, with latitudes and longitudes in two dimensions; expected a regular grid of longitudes "
    "and latitudes; bring it onto one first (for example `cdo remapcon`)"
)


def degrees_of(axis: Axis, variable: RawVariable, dataset: RawDataset, source: str) -> NDArray[np.floating]:
    """Return the coordinates along an axis `y` or `x` of a variable.

    Where the file declares the bounds of cells (CF) and its coordinates are not in their middle, such as corners, the
    middles count. Raises SourceError for coordinates that are no degrees; the message begins with `source`.
    """
    known = dataset.variables[axis.values]
    standard, units = text(known.attrs, "standard_name"), text(known.attrs, "units")
    if _OTHERS.fullmatch(standard) or _LENGTHS.fullmatch(units):
        what = f"{standard} ({units})" if _OTHERS.fullmatch(standard) else f"in {units}"
        raise SourceError(f"{source}: its {axis.values} is {what}; expected longitudes and latitudes (EPSG:4326)")
    if not says_degrees(known) and two_dimensional(variable, dataset):
        raise SourceError(f"{source}: {CURVED}")
    return _centres(_decoded(known, known, source), known, dataset, source)


def _decoded(data: RawVariable, coordinate: RawVariable, source: str) -> NDArray[np.floating]:
    """Return numbers as they are meant; bounds that do not say how they are stored are stored as their coordinate."""
    packing = ("scale_factor", "add_offset")
    own = any(name in data.attrs for name in packing) or data.dtype != coordinate.dtype
    attributes = dict(data.attrs) if own else {**coordinate.attrs, **data.attrs}
    return stored_as(data.dtype, attributes, source).decoded(np.array(data.values))


def _centres(
    degrees: NDArray[np.floating], coordinate: RawVariable, dataset: RawDataset, source: str
) -> NDArray[np.floating]:
    """Return the middles of cells by their bounds where all are of one size and hold their coordinate."""
    bounds = dataset.variables.get(text(coordinate.attrs, "bounds"))
    if bounds is None or bounds.shape != (degrees.size, 2) or bounds.dtype.kind not in "iuf":
        return degrees
    ends = np.sort(_decoded(bounds, coordinate, source).astype("float64"), axis=1)
    sizes = ends[:, 1] - ends[:, 0]
    room = 1e-3 * float(np.median(sizes))
    inside = (ends[:, 0] - room <= degrees) & (degrees <= ends[:, 1] + room)
    if not (room > 0 and inside.all() and np.ptp(sizes) <= room):
        return degrees
    middles = ends.mean(axis=1)
    return degrees if np.abs(middles - degrees).max() <= room else middles


def rows_and_columns(dataset: RawDataset) -> dict[str, tuple[str, NDArray[Any], dict[str, str]]]:
    """Return the latitudes of rows and the longitudes of columns that a file writes in two dimensions.

    As variables: name to dimension, values, attributes. Without those of a curvilinear grid.
    """
    found = {}
    for axis, standard in (("y", "latitude"), ("x", "longitude")):
        for name, data in dataset.variables.items():
            if data.ndim == 2 and data.dtype.kind in "iuf" and says_degrees(data, axis):
                attributes = {"standard_name": standard, "units": text(data.attrs, "units")}
                for along, line in _lines(_decoded(data, data, str(name))):
                    found[f"{standard} of {data.dims[along]}"] = (str(data.dims[along]), line, attributes)
    return found


def _lines(values: NDArray[np.floating]) -> Iterator[tuple[int, NDArray[np.floating]]]:
    """Yield the axis along which numbers in two dimensions change, and those there; nothing where both change them."""
    exact = 4 * float(np.finfo(values.dtype).eps) * float(np.fmax.reduce(np.abs(values), axis=None))
    for along, across in ((0, 1), (1, 0)):
        line = np.take(values, 0, axis=across)
        same = np.abs(values - np.expand_dims(line, across)).max(initial=0) <= exact
        if same and line.size > 1 and (np.diff(line) != 0).all():
            yield along, line
            return
