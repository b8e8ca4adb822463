"""Options of the source `worldpop`: yearly population counts of a country at 100 m."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field

from eo_pygeoapi.datasets.source import Limits, SourceInfo, SourceOptions, YamlText

_YEARS = {"global1": (2000, 2020), "global2": (2015, 2030)}
PROVIDER = "https://data.worldpop.org"
YEARS = {"global1": (2000, 2020), "global2": (2015, 2030)}


class WorldPopOptions(SourceOptions):
    """WorldPop yearly population counts at 100 m."""

    requestable = ("version",)

    country: Annotated[YamlText, Field(pattern=r"^[A-Z]{3}$")] = Field(description="ISO 3166 code of three letters")
    version: Literal["global1", "global2"] = Field("global2", description="global1: 2000-2020; global2: 2015-2030")
    base_url: YamlText = Field("", description="address of a mirror")

    def defaults(self) -> dict[str, Any]:
        """Whole people, summed, in yearly periods."""
        return {"periodType": "yearly", "aggregation": {"spatial": "sum", "temporal": "mean"}, "decimals": 0}

    def address(self) -> str:
        """The mirror, or WorldPop."""
        return self.base_url or PROVIDER

    def variable_name(self) -> str:
        """People."""
        return "population"

    def days(self) -> tuple[date, date]:
        """The years of the version."""
        first, last = _YEARS[self.version]
        return date(first, 1, 1), date(last, 12, 31)

    def plausible(self) -> Limits:
        """A count of people is never below 0."""
        return 0.0, None

    def nearest_year(self, year: int) -> int:
        """The year itself, or the first or last of the version."""
        first, last = YEARS[self.version]
        return min(max(year, first), last)


INFO = SourceInfo(
    title="WorldPop population counts",
    options=WorldPopOptions,
    source="eo_pygeoapi.pipeline.sources.worldpop.source:WorldPopSource",
    licence="CC BY 4.0",
    citation="WorldPop, University of Southampton. https://www.worldpop.org",
    across_180=True,
    resolution="100 m",
)
