import itertools
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eo_pygeoapi.contract.models import PERIOD_TYPES, Interval, LeftOut, PeriodType
from eo_pygeoapi.contract.periods import Period, partial_periods, period_of, periods_in, span, without


def interval(start: str, end: str) -> Interval:
    return Interval(start=date.fromisoformat(start), end=date.fromisoformat(end))


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
@given(start=st.dates(date(1900, 1, 1), date(2100, 1, 1)), length=st.integers(0, 800))
def test_periods_follow_each_other_and_make_up_the_interval(period_type: PeriodType, start: date, length: int) -> None:
    asked = Interval(start=start, end=date.fromordinal(start.toordinal() + length))
    whole, partial = periods_in(asked, period_type), partial_periods(asked, period_type)
    both = sorted(whole + partial, key=lambda period: period.start)
    assert all(a.end.toordinal() + 1 == b.start.toordinal() for a, b in itertools.pairwise(both))
    assert both[0].start <= asked.start <= both[0].end
    assert both[-1].start <= asked.end <= both[-1].end
    assert len({period.id for period in both}) == len(both)
    assert len(partial) <= 2


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
