import gc
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from dhis2_client import DHIS2Client
from pydantic import SecretStr

from eo_pygeoapi.errors import Dhis2CredentialError, Dhis2Error, Dhis2UnavailableError
from eo_pygeoapi.pipeline.dhis2.client import connect
from eo_pygeoapi.settings import Dhis2Connection, how_to_connect
from tests.standins.dhis2 import StandIn, running
from tests.standins.dhis2_metadata import BO, DAILY, DEFAULT_COMBO, IN_NO_SET, IN_TWO_SETS, RAIN, TEMPERATURE

KONO = "Vth0fbpFcsO"
FIRST = date(2025, 7, 1)
PASSWORD, TOKEN = "Correct-Horse-Battery", "d2pat_CorrectHorseBattery"
PAGE = "<!DOCTYPE html>\n<html><head><title>Down for\n maintenance</title></head><body>…</body></html>"


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with running() as dhis2:
        yield dhis2


@pytest.fixture(scope="module", params=["2.37", "2.42", "2.43"])
def server_of_a_version(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    with running(request.param) as dhis2:
        yield dhis2


@pytest.fixture
def dhis2(server: StandIn) -> StandIn:
    server.faults()
    server.clear_log()
    return server


@pytest.fixture
def any_dhis2(server_of_a_version: StandIn) -> StandIn:
    server_of_a_version.faults()
    server_of_a_version.clear_log()
    return server_of_a_version


def login(dhis2: StandIn, **other: Any) -> Dhis2Connection:
    return Dhis2Connection(**{"url": dhis2.url, "username": dhis2.username, "password": dhis2.password} | other)


# logging in


def test_by_user_name_and_password(dhis2: StandIn) -> None:
    with connect(login(dhis2)) as api:
        assert api.system_info()["calendar"] == "iso8601"


def test_by_token_which_wins_over_a_password(dhis2: StandIn) -> None:
    with connect(login(dhis2, token=dhis2.token, password="wrong")) as api:
        assert api.levels() == {1: "National", 2: "District", 3: "Chiefdom", 4: "Facility"}


@pytest.mark.parametrize("end", ["/", "/api", "/api/"])
def test_the_address_may_end_in_api(dhis2: StandIn, end: str) -> None:
    with connect(login(dhis2, url=dhis2.url + end)) as api:
        assert api.system_info()
    assert [entry["path"] for entry in dhis2.log()] == ["/api/system/info"]


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ({"password": PASSWORD}, "Unauthorized (HTTP 401); check the token, or the user name and password"),
        ({"token": TOKEN}, "Checksum validation failed (HTTP 400); check the token of this connection"),
    ],
)
def test_a_refused_login_names_the_server_and_no_secret(dhis2: StandIn, secret: dict[str, str], reason: str) -> None:
    with connect(login(dhis2, **secret)) as api, pytest.raises(Dhis2CredentialError) as caught:
        api.levels()
    message = str(caught.value)
    assert message.startswith(f"DHIS2 at {dhis2.url} refused GET /api/organisationUnitLevels: {reason}")
    assert not any(value in message for value in secret.values())
    assert not caught.value.transient


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"url": "dhis2.example.org"}, "'dhis2.example.org' is no address of a DHIS2"),
        ({"url": "ftp://dhis2.example.org"}, "is no address of a DHIS2; allowed: http"),
        ({"url": f"https://user:{PASSWORD}@dhis2.example.org"}, r"dhis2\.example\.org holds a user name or password"),
        ({"password": None}, "nothing to log in with at the DHIS2 at http://127"),
        ({"ca_file": Path("gone.pem")}, r"cannot read the certificate authorities of DHIS2 in gone\.pem"),
    ],
)
def test_a_connection_that_cannot_work(dhis2: StandIn, other: dict[str, Any], message: str) -> None:
    with pytest.raises(Dhis2Error, match=message) as caught, connect(login(dhis2, **other)):
        pass
    assert PASSWORD not in str(caught.value)
    assert not dhis2.log()


def test_a_closed_connection_is_forgotten(dhis2: StandIn) -> None:
    """dhis2-client registers every client to be closed at exit, which would keep it in memory until then."""
    with connect(login(dhis2)) as api:
        api.system_info()
    del api
    gc.collect()
    assert not [client for client in gc.get_objects() if type(client) is DHIS2Client]


def test_how_to_connect() -> None:
    assert how_to_connect("ministry-of-health").startswith("set EO_DHIS2_MINISTRY_OF_HEALTH_URL and ")


# what goes wrong


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        connection = Dhis2Connection(url=url, token=SecretStr(TOKEN))
        with connect(connection) as api, pytest.raises(Dhis2UnavailableError) as caught:
            api.system_info()
    assert str(caught.value).startswith(f"DHIS2 at {url} does not answer GET /api/system/info: ")
    assert caught.value.transient


def test_a_server_that_does_not_answer_in_time(dhis2: StandIn) -> None:
    dhis2.faults({"path": "/api/*", "stall": 5, "times": 1})
    with connect(login(dhis2), read_timeout=0.2) as api, pytest.raises(Dhis2UnavailableError, match="timed out"):
        api.system_info()


