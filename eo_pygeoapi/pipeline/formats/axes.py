"""Which dimensions of a variable are latitude, longitude and time, and which variables hold their values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats.attributes import text
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
    """A dimension, and the variable that holds its values ('' for none)."""

    dimension: str
    values: str


def axes_of(variable: xr.Variable, dataset: xr.Dataset) -> dict[str, Axis]:
    """Return which dimensions of a variable are its axes `y`, `x` and `time`, as far as it has them."""
    found: dict[str, Axis] = {}
    for axis in ("y", "x", "time"):
        taken = {known.dimension for known in found.values()}
        for dimension in (str(name) for name in variable.dims if str(name) not in taken):
            beside = list(_beside(dimension, dataset))
            fits = [name for name in beside if _is(axis, name, dataset.variables[name])]
            if fits or dimension.lower() in _NAMES[axis]:
                own = [name for name in beside if name == dimension]
                found[axis] = Axis(dimension, _first(axis, fits) or (own or [""])[0])
                break
    return found


def gridded(dataset: xr.Dataset) -> list[str]:
    """Return the names of the variables on latitudes and longitudes, without those and the bounds of cells."""
    return [
        str(name)
        for name, data in dataset.variables.items()
        if data.ndim >= 2
        and {"y", "x"} <= axes_of(data, dataset).keys()
        and not any(_is(axis, str(name), data) for axis in ("y", "x"))
        and not str(name).lower().endswith(("_bnds", "_bounds"))
    ]


def lead_dimension(variable: xr.Variable, dataset: xr.Dataset) -> str:
    """Return the dimension along which a forecast looks ahead, '' where there is none."""
    for name in variable.dims:
        known = dataset.variables.get(name)
        standard = text(known.attrs, "standard_name") if known is not None else ""
        if str(name).lower() in _LEADS or standard == "forecast_period":
            return str(name)
    return ""


def scalar_time(dataset: xr.Dataset) -> str:
    """Return the variable that says which time a file of one time step is of, '' where none does."""
    for name in ("valid_time", "time"):
        for own, data in dataset.variables.items():
            if str(own).lower() == name and data.ndim == 0 and are_times(data.values, data.attrs):
                return str(own)
    return ""


def refuse_others(variable: xr.Variable, axes: Mapping[str, Axis], dataset: xr.Dataset, source: str) -> None:
    """Raise SourceError for dimensions that are neither place nor time, by name; those of size 1 do not matter."""
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


def _beside(dimension: str, dataset: xr.Dataset) -> Iterator[str]:
    """Yield the variables that give this dimension values, words too: one of its own name, then the others."""
    names = [
        str(name)
        for name, data in dataset.variables.items()
        if data.dims == (dimension,) or (data.dtype == "S1" and data.ndim == 2 and data.dims[0] == dimension)
    ]
    yield from sorted(names, key=lambda name: name != dimension)


def _is(axis: str, name: str, data: xr.Variable) -> bool:
    standard = text(data.attrs, "standard_name")
    if name.lower() in _FORECASTS or standard == "forecast_reference_time":
        return False
    if axis == "time":
        named = name.lower() in _NAMES["time"] or standard == "time"
        return named or (not name.lower().startswith("forecast") and are_times(_some(data), data.attrs))
    units = text(data.attrs, "units").lower().replace(" ", "_")
    return name.lower() in _NAMES[axis] or standard == _STANDARD_NAMES[axis] or units in _UNITS[axis]


def _some(data: xr.Variable) -> Any:
    """Return an array of the variable's type, read from nowhere."""
    return np.empty(0, data.dtype)


def _first(axis: str, names: list[str]) -> str:
    """Return the variable to take: the time that a forecast is valid for before the one that it is from."""
    preferred = [name for name in names if axis == "time" and name.lower() == "valid_time"]
    return (preferred or names or [""])[0]
