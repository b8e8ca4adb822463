"""The daily statistics of the Climate Data Store: one value a day in place of 24 hours.

CDS makes them of the hours when they are asked for (ECMWF, "ERA5 family post-processed daily statistics
documentation"): mean, minimum or maximum of the 24 hours from 00:00 of a day at a whole-hour offset from UTC; of
variables that do not accumulate; no day that lacks an hour.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from eo_pygeoapi.contract.models import Aggregation

COLLECTION = "derived-era5-land-daily-statistics"
_STATISTICS = {"mean": "daily_mean", "min": "daily_minimum", "max": "daily_maximum"}
_OFFSETS = range(-12, 15)  # the whole hours that CDS offers
_DAY = timedelta(1)


@dataclass(frozen=True)
class DailyStatistic:
    """A statistic of the hours of days that begin at midnight of a clock `offset` hours ahead of UTC."""

    statistic: str
    offset: int

    @property
    def time_zone(self) -> str:
        """The offset as CDS writes it."""
        return f"utc{self.offset:+03}:00"

    def inputs(self, variables: Sequence[str]) -> dict[str, object]:
        """Return what a request to CDS says beside days and box."""
        return {
            "variable": list(variables),
            "daily_statistic": _STATISTICS[self.statistic],
            "time_zone": self.time_zone,
            "frequency": "1_hourly",
        }

    def last_day(self, latest: date) -> date:
        """Return the last day of which all hours are there by the end of the UTC day `latest`."""
        return latest - _DAY if self.offset < 0 else latest


def daily_statistic(aggregation: Aggregation, time_zone: str, first: date, last: date) -> DailyStatistic | None:
    """Return the statistic that gives exactly what the hours of these days would; None where the hours are needed."""
    statistic, offset = aggregation.daily or aggregation.temporal, _offset(time_zone, first, last)
    return DailyStatistic(statistic, offset) if statistic in _STATISTICS and offset is not None else None


def refused_statistic(aggregation: Aggregation) -> str:
    """Return why CDS has no daily statistics for this aggregation, '' where it has."""
    if (statistic := aggregation.daily or aggregation.temporal) in _STATISTICS:
        return ""
    key = "daily" if aggregation.daily else "temporal"
    return f"{key}: {statistic!r} is none of the daily statistics of CDS; allowed: {', '.join(_STATISTICS)}"


def refused_zone(time_zone: str, year: int) -> str:
    """Return why CDS has no days of a time zone in a year, '' where it has."""
    if _offset(time_zone, date(year, 1, 1), date(year, 12, 31)) is not None:
        return ""
    return f"{time_zone!r} changes its clock, or is no whole hours from UTC; allowed: fixed ones from UTC-12 to UTC+14"


@cache
def _offset(time_zone: str, first: date, last: date) -> int | None:
    """Return the offset of all midnights of these days in hours; None where it is not one, or CDS does not offer it.

    A job asks for it at each step, of the same days.
    """
    zone = ZoneInfo(time_zone)
    count = (last - first).days + 2
    midnights = [datetime.combine(first + timedelta(n), time(), zone) for n in range(count)]
    offsets = {midnight.utcoffset() for midnight in midnights}
    # of a clock that is put forward and back within a day, its length tells
    if len(offsets) > 1 or any(b.astimezone(UTC) - a.astimezone(UTC) != _DAY for a, b in pairwise(midnights)):
        return None
    hours = (offsets.pop() or timedelta()) / timedelta(hours=1)
    return int(hours) if hours in _OFFSETS else None
