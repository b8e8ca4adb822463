"""The interface of the providers of the source `era5-land`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from eo_pygeoapi.pipeline.grids.grid import Box


class NotPublishedError(Exception):
    """The provider has published none of the wanted days; `latest` is its last day, None where it does not say."""

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
    """A provider of ERA5-Land hourly data."""

    name: str

    def fetch(self, wanted: Wanted, folder: Path, say: Callable[[str], None]) -> list[Path]:
        """Download the published ones of the hours into NetCDF files in the folder.

        Raises NotPublishedError where none is published, SourceUnavailableError where trying again may help, and
        SourceError for other errors.
        """
