"""Periods for which a unit, or the data set, is not open."""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.contract.periods import Period, period_of, period_with_id
from eo_pygeoapi.pipeline.dhis2.facts import Facts, User
from eo_pygeoapi.pipeline.dhis2.timeliness import closed_for_input, expired, not_open, not_open_at
from tests.pipeline.dhis2.imports import TODAY, Importer, stored
from tests.standins.dhis2 import StandIn, running
from tests.standins.dhis2_metadata import BO, DAILY, DISTRICTS, default_metadata

KENEMA, KONO = "kJq2mPyFEHo", "Vth0fbpFcsO"
JANUARY = [f"202401{day:02}" for day in range(14, 33) if day <= 31]
MONTHS = [f"2024{month:02}" for month in (1, 2)]


def opened_and_closed(period_type: str = "Daily") -> dict[str, Any]:
    """Return metadata where Kenema opened on 20 January and Kono closed on 25 January 2024."""
    metadata = default_metadata()
    for unit in metadata["organisationUnits"]:
        if unit["id"] == KENEMA:
            unit["openingDate"] = "2024-01-20T00:00:00.000"
        if unit["id"] == KONO:
            unit["closedDate"] = "2024-01-25T00:00:00.000"
    metadata["dataSets"][0]["periodType"] = period_type
    return metadata


