"""The parts of a backfill: each is a month or a year of whole periods, and becomes one job."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Literal

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import Period, span
from eo_pygeoapi.contract.windows import Window

Part = Literal["month", "year"]
# a year is one job where it has no more values than DHIS2 takes in some minutes
MOST_VALUES_OF_A_YEAR = 100_000
_LONGEST_PART = timedelta(hours=1)  # a part that has begun goes on when its window has closed
_KEY_LENGTH = {"month": len("YYYY-MM"), "year": len("YYYY")}


@dataclass(frozen=True)
class Chunk:
    """One part: its name (`1999` or `1999-07`), and the periods that start in it."""

    id: str
    periods: Sequence[Period]

    @property
    def interval(self) -> Interval:
        """Its days."""
        return span(self.periods)


def chunks_of(periods: Sequence[Period], part: Part) -> list[Chunk]:
    """Return the parts of these periods, which are in order; the newest part comes first."""
    length = _KEY_LENGTH[part]
    groups = groupby(periods, key=lambda period: period.start.isoformat()[:length])
    return [Chunk(key, list(group)) for key, group in groups][::-1]


def part_for(part: Part, periods: Sequence[Period], units: int, most: int = MOST_VALUES_OF_A_YEAR) -> Part:
    """Return what a job takes: what the source asks for, or a year where that has few values all the same.

    With `most` below the usual, because values are sent slowly, a year has no more than these whatever the source asks.
    """
    if not periods or (part == "year" and most >= MOST_VALUES_OF_A_YEAR):
        return part
    years = (periods[-1].end - periods[0].start).days / 365.25
    return "year" if len(periods) * units / max(years, 1.0) <= most else "month"


def most_values(per_minute: int, window: Window) -> int:
    """Return how many values a year may have: what is sent in an hour at a limit, or while the window is open."""
    if not per_minute:
        return MOST_VALUES_OF_A_YEAR
    minutes = int(min(window.length, _LONGEST_PART) / timedelta(minutes=1))
    return min(per_minute * minutes, MOST_VALUES_OF_A_YEAR)
