"""Compute derived variables of cells; `derived.py` says by which formula and reference.

Temperatures are in K, pressures in Pa, winds in m/s; arrays are of one shape, NaN where there is no value. Results
are float64, in the units of `DERIVED_VARIABLES`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import thermofeel
import xarray as xr
from earthkit.meteo.thermo import array as thermo
from earthkit.meteo.wind import array as wind
from numpy.typing import NDArray

from eo_pygeoapi.pipeline.sources.era5_land.derived import DERIVED_VARIABLES

Floats = NDArray[np.float64]


def vapour_pressure_deficit(temperature: Floats, dewpoint: Floats) -> Floats:
    """Return e(T) - e(Td) over water, in Pa."""
    saturation, actual = (thermo.saturation_vapour_pressure(each, phase="water") for each in (temperature, dewpoint))
    return np.asarray(saturation - actual)


def wet_bulb_globe_temperature(temperature: Floats, dewpoint: Floats) -> Floats:
    """Return 0.567 T + 0.393 e + 3.94 (T in degC, e in hPa) in K: ACSM (1984), as the Bureau of Meteorology uses it."""
    humidity = thermofeel.calculate_relative_humidity_percent(temperature, dewpoint)
    return np.asarray(thermofeel.calculate_wbgt_simple(temperature, humidity))


def vector(east: Floats, north: Floats) -> NDArray[np.complex128]:
    """Return a vector as a complex number, so that its mean is that of its components."""
    return east + 1j * north


FORMULAS: dict[str, Callable[..., NDArray[Any]]] = {
    "relative_humidity": thermo.relative_humidity_from_dewpoint,
    "specific_humidity": thermo.specific_humidity_from_dewpoint,
    "vapour_pressure_deficit": vapour_pressure_deficit,
    "10m_wind_speed": wind.speed,
    "10m_wind_direction": vector,
    "heat_index": thermofeel.calculate_heat_index_adjusted,
    "humidex": thermofeel.calculate_humidex,
    "wet_bulb_globe_temperature": wet_bulb_globe_temperature,
}


def derive(variable: str, inputs: list[xr.DataArray]) -> xr.DataArray:
    """Compute a derived variable of its inputs, lazily, at the time steps that all of them have.

    The inputs are normalised grids of the same cells, in the order of `DERIVED_VARIABLES`.
    """
    known, (first, *_) = DERIVED_VARIABLES[variable], inputs
    # equal but for the rounding of coordinates in different files
    same = [each.assign_coords(y=first["y"], x=first["x"]) for each in inputs]

    def formula(*arrays: NDArray[np.floating]) -> NDArray[Any]:
        return FORMULAS[variable](*(array.astype("float64") for array in arrays))

    found: xr.DataArray = xr.apply_ufunc(
        formula,
        *xr.align(*same, join="inner"),
        dask="parallelized",
        output_dtypes=["complex128" if known.vector else "float64"],
    )
    about = {name: first.attrs[name] for name in ("step", "step_hours")}
    return found.assign_attrs(about, units=known.units, source=f"ERA5-Land {variable}")
