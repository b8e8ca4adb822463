import itertools
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eo_pygeoapi.contract.models import Interval, LeftOut
from eo_pygeoapi.contract.period_types import PERIOD_TYPES, PeriodType
from eo_pygeoapi.contract.periods import (
    Period,
    is_of_no_type,
    longest,
    partial_periods,
    period_of,
    period_with_id,
    periods_in,
    span,
    without,
)


def interval(start: str, end: str) -> Interval:
    return Interval(start=date.fromisoformat(start), end=date.fromisoformat(end))


def days_of(period_type: str) -> st.SearchStrategy[date]:
    """Days that have a period of a type; the Nepali calendar is known for some years only."""
    first, last = (1920, 2040) if period_type.endswith("Nepali") else (1900, 2100)
    return st.dates(date(first, 1, 1), date(last, 1, 1))


# the weeks are those that java.time.temporal.WeekFields.of(first day, 4) counts, which DHIS2 calls
@pytest.mark.parametrize(
    ("period_type", "day", "id_", "start", "end"),
    [
        ("daily", "2025-07-01", "20250701", "2025-07-01", "2025-07-01"),
        ("weekly", "2024-02-01", "2024W5", "2024-01-29", "2024-02-04"),
        ("weekly", "2021-01-03", "2020W53", "2020-12-28", "2021-01-03"),
        ("weekly", "2024-12-30", "2025W1", "2024-12-30", "2025-01-05"),
        # 1 January 2025 is a Wednesday, the first of seven days in 2025
        ("weeklyWednesday", "2025-01-01", "2025WedW1", "2025-01-01", "2025-01-07"),
        ("weeklyWednesday", "2024-12-31", "2024WedW52", "2024-12-25", "2024-12-31"),
        # Thursday 26 December 2024 to Wednesday 1 January 2025 has six days in 2024
        ("weeklyThursday", "2025-01-01", "2024ThuW52", "2024-12-26", "2025-01-01"),
        # Saturday 28 December 2024 to Friday 3 January 2025 has four days in 2024
        ("weeklySaturday", "2025-01-03", "2024SatW53", "2024-12-28", "2025-01-03"),
        # Sunday 29 December 2024 to Saturday 4 January 2025 has four days in 2025
        ("weeklySunday", "2024-12-29", "2025SunW1", "2024-12-29", "2025-01-04"),
        ("monthly", "2024-02-29", "202402", "2024-02-01", "2024-02-29"),
        ("quarterly", "2025-05-17", "2025Q2", "2025-04-01", "2025-06-30"),
        ("quarterly", "2025-12-31", "2025Q4", "2025-10-01", "2025-12-31"),
        ("yearly", "2025-05-17", "2025", "2025-01-01", "2025-12-31"),
        # Friday 26 December 2025 to Thursday 1 January 2026 has six days in 2025
        ("weeklyFriday", "2026-01-01", "2025FriW52", "2025-12-26", "2026-01-01"),
        # as in DHIS2's sources: `BiW` counts ISO weeks by twos, and a year that begins in November is called by its end
        ("biWeekly", "2024-12-31", "2025BiW1", "2024-12-30", "2025-01-12"),
        ("biWeekly", "2025-01-13", "2025BiW2", "2025-01-13", "2025-01-26"),
        ("biMonthly", "2025-02-28", "202501B", "2025-01-01", "2025-02-28"),
        ("biMonthly", "2024-12-01", "202406B", "2024-11-01", "2024-12-31"),
        ("quarterlyNov", "2025-01-31", "2025NovQ1", "2024-11-01", "2025-01-31"),
        ("quarterlyNov", "2025-08-01", "2025NovQ4", "2025-08-01", "2025-10-31"),
        ("sixMonthly", "2025-06-30", "2025S1", "2025-01-01", "2025-06-30"),
        ("sixMonthlyApril", "2025-03-31", "2024AprilS2", "2024-10-01", "2025-03-31"),
        ("sixMonthlyNov", "2025-04-30", "2025NovS1", "2024-11-01", "2025-04-30"),
        ("sixMonthlyNov", "2025-05-01", "2025NovS2", "2025-05-01", "2025-10-31"),
        ("financialFeb", "2025-01-31", "2024Feb", "2024-02-01", "2025-01-31"),
        ("financialApril", "2025-03-31", "2024April", "2024-04-01", "2025-03-31"),
        ("financialJuly", "2025-07-01", "2025July", "2025-07-01", "2026-06-30"),
        ("financialAug", "2025-07-31", "2024Aug", "2024-08-01", "2025-07-31"),
        ("financialSep", "2025-09-01", "2025Sep", "2025-09-01", "2026-08-31"),
        ("financialOct", "2025-09-30", "2024Oct", "2024-10-01", "2025-09-30"),
        ("financialNov", "2024-11-01", "2025Nov", "2024-11-01", "2025-10-31"),
        # the last pentad or dekad of a month has the rest of it
        ("pentadal", "2024-02-29", "202402P6", "2024-02-26", "2024-02-29"),
        ("pentadal", "2025-07-05", "202507P1", "2025-07-01", "2025-07-05"),
        ("dekadal", "2025-07-31", "202507D3", "2025-07-21", "2025-07-31"),
        ("dekadal", "2025-07-11", "202507D2", "2025-07-11", "2025-07-20"),
    ],
)
def test_a_day_lies_in_the_period_that_dhis2_numbers_so(
    period_type: PeriodType, day: str, id_: str, start: str, end: str
) -> None:
    expected = Period(id_, date.fromisoformat(start), date.fromisoformat(end))
    assert period_of(date.fromisoformat(day), period_type) == expected


