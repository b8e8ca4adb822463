"""Options of the source `worldpop`: yearly population counts of a country at 100 m, also by age and sex."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from eo_pygeoapi.datasets.cost import Cost, Needed
from eo_pygeoapi.datasets.groups import GroupName, one_each
from eo_pygeoapi.datasets.source import Limits, SourceInfo, SourceOptions, YamlText

PROVIDER = "https://data.worldpop.org"
YEARS = {"global1": (2000, 2020), "global2": (2015, 2030)}
# where the provider has a year of a country, as dhis2eo knows it, too
_PLACES = {
    "global1": "GIS/Population/Global_2000_2020/{year}/{iso}/{low}_ppp_{year}_UNadj.tif",
    "global2": "GIS/Population/Global_2015_2030/R2025A/{year}/{iso}/v1/100m/constrained/"
    "{low}_pop_{year}_CN_100m_R2025A_v1.tif",
}
# where the provider has a year of an age and a sex
_PLACES_BY_AGE = {
    "global1": "GIS/AgeSex_structures/Global_2000_2020/{year}/{iso}/{low}_{sex}_{age}_{year}.tif",
    "global2": "GIS/AgeSex_structures/Global_2015_2030/R2025A/{year}/{iso}/v1/100m/constrained/"
    "{low}_{sex}_{age:02}_{year}_CN_100m_R2025A_v1.tif",
}
_OLDEST = {"global1": 80, "global2": 90}  # the band of this age and all above
_SEXES = {"f": "Female", "m": "Male"}
Band = Annotated[str, Field(pattern=r"^[fm]_(0|1|[1-9]?5|[1-9]0)$")]
_BYTES_A_CELL, _CELLS_PER_DEGREE = 0.6, 1200  # where the provider does not say how large a file is
_BYTES_A_SECOND = 2_000_000


class WorldPopOptions(SourceOptions):
    """WorldPop yearly population counts at 100 m."""

    requestable = ("version",)

    country: Annotated[YamlText, Field(pattern=r"^[A-Z]{3}$")] = Field(description="ISO 3166 code of three letters")
    version: Literal["global1", "global2"] = Field("global2", description="global1: 2000-2020; global2: 2015-2030")
    groups: dict[GroupName, Annotated[list[Band], Field(min_length=1)]] = Field(
        {},
        description="bands of age and sex that values are divided by: f_0, f_1, f_5, … m_90, or several as one group",
    )
    base_url: YamlText = Field("", description="address of a mirror")

    _bands_for_groups = field_validator("groups", mode="before")(one_each)

    @model_validator(mode="after")
    def _bands_that_there_are(self) -> Self:
        bands, oldest = self.bands(), _OLDEST[self.version]
        if unknown := [band for band in bands if _age(band) > oldest]:
            raise ValueError(
                f"groups: {unknown[0]} is not in {self.version}, whose oldest bands are f_{oldest}, m_{oldest}"
            )
        if twice := [band for band in bands if bands.count(band) > 1]:
            raise ValueError(f"groups: {twice[0]} is in two groups, and their sum would count its people twice")
        return self

    def defaults(self) -> dict[str, Any]:
        """Whole people, summed, in yearly periods."""
        return {"periodType": "yearly", "aggregation": {"spatial": "sum", "temporal": "mean"}, "decimals": 0}

    def address(self) -> str:
        """The mirror, or WorldPop."""
        return self.base_url or PROVIDER

    def variable_name(self) -> str:
        """People."""
        return "population"

    def bands(self, group: str = "") -> list[str]:
        """The bands of a group, or of all; none where values are whole."""
        return self.groups[group] if group else [band for bands in self.groups.values() for band in bands]

    def place(self, year: int, band: str = "") -> str:
        """Where the provider has a year, below its address."""
        names = {"year": year, "iso": self.country, "low": self.country.lower()}
        if not band:
            return _PLACES[self.version].format(**names)
        return _PLACES_BY_AGE[self.version].format(**names, sex=band[0], age=_age(band))

    def divided_by(self) -> Mapping[str, Mapping[str, str]]:
        """By sex and by age where each group is one band, and both sexes have the same ages."""
        ages = {sex: {_age(band) for band in self.bands() if band[0] == sex} for sex in _SEXES}
        if any(bands != [group] for group, bands in self.groups.items()) or ages["f"] != ages["m"]:
            return {group: {"Age and sex": self._title(group, bands)} for group, bands in self.groups.items()}
        return {group: {"Sex": _SEXES[group[0]], "Age": self._years(_age(group))} for group in self.groups}

    def _title(self, group: str, bands: list[str]) -> str:
        return f"{_SEXES[group[0]]}, {self._years(_age(group))}" if bands == [group] else group

    def _years(self, age: int) -> str:
        if age == 0:
            return "under 1 year"
        last = 4 if age == 1 else age + 4
        return f"{age} years and over" if age == _OLDEST[self.version] else f"{age} to {last} years"

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
        bands = self.bands() or [""]
        files, place = len(years) * len(bands), self.place(years[-1], bands[0])
        west, south, east, north = needed.box
        cells = (east - west) * (north - south) * _CELLS_PER_DEGREE**2
        size = needed.size(f"{self.address().rstrip('/')}/{place}") or int(cells * _BYTES_A_CELL)
        return Cost(files * size, files * size, files, files * size / _BYTES_A_SECOND)


def _age(band: str) -> int:
    return int(band[2:])


INFO = SourceInfo(
    title="WorldPop population counts",
    options=WorldPopOptions,
    source="eo_pygeoapi.pipeline.sources.worldpop.source:WorldPopSource",
    licence="CC BY 4.0",
    citation="WorldPop, University of Southampton. https://www.worldpop.org",
    across_180=True,
    has_people=True,
    resolution="100 m",
)
