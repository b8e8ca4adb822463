"""Read the times of a variable's steps: its time coordinate, or the lower bounds of the steps where it has bounds."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats.attributes import text
from eo_pygeoapi.pipeline.formats.axes import Axis, lead_dimension, scalar_time
from eo_pygeoapi.pipeline.formats.raw_types import RawDataset, RawVariable
from eo_pygeoapi.pipeline.formats.stored import stored_as
from eo_pygeoapi.pipeline.formats.times import Times, are_times, times

_STORED = ("_FillValue", "missing_value", "scale_factor", "add_offset")


def times_of(variable: RawVariable, axes: Mapping[str, Axis], dataset: RawDataset, source: str) -> Times | None:
    """Return the times of a variable's steps, None where the file has none; raise SourceError for unreadable ones."""
    lead = lead_dimension(variable, dataset)
    if "time" not in axes:
        name = scalar_time(dataset)
        if not name:
            return None
        _refuse_lead(lead, name, dataset, source)
        known = dataset.variables[name]
        return _read(known.values, known.attrs, source)
    axis = axes["time"]
    valid = dataset.variables.get("valid_time")
    if lead and valid is not None and set(valid.dims) == {axis.dimension, lead}:
        first = np.take(valid.values, 0, axis=valid.dims.index(lead))  # of a forecast with one lead time
        return _read(first, valid.attrs, source)
    if not axis.values:
        raise SourceError(f"{source}: its dimension {axis.dimension} has no values; expected the times of its steps")
    _refuse_lead(lead, axis.values, dataset, source)
    coordinate = dataset.variables[axis.values]
    found = _read(coordinate.values, coordinate.attrs, source)
    bounds = _bounds_of(axis.values, dataset)
    if bounds is None:
        return found
    own = bounds.attrs
    if not are_times(np.empty(0), own):
        own = {**own, **{n: coordinate.attrs[n] for n in ("units", "calendar") if n in coordinate.attrs}}
    try:
        ends = _read(bounds.values.ravel(), own, source).labels.reshape(-1, 2)
    except SourceError:
        return found  # the file declares bounds but holds none
    lower, upper = ends.min(axis=1), ends.max(axis=1)
    of_steps = (lower < upper) & (lower <= found.labels) & (found.labels <= upper)
    return replace(found, labels=lower, ends=upper) if of_steps.all() else found


def _bounds_of(name: str, dataset: RawDataset) -> RawVariable | None:
    """Return the bounds that a time coordinate names, or those with a usual name: programs lose or misspell it."""
    coordinate = dataset.variables[name]
    usual = [f"{name}_{word}" for word in ("bnds", "bounds", "bound", "bnd")]
    for each in (text(coordinate.attrs, "bounds"), *usual):
        bounds: RawVariable | None = dataset.variables.get(each)
        if bounds is not None and bounds.shape == (coordinate.size, 2):
            return bounds
    return None


def _refuse_lead(lead: str, name: str, dataset: RawDataset, source: str) -> None:
    ahead = dataset.variables[lead].values if lead in dataset.variables else np.zeros(1)
    if lead and name.lower() != "valid_time" and (ahead != np.zeros(1, ahead.dtype)).any():
        raise SourceError(
            f"{source}: is a forecast, {lead} {ahead.ravel()[0]} after {name}; expected the times that its values are "
            "valid for, as a variable valid_time"
        )


def _read(stored: NDArray[Any], attributes: Mapping[Any, Any], source: str) -> Times:
    values: NDArray[Any] = np.array(stored)
    if values.ndim == 0:
        values = values.reshape(1)
    if values.dtype.kind in "iuf" and any(name in attributes for name in _STORED):
        values = stored_as(values.dtype, attributes, source).decoded(values)
    return times(values, attributes, source)