def test_iso_weeks_agree_with_the_standard_library_for_a_century() -> None:
    for ordinal in range(date(1981, 1, 1).toordinal(), date(2081, 1, 1).toordinal()):
        day = date.fromordinal(ordinal)
        year, week, _ = day.isocalendar()
        assert period_of(day, "weekly").id == f"{year}W{week}"


@pytest.mark.parametrize("period_type", PERIOD_TYPES)
@settings(deadline=None)
@given(data=st.data(), length=st.integers(0, 800))
def test_periods_follow_each_other_and_make_up_the_interval(
    period_type: PeriodType, data: st.DataObject, length: int
) -> None:
    start = data.draw(days_of(period_type))
    asked = Interval(start=start, end=date.fromordinal(start.toordinal() + length))
    whole, partial = periods_in(asked, period_type), partial_periods(asked, period_type)
    both = sorted(whole + partial, key=lambda period: period.start)
    assert all(a.end.toordinal() + 1 == b.start.toordinal() for a, b in itertools.pairwise(both))
    assert both[0].start <= asked.start <= both[0].end
    assert both[-1].start <= asked.end <= both[-1].end
    assert len({period.id for period in both}) == len(both)
    assert len([period for period in partial if not is_of_no_type(period)]) <= 2


@pytest.mark.parametrize("period_type", PERIOD_TYPES)
@settings(deadline=None)
@given(data=st.data())
def test_a_period_is_found_by_its_id_and_has_no_more_days_than_the_longest(
    period_type: PeriodType, data: st.DataObject
) -> None:
    day = data.draw(days_of(period_type))
    period = period_of(day, period_type)
    assert (period.end - period.start).days < longest(period_type)
    assert period_with_id(period.id, period_type) == (None if is_of_no_type(period) else period)


@pytest.mark.parametrize(
    "id_",
    ["2025S3", "2025NovQ0", "2025April1", "202507B", "202501P7", "202501D4", "2020BiW27", "2025BiW0", "2025Q", ""],
)
def test_what_is_the_id_of_no_period_is_none(id_: str) -> None:
    assert [type_ for type_ in PERIOD_TYPES if period_with_id(id_, type_)] == []


def test_week_53_is_in_no_two_weeks_of_dhis2_and_is_listed() -> None:
    asked = interval("2020-12-14", "2021-01-17")
    assert [period.id for period in periods_in(asked, "biWeekly")] == ["2020BiW26", "2021BiW1"]
    (week,) = partial_periods(asked, "biWeekly")
    assert (week.start, week.end) == (date(2020, 12, 28), date(2021, 1, 3))


def test_only_whole_periods_are_periods_in_an_interval() -> None:
    asked = interval("2025-06-15", "2025-08-30")
    assert [period.id for period in periods_in(asked, "monthly")] == ["202507"]
    assert [period.id for period in partial_periods(asked, "monthly")] == ["202506", "202508"]


def test_an_interval_may_hold_no_whole_period() -> None:
    assert periods_in(interval("2025-07-02", "2025-07-30"), "monthly") == []


def test_the_span_is_from_the_first_day_to_the_last() -> None:
    periods = periods_in(interval("2025-06-15", "2025-09-15"), "monthly")
    assert span(periods) == interval("2025-07-01", "2025-08-31")


def test_periods_that_are_listed_already_are_taken_away_and_units_do_not_count() -> None:
    periods = periods_in(interval("2025-07-01", "2025-07-03"), "daily")
    listed = [
        LeftOut(period="20250702", reason="not published"),
        LeftOut(org_unit="a", period="20250701", reason="no cell of it has data"),
    ]
    assert [period.id for period in without(periods, listed)] == ["20250701", "20250703"]
