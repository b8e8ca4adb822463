"""Find the latitude, longitude and time dimensions of a variable, and the variables that hold their coordinates."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats.attributes import text
from eo_pygeoapi.pipeline.formats.raw_types import RawDataset, RawVariable
from eo_pygeoapi.pipeline.formats.times import are_times

_NAMES = {
    "y": ("y", "lat", "lats", "latitude", "latitudes", "nav_lat"),
    "x": ("x", "lon", "lons", "long", "longitude", "longitudes", "nav_lon"),
    "time": ("time", "valid_time", "times", "date", "dates", "datetime", "t"),
}
_STANDARD_NAMES = {"y": "latitude", "x": "longitude", "time": "time"}
_UNITS = {
    "y": ("degrees_north", "degree_north", "degrees_n", "degree_n", "degreesn", "degreen"),
    "x": ("degrees_east", "degree_east", "degrees_e", "degree_e", "degreese", "degreee"),
}
_LEADS = ("step", "lead", "lead_time", "leadtime", "forecast_period", "forecast_hour", "prediction_timedelta", "fhr")
_FORECASTS = ("forecast_reference_time", "reftime", "init_time", "initial_time", "forecast_time")


@dataclass(frozen=True)
class Axis:
    """A dimension, and the variable that holds its coordinates ('' for none)."""

    dimension: str
    values: str


def axes_of(variable: RawVariable, dataset: RawDataset) -> dict[str, Axis]:
    """Return the dimensions of a variable that are its axes `y`, `x` and `time`, as far as it has them.

    A variable of the dimension's own name goes first among those with its coordinates; for times `valid_time` does. A
    `y` or `x` that does not say that it holds degrees goes last: it may be a number of the row or column.
    """
    found: dict[str, Axis] = {}
    for axis in ("y", "x", "time"):
        taken = {known.dimension for known in found.values()}
        for dimension in (str(name) for name in variable.dims if str(name) not in taken):
            beside = [
                str(name)
                for name, data in dataset.variables.items()
                if data.dims == (dimension,) or (data.dtype == "S1" and data.ndim == 2 and data.dims[0] == dimension)
            ]
            beside.sort(key=lambda name: (_is_bare(name, dataset), name != dimension))
            fits = [name for name in beside if _is(axis, name, dataset.variables[name])]
            preferred = [name for name in fits if axis == "time" and name.lower() == "valid_time"]
            if fits or dimension.lower() in _NAMES[axis]:
                own = [dimension] if dimension in beside else [""]
                found[axis] = Axis(dimension, (preferred or fits or own)[0])
                break
    return found


def says_degrees(data: RawVariable, axis: str = "") -> bool:
    """Return whether a variable says that it holds degrees of latitude (`y`), longitude (`x`), or of either."""
    axes = (axis,) if axis else ("y", "x")
    units = text(data.attrs, "units").lower().replace(" ", "_")
    return any(text(data.attrs, "standard_name") == _STANDARD_NAMES[each] or units in _UNITS[each] for each in axes)


def two_dimensional(variable: RawVariable, dataset: RawDataset) -> bool:
    """Return whether a variable has its latitudes in two dimensions, as on a curvilinear grid."""
    return any(data.ndim == 2 and says_degrees(data, "y") for data in dataset.variables.values() if _on(data, variable))


def _on(data: RawVariable, variable: RawVariable) -> bool:
    return data is not variable and set(data.dims) <= set(variable.dims)


def _is_bare(name: str, dataset: RawDataset) -> bool:
    return name.lower() in ("y", "x") and not says_degrees(dataset.variables[name])


def gridded(dataset: RawDataset) -> list[str]:
    """Return the names of the variables on a grid of latitudes and longitudes, without coordinates and cell bounds."""
    return [
        str(name)
        for name, data in dataset.variables.items()
        if data.ndim >= 2
        and {"y", "x"} <= axes_of(data, dataset).keys()
        and not any(_is(axis, str(name), data) for axis in ("y", "x"))
        and not str(name).lower().endswith(("_bnds", "_bounds"))
    ]


def lead_dimension(variable: RawVariable, dataset: RawDataset) -> str:
    """Return the dimension of a forecast's lead times, '' where there is none."""
    for name in variable.dims:
        known = dataset.variables.get(name)
        standard = text(known.attrs, "standard_name") if known is not None else ""
        if str(name).lower() in _LEADS or standard == "forecast_period":
            return str(name)
    return ""


def scalar_time(dataset: RawDataset) -> str:
    """Return the scalar variable that holds the time of a file of one time step, '' where there is none."""
    for name in ("valid_time", "time"):
        for own, data in dataset.variables.items():
            if str(own).lower() == name and data.ndim == 0 and are_times(data.values, data.attrs):
                return str(own)
    return ""


def refuse_others(variable: RawVariable, axes: Mapping[str, Axis], dataset: RawDataset, source: str) -> None:
    """Raise SourceError for a dimension of several cells beside latitude, longitude and time; the message names it."""
    known = {axis.dimension for axis in axes.values()}
    shape = ", ".join(f"{name}: {size}" for name, size in variable.sizes.items())
    lead = lead_dimension(variable, dataset)
    if lead and variable.sizes[lead] > 1:
        raise SourceError(
            f"{source}: is a forecast; it has the dimensions ({shape}), with {variable.sizes[lead]} values of {lead!r} "
            "for each time; expected one value for each time: select one lead time and write the times it is valid for"
        )
    for name in variable.dims:
        if str(name) not in known and variable.sizes[name] != 1 and str(name).lower() != "expver":
            raise SourceError(
                f"{source}: has the dimensions ({shape}); expected time, latitude and longitude, not {name}; "
                f"select one {name} first"
            )


def _is(axis: str, name: str, data: RawVariable) -> bool:
    """Return whether a variable holds the coordinates of an axis, by its name, standard name or units."""
    standard = text(data.attrs, "standard_name")
    if name.lower() in _FORECASTS or standard == "forecast_reference_time":
        return False
    if axis == "time":
        named = name.lower() in _NAMES["time"] or standard == "time"
        return named or (not name.lower().startswith("forecast") and are_times(np.empty(0, data.dtype), data.attrs))
    return name.lower() in _NAMES[axis] or says_degrees(data, axis)
