"""The options that each source has in a dataset's `eo:` block, and the defaults that it gives the block.

Only the declaration stands here, so that the web process can check it; the code that reads the data is the file of
the same name in `pipeline/sources/`. A test keeps `OPTIONS` and `pipeline.sources.SOURCES` in step.
"""

import re
from datetime import date
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from eo_pygeoapi.contract.models import Model
from eo_pygeoapi.datasets.era5_land_variables import ERA5_LAND_VARIABLES


def _text_from_yaml(value: Any) -> Any:
    """Take what YAML makes of `2026` and `2025-07-01`; refuse what it makes of `NO`."""
    if isinstance(value, bool):
        raise ValueError(f"YAML reads this as {str(value).lower()}; put it in quotes")
    if isinstance(value, int | float):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value


def _time_that_exists(text: str) -> str:
    year, month, day = [*text.partition("/")[0].split("-"), "01", "01"][:3]
    try:
        date(int(year or 1), int(month), int(day))
    except ValueError as error:
        raise ValueError(f"{text!r} is no date: {error}") from error
    return text


_ENERGY = re.compile("radiation|heat_flux")  # J/m2; what else accumulates is water, in m
_NEVER_NEGATIVE = re.compile("precipitation|runoff|snow")  # what evaporates has a sign
AT_LEAST_NOTHING = [0, None]  # what can be plausible of amounts, in whichever units
_TIME = r"^([0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?(/P([0-9]+[DWMY]|T[0-9]+H))?)?$"
YamlText = Annotated[str, BeforeValidator(_text_from_yaml)]


class SourceOptions(Model):
    """Base of the options of a source; `requestable` names those that a request's `parameters` may set."""

    requestable: ClassVar[tuple[str, ...]] = ()

    def defaults(self) -> dict[str, Any]:
        """Return the `eo:` keys that this source gives where the block does not."""
        return {}


class FileOptions(SourceOptions):
    """Any NetCDF, GeoTIFF/COG or Zarr, by path or URL."""

    href: Annotated[YamlText, Field(min_length=1)] = Field(
        description="path, relative to the configuration file, or URL; may hold {YYYY}, {MM} and {DD}"
    )
    variable: YamlText = Field("", description="variable of a NetCDF or Zarr; may be left out where there is only one")
    time: Annotated[YamlText, Field(pattern=_TIME), AfterValidator(_time_that_exists)] = Field(
        "",
        description="time of a raster that has none: YYYY, YYYY-MM or YYYY-MM-DD; with a step after it (2024-01/P1M) "
        "its bands are time steps",
    )
    band: Annotated[int, Field(ge=0)] = Field(0, description="band of a GeoTIFF that has several, from 1 on")


class Chirps3Options(SourceOptions):
    """CHIRPS v3 daily rainfall of the Climate Hazards Center; 60°N to 60°S, 0.05°, UTC days, from 1981."""

    requestable = ("stage", "flavor")

    stage: Literal["final", "prelim", "latest"] = Field(
        "final",
        description="final; prelim: preliminary, within a week; latest: final where there is, else preliminary",
    )
    flavor: Literal["rnl", "sat"] = Field("rnl", description="rnl: with reanalysis; sat: with satellite data only")
    base_url: YamlText = Field("", description="address of a mirror")

    def defaults(self) -> dict[str, Any]:
        """Rain: summed over time, averaged over space."""
        return {
            "units": {"from": "mm", "to": "mm"},
            "aggregation": {"spatial": "mean", "temporal": "sum"},
            "decimals": 2,
            "plausible": AT_LEAST_NOTHING,
        }


class Era5LandOptions(SourceOptions):
    """ERA5-Land hourly reanalysis; 0.1°, from 1950, about five days late.

    Requests may not set the variable: the dataset's units, aggregation, data element and published values are those
    of its own.
    """

    provider: Literal["cds", "destine"] = Field("cds", description="Climate Data Store or Destination Earth")
    variable: YamlText = Field("2m_temperature", description="name of the variable at the Climate Data Store")
    base_url: YamlText = Field("", description="address of a mirror")

    def defaults(self) -> dict[str, Any]:
        """Water in mm, temperatures in degC, everything else as it comes; what accumulates is summed over time."""
        known = ERA5_LAND_VARIABLES.get(self.variable)
        if not known or not known.accumulated:
            is_temperature = "temperature" in self.variable
            celsius = {"units": {"from": "K", "to": "degC"}, "decimals": 1, "plausible": [-100, 100]}
            return celsius if is_temperature else {}
        summed = {"aggregation": {"spatial": "mean", "temporal": "sum"}}
        if _ENERGY.search(self.variable):
            return summed
        limits = {"plausible": AT_LEAST_NOTHING} if _NEVER_NEGATIVE.search(self.variable) else {}
        return summed | {"units": {"from": "m", "to": "mm"}, "decimals": 2} | limits


class WorldPopOptions(SourceOptions):
    """WorldPop yearly population counts at 100 m."""

    requestable = ("version",)

    country: Annotated[YamlText, Field(pattern=r"^[A-Z]{3}$")] = Field(description="ISO 3166 code of three letters")
    version: Literal["global1", "global2"] = Field("global2", description="global1: 2000-2020; global2: 2015-2030")
    base_url: YamlText = Field("", description="address of a mirror")

    def defaults(self) -> dict[str, Any]:
        """People are counted: sums, without fractions, one period a year."""
        return {
            "periodType": "yearly",
            "aggregation": {"spatial": "sum", "temporal": "mean"},
            "decimals": 0,
            "plausible": AT_LEAST_NOTHING,
        }


OPTIONS: dict[str, type[SourceOptions]] = {
    "file": FileOptions,
    "chirps3": Chirps3Options,
    "era5-land": Era5LandOptions,
    "worldpop": WorldPopOptions,
}
