"""The interface of a source: what it is asked for, what it returns, what it must do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol, runtime_checkable

import xarray as xr
from pydantic import Field

from eo_pygeoapi.contract.models import Interval, LeftOut, Model
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.redaction import redact
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.wording import some


@dataclass(frozen=True)
class SourceRequest:
    """The data that a job needs: a dataset, days, a box, and a local folder to keep downloads in.

    `bbox` is west, south, east, north in degrees, of the organisation units; west is greater than east where it goes
    across 180 degrees. `group` is the only group to open of those that the values are divided by; all of them together
    where it is empty. A source gets an interval of whole periods of the dataset's period type. `companions` are the
    enabled datasets of the same units, whose data may come with the same download. `say` tells people why a step
    takes long. `shared` is the object store of which the folder holds copies, where there is one.
    """

    dataset: Dataset
    interval: Interval
    bbox: tuple[float, float, float, float]
    cache: Path
    companions: tuple[Dataset, ...] = ()
    say: Callable[[str], None] = lambda words: None
    group: str = ""
    shared: ResultStore | None = None

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
    """The data that a source has: paths or URLs, and the periods that it lacks."""

    files: list[str]
    left_out: list[LeftOut] = []
    note: str = Field("", description="what to record with the result, such as stage and flavor")
    people: "Extract | None" = Field(None, description="where people live, for datasets that weigh them")
    beyond: "Extract | None" = Field(None, description="the same of the part of the box beyond 180 degrees")

    def in_words(self) -> str:
        """Return which files there are, by their names, and which periods the source does not have."""
        files = [*self.files, *(self.beyond.files if self.beyond else [])]
        names = [redact(file.partition("?")[0]).rstrip("/").rpartition("/")[2] for file in files]
        words = [f"{len(files)} file{'s' * (len(files) != 1)}: {some(names)}"]
        if self.left_out:
            words.append(f"without {some([entry.period for entry in self.left_out])}")
        return "; ".join(filter(None, [*words, self.note_of_all]))

    @property
    def note_of_all(self) -> str:
        """What to record with the result, with the note of the people."""
        return "; ".join(filter(None, [self.note, self.people.note if self.people else ""]))


class Source(Protocol):
    """A provider of gridded data."""

    def extract(self, request: SourceRequest) -> Extract:
        """Fetch the data, or check that they can be read.

        Raises NoDataError where there is nothing for the interval, SourceUnavailableError where trying again may
        help, SourceError for all else.
        """

    def open(self, request: SourceRequest, extract: Extract) -> xr.DataArray:
        """Open what `extract` found as a normalised grid (see `grids.py`), lazily; raises SourceError."""


@runtime_checkable
class Keeps(Protocol):
    """A source that keeps what it has downloaded, and can tell what that is."""

    def held(self, request: SourceRequest, wanted: Sequence[date]) -> set[date]:
        """Return which of these days it would not download, by the names of the files: without the network, quickly."""


@runtime_checkable
class LooksNear(Protocol):
    """A source that can check local files without a job and without the network."""

    def look(self, request: SourceRequest) -> None:
        """Open local files, whatever the request's interval and box; raise SourceError for what is wrong with them."""
