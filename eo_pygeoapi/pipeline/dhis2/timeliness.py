"""When DHIS2 takes values: while a unit is open, and while the data set is open for a period.

This module treats all versions alike, though they differ: until 2.42 DHIS2 stores values from before a unit opened,
where nobody sees them, and from 2.43 on it refuses a whole request for one such value.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache

from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.contract.periods import Period
from eo_pygeoapi.pipeline.dhis2.facts import Facts, instant
from eo_pygeoapi.pipeline.dhis2.identifiers import Object

# what several periods of a type are called
PERIODS: Mapping[str, str] = {"daily": "days", "monthly": "months", "quarterly": "quarters", "yearly": "years"}
INPUT_PERIODS_INVERSE = ((2, 43, 0), (2, 43, 1))  # refuse what is open, and take what is closed (DHIS2-21981)


def not_open(unit: Object, period: Period) -> str:
    """Say when a unit opened or closed, where the period does not start within; empty where it does."""
    opened, closed = _day(unit.get("openingDate")), _day(unit.get("closedDate"))
    if opened and period.start < opened:
        return _said(unit, "opened", opened)
    if closed and period.start > closed:
        return _said(unit, "closed", closed)
    return ""


def not_open_at(unit: Object, starts: Sequence[date]) -> dict[str, int]:
    """Return how many of the periods that start on these days, which are in order, `not_open` has words for."""
    opened, closed = _day(unit.get("openingDate")), _day(unit.get("closedDate"))
    found: dict[str, int] = {}
    if opened and (before := bisect_left(starts, opened)):
        found[_said(unit, "opened", opened)] = before
    if closed and (after := len(starts) - bisect_right(starts, closed)):
        found[_said(unit, "closed", closed)] = after
    return found


def left_out_words(words: str, count: int, period_type: PeriodType) -> str:
    """Return `Kenema opened on 20 January 2024: 7 days left out`."""
    periods = PERIODS.get(period_type, "weeks" if period_type.startswith("weekly") else "periods")
    return f"{words}: {count} {periods.removesuffix('s') if count == 1 else periods} left out"


def closed_for_input(facts: Facts, period_id: str) -> bool:
    """Tell whether the data set has input periods, and none for this period is open now."""
    given = (facts.data_set or {}).get("dataInputPeriods") or []
    for entry in given:
        opens, closes = instant(entry.get("openingDate")), instant(entry.get("closingDate"))
        is_open = (opens is None or opens <= facts.now) and (closes is None or facts.now <= closes)
        if is_open and entry["period"]["id"] == period_id:
            return False
    return bool(given)


def expired(facts: Facts, periods: Sequence[Period]) -> list[Period]:
    """Return the periods that are over for more days than the data set allows, which may be a fraction until 2.42."""
    days = float((facts.data_set or {}).get("expiryDays") or 0)
    days = float(int(days)) if facts.is_new else days
    explicit = facts.is_new and (facts.data_set or {}).get("dataInputPeriods")
    if days <= 0 or explicit or facts.may("F_EDIT_EXPIRED"):
        return []
    # the last day counts as a whole
    first_open = facts.now - timedelta(days + 1)
    return [period for period in periods if datetime.combine(period.end, datetime.min.time()) <= first_open]


def expires_after(facts: Facts) -> str:
    """Return how long after its end a period takes values: `1 day`, `1.5 days`."""
    days = float((facts.data_set or {}).get("expiryDays") or 0)
    return f"{days:g} day{'' if days == 1 else 's'}"


@lru_cache(maxsize=1024)  # a few days of many units, asked for each of their values
def _day(text: object) -> date | None:
    found = instant(text)
    return found.date() if found else None


def _said(unit: Object, what: str, day: date) -> str:
    return f"{unit.get('name') or unit.get('code') or unit.get('id')} {what} on {day.day} {day:%B %Y}"
