"""Days of the Ethiopian and Nepali calendars, by dates that are known, and their periods as DHIS2 has them."""

from datetime import date

import pytest

from eo_pygeoapi.contract.calendars import CALENDARS
from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.contract.periods import (
    calendar_of,
    name_in_dhis2,
    named_in_dhis2,
    partial_periods,
    period_of,
    period_with_id,
    periods_in,
)
from eo_pygeoapi.errors import InputError


# new years and month ends as printed calendars have them; the Ethiopian year after a leap year begins a day later
@pytest.mark.parametrize(
    ("period_type", "day", "id_", "start", "end"),
    [
        ("dailyEthiopian", "2007-09-12", "20000101", "2007-09-12", "2007-09-12"),
        ("dailyEthiopian", "2024-09-11", "20170101", "2024-09-11", "2024-09-11"),
        ("dailyEthiopian", "2023-09-12", "20160101", "2023-09-12", "2023-09-12"),
        ("monthlyEthiopian", "2024-10-10", "201701", "2024-09-11", "2024-10-10"),
        ("monthlyEthiopian", "2025-09-05", "201712", "2025-08-07", "2025-09-05"),
        ("yearlyEthiopian", "2024-01-02", "2016", "2023-09-12", "2024-09-05"),
        ("yearlyEthiopian", "2024-09-11", "2017", "2024-09-11", "2025-09-05"),
        ("dailyNepali", "2025-04-14", "20820101", "2025-04-14", "2025-04-14"),
        ("monthlyNepali", "2024-05-13", "208101", "2024-04-13", "2024-05-13"),
        ("monthlyNepali", "2024-07-15", "208103", "2024-06-15", "2024-07-15"),
        ("yearlyNepali", "2025-04-13", "2081", "2024-04-13", "2025-04-13"),
    ],
)
def test_a_day_lies_in_the_period_of_the_local_calendar(
    period_type: PeriodType, day: str, id_: str, start: str, end: str
) -> None:
    found = period_of(date.fromisoformat(day), period_type)
    assert (found.id, found.start.isoformat(), found.end.isoformat()) == (id_, start, end)
    assert period_with_id(id_, period_type) == found


def test_the_months_of_a_nepali_year_have_the_days_that_dhis2_says() -> None:
    said = [31, 32, 31, 32, 31, 30, 30, 30, 29, 29, 30, 30]  # DHIS2's `NepaliCalendar` of 2080
    year = Interval(start=date(2023, 4, 14), end=date(2024, 4, 12))
    assert [(p.end - p.start).days + 1 for p in periods_in(year, "monthlyNepali")] == said


def test_the_13th_ethiopian_month_is_in_no_period_of_dhis2_and_is_listed() -> None:
    asked = Interval(start=date(2023, 8, 7), end=date(2023, 10, 11))
    assert [period.id for period in periods_in(asked, "monthlyEthiopian")] == ["201512", "201601"]
    (pagume,) = partial_periods(asked, "monthlyEthiopian")
    assert (pagume.start, pagume.end) == (date(2023, 9, 6), date(2023, 9, 11))
    years = Interval(start=date(2022, 9, 11), end=date(2024, 9, 10))
    assert [period.id for period in periods_in(years, "yearlyEthiopian")] == ["2015", "2016"]
    assert [(p.start, p.end) for p in partial_periods(years, "yearlyEthiopian")] == [
        (date(2023, 9, 6), date(2023, 9, 11)),
        (date(2024, 9, 6), date(2024, 9, 10)),
    ]
    days = periods_in(asked, "dailyEthiopian")
    assert len(days) == 60 and not any(day.id[4:6] == "13" for day in days)
    assert period_with_id("201513", "monthlyEthiopian") is None


def test_dhis2_calls_the_types_of_a_local_calendar_as_those_of_its_own() -> None:
    assert name_in_dhis2("monthlyNepali") == name_in_dhis2("monthly") == "Monthly"
    assert named_in_dhis2("Monthly", "nepali") == "monthlyNepali"
    assert named_in_dhis2("WeeklySunday", "gregorian") == "weeklySunday"
    assert [calendar_of(type_) for type_ in ("daily", "dailyNepali", "monthlyEthiopian")] == [
        "iso8601", "nepali", "ethiopian"
    ]  # fmt: skip


@pytest.mark.parametrize("id_", ["208113", "20810132", "2081", "x", ""])
def test_what_is_no_local_month_is_none(id_: str) -> None:
    assert period_with_id(id_, "monthlyNepali") is None


def test_days_beyond_the_tables_are_an_error_that_says_so() -> None:
    with pytest.raises(InputError, match="known from 1918 to 2043, and not for 1900-01-01"):
        period_of(date(1900, 1, 1), "dailyNepali")


@pytest.mark.parametrize(("month", "day"), [(14, 1), (1, 31), (0, 1)])
def test_a_day_that_there_is_not_has_no_date(month: int, day: int) -> None:
    with pytest.raises(ValueError, match="no day"):
        CALENDARS["Ethiopian"].day(2017, month, day)
