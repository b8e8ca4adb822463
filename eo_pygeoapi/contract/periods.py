"""DHIS2 periods in its ISO 8601 calendar: the periods of an interval, their ids and their days."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta

from eo_pygeoapi.contract.calendars import CALENDARS, NOT_IN_DHIS2, Calendar
from eo_pygeoapi.contract.models import Interval, LeftOut
from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.dates import end_of_month
from eo_pygeoapi.errors import InputError

# first day of the week (Monday is 0), and the letters between year and number in the id
_WEEKS = {
    "weekly": (0, "W"),
    "weeklyWednesday": (2, "WedW"),
    "weeklyThursday": (3, "ThuW"),
    "weeklyFriday": (4, "FriW"),
    "weeklySaturday": (5, "SatW"),
    "weeklySunday": (6, "SunW"),
}
_BIWEEKS = 26  # of a year as DHIS2 counts them
_LOCAL = re.compile(rf"(?P<length>daily|monthly|yearly)(?P<calendar>{'|'.join(CALENDARS)})")


@dataclass(frozen=True)
class _OfMonths:
    """Periods of whole months: how many, the month that their year begins with, and how an id is written.

    An id has the year and `n`, which of them in the year it is. Where years begin in November, DHIS2 calls a year by
    the one that it ends in.
    """

    months: int
    first: int
    id: str

    def of(self, day: date) -> "Period":
        """Return the period of a day."""
        begins = day.year if day.month >= self.first else day.year - 1
        n = ((day.year - begins) * 12 + day.month - self.first) // self.months + 1
        return self.numbered(begins + (self.first == 11), n)

    def numbered(self, year: int, n: int) -> "Period":
        """Return a period by its year and number; ValueError where there is none."""
        month = (year - (self.first == 11)) * 12 + self.first - 1 + (n - 1) * self.months
        if not 1 <= n <= 12 // self.months:
            raise ValueError(f"no number {n}")
        start, last = date(month // 12, month % 12 + 1, 1), month + self.months - 1
        return Period(self.id.format(year=year, n=n), start, end_of_month(date(last // 12, last % 12 + 1, 1)))


_MONTHS = {
    "monthly": _OfMonths(1, 1, "{year}{n:02}"),
    "biMonthly": _OfMonths(2, 1, "{year}{n:02}B"),
    "quarterly": _OfMonths(3, 1, "{year}Q{n}"),
    "quarterlyNov": _OfMonths(3, 11, "{year}NovQ{n}"),
    "sixMonthly": _OfMonths(6, 1, "{year}S{n}"),
    "sixMonthlyApril": _OfMonths(6, 4, "{year}AprilS{n}"),
    "sixMonthlyNov": _OfMonths(6, 11, "{year}NovS{n}"),
    "yearly": _OfMonths(12, 1, "{year}"),
    "financialFeb": _OfMonths(12, 2, "{year}Feb"),
    "financialApril": _OfMonths(12, 4, "{year}April"),
    "financialJuly": _OfMonths(12, 7, "{year}July"),
    "financialAug": _OfMonths(12, 8, "{year}Aug"),
    "financialSep": _OfMonths(12, 9, "{year}Sep"),
    "financialOct": _OfMonths(12, 10, "{year}Oct"),
    "financialNov": _OfMonths(12, 11, "{year}Nov"),
}
# days of all but the last in a month, which has the rest of it, and the letter before the number in the id
_OF_A_MONTH = {"pentadal": (5, "P"), "dekadal": (10, "D")}


@dataclass(frozen=True)
class Period:
    """A DHIS2 period, or a pentad or dekad, which DHIS2 has not: its id, and its first and last day."""

    id: str
    start: date
    end: date

    @property
    def year(self) -> int:
        """The Gregorian year that it belongs to: the one in its id, or of its middle where the id has a local year."""
        named = int(self.id[:4])
        if self.start.year <= named <= self.end.year:
            return named
        return (self.start + (self.end - self.start) / 2).year


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
    if period_type in _OF_A_MONTH:
        days, letter = _OF_A_MONTH[period_type]
        n, last = min((day.day - 1) // days, 30 // days - 1), end_of_month(day)
        end = last if n == 30 // days - 1 else day.replace(day=(n + 1) * days)
        return Period(f"{day:%Y%m}{letter}{n + 1}", day.replace(day=n * days + 1), end)
    if found := _LOCAL.fullmatch(period_type):
        return _local_period(day, CALENDARS[found["calendar"]], found["length"])
    return _biweek_of(day) if period_type == "biWeekly" else _MONTHS[period_type].of(day)


def _local_period(day: date, calendar: Calendar, length: str) -> Period:
    """Return the period of a day in a local calendar; its id has the numbers of that calendar."""
    local = calendar.of(day)
    if length == "daily":
        return Period(f"{local.year:04}{local.month:02}{local.day:02}", day, day)
    if length == "monthly" or local.month == NOT_IN_DHIS2:
        return Period(f"{local.year:04}{local.month:02}", *calendar.month_of(day))
    return Period(f"{local.year:04}", *calendar.year_of(day))


def calendar_of(period_type: str) -> str:
    """Return the calendar of a period type, as DHIS2 calls it."""
    found = _LOCAL.fullmatch(period_type)
    return CALENDARS[found["calendar"]].name if found else "iso8601"


def name_in_dhis2(period_type: str) -> str:
    """Return what DHIS2 calls a period type: `Daily`, `WeeklySunday`; of a local calendar `Monthly` too."""
    found = _LOCAL.fullmatch(period_type)
    name = found["length"] if found else period_type
    return f"{name[0].upper()}{name[1:]}"


def named_in_dhis2(name: str, calendar: str) -> str:
    """Return the period type that DHIS2 calls so where it runs on a calendar."""
    suffix = next((key for key, known in CALENDARS.items() if known.name == calendar), "")
    return f"{name[:1].lower()}{name[1:]}{suffix}"


def _biweek_of(day: date) -> Period:
    """Return the two weeks of a day: weeks 1 and 2 of a year, 3 and 4, …

    A year's week 53 follows its last ones as a period of its own, which DHIS2 has not.
    """
    week = period_of(day, "weekly")
    year, number = (int(part) for part in week.id.split("W"))
    start = week.start - timedelta(7 * ((number - 1) % 2))
    return Period(f"{year}BiW{(number + 1) // 2}", start, start + timedelta(6 if number > 2 * _BIWEEKS else 13))


def is_of_no_type(period: Period) -> bool:
    """Tell whether these are days that DHIS2 has no period for: week 53, where weeks go by twos, and Pagume."""
    is_13th_month = len(period.id) in (6, 8) and period.id[4:6] == f"{NOT_IN_DHIS2}"
    return period.id.endswith(f"BiW{_BIWEEKS + 1}") or (is_13th_month and period.id.isdigit())


def months_in(period_type: str) -> int:
    """Return how many months a period has; 0 where it has less than one."""
    if found := _LOCAL.fullmatch(period_type):
        period_type = found["length"]
    return _MONTHS[period_type].months if period_type in _MONTHS else 0


def longest(period_type: str) -> int:
    """Return the most days that a period has."""
    days = {"daily": 1, "pentadal": 6, "dekadal": 11, "biWeekly": 14, "quarterly": 92, "yearly": 366}
    if found := _LOCAL.fullmatch(period_type):
        return {"daily": 1, "monthly": 32, "yearly": 366}[found["length"]]
    return days.get(period_type) or 31 * months_in(period_type) or 7


def periods_in(interval: Interval, period_type: PeriodType) -> list[Period]:
    """Return the whole periods that lie in the interval, in order; there may be none."""
    within = (p for p in _touched(interval, period_type) if interval.start <= p.start and p.end <= interval.end)
    return [period for period in within if not is_of_no_type(period)]


def whole_months(periods: Sequence[Period]) -> bool:
    """Tell whether each of these periods is one month or several, by the days that it has."""
    return all(period.start.day == 1 and period.end == end_of_month(period.end) for period in periods)


def first_period_in(interval: Interval, period_type: PeriodType) -> Period | None:
    """Return the first whole period that lies in the interval, however long that is; None where none does."""
    touched = _touched(interval, period_type)
    within = (p for p in touched if interval.start <= p.start and p.end <= interval.end)
    return next((period for period in within if not is_of_no_type(period)), None)


def raise_without_period(interval: Interval, period_type: PeriodType) -> None:
    """Raise InputError where no whole period lies in the interval; it says which days those at hand have."""
    if first_period_in(interval, period_type):
        return
    said = f"input start, end: no whole {period_type} period lies in {interval.start} to {interval.end}"
    partial = next((f"; {p.id} is {p.start} to {p.end}" for p in partial_periods(interval, period_type)), "")
    raise InputError(said + partial)


def partial_periods(interval: Interval, period_type: PeriodType) -> list[Period]:
    """Return the periods that lie in the interval only in part; jobs list them, and never sum them as if whole.

    With them are days that DHIS2 has no period for.
    """
    touched = _touched(interval, period_type)
    return [p for p in touched if p.start < interval.start or p.end > interval.end or is_of_no_type(p)]


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
        elif period_type == "biWeekly":
            year, number = (int(part) for part in id_.split("BiW"))
            day = period_of(date(year, 1, 4), "weekly").start + timedelta(14 * (number - 1) + 3)
        elif period_type in _OF_A_MONTH:
            days, letter = _OF_A_MONTH[period_type]
            month, number = (int(part) for part in id_.split(letter))
            day = date(month // 100, month % 100, (number - 1) * days + 1)
        elif found_type := _LOCAL.fullmatch(period_type):
            numbers = (int(id_[:4]), int(id_[4:6] or 1), int(id_[6:] or 1))
            day = CALENDARS[found_type["calendar"]].day(*numbers)
        elif period_type in _MONTHS:
            months = _MONTHS[period_type]
            after = id_[4:].removesuffix("B")
            number = int(re.search(r"\d*$", after)[0] or 1) if months.months < 12 else 1  # type: ignore[index]
            day = months.numbered(int(id_[:4]), number).start
        else:
            day = date.fromisoformat(id_)
        found = period_of(day, period_type)
    except ValueError:
        return None
    return found if found.id == id_ and not is_of_no_type(found) else None
