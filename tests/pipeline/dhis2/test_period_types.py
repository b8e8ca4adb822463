"""Imports of values of the period types that DHIS2 has, into data sets that `dhis2 setup` has made."""

from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.period_types import NOT_OF_DHIS2, PERIOD_TYPES, PeriodType
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.pipeline.dhis2.client import connect
from eo_pygeoapi.pipeline.dhis2.importing import import_to_dhis2
from tests.pipeline.dhis2.imports import files
from tests.pipeline.dhis2.metadata.places import Place, datasets, empty_standin
from tests.standins.dhis2.periods import MONTHS, parse_period
from tests.standins.dhis2_metadata import BO

DECADE = Interval(start=date(2015, 1, 1), end=date(2025, 12, 31))
KNOWN = [*MONTHS, "BiWeekly", "WeeklyFriday", "WeeklySunday", "Monthly", "Quarterly", "Yearly"]


@pytest.fixture(scope="module")
def running_place() -> Iterator[Place]:
    with empty_standin("2.43") as place:
        yield place


@pytest.fixture
def place(running_place: Place) -> Place:
    running_place.begin_anew()
    return running_place


@pytest.mark.parametrize("period_type", [type_ for type_ in PERIOD_TYPES if type_[0].upper() + type_[1:] in KNOWN])
def test_dhis2_takes_the_same_days_under_the_same_id(period_type: PeriodType) -> None:
    for period in periods_in(DECADE, period_type):
        theirs = parse_period(period.id)
        assert theirs and (theirs.start, theirs.end) == (period.start, period.end), period
        assert theirs.type == period_type[0].upper() + period_type[1:]


@pytest.mark.parametrize("period_type", ["biWeekly", "biMonthly", "sixMonthlyApril", "sixMonthlyNov", "financialJuly"])
def test_a_setup_makes_the_data_set_and_the_values_arrive(
    place: Place, tmp_path: Path, period_type: PeriodType
) -> None:
    enabled = datasets(place, "rain", rain={"periodType": period_type})
    assert place.set_up(enabled, apply=True).problems == []
    periods = periods_in(DECADE, period_type)[-3:]
    made = files(tmp_path, {(BO, period.id): n + 1.0 for n, period in enumerate(periods)}, enabled["rain"].dhis2)
    opens = partial(connect, place.importer)
    summary = import_to_dhis2(made, enabled["rain"], False, opens, pauses=())
    assert (summary.status, summary.imported, summary.findings) == ("SUCCESS", 3, [])
    again = import_to_dhis2(
        files(tmp_path, {(BO, periods[0].id): 1.0}, enabled["rain"].dhis2, "again"),
        enabled["rain"], False, opens, pauses=(),
    )  # fmt: skip
    assert again.unchanged == 1


@pytest.mark.parametrize("period_type", NOT_OF_DHIS2)
def test_what_dhis2_has_no_periods_for_stays_in_the_collection(
    place: Place, tmp_path: Path, period_type: PeriodType
) -> None:
    days = datasets(place, "rain")
    place.set_up(days, apply=True)
    enabled = datasets(place, "rain", rain={"periodType": period_type})
    (problem,) = place.set_up(enabled).problems
    assert problem.startswith(f"rain: the values are {period_type}, and DHIS2 has no {period_type} periods")
    (period, *_) = periods_in(DECADE, period_type)
    made = files(tmp_path, {(BO, period.id): 1.0}, enabled["rain"].dhis2)
    summary = import_to_dhis2(made, enabled["rain"], False, partial(connect, place.importer), pauses=())
    assert summary.status == "ERROR" and f"DHIS2 has no {period_type} periods" in summary.reason
