"""What DHIS2 2.43 refuses as a whole, with the words of a real server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.pipeline.dhis2.data_values import DataValue
from eo_pygeoapi.pipeline.dhis2.refusals import named_by, words_for
from eo_pygeoapi.pipeline.dhis2.summary import Answer
from tests.pipeline.dhis2.imports import JULY, KONO, TODAY, Importer, july, stored
from tests.standins.dhis2 import StandIn, running
from tests.standins.dhis2_metadata import BO, DAILY, DISTRICTS, RAIN

# as recorded: DHIS2 says them of all values, and they are the same for all
ABOUT_ALL = {
    "E8004": f"Data set UID not valid: `{DAILY}`",
    "E8010": f"Current user cannot enter data for data set: `{DAILY}`",
    "E8012": "Current user cannot enter data for category option(s): `[L36LE4cCWBz]`",
    "E8020": f"Data set {DAILY} not usable with data element(s): `[{RAIN}]`",
    "E8023": f"Data set {DAILY} not usable with attribute option combo(s): `[CocFinal001]`",
    "E8024": f"Data set {DAILY} + data element {RAIN} not usable with category option combo(s): `[HllvX50cXC0]`",
    "E8104": f"Value #0 data element UID not valid: `{RAIN}`",
    "E8108": "Value #0 category option combo not found: `CocFinal001`",
    "E8109": "Value #0 category option combo UID is not valid: `CocFinal001`",
    "E8110": "Value #0 attribute option combo not found: `CocFinal001`",
    "E8111": "Value #0 attribute option combo UID is not valid: `CocFinal001`",
}


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with running("2.43", today=TODAY) as dhis2:
        yield dhis2


@pytest.fixture
def dhis2(server: StandIn) -> StandIn:
    server.reset()
    return server


def summary(code: str, words: str) -> dict[str, Any]:
    return {
        "status": "ERROR",
        "importCount": {"imported": 0, "updated": 0, "ignored": 0, "deleted": 0},
        "conflicts": [{"objects": {"args": ""}, "value": words, "errorCode": code, "indexes": [-1]}],
        "rejectedIndexes": [],
    }


def refusing(code: str, words: str, **more: Any) -> dict[str, Any]:
    """Return the rule by which DHIS2 refuses all that is sent."""
    body = json.dumps({"httpStatusCode": 409, "status": "ERROR", "response": summary(code, words)})
    return {"path": "/api/dataValueSets", "method": "POST", "status": 409, "body": body, **more}


@pytest.mark.parametrize("code", ABOUT_ALL)
@pytest.mark.parametrize("dry_run", [True, False])
def test_what_concerns_all_values_is_asked_once_and_said_once(
    tmp_path: Path, dhis2: StandIn, code: str, dry_run: bool
) -> None:
    dhis2.faults(refusing(code, ABOUT_ALL[code]))
    found = Importer(tmp_path)(dhis2, july(), dry_run=dry_run, batch_size=26)
    assert (found.status, found.imported, found.rejected_count) == ("ERROR", 0, 130)
    assert found.reason == ABOUT_ALL[code]
    assert {(entry.code, len(entry.reason) < 200) for entry in found.rejected} == {(code, True)}
    assert len(dhis2.log("POST")) == 1


def test_an_unknown_refusal_costs_a_bounded_number_of_requests(tmp_path: Path, dhis2: StandIn) -> None:
    dhis2.faults(refusing("E8999", "No data entry on Sundays"))
    cells = {(unit, f"202501{day:02}"): 1.5 for unit in DISTRICTS for day in range(1, 32)}
    found = Importer(tmp_path)(dhis2, cells)
    assert (found.status, found.rejected_count, found.reason) == ("ERROR", 403, "No data entry on Sundays")
    assert len(dhis2.log("POST")) <= 62


def test_periods_that_are_named_are_left_out_and_the_rest_sent(tmp_path: Path, dhis2: StandIn) -> None:
    words = f"Untimely data entry for data set {DAILY} and period(s): `[{', '.join(JULY[:4])}]`"
    dhis2.faults(refusing("E8030", words, times=1))
    found = Importer(tmp_path)(dhis2, july())
    assert (found.status, found.imported, found.rejected_count) == ("WARNING", 78, 52)
    assert stored(dhis2) == {cell: value for cell, value in july().items() if cell[1] not in JULY[:4]}
    assert {entry.reason for entry in found.rejected if entry.period == JULY[0]} == {
        f"Untimely data entry for data set {DAILY} and period(s): `{JULY[0]}`"
    }
    assert len(dhis2.log("POST")) == 2


def test_one_reason_with_other_periods_in_each_batch_is_said_once(tmp_path: Path, dhis2: StandIn) -> None:
    def rule(skip: int, days: list[str]) -> dict[str, Any]:
        words = f"Untimely data entry for data set {DAILY} and period(s): `[{', '.join(days)}]`"
        return refusing("E8030", words, skip=skip, times=1)

    dhis2.faults(*(rule(0, JULY[n : n + 2]) for n in range(0, 10, 2)))
    found = Importer(tmp_path)(dhis2, july(), batch_size=26)
    assert (found.status, found.imported, found.rejected_count) == ("ERROR", 0, 130)
    assert found.reason.count("Untimely") == 1
    assert len(dhis2.log("POST")) == 5


UIDS = {"OU_1000": BO, "OU_1007": KONO}
VALUES = [DataValue(unit, day, "1") for day in JULY[:2] for unit in UIDS]


@pytest.mark.parametrize(
    ("code", "words", "expected", "own"),
    [
        ("E8022", f"Data set {DAILY} not usable with org unit(s): `[{BO}]`", [0, 2], f"`{BO}`"),
        ("E8011", f"Current user cannot enter data for org unit(s): `[{BO}, {KONO}]`", [0, 1, 2, 3], f"`{BO}`"),
        ("E8021", f"Data set {DAILY} not usable with period(s): `[{JULY[1]}]`", [2, 3], f"`{JULY[1]}`"),
        ("E8031", f"Untimely data entry for org unit {BO} and period(s): `[{JULY[0]}]`", [0], f"org unit {BO}"),
        ("E8106", "Value #1 org unit UID is not valid: `OU_1007`", [1, 3], "OU_1007"),
        ("E8128", "Value #[0, 1] all affect the same data value: `…`", [], ""),
        ("E8022", "something else", [], ""),
    ],
)
def test_which_values_a_refusal_names(code: str, words: str, expected: list[int], own: str) -> None:
    answer = Answer(VALUES, summary(code, words))
    named = named_by(answer, UIDS)
    assert named == [VALUES[n] for n in expected]
    if named:
        assert words_for(named[0], answer, UIDS).endswith(own) or own in words_for(named[0], answer, UIDS)
        assert "[" not in words_for(named[0], answer, UIDS)