def test_a_server_that_hangs_up(dhis2: StandIn) -> None:
    dhis2.faults({"path": "/api/*", "drop": True})
    with connect(login(dhis2)) as api, pytest.raises(Dhis2UnavailableError, match="disconnected"):
        api.system_info()


@pytest.mark.parametrize("status", [502, 503, 504, 500])
def test_a_maintenance_page(dhis2: StandIn, status: int) -> None:
    dhis2.faults({"path": "/api/*", "status": status, "body": PAGE, "contentType": "text/html"})
    message = rf"does not answer GET /api/system/info: an HTML page \(Down for maintenance\) \(HTTP {status}\)"
    with connect(login(dhis2)) as api, pytest.raises(Dhis2UnavailableError, match=message):
        api.system_info()
    assert len(dhis2.log()) == 1


def test_a_maintenance_page_that_says_all_is_well(dhis2: StandIn) -> None:
    dhis2.faults({"path": "/api/*", "status": 200, "body": PAGE, "contentType": "text/html"})
    with connect(login(dhis2)) as api, pytest.raises(Dhis2UnavailableError, match="a maintenance or login page"):
        api.system_info()


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (403, r"refused GET /api/system/info: Not for you \(HTTP 403\); check the authorities"),
        (404, "check the address of this connection"),
        (409, r"Not for you \(HTTP 409\)"),
        (302, "set the address of this connection to where the redirect leads"),
    ],
)
def test_refusals_stay_refusals(dhis2: StandIn, status: int, message: str) -> None:
    dhis2.faults({"path": "/api/*", "status": status, "body": '{"message": "Not for you"}'})
    with connect(login(dhis2)) as api, pytest.raises(Dhis2Error, match=message) as caught:
        api.system_info()
    assert not caught.value.transient
    assert caught.value.event == ("credential" if status in (401, 403) else "failed")


def test_words_of_the_server_are_shortened_and_hold_no_secret(dhis2: StandIn) -> None:
    words = f"bad header Authorization: ApiToken {TOKEN} " + "and so on " * 1000
    dhis2.faults({"path": "/api/*", "status": 400, "body": words, "contentType": "text/plain"})
    with connect(login(dhis2, token=TOKEN)) as api, pytest.raises(Dhis2Error) as caught:
        api.system_info()
    assert TOKEN not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("body", ["[]", '"text"', "17"])
def test_an_answer_that_is_no_object(dhis2: StandIn, body: str) -> None:
    dhis2.faults({"path": "/api/*", "status": 200, "body": body})
    with connect(login(dhis2)) as api, pytest.raises(Dhis2Error, match="answered GET /api/"):
        api.system_info()


