"""Options of the source `file`: any NetCDF, GeoTIFF/COG or Zarr, by path or URL."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from eo_pygeoapi.datasets.cost import Cost, Needed
from eo_pygeoapi.datasets.source import SourceInfo, SourceOptions, YamlText
from eo_pygeoapi.dates import days_of

_TIME = r"^([0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?(/P([0-9]+[DWMY]|T[0-9]+H))?)?$"
_BYTES_A_SECOND = 2_000_000


def _time_that_exists(text: str) -> str:
    if start := text.partition("/")[0]:
        days_of(start)
    return text


class FileOptions(SourceOptions):
    """Any NetCDF, GeoTIFF/COG or Zarr, by path or URL."""

    href: Annotated[YamlText, Field(min_length=1)] = Field(
        description="path, relative to the configuration file, or URL; may hold {YYYY}, {MM} and {DD}, {WW} for the "
        "week of the year, {K} for the dekad of the month (1 to 3)"
    )
    variable: YamlText = Field("", description="variable of a NetCDF or Zarr; may be left out where there is only one")
    time: Annotated[YamlText, Field(pattern=_TIME), AfterValidator(_time_that_exists)] = Field(
        "",
        description="time of a raster that has none: YYYY, YYYY-MM or YYYY-MM-DD; with a duration behind it "
        "(2024-01/P1M) that of the first of its bands, and how far they are apart",
    )
    step: Literal["", "day", "week", "dekad", "month", "year"] = Field(
        "", description="how long a time step is, where each file holds one and its name does not say"
    )
    band: Annotated[int, Field(ge=0)] = Field(0, description="band of a GeoTIFF that has several, from 1 on")
    direction: bool = Field(
        False, description="values are directions in degrees, where no standard name in the file says so"
    )

    def local_paths(self) -> list[str]:
        """Return the path, unless it is the URL of another machine."""
        return [] if "://" in self.href and not self.href.startswith("file://") else [self.href]

    def directions(self) -> bool:
        """As it is said; of files with a standard name only the job knows."""
        return self.direction

    def nearest_year(self, year: int) -> int:
        """The year of a file that is of one time."""
        return int(self.time[:4]) if self.time and "{" not in self.href else year

    def cost(self, needed: Needed) -> Cost | None:
        """Nothing for files that are here; else each file once, all of about the size of the last."""
        if self.local_paths():
            return Cost()
        places = list(dict.fromkeys(of_day(self.href, day) for day in needed.days))
        if not places or (size := needed.size(places[-1])) is None:
            return None
        kept = 0 if places[-1].partition("?")[0].endswith((".tif", ".tiff", ".cog")) else len(places) * size
        return Cost(len(places) * size, kept, len(places), len(places) * size / _BYTES_A_SECOND)


def of_day(href: str, day: date) -> str:
    """Return the address of the file that a day lies in; weeks as ISO 8601 counts them."""
    year, week, _ = day.isocalendar()
    return (
        href.replace("{YYYY}", f"{year if '{WW}' in href else day.year}")
        .replace("{MM}", f"{day:%m}")
        .replace("{DD}", f"{day:%d}")
        .replace("{WW}", f"{week:02}")
        .replace("{K}", str(min((day.day - 1) // 10, 2) + 1))
    )


INFO = SourceInfo(
    title="Files of your own",
    options=FileOptions,
    source="eo_pygeoapi.pipeline.sources.file.source:FileSource",
    licence="that of the files",
    citation="",
    across_180=True,
    has_people=True,
    glance="eo_pygeoapi.pipeline.sources.file.near:seems_right",
)
