"""Options of the source `worldpop`: yearly population counts of a country at 100 m."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field

from eo_pygeoapi.datasets.cost import Cost, Needed
from eo_pygeoapi.datasets.source import Limits, SourceInfo, SourceOptions, YamlText

PROVIDER = "https://data.worldpop.org"
YEARS = {"global1": (2000, 2020), "global2": (2015, 2030)}
# where the provider has a year of a country, as dhis2eo knows it, too
_PLACES = {
    "global1": "GIS/Population/Global_2000_2020/{year}/{iso}/{low}_ppp_{year}_UNadj.tif",
    "global2": "GIS/Population/Global_2015_2030/R2025A/{year}/{iso}/v1/100m/constrained/"
    "{low}_pop_{year}_CN_100m_R2025A_v1.tif",
}
_BYTES_A_CELL, _CELLS_PER_DEGREE = 0.6, 1200  # where the provider does not say how large a file is
_BYTES_A_SECOND = 2_000_000


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
        first, last = YEARS[self.version]
        return date(first, 1, 1), date(last, 12, 31)

    def plausible(self) -> Limits:
        """A count of people is never below 0."""
        return 0.0, None

    def nearest_year(self, year: int) -> int:
        """The year itself, or the first or last of the version."""
        first, last = YEARS[self.version]
        return min(max(year, first), last)

    def cost(self, needed: Needed) -> Cost:
        """One file of the country for each year, all of about the size of the last."""
        first, last = YEARS[self.version]
        years = [year for year in needed.years if first <= year <= last]
        if not years:
            return Cost()
        place = _PLACES[self.version].format(year=years[-1], iso=self.country, low=self.country.lower())
        west, south, east, north = needed.box
        cells = (east - west) * (north - south) * _CELLS_PER_DEGREE**2
        size = needed.size(f"{self.address().rstrip('/')}/{place}") or int(cells * _BYTES_A_CELL)
        return Cost(len(years) * size, len(years) * size, len(years), len(years) * size / _BYTES_A_SECOND)


INFO = SourceInfo(
    title="WorldPop population counts",
    options=WorldPopOptions,
    source="eo_pygeoapi.pipeline.sources.worldpop.source:WorldPopSource",
    licence="CC BY 4.0",
    citation="WorldPop, University of Southampton. https://www.worldpop.org",
    across_180=True,
    resolution="100 m",
)
