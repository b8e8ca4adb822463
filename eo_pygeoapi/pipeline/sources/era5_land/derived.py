"""The variables that are computed from those of ERA5-Land, hour by hour, before any mean: a mean of humidities is not
the humidity of means.

`formulas.py` computes them, with ECMWF's libraries earthkit-meteo and thermofeel. ERA5-Land has no direct solar
radiation, so there is no UTCI, and the wet-bulb globe temperature is the approximation without radiation and wind.
"""

from dataclasses import dataclass

from eo_pygeoapi.datasets.source import Limits

_T, _TD, _P = "2m_temperature", "2m_dewpoint_temperature", "surface_pressure"
_WIND = ("10m_u_component_of_wind", "10m_v_component_of_wind")
_IFS = "ECMWF (2020): IFS Documentation CY47R3, Part IV, chapter 12. https://doi.org/10.21957/cpmkqvhja"
_SATURATION = "e(T) = 611.21 Pa exp(17.502 (T - 273.16 K) / (T - 32.19 K)) over water"


@dataclass(frozen=True)
class DerivedVariable:
    """What a variable is computed from and how, and the units of its values, in the formula and by default.

    `limits` are its physical limits in the units of the formula, of the components where it is the direction of a
    `vector`.
    """

    inputs: tuple[str, ...]
    units: str
    formula: str
    reference: str
    limits: Limits
    to: str = ""
    decimals: int = 1
    vector: bool = False


_WARM: Limits = (150.0, 400.0)
DERIVED_VARIABLES: dict[str, DerivedVariable] = {
    "relative_humidity": DerivedVariable(
        (_T, _TD), "percent", f"100 e(Td) / e(T), with {_SATURATION}", _IFS, (0.0, 110.0)
    ),
    "specific_humidity": DerivedVariable(
        (_TD, _P),
        "kg/kg",
        f"0.62198 e / (p - 0.37802 e), with the vapour pressure e = e(Td), {_SATURATION}",
        _IFS,
        (0.0, 0.1),
        to="g/kg",
        decimals=2,
    ),
    "vapour_pressure_deficit": DerivedVariable(
        (_T, _TD), "Pa", f"e(T) - e(Td), with {_SATURATION}", _IFS, (-200.0, 30000.0), to="kPa", decimals=3
    ),
    "10m_wind_speed": DerivedVariable(
        _WIND, "m/s", "sqrt(u^2 + v^2) of each hour", "WMO-No. 8 (2023), part I, chapter 5", (0.0, 150.0)
    ),
    "10m_wind_direction": DerivedVariable(
        _WIND,
        "degree",
        "from where the mean vector (mean u, mean v) over time and cells blows: 0 north, 90 east",
        "WMO-No. 8 (2023), part I, chapter 5",
        (-150.0, 150.0),
        decimals=0,
        vector=True,
    ),
    "heat_index": DerivedVariable(
        (_T, _TD),
        "K",
        "regression of Rothfusz (1990) with the adjustments of the US National Weather Service, of T and the relative "
        "humidity; below 80 degF Steadman's simple formula, below 40 degF T",
        "Rothfusz, L. (1990): NWS Technical Attachment SR 90-23; "
        "https://www.wpc.ncep.noaa.gov/html/heatindex_equation.shtml",
        _WARM,
        to="degC",
    ),
    "humidex": DerivedVariable(
        (_T, _TD),
        "K",
        "T + 0.5555 (6.11 exp(5417.753 (1/273.15 - 1/Td)) - 10), T and Td in K",
        "Masterton and Richardson (1979); Environment Canada: https://climate.weather.gc.ca/glossary_e.html#humidex",
        _WARM,
        to="degC",
    ),
    "wet_bulb_globe_temperature": DerivedVariable(
        (_T, _TD),
        "K",
        "0.567 T + 0.393 e + 3.94, T in degC, e in hPa: the outdoor approximation for moderately strong sun and light "
        "wind, without radiation and wind",
        "ACSM (1984), https://doi.org/10.1080/00913847.1984.11701899; Australian Bureau of Meteorology: "
        "http://www.bom.gov.au/info/thermal_stress/#approximation",
        _WARM,
        to="degC",
    ),
}
