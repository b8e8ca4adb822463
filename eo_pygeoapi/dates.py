"""One parser of the dates, instants and intervals that people and programs write."""

import calendar
import re
from datetime import UTC, date, datetime

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


def days_of(text: str) -> tuple[date, date]:
    """Return the first and the last day of `YYYY`, `YYYY-MM` or `YYYY-MM-DD`; ValueError for anything else."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no date")
    year, month, day = (int(part) if part else 0 for part in match.groups())
    try:
        first = date(year, month if match[2] else 1, day if match[3] else 1)
    except ValueError as error:
        raise ValueError(f"{text!r} is no date: {error}") from error
    if match[3]:
        return first, first
    return first, end_of_month(first) if match[2] else date(year, 12, 31)


def end_of_month(day: date) -> date:
    """Return the last day of the month that `day` lies in."""
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def instant(text: str) -> datetime:
    """Return an RFC 3339 date-time as UTC, or without a zone where the text names none; ValueError for anything else.

    Seconds may be left out.
    """
    if not _INSTANT.fullmatch(text):
        raise ValueError(f"{text!r} is no date-time")
    moment = datetime.fromisoformat(text.upper())
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment
    except OverflowError as error:
        raise ValueError(f"{text!r} lies outside the calendar") from error


def ends_of(text: str) -> tuple[str, str]:
    """Return start and end of an OGC interval, empty where it is open; one moment is both ends.

    Raises ValueError for three ends, and for one that is open.
    """
    parts = ["" if part == ".." else part for part in text.split("/")]
    if len(parts) > 2 or parts == [""]:
        raise ValueError(f"{text!r} is no interval")
    return parts[0], parts[-1]
