"""What a source is asked for, what it says it has, and what it must be able to do."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import xarray as xr
from pydantic import Field

from eo_pygeoapi.contract.models import Interval, LeftOut, Model
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.redaction import redact
from eo_pygeoapi.wording import some


def _silent(words: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class SourceRequest:
    """The data that a job needs: a dataset, days, a box, and a local folder to keep downloads in.

    `bbox` is west, south, east, north in degrees, of the organisation units; west is greater than east where it goes
    across 180 degrees. A source is handed an interval that consists of whole periods of the dataset's period type.
    `companions` are the enabled datasets of the same units, whose data may come with the same download. `say` tells
    people what a long step is waiting for.
    """

    dataset: Dataset
    interval: Interval
    bbox: tuple[float, float, float, float]
    cache: Path
    companions: tuple[Dataset, ...] = ()
    say: Callable[[str], None] = _silent

    @property
    def download_box(self) -> tuple[float, float, float, float]:
        """The box to fetch: the one of all datasets that share this block where it holds the units, else theirs.

        So what one of these datasets has fetched is there for the others, too.
        """
        west, south, east, north = self.bbox
        if shared := self.dataset.shared_bbox:
            w, s, e, n = shared
            if w <= west <= east <= e and s <= south and north <= n:
                return w, s, e, n
        return self.bbox


class Extract(Model):
    """What a source has: paths or URLs, and the periods that it cannot give."""

    files: list[str]
    left_out: list[LeftOut] = []
    note: str = Field("", description="what to record with the result, such as stage and flavor")
    beyond: "Extract | None" = Field(None, description="the same of the part of the box beyond 180 degrees")

    def in_words(self) -> str:
        """Return which files there are, by their names, and which periods the source does not have."""
        files = [*self.files, *(self.beyond.files if self.beyond else [])]
        names = [redact(file.partition("?")[0]).rstrip("/").rpartition("/")[2] for file in files]
        words = [f"{len(files)} file{'s' * (len(files) != 1)}: {some(names)}"]
        if self.left_out:
            words.append(f"without {some([entry.period for entry in self.left_out])}")
        return "; ".join(filter(None, [*words, self.note]))


class Source(Protocol):
    """A provider of gridded data."""

    def extract(self, request: SourceRequest) -> Extract:
        """Fetch what there is, or find out that it can be read.

        Raises NoDataError where there is nothing for the interval, SourceUnavailableError where trying again may
        help, SourceError for all else.
        """

    def open(self, request: SourceRequest, extract: Extract) -> xr.DataArray:
        """Open what `extract` found as a normalised grid (see `grids.py`), lazily; raises SourceError."""


@runtime_checkable
class LooksNear(Protocol):
    """A source that can see without a job, and without the network, whether its data can be read."""

    def look(self, request: SourceRequest) -> None:
        """Raise SourceError for what a first look at local files shows; the request's interval and box do not count."""