def test_errors_are_not_printed(dhis2: StandIn) -> None:
    code = (
        "import sys; from eo_pygeoapi.pipeline.dhis2.client import connect; from eo_pygeoapi.errors import Dhis2Error\n"
        "from eo_pygeoapi.settings import Dhis2Connection, how_to_connect\n"
        f"with connect(Dhis2Connection(url='{dhis2.url}', username='admin', password='wrong')) as api:\n"
        "    try: api.system_info()\n"
        "    except Dhis2Error: print('caught')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("caught\n", "")


# values


def put(dhis2: StandIn, data_element: str, period: str, org_unit: str, value: str, **combos: str) -> None:
    cell = {"dataElement": data_element, "period": period, "orgUnit": org_unit, "value": value}
    dhis2.put_values({**cell, **combos})


def test_stored_values_of_a_data_set(any_dhis2: StandIn) -> None:
    put(any_dhis2, RAIN, "20250701", BO, "1.5")
    put(any_dhis2, RAIN, "20250701", KONO, "2.5")
    put(any_dhis2, TEMPERATURE, "20250701", BO, "26")
    put(any_dhis2, RAIN, "20250702", BO, "3.5")
    with connect(login(any_dhis2)) as api:
        found = api.stored_values(RAIN, FIRST, FIRST, [BO, KONO], data_set=DAILY)
    cells = [(value["orgUnit"], value["period"], value["value"]) for value in found]
    assert sorted(cells) == [(BO, "20250701", "1.5"), (KONO, "20250701", "2.5")]
    assert {value["attributeOptionCombo"] for value in found} == {DEFAULT_COMBO}


def test_one_cell_has_its_period_and_unit(any_dhis2: StandIn) -> None:
    put(any_dhis2, RAIN, "20250801", BO, "1.5")
    with connect(login(any_dhis2)) as api:
        (found,) = api.stored_values(RAIN, date(2025, 8, 1), date(2025, 8, 1), [BO], data_set=DAILY)
    assert (found["orgUnit"], found["period"], found["value"]) == (BO, "20250801", "1.5")


@pytest.mark.parametrize("member", ["value", "storedBy", "comment"])
def test_stored_values_repeat_no_secret_and_keep_their_identifiers(dhis2: StandIn, member: str) -> None:
    cell = {"dataElement": RAIN, "period": "20250801", "orgUnit": BO, "value": "1.5"}
    there = [cell | {"orgUnit": KONO}, cell | {member: f"so said {dhis2.password}"}]
    dhis2.faults({"path": "/api/dataValueSets", "method": "GET", "status": 200, "body": {"dataValues": there}})
    with connect(login(dhis2)) as api:
        first, second = api.stored_values(RAIN, FIRST, FIRST, [BO, KONO], data_set=DAILY)
    dhis2.faults()
    assert (first, second) == (there[0], cell | {member: "so said ********"})


@pytest.mark.parametrize("data_element", [RAIN, IN_TWO_SETS])
def test_stored_values_where_no_data_set_is_known(any_dhis2: StandIn, data_element: str) -> None:
    put(any_dhis2, data_element, "20250901", BO, "1.5")
    with connect(login(any_dhis2)) as api:
        day = date(2025, 9, 1)
        (found,) = api.stored_values(data_element, day, day, [BO])
        assert found["value"] == "1.5"
        assert api.stored_values(IN_NO_SET, day, day, [BO]) == []
        assert api.stored_values("UnknownDe01", day, day, [BO]) == []


def test_nothing_is_stored_for_units_that_do_not_exist(any_dhis2: StandIn) -> None:
    with connect(login(any_dhis2)) as api:
        assert api.stored_values(RAIN, FIRST, FIRST, ["Unknown0000"], data_set=DAILY) == []
        assert api.stored_values(RAIN, FIRST, FIRST, [BO], data_set="UnknownDs01") == []


def test_many_units_are_read_in_portions_and_many_periods_at_once(any_dhis2: StandIn) -> None:
    put(any_dhis2, RAIN, "20240229", BO, "29")
    units = [f"Unknown{n:04}" for n in range(400)] + [BO]
    with connect(login(any_dhis2)) as api:
        found = api.stored_values(RAIN, date(2023, 1, 1), date(2024, 12, 31), units, data_set=DAILY)
    assert [value["value"] for value in found] == ["29"]
    assert {entry["status"] for entry in any_dhis2.log()} <= {200, 409}
    assert len(any_dhis2.log()) == 2
    assert not [entry for entry in any_dhis2.log() if "period" in entry["query"]]  # 2.42 would make them


def test_units_that_the_user_may_not_see(dhis2: StandIn) -> None:
    """Until 2.42 such an answer is empty, as if DHIS2 were; from 2.43 on it says so."""
    clerk = {"username": "clerk", "password": "Clerk-in-Bo-1"}
    with connect(login(dhis2, **clerk)) as api:
        assert api.stored_values(RAIN, FIRST, FIRST, [BO, KONO], data_set=DAILY) == []
    with running("2.43") as new, connect(login(new, **clerk)) as api:
        with pytest.raises(Dhis2Error, match=rf"User is not allowed to view org unit\(s\): `\[{KONO}\]`"):
            api.stored_values(RAIN, FIRST, FIRST, [BO, KONO], data_set=DAILY)


def test_an_import_says_all_that_matters_itself(any_dhis2: StandIn) -> None:
    cell = {"dataElement": RAIN, "period": "20251101", "orgUnit": BO, "value": "1.5"}
    with connect(login(any_dhis2)) as api:
        summary = api.data_value_sets({"dataSet": DAILY, "dataValues": [cell]}, dry_run=True)
    assert summary["status"] == "SUCCESS"
    assert sum(summary["importCount"].values()) == 1
    (entry,) = any_dhis2.log("POST")
    options = {"dryRun": "true", "importStrategy": "CREATE_AND_UPDATE", "strictPeriods": "true", "async": "false"}
    assert {name: values[0] for name, values in entry["query"].items()} == options
    assert not [value for value in any_dhis2.values() if value["period"] == "20251101"]


def test_a_conflict_is_an_answer(any_dhis2: StandIn) -> None:
    cell = {"dataElement": RAIN, "period": "20251101", "orgUnit": BO, "value": "much"}
    with connect(login(any_dhis2)) as api:
        summary = api.data_value_sets({"dataSet": DAILY, "dataValues": [cell]}, dry_run=False)
    assert summary["importCount"]["ignored"] == 1
    assert summary["conflicts"][0]["errorCode"] in ("E7619", "E8122")


def test_a_refusal_without_a_summary_is_none(any_dhis2: StandIn) -> None:
    body = '{"httpStatus": "Conflict", "httpStatusCode": 409, "status": "ERROR", "message": "Not now"}'
    any_dhis2.faults({"path": "/api/dataValueSets", "status": 409, "body": body})
    with connect(login(any_dhis2)) as api, pytest.raises(Dhis2Error, match=r"refused POST /api/dataValueSets: Not now"):
        api.data_value_sets({"dataValues": []}, dry_run=True)
    any_dhis2.faults({"path": "/api/dataValueSets", "status": 200, "body": "{}"})
    with connect(login(any_dhis2)) as api, pytest.raises(Dhis2Error, match="without an import summary"):
        api.data_value_sets({"dataValues": []}, dry_run=True)
