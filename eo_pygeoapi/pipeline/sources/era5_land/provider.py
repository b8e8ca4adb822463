"""The interface of the providers of the source `era5-land`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Protocol

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.grids.axis import Box
from eo_pygeoapi.pipeline.sources.era5_land.statistics import DailyStatistic


class NotPublishedError(Exception):
    """The provider has published none of the wanted days; `latest` is its last day, None where it does not say."""

    def __init__(self, message: str, latest: date | None = None) -> None:
        super().__init__(message)
        self.latest = latest


class TooLargeError(SourceError):
    """The provider refuses a request for its size, and may take a smaller one."""


@dataclass(frozen=True)
class Wanted:
    """Hours of some days of one month, of variables by the names of the Climate Data Store, in a box.

    Where `daily` is given, that statistic of them in place of the hours.
    """

    variables: Sequence[str]
    days: Sequence[date]
    box: Box
    daily: DailyStatistic | None = None

    def in_two(self) -> "list[Wanted]":
        """Return two requests for the same, of half the variables or else of half the days; none of one and one."""
        if len(self.variables) > 1:
            half = len(self.variables) // 2
            return [replace(self, variables=part) for part in (self.variables[:half], self.variables[half:])]
        if len(self.days) > 1:
            half = len(self.days) // 2
            return [replace(self, days=part) for part in (self.days[:half], self.days[half:])]
        return []


class HourlyProvider(Protocol):
    """A provider of ERA5-Land hourly data."""

    name: str

    def newest(self, collection: str) -> date | None:
        """Return the last day that the provider says it has; None where it does not say, or does not answer."""

    def fetch(self, wanted: Wanted, folder: Path, say: Callable[[str], None]) -> list[Path]:
        """Download the published ones of the hours into NetCDF files in the folder.

        Raises NotPublishedError where none is published, TooLargeError where that is too much for a request,
        SourceUnavailableError where trying again may help, and SourceError for other errors.
        """


def fetched(
    provider: HourlyProvider, wanted: Wanted, folder: Path, say: Callable[[str], None]
) -> Iterator[tuple[Wanted, list[Path]]]:
    """Yield what is wanted and the files of it: all at once, or in parts where the provider takes no more.

    A part's files may be gone when the next part comes. Raises the errors of `HourlyProvider.fetch`.
    """
    try:
        files = provider.fetch(wanted, folder, say)
    except TooLargeError:
        parts = wanted.in_two()
        if not parts:
            raise
        for part in parts:
            yield from fetched(provider, part, folder, say)
    else:
        yield wanted, files