@pytest.fixture(scope="module", params=["2.38", "2.42", "2.43"])
def daily(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    with running(request.param, opened_and_closed(), TODAY) as dhis2:
        yield dhis2


@pytest.mark.parametrize("dry_run", [True, False])
def test_days_for_which_a_unit_is_not_open_are_not_sent(tmp_path: Path, daily: StandIn, dry_run: bool) -> None:
    daily.reset()
    cells = {(unit, day): 1.5 for unit in DISTRICTS for day in JANUARY}
    right = {
        cell: value
        for cell, value in cells.items()
        if not (cell[0] == KENEMA and cell[1] < "20240120") and not (cell[0] == KONO and cell[1] > "20240125")
    }
    run = Importer(tmp_path)
    summary = run(daily, cells, dry_run=dry_run)
    assert (summary.status, summary.imported, summary.rejected_count) == ("WARNING", len(right), 12)
    assert [(entry.org_unit, entry.period, entry.code, entry.reason) for entry in summary.rejected] == [
        (KENEMA, "", "E8031", "Kenema opened on 20 January 2024: 6 days left out"),
        (KONO, "", "E8031", "Kono closed on 25 January 2024: 6 days left out"),
    ]
    assert len(run.json("rejected.json")) == 12
    (finding,) = summary.findings
    assert finding.message.startswith(
        "Kenema opened on 20 January 2024: 6 days left out; Kono closed on 25 January 2024: 6 days left out; "
    )
    assert len(daily.log("POST")) == 1
    assert stored(daily) == ({} if dry_run else right)


@pytest.mark.parametrize("version", ["2.42", "2.43"])
def test_the_month_in_which_a_unit_opened_is_not_sent(tmp_path: Path, version: str) -> None:
    cells = {(unit, month): 1.5 for unit in (BO, KENEMA, KONO) for month in MONTHS}
    with running(version, opened_and_closed("Monthly"), TODAY) as dhis2:
        summary = Importer(tmp_path)(dhis2, cells, eo={"periodType": "monthly"})
        assert stored(dhis2) == {
            (BO, "202401"): 1.5,
            (BO, "202402"): 1.5,
            (KENEMA, "202402"): 1.5,
            (KONO, "202401"): 1.5,
        }
    assert [entry.reason for entry in summary.rejected] == [
        "Kenema opened on 20 January 2024: 1 month left out",
        "Kono closed on 25 January 2024: 1 month left out",
    ]


@pytest.mark.parametrize(
    ("day", "words"),
    [
        ("20240119", "Kenema opened on 20 January 2024"),
        ("20240120", ""),
        ("20240125", ""),
        ("20240126", "Kenema closed on 25 January 2024"),
    ],
)
def test_the_first_and_the_last_day_count(day: str, words: str) -> None:
    unit = {"name": "Kenema", "openingDate": "2024-01-20T00:00:00.000", "closedDate": "2024-01-25T00:00:00.000"}
    period = period_with_id(day, "daily")
    assert period and not_open(unit, period) == words
    assert not_open_at(unit, [period.start]) == ({words: 1} if words else {})


def test_the_start_of_a_period_decides() -> None:
    unit = {"name": "Kenema", "openingDate": "2024-01-01", "closedDate": "2024-12-31"}
    year, week = period_of(date(2024, 5, 1), "yearly"), period_of(date(2024, 12, 31), "weekly")
    assert (week.start, week.end) == (date(2024, 12, 30), date(2025, 1, 5))
    assert not not_open(unit, year) and not not_open(unit, week)
    assert not_open_at(unit, [date(2023, 12, 31), date(2024, 1, 1), date(2025, 1, 1), date(2026, 1, 1)]) == {
        "Kenema opened on 1 January 2024": 1,
        "Kenema closed on 31 December 2024": 2,
    }


def facts(version: tuple[int, ...] = (2, 42, 0), authorities: frozenset[str] = frozenset(), **data_set: Any) -> Facts:
    user = User(authorities=authorities)
    return Facts(version=version, now=datetime(2025, 7, 20, 11), user=user, data_set={"id": DAILY, **data_set})


DAYS = [Period(day, date.fromisoformat(day), date.fromisoformat(day)) for day in ("20250718", "20250719", "20250720")]


@pytest.mark.parametrize(
    ("version", "days", "over"),
    [
        ((2, 42, 0), 0, []),
        ((2, 42, 0), 0.5, ["20250718"]),  # until noon of the day after
        ((2, 42, 0), 0.25, ["20250718", "20250719"]),  # until six
        ((2, 42, 0), 1.0, ["20250718"]),
        ((2, 42, 0), -1, []),
        ((2, 43, 2), 0.5, []),  # 2.43 leaves the fraction away, and 0 means never
        ((2, 43, 2), 1.5, ["20250718"]),
    ],
)
def test_a_data_set_may_expire_after_a_fraction_of_a_day(
    version: tuple[int, ...], days: float, over: list[str]
) -> None:
    assert [period.id for period in expired(facts(version, expiryDays=days), DAYS)] == over
    may = facts(version, frozenset({"F_EDIT_EXPIRED"}), expiryDays=days)
    assert expired(may, DAYS) == []


OPEN = {
    "period": {"id": "20250718"},
    "openingDate": "2025-07-01T00:00:00.000",
    "closingDate": "2025-07-31T00:00:00.000",
}


@pytest.mark.parametrize(
    ("periods", "closed"),
    [
        ([], False),
        ([OPEN], False),
        ([OPEN | {"closingDate": "2025-07-20T10:00:00.000"}], True),
        ([OPEN | {"openingDate": "2025-07-20T12:00:00.000"}], True),
        ([{"period": {"id": "20250718"}}], False),
        ([OPEN | {"period": {"id": "20250719"}}], True),
    ],
)
def test_input_periods(periods: list[dict[str, Any]], closed: bool) -> None:
    assert closed_for_input(facts(dataInputPeriods=periods), "20250718") is closed


@pytest.mark.parametrize("version", ["2.42", "2.43"])
@pytest.mark.parametrize("dry_run", [True, False])
def test_what_came_too_late_is_an_error_only_where_dhis2_holds_nothing_of_the_import(
    tmp_path: Path, version: str, dry_run: bool
) -> None:
    """Until 2.42 DHIS2 says WARNING to both, and from 2.43 on ERROR."""
    metadata = default_metadata()
    metadata["dataSets"][0]["expiryDays"] = 1
    metadata["users"][0]["authorities"] = ["F_DATAVALUE_ADD"]
    late, now = {(BO, "20250701"): 1.5}, {(BO, "20250719"): 1.5}
    with running(version, metadata, TODAY) as dhis2:
        run = Importer(tmp_path)
        refused = run(dhis2, late, dry_run)
        assert run(dhis2, now).status == "SUCCESS"
        beside_others = run(dhis2, late | now, dry_run)
        assert stored(dhis2) == now
    assert (refused.status, refused.rejected_count, refused.unchanged) == ("ERROR", 1, 0)
    assert "20250701" in refused.reason and refused.rejected[0].code == {"2.42": "E7640", "2.43": "E8030"}[version]
    assert (beside_others.status, beside_others.rejected_count, beside_others.unchanged) == ("WARNING", 1, 1)
    (finding,) = refused.findings
    assert "1 of 1 periods are closed (20250701)" in finding.message and "expires after 1 day;" in finding.message


def with_input_periods(version: str) -> dict[str, Any]:
    metadata = default_metadata()
    metadata["systemInfo"]["version"] = version
    metadata["dataSets"][0]["dataInputPeriods"] = [OPEN | {"period": {"id": f"202507{day}"}} for day in (11, 12, 13)]
    return metadata


@pytest.mark.parametrize(("version", "requests"), [("2.42.7", 3), ("2.43.2", 1)])
def test_open_input_periods_are_sent_as_the_version_takes_them(tmp_path: Path, version: str, requests: int) -> None:
    """Until 2.42 one period in a request; and never a closed one, which would spoil those beside it."""
    days = [f"202507{day}" for day in (10, 11, 12, 13, 14)]
    with running(version[:4], with_input_periods(version), TODAY) as dhis2:
        summary = Importer(tmp_path)(dhis2, {(BO, day): 1.5 for day in days})
        assert stored(dhis2) == {(BO, day): 1.5 for day in days[1:4]}
        assert len(dhis2.log("POST")) == requests
    assert (summary.imported, {entry.period for entry in summary.rejected}) == (3, {days[0], days[4]})
    assert [finding.code for finding in summary.findings] == ["input-periods"]


@pytest.mark.parametrize("version", ["2.43.0", "2.43.1"])
def test_two_versions_judge_input_periods_inversely(tmp_path: Path, version: str) -> None:
    with running("2.43", with_input_periods(version), TODAY) as dhis2:
        summary = Importer(tmp_path)(dhis2, {(BO, "20250711"): 1.5})
        assert not dhis2.log("POST")
    assert (summary.status, summary.imported) == ("ERROR", 0)
    assert f"DHIS2 {version} refuses the open ones and takes the closed ones" in summary.reason
