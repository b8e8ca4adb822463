"""What values can be, by what a file says that they are: its CF standard name, and its units.

The names are those of the CF standard name table. A modifier or another word (`air_temperature_anomaly`,
`air_temperature standard_error`) makes another quantity, of which nothing is known here.
"""

import re

from eo_pygeoapi.datasets.source import Limits
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.grids.units import conversion

# the coldest ground that satellites have seen had -98.6 degC; -99 and -99.9 are marks for missing data
_KELVIN: tuple[float, float] = (174.5, 400.0)
_TEMPERATURES = re.compile(
    r"(air|surface|sea_surface|sea_surface_skin|sea_surface_foundation|dew_point|wet_bulb|soil|apparent_air)"
    r"_temperature"
)
_FRACTIONS = re.compile(
    r"volume_fraction_of_(condensed_)?water_in_soil|(cloud|land|sea|sea_ice|vegetation|snow)_area_fraction"
    r"|surface_snow_area_fraction"
)
_FROM_0 = re.compile(
    r"(lwe_)?(thickness_of_)?((convective|stratiform|large_scale)_)?(precipitation|rainfall|snowfall)"
    r"_(amount|flux|rate)"
    r"|relative_humidity|specific_humidity|wind_speed|wind_speed_of_gust|leaf_area_index|surface_albedo"
    r"|surface_downwelling_(shortwave|longwave)_flux_in_air|integral_wrt_time_of_surface_downwelling_\w+"
    r"|(mass_concentration|mole_fraction|mass_fraction)_of_\w+_in_air|\w+_optical_thickness_due_to_\w+"
    r"|surface_air_pressure|air_pressure|air_pressure_at_mean_sea_level|runoff_amount|runoff_flux"
)


def limits_of(standard_name: str, units: str) -> Limits:
    """Return the physical limits of a quantity, in these units; open ends where nothing is known."""
    if _FROM_0.fullmatch(standard_name):
        return 0.0, None
    if _FRACTIONS.fullmatch(standard_name):
        return 0.0, {"": 1.0, "1": 1.0, "%": 100.0, "percent": 100.0}.get(units)
    if standard_name == "normalized_difference_vegetation_index" and units in ("", "1"):
        return -1.0, 1.0
    if _TEMPERATURES.fullmatch(standard_name) and units:
        try:
            found = conversion("K", units)
        except SourceError:  # the aggregation says what is wrong with the units
            return None, None
        low, high = (end * found.scale + found.offset for end in _KELVIN)
        return low, high
    return None, None
