"""Turn the dates that people write into days: `2025`, `2025-07`, `2025-07-01`, `-P30D`."""

import re
from collections.abc import Mapping
from datetime import date, timedelta

import isodate

from eo_pygeoapi.contract.models import DatedInputs, Interval
from eo_pygeoapi.dates import days_of
from eo_pygeoapi.errors import InputError

ALLOWED = "allowed: YYYY, YYYY-MM, YYYY-MM-DD, or an ISO 8601 duration of days, weeks, months or years such as -P30D"
MOST_DAYS = 100_000
FIRST_YEAR, LAST_YEAR = 1700, 2200  # times in nanoseconds, as files have them, reach from 1678 to 2262
_DURATION = re.compile(r"-?P(?=\d)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?", re.ASCII)


def resolve_interval(inputs: DatedInputs, today: date) -> Interval:
    """Return the days of a request; durations count from `today`, the day of the scheduled time.

    But in `datetime` one without a sign beside a date is how long the interval is, as in ISO 8601: 2024-01-01/P1M.

    Raises InputError, with every mistake, for missing or unreadable dates and for an end before the start.
    """
    if inputs.datetime:
        start, slash, end = inputs.datetime.partition("/")
        names, texts = ("datetime", "datetime"), (start, end if slash else start)
        if not all(texts) or "/" in end:
            raise InputError(f"input datetime: {inputs.datetime!r} is no interval; allowed: start/end")
    else:
        names, texts = ("start", "end"), (inputs.start, inputs.end)
    problems = [f"input {n}: is required (or datetime)" for n, t in zip(names, texts, strict=True) if not t]
    before, after = (bool(inputs.datetime) and _is_length(*pair) for pair in (texts, texts[::-1]))
    first = None if before else _day(names[0], texts[0], today, problems, last=False)
    last = None if after else _day(names[1], texts[1], today, problems, last=True)
    if before and last:
        first = _day(names[0], f"-{texts[0]}", last + timedelta(1), problems, last=False)
    if after and first and (following := _day(names[1], texts[1], first, problems, last=True)):
        last = following - timedelta(1)
    if first and last and last < first:
        problems.append(f"input {names[1]}: the end {texts[1]!r} ({last}) is before the start {texts[0]!r} ({first})")
    if first and last and not problems:
        problems += [f"input {' and '.join(dict.fromkeys(names))}: {words}" for words in too_long(first, last)]
    if problems or not first or not last:
        raise InputError(list(dict.fromkeys(problems)))
    return Interval(start=first, end=last)


def _is_length(text: str, other: str) -> bool:
    """Tell whether this end of an ISO 8601 interval says how long it is, for the other one is a date."""
    return text.startswith("P") and bool(_DURATION.fullmatch(text)) and not _DURATION.fullmatch(other)


def too_long(first: date, last: date) -> list[str]:
    """Say why no job or page can be about all of these days; nothing where one can."""
    if (count := (last - first).days + 1) > MOST_DAYS:
        return [f"{first} to {last} are {count} days; allowed: {MOST_DAYS} at most, about {MOST_DAYS // 365} years"]
    return []


def unreadable_dates(inputs: Mapping[str, object], today: date) -> list[str]:
    """Return a sentence for each date in inputs that is text but no date, whatever else is wrong with the inputs."""
    problems: list[str] = []
    for name in ("start", "end"):
        if isinstance(text := inputs.get(name), str):
            _day(name, text, today, problems, last=False)
    return problems


def _day(name: str, text: str, today: date, problems: list[str], *, last: bool) -> date | None:
    """Return the day, or None: for no text, and with a sentence in `problems` for text that is no date."""
    if not text:
        return None
    try:
        moment = today + isodate.parse_duration(text) if _DURATION.fullmatch(text) else days_of(text)[1 if last else 0]
    except (ValueError, OverflowError):
        problems.append(f"input {name}: {text!r} is no date; {ALLOWED}")
        return None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        problems.append(f"input {name}: {text!r} is not allowed; allowed: years from {FIRST_YEAR} to {LAST_YEAR}")
        return None
    return date(moment.year, moment.month, moment.day)


def days(interval: Interval) -> list[date]:
    """Return every day of the interval."""
    return [interval.start + timedelta(n) for n in range((interval.end - interval.start).days + 1)]
