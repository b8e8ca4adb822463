"""The interface of the providers of the source `era5-land`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from eo_pygeoapi.pipeline.grids.axis import Box
from eo_pygeoapi.pipeline.sources.era5_land.statistics import DailyStatistic


class NotPublishedError(Exception):
    """The provider has published none of the wanted days; `latest` is its last day, None where it does not say."""

    def __init__(self, message: str, latest: date | None = None) -> None:
        super().__init__(message)
        self.latest = latest


@dataclass(frozen=True)
class Wanted:
    """Hours of some days of one month, of variables by the names of the Climate Data Store, in a box.

    Where `daily` is given, that statistic of them in place of the hours.
    """

    variables: Sequence[str]
    days: Sequence[date]
    box: Box
    daily: DailyStatistic | None = None


class HourlyProvider(Protocol):
    """A provider of ERA5-Land hourly data."""

    name: str

    def newest(self, collection: str) -> date | None:
        """Return the last day that the provider says it has; None where it does not say, or does not answer."""

    def fetch(self, wanted: Wanted, folder: Path, say: Callable[[str], None]) -> list[Path]:
        """Download the published ones of the hours into NetCDF files in the folder.

        Raises NotPublishedError where none is published, SourceUnavailableError where trying again may help, and
        SourceError for other errors.
        """
