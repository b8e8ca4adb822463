"""DHIS2's periods: what an id means, and up to when a data set is open for entry."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

# the day that a week starts with, by the infix of its id: 2024W5, 2024WedW5 …
WEEKS = {"": ("Weekly", 0), "Wed": ("WeeklyWednesday", 2), "Thu": ("WeeklyThursday", 3)}
WEEKS |= {"Sat": ("WeeklySaturday", 5), "Sun": ("WeeklySunday", 6)}


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
        if match := re.fullmatch(r"(\d{4})(Wed|Thu|Sat|Sun|)W(\d{1,2})", text):
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
    ids = {
        "Daily": f"{start:%Y%m%d}",
        "Monthly": f"{start:%Y%m}",
        "Quarterly": f"{start.year}Q{(start.month + 2) // 3}",
        "Yearly": f"{start.year}",
    }
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
    weekday = next(weekday for name, weekday in WEEKS.values() if name == type_)
    return day - timedelta((day.weekday() - weekday) % 7)


def _end_of(type_: str, start: date) -> date:
    days = {"Daily": 1, "Monthly": 31, "Quarterly": 92, "Yearly": 366}.get(type_, 7)
    following = _start_of(type_, start + timedelta(days))
    return (following if following > start else start + timedelta(days)) - timedelta(1)
