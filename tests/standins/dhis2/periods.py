"""DHIS2's periods: what an id means, and up to when a data set is open for entry."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

# the day that a week starts with, by the infix of its id: 2024W5, 2024WedW5 …
WEEKS = {"": ("Weekly", 0), "Wed": ("WeeklyWednesday", 2), "Thu": ("WeeklyThursday", 3)}
WEEKS |= {"Fri": ("WeeklyFriday", 4), "Sat": ("WeeklySaturday", 5), "Sun": ("WeeklySunday", 6)}


# of periods of whole months: the month that the first of a year begins with, how many months, and what is between year
# and number in the id; those that begin in November are called by the next year
MONTHS = {
    "BiMonthly": (1, 2, "B"),
    "QuarterlyNov": (11, 3, "NovQ"),
    "SixMonthly": (1, 6, "S"),
    "SixMonthlyApril": (4, 6, "AprilS"),
    "SixMonthlyNov": (11, 6, "NovS"),
    "FinancialApril": (4, 12, "April"),
    "FinancialJuly": (7, 12, "July"),
    "FinancialOct": (10, 12, "Oct"),
    "FinancialNov": (11, 12, "Nov"),
}


@dataclass(frozen=True)
class Period:
    id: str
    type: str
    start: date
    end: date


@lru_cache(maxsize=20_000)
def parse_period(text: str) -> Period | None:
    """Return the period that an id means, with the id as DHIS2 itself writes it, or None."""
    try:
        if match := re.fullmatch(r"(\d{4})(-?)(\d\d)\2(\d\d)", text):
            day = date(int(match[1]), int(match[3]), int(match[4]))
            return Period(f"{day:%Y%m%d}", "Daily", day, day)
        if re.fullmatch(r"\d{6}", text):
            return _months(text, "Monthly", int(text[:4]), int(text[4:]), 1)
        if re.fullmatch(r"\d{4}Q[1-4]", text):
            return _months(text, "Quarterly", int(text[:4]), 3 * int(text[5]) - 2, 3)
        if re.fullmatch(r"\d{4}", text):
            return _months(text, "Yearly", int(text), 1, 12)
        if match := re.fullmatch(r"(\d{4})(0[1-6])B", text):
            return _months(text, "BiMonthly", int(match[1]), 2 * int(match[2]) - 1, 2)
        if match := re.fullmatch(r"(\d{4})BiW(\d{1,2})", text):
            first = _week(int(match[1]), "", 2 * int(match[2]) - 1)
            return first and Period(text, "BiWeekly", first.start, first.start + timedelta(13))
        if match := re.fullmatch(r"(\d{4})([A-Z][A-Za-z]*?)([1-4]?)", text):
            for type_, (month, count, infix) in MONTHS.items():
                number = int(match[3] or 1)
                if match[2] == infix and bool(match[3]) == (count < 12) and number <= 12 // count:
                    months = (int(match[1]) - (month == 11)) * 12 + month - 1 + count * (number - 1)
                    return _months(text, type_, months // 12, months % 12 + 1, count)
        if match := re.fullmatch(r"(\d{4})(Wed|Thu|Fri|Sat|Sun|)W(\d{1,2})", text):
            return _week(int(match[1]), match[2], int(match[3]))
    except ValueError:
        pass
    return None


def _months(text: str, type_: str, year: int, month: int, count: int) -> Period:
    start = date(year, month, 1)
    months = year * 12 + month - 1 + count
    return Period(text, type_, start, date(months // 12, months % 12 + 1, 1) - timedelta(1))


def _week(year: int, infix: str, number: int) -> Period | None:
    """Return a week; week 1 is the one with 4 January."""
    type_, weekday = WEEKS[infix]
    fourth = date(year, 1, 4)
    first = fourth - timedelta((fourth.weekday() - weekday) % 7)
    start = first + timedelta(7 * (number - 1))
    if number < 1 or (start + timedelta(3)).year != year:
        return None
    return Period(f"{year}{infix}W{number}", type_, start, start + timedelta(6))


@lru_cache
def latest_open(type_: str, today: date, open_future_periods: int) -> Period:
    """Return the last period that entry is open for; with no open future periods, not even the present one is."""
    start = _start_of(type_, today)
    for _ in range(open_future_periods):
        start = _start_of(type_, _end_of(type_, start) + timedelta(1))
    return _period_of(type_, start - timedelta(1))


def _period_of(type_: str, day: date) -> Period:
    """Return the period of this type that the day lies in."""
    start = _start_of(type_, day)
    end, infix = _end_of(type_, start), next((i for i, (name, _) in WEEKS.items() if name == type_), "")
    thursday = start + timedelta(3)
    ids: dict[str, str] = {
        "Daily": f"{start:%Y%m%d}",
        "Monthly": f"{start:%Y%m}",
        "Quarterly": f"{start.year}Q{(start.month + 2) // 3}",
        "Yearly": f"{start.year}",
    }
    if type_ == "BiWeekly":
        return Period(f"{thursday.year}BiW{(thursday.isocalendar().week + 1) // 2}", type_, start, end)
    if type_ in MONTHS:
        month, count, infix = MONTHS[type_]
        number = (start.month - month) % 12 // count + 1
        year = start.year - (start.month < month) + (month == 11)
        number_text = "" if count == 12 else f"{number}"
        ids[type_] = f"{year}{number:02}B" if infix == "B" else f"{year}{infix}{number_text}"
    week = f"{thursday.year}{infix}W{(thursday.timetuple().tm_yday - 1) // 7 + 1}"
    return Period(ids.get(type_, week), type_, start, end)


def _start_of(type_: str, day: date) -> date:
    if type_ == "Daily":
        return day
    if type_ == "Monthly":
        return day.replace(day=1)
    if type_ == "Quarterly":
        return date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)
    if type_ == "Yearly":
        return date(day.year, 1, 1)
    if type_ in MONTHS:
        month, count, _ = MONTHS[type_]
        months = day.year * 12 + day.month - month
        months -= months % count - (month - 1)
        return date(months // 12, months % 12 + 1, 1)
    if type_ == "BiWeekly":
        week = _start_of("Weekly", day)
        return week - timedelta(7 * ((week.isocalendar().week - 1) % 2))
    weekday = next(weekday for name, weekday in WEEKS.values() if name == type_)
    return day - timedelta((day.weekday() - weekday) % 7)


def _end_of(type_: str, start: date) -> date:
    days = {"Daily": 1, "Monthly": 31, "Quarterly": 92, "Yearly": 366, "BiWeekly": 14}.get(type_, 7)
    days = 31 * MONTHS[type_][1] if type_ in MONTHS else days
    following = _start_of(type_, start + timedelta(days))
    return (following if following > start else start + timedelta(days)) - timedelta(1)
