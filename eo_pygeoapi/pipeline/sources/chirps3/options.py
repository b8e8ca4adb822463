"""Options of the source `chirps3`: CHIRPS v3 daily rainfall of the Climate Hazards Center."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, Literal

import requests
from pydantic import Field

from eo_pygeoapi.datasets.cost import Box, Cost, Needed
from eo_pygeoapi.datasets.source import Limits, SourceInfo, SourceOptions, YamlText
from eo_pygeoapi.dates import end_of_month

PROVIDER = "https://data.chc.ucsb.edu"
_FOLDERS = {
    "final": "/products/CHIRPS/v3.0/daily/final/{flavor}/cogs/{year}/",
    "prelim": "/products/CHIRPS/v3.0/daily/prelim/sat/{year}/",
}
_DAY = re.compile(r"\.(\d{4})\.(\d{2})\.(\d{2})\.(?:cog|tif)\b")
_SECONDS = 10  # for the listing of a folder
_FIRST = date(1981, 1, 1)
# its files are grids of 0.05 degrees from 60°N 180°W, in compressed blocks, of which whole ones are read
_CELLS_PER_DEGREE, _BLOCK = 20, 512
_BYTES_A_BLOCK, _BYTES_A_HEADER = 255_000, 16_384
_BYTES_A_CELL, _BYTES_A_MONTH = 4, 20_000  # as it is kept
_REQUESTS_A_DAY, _SECONDS_A_DAY = 3, 0.35  # and one for each block
MOST_IN_A_DAY = 2500.0  # mm; the highest ever measured is 1825, on La Réunion


class Chirps3Options(SourceOptions):
    """CHIRPS v3 daily rainfall of the Climate Hazards Center; 60°N to 60°S, 0.05°, UTC days, from 1981."""

    requestable = ("stage", "flavor", "product")

    stage: Literal["final", "prelim", "latest"] = Field(
        "final",
        description="final; prelim: preliminary, within a week; latest: final where there is, else preliminary",
    )
    flavor: Literal["rnl", "sat"] = Field("rnl", description="rnl: with reanalysis; sat: with satellite data only")
    product: Literal["auto", "daily"] = Field(
        "auto",
        description="auto: sums over whole months of `final` are made of CHC's months, else of days; daily: of days",
    )
    base_url: YamlText = Field("", description="address of a mirror")

    def defaults(self) -> dict[str, Any]:
        """Rain: summed over time, averaged over space."""
        return {
            "units": {"from": "mm", "to": "mm"},
            "aggregation": {"spatial": "mean", "temporal": "sum"},
            "decimals": 2,
        }

    def address(self) -> str:
        """The mirror, or the Climate Hazards Center."""
        return self.base_url or PROVIDER

    def plausible(self) -> Limits:
        """Rain is never below 0."""
        return 0.0, MOST_IN_A_DAY

    def variable_name(self) -> str:
        """Rain."""
        return "precipitation"

    def days(self) -> tuple[date, None]:
        """From 1981."""
        return _FIRST, None

    def expected(self, day: date) -> date:
        """Final data come by the month; preliminary ones two days after the pentad (five days) of a day.

        The last pentad of a month has the remaining days.
        """
        if self.stage == "final":
            return published_whole(day)
        last_of_pentad = (day.day - 1) // 5 * 5 + 5
        return (day.replace(day=last_of_pentad) if last_of_pentad < 30 else end_of_month(day)) + timedelta(2)

    def newest(self, today: date, setting: Callable[[str], str]) -> date | None:
        """Read the server's listing of this year's files, and of the last year's where it has none of this year."""
        return self._newest_in(_FOLDERS["final" if self.stage == "final" else "prelim"], today)

    def newest_final(self, today: date, setting: Callable[[str], str]) -> date | None:
        """Of `latest`, the same of the final files: preliminary ones may go on without them."""
        return self._newest_in(_FOLDERS["final"], today) if self.stage == "latest" else None

    def _newest_in(self, folder: str, today: date) -> date | None:
        for year in (today.year, today.year - 1):
            url = self.address().rstrip("/") + folder.format(flavor=self.flavor, year=year)
            answer = requests.get(url, timeout=_SECONDS)
            if answer.status_code != requests.codes.not_found:
                answer.raise_for_status()
                if found := [date(*map(int, parts)) for parts in _DAY.findall(answer.text)]:
                    return max(found)
        return None

    def final_from(self, day: date) -> date | None:
        """When the month is published whole."""
        return None if self.stage == "final" else published_whole(day)

    def by_months(self, sums_of_months: bool) -> bool:
        """Whether values are made of CHC's months: it has them as final data only, whatever the flavor of the days."""
        return sums_of_months and self.product == "auto" and self.stage == "final"

    def cost(self, needed: Needed) -> Cost:
        """The blocks of each file that the box touches, a file a day or month; dhis2eo pauses between two days."""
        columns, rows = _cells(needed.box)
        count = needed.months if self.by_months(needed.sums_of_months) else len(needed.days)
        return Cost(
            download=count * (_BYTES_A_HEADER + _blocks(needed.box) * _BYTES_A_BLOCK),
            kept=count * columns * rows * _BYTES_A_CELL + needed.months * _BYTES_A_MONTH,
            requests=count * (_REQUESTS_A_DAY + _blocks(needed.box)),
            seconds=count * _SECONDS_A_DAY,
        )


def _cells(box: Box) -> tuple[int, int]:
    """Return how many cells are fetched, from west to east and from north to south: one more on each side."""
    west, south, east, north = box
    return round((east - west) * _CELLS_PER_DEGREE) + 3, round((north - south) * _CELLS_PER_DEGREE) + 3


def _blocks(box: Box) -> int:
    west, south, east, north = box
    columns = range(
        int((west + 180) * _CELLS_PER_DEGREE - 1) // _BLOCK, int((east + 180) * _CELLS_PER_DEGREE + 1) // _BLOCK + 1
    )
    rows = range(
        int((60 - north) * _CELLS_PER_DEGREE - 1) // _BLOCK, int((60 - south) * _CELLS_PER_DEGREE + 1) // _BLOCK + 1
    )
    return len(columns) * len(rows)


def published_whole(day: date) -> date:
    """Return the day on which the month of a day is published: for dhis2eo the 21st of the following month."""
    return (day.replace(day=1) + timedelta(31)).replace(day=21)


INFO = SourceInfo(
    title="CHIRPS v3 daily rainfall",
    options=Chirps3Options,
    source="eo_pygeoapi.pipeline.sources.chirps3.source:Chirps3Source",
    licence="CC BY 4.0",
    citation="Climate Hazards Center (2025): CHIRPS3 Data Repository. https://doi.org/10.15780/G2JQ0P",
    resolution="0.05°",
)
