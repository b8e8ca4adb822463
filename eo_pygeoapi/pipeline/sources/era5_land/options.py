"""Options of the source `era5-land`: hourly ERA5-Land from the Climate Data Store or Destination Earth."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, Literal, Self

import requests
from pydantic import Field, model_validator

from eo_pygeoapi.contract.day_statistics import day_statistic
from eo_pygeoapi.contract.models import Aggregation
from eo_pygeoapi.datasets.cost import Cost, Needed
from eo_pygeoapi.datasets.source import Credential, Limits, SourceInfo, SourceOptions, YamlText
from eo_pygeoapi.pipeline.sources.era5_land.derived import DERIVED_VARIABLES
from eo_pygeoapi.pipeline.sources.era5_land.statistics import COLLECTION, refused_statistic, refused_zone
from eo_pygeoapi.pipeline.sources.era5_land.variables import ERA5_LAND_VARIABLES, LIMITS

_ENERGY = re.compile("radiation|heat_flux")  # J/m2; other accumulated variables are water, in m
# the usual delay of the data of a day
DELAYS = {"cds": timedelta(6), "destine": timedelta(35)}
_CATALOGUE = "/catalogue/v1/collections/"
_COLLECTIONS = {"hours": "reanalysis-era5-land", "daily": COLLECTION}
_SECONDS = 10  # for the catalogue's entry
_FIRST = date(1950, 1, 2)  # the day before has no hours of accumulated variables
_CELLS_PER_DEGREE, _HOURS = 10, 24
_BYTES_A_VALUE = 2.4  # an hour of a cell, compressed
_SECONDS_A_REQUEST = {"cds": 120.0, "destine": 20.0}  # without a queue

CDS = Credential(
    title="Climate Data Store",
    block="climate-data-store",
    variables={"url": "ECMWF_DATASTORES_URL", "key": "ECMWF_DATASTORES_KEY"},
    defaults={"url": "https://cds.climate.copernicus.eu/api"},
    file="~/.ecmwfdatastoresrc",
    how="register at https://cds.climate.copernicus.eu, whose page of your profile shows the key, and accept the "
    "licence of ERA5-Land there",
)
EARTH_DATA_HUB = Credential(
    title="Destination Earth",
    block="destination-earth",
    variables={"key": "EO_DESTINE_KEY"},
    hosts=("api.earthdatahub.destine.eu", "data.earthdatahub.destine.eu"),
    how="register at https://earthdatahub.destine.eu, whose account settings make a personal access token",
)
_CREDENTIALS = {"cds": CDS, "destine": EARTH_DATA_HUB}


class Era5LandOptions(SourceOptions):
    """ERA5-Land hourly reanalysis; 0.1°, from 1950, about five days late.

    Requests may not set the variable, because the dataset's units, aggregation, data element and published values
    belong to its own.
    """

    provider: Literal["cds", "destine"] = Field("cds", description="Climate Data Store or Destination Earth")
    variable: YamlText = Field(
        "2m_temperature",
        description=f"name of the variable at the Climate Data Store, or of a derived one: "
        f"{', '.join(DERIVED_VARIABLES)}",
    )
    product: Literal["hours", "daily"] = Field(
        "hours",
        description="hours; daily: of `cds`, a day's mean, minimum or maximum as the provider makes it of the hours, "
        "1/24 of the download",
    )
    base_url: YamlText = Field("", description="address of a mirror")

    @model_validator(mode="after")
    def _has_daily_statistics(self) -> Self:
        known = ERA5_LAND_VARIABLES.get(self.variable)
        if self.product == "daily" and (self.provider != "cds" or known is None or known.accumulated):
            raise ValueError(
                f"product: daily is not there for {self.variable} of {self.provider}; allowed: variables of cds that "
                "neither accumulate nor are derived, such as 2m_temperature"
            )
        return self

    def defaults(self) -> dict[str, Any]:
        """Water in mm, temperatures in degC, derived ones in their units; sums over time of accumulated variables."""
        if derived := DERIVED_VARIABLES.get(self.variable):
            return {"units": {"from": derived.units, "to": derived.to}, "decimals": derived.decimals}
        if not self.accumulated:
            return {"units": {"from": "K", "to": "degC"}, "decimals": 1} if self._is_temperature else {}
        summed = {"aggregation": {"spatial": "mean", "temporal": "sum"}}
        if _ENERGY.search(self.variable):
            return summed
        return summed | {"units": {"from": "m", "to": "mm"}, "decimals": 2}

    def credentials(self) -> tuple[Credential, ...]:
        """The provider's key; a mirror of the Earth Data Hub may have none."""
        if self.provider == "destine" and self.base_url:
            return ()
        return (_CREDENTIALS[self.provider],)

    def address(self) -> str:
        """The mirror, or the provider's address for programs."""
        own = {"cds": CDS.defaults["url"], "destine": f"https://{EARTH_DATA_HUB.hosts[0]}"}
        return self.base_url or own[self.provider]

    def plausible(self) -> Limits:
        """Temperatures on the earth; amounts from 0 on, with room for packing; those of derived and other variables."""
        if derived := DERIVED_VARIABLES.get(self.variable):
            return derived.limits
        known = ERA5_LAND_VARIABLES.get(self.variable)
        if known and self._is_temperature:
            return 150.0, 400.0
        if known and known.kind == "amount" and not _ENERGY.search(self.variable):
            return -0.001, 10.0
        return next((limits for name, limits in LIMITS.items() if name in self.variable), (None, None))

    def never_negative(self) -> bool:
        """What accumulates without losses, and derived variables from 0 on."""
        known = ERA5_LAND_VARIABLES.get(self.variable)
        return super().never_negative() or (known is not None and known.kind == "amount")

    def directions(self) -> bool:
        """Those of the wind."""
        derived = DERIVED_VARIABLES.get(self.variable)
        return derived is not None and derived.vector

    def days(self) -> tuple[date, None]:
        """From 1950."""
        return date(1950, 1, 1), None

    def expected(self, day: date) -> date:
        """After the usual delay of the provider."""
        return day + DELAYS[self.provider]

    def newest(self, today: date, setting: Callable[[str], str]) -> date | None:
        """Read the end of the data in the Climate Data Store's catalogue, which is public; the hub does not say it."""
        if self.provider != "cds":
            return None
        address = self.base_url or setting(CDS.variables["url"]) or CDS.defaults["url"]
        answer = requests.get(address.rstrip("/") + _CATALOGUE + self.collection, timeout=_SECONDS)
        answer.raise_for_status()
        (_, end), *_ = answer.json()["extent"]["temporal"]["interval"]
        return date.fromisoformat(end[:10]) if end else None

    def final_from(self, day: date) -> date:
        """Final data replace provisional ones (ERA5T) after two to three months."""
        months = day.year * 12 + day.month - 1 + 3
        return date(months // 12, months % 12 + 1, 6)

    def extent(self) -> tuple[date | None, date | None]:
        """From the second day of 1950."""
        return _FIRST, None

    def cost(self, needed: Needed) -> Cost:
        """The hours of the box; a request a month, for this variable and those of datasets that share the download."""
        west, south, east, north = needed.box
        cells = (round((east - west) * _CELLS_PER_DEGREE) + 4) * (round((north - south) * _CELLS_PER_DEGREE) + 4)
        same = [
            other
            for other in needed.companions
            if isinstance(other, Era5LandOptions) and other.product_key == self.product_key
        ]
        variables = {variable for options in (self, *same) for variable in options.inputs}
        steps = _HOURS if self.product == "hours" else 1
        size = int(len(needed.days) * steps * cells * len(variables) * _BYTES_A_VALUE)
        requests = needed.months
        return Cost(size, size, requests, requests * _SECONDS_A_REQUEST[self.provider])

    def method(self) -> str:
        """How a derived variable is computed."""
        if derived := DERIVED_VARIABLES.get(self.variable):
            return f"{self.variable} of each hour: {derived.formula}. Reference: {derived.reference}"
        return ""

    def refuses(self, aggregation: Aggregation) -> str:
        """Hours are no days."""
        if self.product == "daily":
            return refused_statistic(aggregation)
        if day_statistic(aggregation.temporal) and not aggregation.daily:
            return f"{aggregation.temporal} is of days, and these are hours; give daily too, such as daily: max"
        return ""

    def refuses_zone(self, time_zone: str, year: int) -> str:
        """CDS has daily statistics of whole hours from UTC."""
        return refused_zone(time_zone, year) if self.product == "daily" else ""

    @property
    def collection(self) -> str:
        """The collection in the catalogue of the Climate Data Store."""
        return _COLLECTIONS[self.product]

    @property
    def product_key(self) -> tuple[str, str, str]:
        """What two datasets must have in common to share a download."""
        return self.provider, self.base_url, self.product

    @property
    def inputs(self) -> tuple[str, ...]:
        """The provider's variables that the variable is, or is computed from."""
        derived = DERIVED_VARIABLES.get(self.variable)
        return derived.inputs if derived else (self.variable,)

    @property
    def accumulated(self) -> bool:
        """Whether the variable counts from 00 UTC of the day; False for unknown ones."""
        known = ERA5_LAND_VARIABLES.get(self.variable)
        return known is not None and known.accumulated

    @property
    def _is_temperature(self) -> bool:
        return "temperature" in self.variable


INFO = SourceInfo(
    title="ERA5-Land hourly reanalysis",
    options=Era5LandOptions,
    source="eo_pygeoapi.pipeline.sources.era5_land.source:Era5LandSource",
    licence="CC BY 4.0",
    citation="Muñoz Sabater, J. (2019): ERA5-Land hourly data from 1950 to present. Copernicus Climate Change Service "
    "(C3S) Climate Data Store (CDS). https://doi.org/10.24381/cds.e2161bac",
    credentials=(CDS, EARTH_DATA_HUB),
    resolution="0.1°",
)
