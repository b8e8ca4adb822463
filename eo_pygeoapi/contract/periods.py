"""DHIS2 periods in its ISO 8601 calendar: the periods of an interval, their ids and their days."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta

from eo_pygeoapi.contract.models import Interval, LeftOut, PeriodType
from eo_pygeoapi.dates import end_of_month

# first day of the week (Monday is 0), and the letters between year and number in the id
_WEEKS = {
    "weekly": (0, "W"),
    "weeklyWednesday": (2, "WedW"),
    "weeklyThursday": (3, "ThuW"),
    "weeklySaturday": (5, "SatW"),
    "weeklySunday": (6, "SunW"),
}
_MONTHS = {"monthly": 1, "quarterly": 3, "yearly": 12}


@dataclass(frozen=True)
class Period:
    """A DHIS2 period: its id, and its first and last day."""

    id: str
    start: date
    end: date


def period_in_words(period: Period) -> str:
    """Return what people call a period: `25 July 2025`, `July 2025`, `2025`; its id for quarters and weeks."""
    if period.start == period.end:
        return f"{period.start.day} {period.start:%B %Y}"
    return f"{period.start:%B %Y}" if period.id == f"{period.start:%Y%m}" else period.id


def period_of(day: date, period_type: PeriodType) -> Period:
    """Return the period of this type that contains `day`."""
    if period_type == "daily":
        return Period(f"{day:%Y%m%d}", day, day)
    if period_type in _WEEKS:
        # as in DHIS2, which uses Java's `WeekFields.of(first day, 4)`: the weeks of a year are those with four days or
        # more in it; ids are not padded: 2024W5, 2024SunW5
        first_day, infix = _WEEKS[period_type]
        start = day - timedelta((day.weekday() - first_day) % 7)
        fourth = start + timedelta(3)
        number = (fourth.timetuple().tm_yday - 1) // 7 + 1
        return Period(f"{fourth.year}{infix}{number}", start, start + timedelta(6))
    months = _MONTHS[period_type]
    first_month = (day.month - 1) // months * months + 1
    last_month = first_month + months - 1
    start = date(day.year, first_month, 1)
    end = end_of_month(date(day.year, last_month, 1))
    ids = {"monthly": f"{start:%Y%m}", "quarterly": f"{start:%Y}Q{last_month // 3}", "yearly": f"{start:%Y}"}
    return Period(ids[period_type], start, end)


def periods_in(interval: Interval, period_type: PeriodType) -> list[Period]:
    """Return the whole periods that lie in the interval, in order; there may be none."""
    return [p for p in _touched(interval, period_type) if interval.start <= p.start and p.end <= interval.end]


def whole_months(periods: Sequence[Period]) -> bool:
    """Tell whether each of these periods is one month or several, by the days that it has."""
    return all(period.start.day == 1 and period.end == end_of_month(period.end) for period in periods)


def first_period_in(interval: Interval, period_type: PeriodType) -> Period | None:
    """Return the first whole period that lies in the interval, however long that is; None where none does."""
    touched = _touched(interval, period_type)
    return next((p for p in touched if interval.start <= p.start and p.end <= interval.end), None)


def partial_periods(interval: Interval, period_type: PeriodType) -> list[Period]:
    """Return the periods that lie in the interval only in part; jobs list them, and never sum them as if whole."""
    return [p for p in _touched(interval, period_type) if p.start < interval.start or p.end > interval.end]


def _touched(interval: Interval, period_type: PeriodType) -> Iterator[Period]:
    with suppress(OverflowError):  # a week that begins before the year 1, or ends after 9999
        period = period_of(interval.start, period_type)
        yield period
        while period.end < interval.end:
            period = period_of(period.end + timedelta(1), period_type)
            yield period


def span(periods: Sequence[Period]) -> Interval:
    """Return the days from the first to the last of the periods; IndexError without any."""
    return Interval(start=periods[0].start, end=periods[-1].end)


def without(periods: Iterable[Period], left_out: Iterable[LeftOut]) -> list[Period]:
    """Return the periods that `left_out` does not list yet, so that nobody lists one twice."""
    listed = {entry.period for entry in left_out if not entry.org_unit}
    return [period for period in periods if period.id not in listed]


def period_with_id(id_: str, period_type: PeriodType) -> Period | None:
    """Return the period of this type that has this id, or None where it is the id of none."""
    try:
        if period_type in _WEEKS:
            year, number = (int(part) for part in id_.split(_WEEKS[period_type][1]))
            day = period_of(date(year, 1, 4), period_type).start + timedelta(7 * (number - 1) + 3)
        elif period_type == "quarterly":
            year, number = (int(part) for part in id_.split("Q"))
            day = date(year, 3 * number - 2, 1)
        else:
            day = date.fromisoformat(id_ + {"monthly": "01", "yearly": "0101"}.get(period_type, ""))
        found = period_of(day, period_type)
    except ValueError:
        return None
    return found if found.id == id_ else None
