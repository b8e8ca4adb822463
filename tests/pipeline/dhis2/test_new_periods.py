"""Two requests that meet a new period at once, as DHIS2 answers one of them."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.errors import Dhis2UnavailableError
from eo_pygeoapi.pipeline.dhis2 import new_periods
from eo_pygeoapi.pipeline.dhis2.client import connect
from eo_pygeoapi.pipeline.dhis2.errors import CollisionError
from eo_pygeoapi.pipeline.dhis2.new_periods import NewPeriods
from tests.pipeline.dhis2.imports import JULY, TODAY, Importer, july, stored
from tests.pipeline.dhis2.test_client import login
from tests.standins.dhis2 import StandIn, running
from tests.standins.dhis2_metadata import BO, DAILY, RAIN

DUPLICATE = (
    'ERROR: duplicate key value violates unique constraint "uk_tbkbjga8h4j5u33d7hbcuk66t"\n'
    "  Detail: Key (periodtypeid, startdate, enddate)=(3, 2025-07-01, 2025-07-01) already exists."
)
COLLIDED = {"status": 409, "body": json.dumps({"httpStatusCode": 409, "status": "ERROR", "message": DUPLICATE})}
READING = {"path": "/api/dataValueSets", "method": "GET"}


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with running("2.42", today=TODAY) as dhis2:
        yield dhis2


@pytest.fixture
def dhis2(server: StandIn) -> StandIn:
    server.reset()
    return server


def conflicting(cells: Sequence[tuple[str, str]], periods: Sequence[str]) -> dict[str, Any]:
    """Return the rule by which DHIS2 does not find some of the periods of an import, and takes nothing."""
    conflicts: list[dict[str, Any]] = [
        {
            "object": period,
            "objects": {"period": period},
            "value": f"Period not valid: `{period}`",
            "errorCode": "E7611",
            "property": "period",
            "indexes": [n for n, cell in enumerate(cells) if cell[1] == period],
        }
        for period in periods
    ]
    refused = sum(len(conflict["indexes"]) for conflict in conflicts)
    summary = {
        "status": "WARNING",
        "importCount": {"imported": len(cells) - refused, "updated": 0, "ignored": refused, "deleted": 0},
        "conflicts": conflicts,
        "rejectedIndexes": sorted(index for conflict in conflicts for index in conflict["indexes"]),
    }
    body = json.dumps({"httpStatusCode": 409, "status": "WARNING", "response": summary})
    return {"path": "/api/dataValueSets", "method": "POST", "times": 1, "status": 409, "body": body}


def test_a_reading_that_collides_is_worth_another_try(dhis2: StandIn) -> None:
    dhis2.faults(READING | COLLIDED)
    with connect(login(dhis2)) as api, pytest.raises(CollisionError, match="duplicate key value") as caught:
        api.name_periods(JULY, RAIN, BO)
    assert isinstance(caught.value, Dhis2UnavailableError) and caught.value.transient


def test_another_conflict_is_not(dhis2: StandIn) -> None:
    dhis2.faults(READING | {"status": 409, "body": '{"message": "User is not allowed to view org unit"}'})
    with connect(login(dhis2)) as api, pytest.raises(Exception, match="not allowed") as caught:
        api.name_periods(JULY, RAIN, BO)
    assert not isinstance(caught.value, Dhis2UnavailableError)


def test_new_periods_are_named_before_their_values_are_sent(tmp_path: Path, dhis2: StandIn) -> None:
    run = Importer(tmp_path)
    run(dhis2, july())
    asked = [(entry["method"], len(entry["query"].get("period", []))) for entry in dhis2.log(path="/api/dataValueSets")]
    assert asked == [("GET", 0), ("GET", 10), ("POST", 0), ("GET", 0)]  # the last reads back
    dhis2.clear_log()
    run(dhis2, {(BO, "20250701"): 9.0, (BO, "20250711"): 1.0})  # only one of these is new
    named = [entry["query"]["period"] for entry in dhis2.log("GET", "/api/dataValueSets") if "period" in entry["query"]]
    assert named == [["20250711"]]


def test_from_243_on_periods_are_not_named(tmp_path: Path) -> None:
    with running("2.43", today=TODAY) as dhis2:
        Importer(tmp_path)(dhis2, july())
        assert not [entry for entry in dhis2.log("GET", "/api/dataValueSets") if "period" in entry["query"]]


def test_naming_is_done_again_where_it_collides(tmp_path: Path, dhis2: StandIn) -> None:
    dhis2.faults(READING | COLLIDED | {"skip": 1, "times": 2})
    summary = Importer(tmp_path)(dhis2, july())
    assert (summary.status, summary.imported, stored(dhis2)) == ("SUCCESS", 130, july())
    assert len(dhis2.log("GET", "/api/dataValueSets")) == 5  # the last reads back
    assert len(dhis2.log("POST")) == 1


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("days", [1, 3, 10])
def test_valid_days_that_dhis2_does_not_find_are_sent_again(
    tmp_path: Path, dhis2: StandIn, days: int, dry_run: bool
) -> None:
    cells = sorted(july(), key=lambda cell: cell[1])
    rule = conflicting(cells, JULY[:days])
    dhis2.faults(rule)
    summary = Importer(tmp_path)(dhis2, july(), dry_run=dry_run)
    unstored = 0 if dry_run else 13 * (10 - days)  # the made answer says of these that they were taken
    assert (summary.imported, summary.rejected_count, summary.difference_count) == (130, 0, unstored)
    assert (summary.status, summary.ignored, summary.reason) == ("WARNING" if unstored else "SUCCESS", 0, "")
    again = dhis2.log("POST")[1]["body"]["dataValues"]
    assert {(value["orgUnit"], value["period"]) for value in again} == {
        cell for cell in cells if cell[1] in JULY[:days]
    }


def test_from_243_on_an_import_that_stored_nothing_is_sent_again(tmp_path: Path) -> None:
    with running("2.43", today=TODAY) as dhis2:
        dhis2.collide()
        summary = Importer(tmp_path)(dhis2, july())
        assert (summary.status, summary.imported, summary.rejected_count) == ("SUCCESS", 130, 0)
        assert (stored(dhis2), len(dhis2.log("POST"))) == (july(), 2)


def test_values_that_dhis2_ignores_for_ever_are_rejected(tmp_path: Path) -> None:
    ignored = {"status": "SUCCESS", "importCount": {"imported": 0, "updated": 0, "ignored": 1, "deleted": 0}}
    body = json.dumps({"httpStatusCode": 200, "status": "OK", "response": ignored})
    with running("2.43", today=TODAY) as dhis2:
        dhis2.faults({"path": "/api/dataValueSets", "method": "POST", "status": 200, "body": body})
        summary = Importer(tmp_path)(dhis2, {(BO, JULY[0]): 1.5})
    assert (summary.status, summary.imported, summary.rejected_count) == ("ERROR", 0, 1)
    assert summary.rejected[0].reason == "DHIS2 says that the import was successful, but stored nothing of it"


@pytest.mark.parametrize("dry_run", [True, False])
def test_every_new_day_may_collide(tmp_path: Path, dhis2: StandIn, dry_run: bool) -> None:
    dhis2.collide()
    summary = Importer(tmp_path)(dhis2, july(), dry_run=dry_run)
    assert (summary.status, summary.imported, summary.rejected_count) == ("SUCCESS", 130, 0)
    assert stored(dhis2) == ({} if dry_run else july())


def test_what_collides_for_ever_is_rejected(tmp_path: Path, dhis2: StandIn) -> None:
    cell = (BO, JULY[0])
    dhis2.faults(conflicting([cell], [JULY[0]]) | {"times": 99})
    summary = Importer(tmp_path)(dhis2, {cell: 1.5})
    assert (summary.status, summary.rejected_count, summary.rejected[0].code) == ("ERROR", 1, "E7611")
    assert len(dhis2.log("POST")) == 1 + len(new_periods.PAUSES)


def test_each_new_period_is_named_once() -> None:
    named: list[list[str]] = []
    periods = NewPeriods(lambda some: named.append(list(some)))
    periods.announce({"3", "1", "2"}, met={"2"})
    periods.announce({"2", "3", "4"}, met={"2"})
    periods.announce({"1", "4"}, met=set())
    assert named == [["1", "3"], ["4"]]


def test_reading_before_an_import_makes_no_period(dhis2: StandIn) -> None:
    with connect(login(dhis2)) as api:
        api.stored_values(RAIN, TODAY, TODAY, [BO], data_set=DAILY)
    (entry,) = dhis2.log()
    assert entry["query"]["startDate"] == ["2025-07-20"] and "period" not in entry["query"]
