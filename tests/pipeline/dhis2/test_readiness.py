"""Answers of a DHIS2 that is not ready, or of what stands before it: asked again, and no false reason."""

import json
from typing import Any

import pytest

from eo_pygeoapi.errors import Dhis2UnavailableError
from eo_pygeoapi.pipeline.dhis2.client import Dhis2
from tests.pipeline.dhis2.imports import Importer, connector, july, stored
from tests.standins.dhis2 import StandIn

UNITS = {"path": "/api/organisationUnits"}
NONE = json.dumps({"organisationUnits": []})
PAGE = "<!DOCTYPE html><html><head><title>DHIS2 is starting</title></head></html>"
NO_ANSWERS: dict[str, dict[str, Any]] = {
    "nothing": {"body": ""},
    "an object without members": {"body": "{}"},
    "a list": {"body": "[]"},
    "a member that is no list": {"body": '{"organisationUnits": "none"}'},
    "a page": {"body": PAGE, "contentType": "text/html"},
    "no units at all": {"body": NONE},
}


@pytest.mark.parametrize("answer", NO_ANSWERS)
def test_an_import_asks_again(run: Importer, dhis2: StandIn, answer: str) -> None:
    dhis2.faults(UNITS | {"times": 3, "status": 200} | NO_ANSWERS[answer])
    said: list[str] = []
    summary = run(dhis2, july(), pauses=(0.0,) * 3, wait=said.append)
    assert (summary.status, summary.imported) == ("SUCCESS", 130)
    assert stored(dhis2) == july()
    assert said[0].startswith("DHIS2 has not answered since ") and "; asked again at " in said[0]
    assert said[-1] == ""


@pytest.mark.parametrize("answer", NO_ANSWERS)
def test_it_fails_for_a_time_where_that_stays(run: Importer, dhis2: StandIn, answer: str) -> None:
    dhis2.faults(UNITS | {"status": 200} | NO_ANSWERS[answer])
    with pytest.raises(Dhis2UnavailableError):
        run(dhis2, july())


@pytest.mark.parametrize("path", ["me", "system/info", "dataElements", "categoryOptionCombos"])
def test_an_object_without_members_is_no_answer(run: Importer, dhis2: StandIn, path: str) -> None:
    dhis2.faults({"path": f"/api/{path}", "status": 200, "body": "{}"})
    with pytest.raises(Dhis2UnavailableError, match=f"answered GET /api/{path} without .*; it may be starting"):
        run(dhis2, july())


def test_units_that_do_not_exist_are_an_error_at_once(run: Importer, dhis2: StandIn) -> None:
    summary = run(dhis2, {("abcdefghijk", "20250701"): 1.0}, pauses=(60.0,))
    assert summary.status == "ERROR" and "1 of 1 organisation units do not exist in DHIS2" in summary.reason


def test_a_redirect_to_the_login_after_an_answer_is_asked_again(dhis2: StandIn) -> None:
    def ask(api: Dhis2) -> None:
        with pytest.raises(Dhis2UnavailableError, match="though it had let us in"):
            api.system_info()

    with connector(dhis2)() as api:
        api.me()
        dhis2.faults({"path": "/api/*", "status": 302, "body": "", "location": "/login/"})
        ask(api)
