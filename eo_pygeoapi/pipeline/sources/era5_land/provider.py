"""What the source `era5-land` wants of a provider of hourly data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from eo_pygeoapi.pipeline.grids.grid import Box


class NotPublishedError(Exception):
    """None of the days that were asked for are published; `latest` is the last that is, where the provider says it."""

    def __init__(self, message: str, latest: date | None = None) -> None:
        super().__init__(message)
        self.latest = latest


@dataclass(frozen=True)
class Wanted:
    """Hours of some days of one month, of variables by the names of the Climate Data Store, in a box."""

    variables: Sequence[str]
    days: Sequence[date]
    box: Box


class HourlyProvider(Protocol):
    """Who has ERA5-Land hourly data."""

    name: str

    def fetch(self, wanted: Wanted, folder: Path, say: Callable[[str], None]) -> list[Path]:
        """Download what there is of the hours into NetCDF files in the folder.

        Raises NotPublishedError where there is nothing yet, SourceUnavailableError where trying again may help, and
        SourceError for all else.
        """
