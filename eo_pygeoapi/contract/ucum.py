"""Units as the Unified Code for Units of Measure (UCUM) writes them, so that programs need not guess."""

import re
from collections.abc import Mapping

_CODES: Mapping[str, str] = {
    "": "1",
    "1": "1",
    "%": "%",
    "percent": "%",
    "K": "K",
    "degC": "Cel",
    "°C": "Cel",
    "C": "Cel",
    "celsius": "Cel",
    "degF": "[degF]",
    "deg": "deg",
    "degrees": "deg",
    "mm": "mm",
    "cm": "cm",
    "m": "m",
    "mm/day": "mm/d",
    "mm/d": "mm/d",
    "m/s": "m/s",
    "m s-1": "m/s",
    "m s**-1": "m/s",
    "km/h": "km/h",
    "Pa": "Pa",
    "hPa": "hPa",
    "J/m2": "J/m2",
    "J m-2": "J/m2",
    "J m**-2": "J/m2",
    "MJ/m2": "MJ/m2",
    "W/m2": "W/m2",
    "W m-2": "W/m2",
    "W m**-2": "W/m2",
    "kg/m2": "kg/m2",
    "kg m-2": "kg/m2",
    "kg m**-2": "kg/m2",
    "g/kg": "g/kg",
    "kg/kg": "kg/kg",
    "ug/m3": "ug/m3",
    "µg/m3": "ug/m3",
    "days": "d",
    "hours": "h",
    "people": "{people}",
}

# degrees Celsius and Fahrenheit as people write them
_OFFSET = re.compile(r"celsius|celcius|fahrenheit|\bdeg(ree)?s?[ _.]*[cf]\b|[°º] ?[cf]\b|^[cf]$", re.IGNORECASE)


def has_offset(unit: str) -> bool:
    """Return whether the 0 of a unit is not nothing, as that of degrees Celsius."""
    return bool(_OFFSET.search(unit.strip()))


def ucum(unit: str) -> str:
    """Return the code of a unit as people write it; empty where it is not known. `degC days` is `Cel.d`."""
    if unit in _CODES:
        return _CODES[unit]
    of_a_day, _, last = unit.rpartition(" ")
    return f"{_CODES[of_a_day]}.d" if last == "days" and of_a_day in _CODES else ""
