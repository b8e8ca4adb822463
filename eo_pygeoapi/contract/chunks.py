"""The parts of a backfill: each is a month or a year of whole periods, and becomes one job."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import Period, span

Part = Literal["month", "year"]
# a year is one job where it has no more values than DHIS2 takes in some minutes
MOST_VALUES_OF_A_YEAR = 100_000
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


def part_for(part: Part, periods: Sequence[Period], units: int) -> Part:
    """Return what a job takes: what the source asks for, or a year where that has few values all the same."""
    if part == "year" or not periods:
        return part
    years = (periods[-1].end - periods[0].start).days / 365.25
    return "year" if len(periods) * units / max(years, 1.0) <= MOST_VALUES_OF_A_YEAR else "month"
