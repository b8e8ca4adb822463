"""What a setup does with what DHIS2 has already, and with what it refuses."""

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from eo_pygeoapi.commands.dhis2.check import look
from eo_pygeoapi.pipeline.dhis2.client import connect
from eo_pygeoapi.pipeline.dhis2.metadata.disaggregation import Category, CategoryCombination
from eo_pygeoapi.pipeline.dhis2.metadata.making import make
from eo_pygeoapi.pipeline.dhis2.metadata.needs import Need, Needs
from eo_pygeoapi.pipeline.dhis2.metadata.surveying import survey, today_of
from eo_pygeoapi.pipeline.org_units.in_dhis2 import units_in_dhis2
from eo_pygeoapi.settings import Dhis2Connection
from tests.command_line import eo_pygeoapi
from tests.pipeline.dhis2.metadata.places import PASSWORD, UNITS, Place, datasets, empty_standin, lines
from tests.standins.dhis2_metadata import BO, COUNTRY, DEFAULT_CATEGORY_COMBO

AGE = Category("EO_AGE", "EO age", {"EO_U5": "under 5", "EO_5": "5 and over"})
BY_AGE = CategoryCombination("EO_AGE_GROUPS", "EO age groups", [AGE])


def test_the_plan_says_what_each_object_will_be(place: Place) -> None:
    outcome = place.set_up(datasets(place))
    said = dict(line.split(":", 1) for line in lines(outcome))
    assert list(said) == [
        "make data element EO_RAIN “The rain”",
        "make data element EO_HEAT “The heat”",
        "make data element EO_RAIN_MONTHLY “The rain-monthly”",
        "make data element EO_PEOPLE “The people”",
        "make data set EO_DAILY “Earth observation, daily”",
        "make data set EO_MONTHLY “Earth observation, monthly”",
        "make data set EO_YEARLY “Earth observation, yearly”",
        "make user role EO_IMPORTER “EO importer”",
        "make user eo_importer",
        "make user group EO_IMPORTERS “EO importers”",
    ]
    assert (
        "aggregationType SUM; zeroIsSignificant true; aggregationLevels 1"
        in said["make data element EO_RAIN “The rain”"]
    )
    assert (
        "valueType INTEGER_ZERO_OR_POSITIVE; aggregationType AVERAGE_SUM_ORG_UNIT"
        in said["make data element EO_PEOPLE “The people”"]
    )
    daily = "periodType Daily; 2 data elements; 14 organisation units; values written by group EO importers alone"
    assert said["make data set EO_DAILY “Earth observation, daily”"].strip() == daily
    assert "openFuturePeriods" in said["make data set EO_YEARLY “Earth observation, yearly”"]
    assert said["make user eo_importer"].strip() == "role EO importer; data capture units Sierra Leone"


def test_a_dataset_that_is_enabled_later_is_added(place: Place) -> None:
    place.set_up(datasets(place, "rain"), apply=True)
    outcome = place.set_up(datasets(place), apply=True)
    assert "add data set EO_DAILY: 1 data element: EO_HEAT" in lines(outcome)
    assert place.set_up(datasets(place, "rain")).steps == place.set_up(datasets(place)).steps == []


def test_what_differs_is_changed_only_if_that_is_wished(place: Place) -> None:
    enabled = datasets(place, "rain")
    place.set_up(enabled, apply=True)
    place.patch("dataElements", "EO_RAIN", aggregationType="AVERAGE", zeroIsSignificant=False, name="Regen")
    place.patch("dataSets", "EO_DAILY", expiryDays=10, organisationUnits=[{"id": COUNTRY}])
    expected = [
        "change data element EO_RAIN: aggregationType is AVERAGE, not SUM; zeroIsSignificant is false, not true",
        "add data set EO_DAILY: 13 organisation units: Bo, Bombali, Bonthe, Kailahun, Kambia and 8 more",
        "change data set EO_DAILY: expiryDays is 10, not 0",
    ]
    assert lines(place.set_up(enabled)) == expected
    made = place.set_up(enabled, apply=True)
    assert [step.action for step in made.made] == ["add"]
    left = place.set_up(enabled)
    assert lines(left) == [expected[0], expected[2]]
    assert len(place.set_up(enabled, apply=True, change=True).made) == 2
    assert place.set_up(enabled).steps == []
    element = place.object("dataElements", "EO_RAIN")
    assert (element["name"], element["aggregationType"]) == ("Regen", "SUM")  # a name is the people's own


def test_what_exists_and_fits_is_left_alone(place: Place) -> None:
    """A ministry's own element in its own data set is used as it is."""
    element: dict[str, Any] = {
        "id": "OwnElement1",
        "code": "RAIN_OWN",
        "name": "Own",
        "shortName": "Own",
        "valueType": "NUMBER",
    }
    element |= {"domainType": "AGGREGATE", "aggregationType": "SUM", "zeroIsSignificant": True}
    element |= {"aggregationLevels": [2, 1], "categoryCombo": {"id": DEFAULT_CATEGORY_COMBO}}
    own = {
        "id": "OwnDataSet1",
        "code": "OWN",
        "name": "Own",
        "shortName": "Own",
        "periodType": "Daily",
        "expiryDays": 0,
    }
    own |= {"categoryCombo": {"id": DEFAULT_CATEGORY_COMBO}, "organisationUnits": [{"id": uid} for uid in UNITS]}
    own |= {"dataSetElements": [{"dataElement": {"id": "OwnElement1"}}], "sharing": {"public": "rwrw----"}}
    place.post(dataElements=[element], dataSets=[own])
    enabled = datasets(place, "rain", rain={"dhis2": {"dataElement": "RAIN_OWN"}})
    kinds = [step.kind for step in place.set_up(enabled).steps]
    assert kinds == ["user role", "user", "user group"]
    by_uid = datasets(place, "rain", rain={"dhis2": {"dataElement": "OwnElement1", "dataSet": "OwnDataSet1"}})
    assert [step.kind for step in place.set_up(by_uid).steps] == kinds
    unknown = place.set_up(datasets(place, "rain", rain={"dhis2": {"dataElement": "NoSuchUid01"}}))
    assert unknown.problems == [
        "rain: dhis2.dataElement: DHIS2 has no 'NoSuchUid01'; give a code, not a UID, to have it made"
    ]


def test_values_are_written_by_the_importer_alone_and_read_by_the_groups_named(place: Place) -> None:
    enabled = datasets(place, "rain")
    place.post(
        userGroups=[{"id": "Analysts001", "name": "Analysts", "users": []}, {"id": "Everybody01", "name": "All"}]
    )
    absent = place.set_up(enabled, apply=True, readers=["Nobody"])
    assert absent.problems == ["there is no user group 'Nobody' (name, code or UID)"] and not absent.made
    place.set_up(enabled, apply=True, readers=["Analysts"])
    held = place.object("dataSets", "EO_DAILY")["sharing"]
    group = place.object("userGroups", "EO_IMPORTERS")["id"]
    assert {uid: entry["access"] for uid, entry in held["userGroups"].items()} == {
        "Analysts001": "r-r-----",
        group: "r-rw----",
    }
    assert held["public"] == "r-------"
    assert place.set_up(enabled).steps == []  # a group that reads is nothing wrong
    changed = held | {
        "public": "r-rw----",
        "userGroups": held["userGroups"] | {"Everybody01": {"id": "Everybody01", "access": "rwrw----"}},
    }
    place.patch("dataSets", "EO_DAILY", sharing=changed)
    (step,) = lines(place.set_up(enabled))
    assert step.startswith("change data set EO_DAILY: everybody may write values, which only group EO importers should")
    assert "group All may write values" in step
    place.set_up(enabled, apply=True, change=True)
    now = place.object("dataSets", "EO_DAILY")["sharing"]
    assert (now["public"], now["userGroups"]["Everybody01"]["access"]) == ("r-r-----", "rwr-----")


def test_who_imports_already_is_given_what_it_lacks(place: Place) -> None:
    role = {"id": "OtherRole01", "name": "Other", "authorities": ["F_VIEW_DATABROWSER"]}
    user = {"id": "ImportUser1", "username": "eo_importer", "password": PASSWORD, "firstName": "A", "surname": "B"}
    place.post(
        userRoles=[role], users=[user | {"userRoles": [{"id": "OtherRole01"}], "organisationUnits": [{"id": BO}]}]
    )
    enabled = datasets(place, "rain")
    outcome = place.set_up(enabled, apply=True)
    assert "add user eo_importer: role EO importer; data capture units Sierra Leone" in lines(outcome)
    assert (outcome.problems, place.set_up(enabled).steps) == ([], [])
    found = place.object("users", "eo_importer", "username")
    assert [entry["id"] for entry in found["organisationUnits"]] == [BO, COUNTRY]
    assert {line.state for line in look("national", place.importer, list(enabled.values()))} == {
        "ok"
    }  # the password is kept


def test_a_token_names_the_importer(place: Place) -> None:
    enabled = datasets(place, "rain")
    place.set_up(enabled, apply=True)
    with httpx.Client(base_url=place.url, auth=("eo_importer", PASSWORD)) as client:
        key = client.post("/api/apiToken", json={"version": 2, "expire": 4_000_000_000_000}).json()["response"]["key"]
    by_token = Dhis2Connection(url=place.url, token=SecretStr(key))
    outcome = place.set_up(enabled, by_token)
    assert (outcome.importer, outcome.steps, outcome.remarks) == ("eo_importer", [], [])
    wrong = place.set_up(enabled, Dhis2Connection(url=place.url, token=SecretStr("d2pat_wrong")))
    assert wrong.remarks[0].startswith("nobody imports yet: ") and "d2pat_wrong" not in str(wrong)


def test_without_a_password_nobody_is_made(place: Place) -> None:
    enabled = datasets(place, "rain")
    nobody = place.set_up(enabled, Dhis2Connection(url=place.url), apply=True)
    assert nobody.problems == [] and "set EO_DHIS2_NATIONAL_USERNAME" in nobody.remarks[0]
    named = place.set_up(enabled, Dhis2Connection(url=place.url, username="eo_importer"))
    assert named.steps == [] and "set EO_DHIS2_NATIONAL_PASSWORD" in named.remarks[0]
    assert {step.kind for step in place.set_up(enabled).steps} == {"user", "user group"}  # now that there is a login


def test_what_dhis2_refuses_makes_nothing(place: Place) -> None:
    enabled = datasets(place, "rain", "heat")
    taken = {"id": "TakenName01", "code": "TAKEN", "name": "The heat", "shortName": "Heat", "valueType": "NUMBER"}
    place.post(dataElements=[taken | {"domainType": "AGGREGATE", "aggregationType": "SUM"}])
    outcome = place.set_up(enabled, apply=True)
    (problem,) = outcome.problems
    assert "DHIS2 refused the metadata, and nothing was made" in problem and "`The heat`" in problem
    assert place.object("dataElements", "EO_RAIN") == place.object("dataSets", "EO_DAILY") == {}
    weak = Dhis2Connection(url=place.url, username="eo_importer", password=SecretStr("weak"))
    outcome = place.set_up(datasets(place, "rain"), weak, apply=True)
    assert "requires a valid password" in outcome.problems[0] and place.object("dataElements", "EO_RAIN") == {}


@pytest.mark.parametrize(("version", "has"), [("2.42", False), ("2.43", True)])
def test_a_period_type_that_dhis2_lacks_is_named_and_the_other_datasets_are_made(version: str, has: bool) -> None:
    with empty_standin(version) as place:
        enabled = datasets(place, "rain", "heat", rain={"periodType": "weeklyFriday"})
        outcome = place.set_up(enabled, apply=True)
        assert bool(place.object("dataElements", "EO_HEAT"))
        assert bool(place.object("dataElements", "EO_RAIN")) == has
    if has:
        assert outcome.problems == []
    else:
        (problem,) = outcome.problems
        assert problem.startswith(
            "rain: this version of DHIS2 has no WeeklyFriday periods; set periodType to one of Daily, Weekly, "
        )


def test_two_datasets_of_one_code_are_refused(place: Place) -> None:
    both = datasets(place, "rain") | {"r": datasets(place, "rain", rain={})["rain"].model_copy(update={"id": "RAIN"})}
    outcome = place.set_up(both)
    assert outcome.problems[0] == "rain: rain and RAIN would have one data element EO_RAIN; set dhis2.dataElement"


def test_a_renamed_code_is_found_by_its_uid(place: Place) -> None:
    enabled = datasets(place, "rain")
    place.set_up(enabled, apply=True)
    place.patch("dataElements", "EO_RAIN", code="RAINFALL")
    (step,) = lines(place.set_up(enabled))
    assert step == "change data element EO_RAIN: code is RAINFALL, not EO_RAIN"


def test_words_that_a_password_occurs_in_are_sent_back_as_they_are(place: Place) -> None:
    """What is read with a login whose password is `district` must not come back as asterisks."""
    enabled = datasets(place, "rain")
    place.set_up(enabled, apply=True)
    place.patch("dataSets", "EO_DAILY", name="By district", expiryDays=3)
    place.set_up(enabled, apply=True, change=True)
    assert place.object("dataSets", "EO_DAILY")["name"] == "By district"


def test_a_disaggregated_dataset_gets_its_category_combination(place: Place) -> None:
    (dataset,) = datasets(place, "people").values()
    with connect(place.admin) as dhis2:
        units, _ = units_in_dhis2(dataset, dhis2)
        needs = Needs([Need(dataset, units, BY_AGE)], today_of(dhis2))
        make(dhis2, survey(dhis2, needs).plan, change=False)
        assert survey(dhis2, needs).plan.steps == []
        combo = place.object("categoryCombos", "EO_AGE_GROUPS")
        assert place.object("dataElements", "EO_PEOPLE")["categoryCombo"]["id"] == combo["id"]
        made = dhis2.matching("categoryOptionCombos", f"categoryCombo.id:eq:{combo['id']}", "id,name")
        assert sorted(found["name"] for found in made) == ["5 and over", "under 5"]
    assert place.object("categoryOptions", "EO_U5")["sharing"]["public"] == "r-------"


def call(place: Place, folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {f"EO_DHIS2_NATIONAL_{name}": value for name, value in environment.items()}
    return eo_pygeoapi("dhis2", *arguments, environment={"EO_DHIS2_NATIONAL_URL": place.url, **own}, cwd=folder)


LOGINS = {"USERNAME": "eo_importer", "PASSWORD": PASSWORD, "ADMIN_USERNAME": "admin", "ADMIN_PASSWORD": "district"}


def test_people_call_it_by_hand(tmp_path: Path, place: Place) -> None:
    block: dict[str, Any] = {"source": "chirps3", "orgUnits": {"source": "dhis2", "level": [1, 2]}}
    rain = {"type": "collection", "title": "Rain", "eo": block | {"dhis2": {"connection": "national"}}}
    config = {"resources": {"rain": rain, "elsewhere": {"type": "collection", "eo": block}}}
    (tmp_path / "pygeoapi-config.yml").write_text(json.dumps(config))
    before = call(place, tmp_path, "check", **LOGINS)
    assert before.returncode == 1 and before.stdout.startswith("error   national: connection: ")
    planned = call(place, tmp_path, "setup", **LOGINS)
    assert planned.returncode == 0 and "make    data element EO_RAIN “Rain”" in planned.stdout, planned.stderr
    assert "with --apply" in planned.stdout
    made = call(place, tmp_path, "setup", "rain", "--apply", "--json", **LOGINS)
    (outcome,) = json.loads(made.stdout)["connections"]
    assert (made.returncode, outcome["importer"], len(outcome["made"])) == (0, "eo_importer", 5)
    again = call(place, tmp_path, "setup", "--apply", **LOGINS)
    assert "DHIS2 has all of it" in again.stdout
    checked = call(place, tmp_path, "check", "--json", **LOGINS)
    found = json.loads(checked.stdout)["lines"]
    assert (checked.returncode, {line["state"] for line in found}) == (0, {"ok"})
    assert [line["subject"] for line in found] == ["connection", "version", "clock", "authorities", "preflight"]
    for done in (before, planned, made, again, checked):
        assert PASSWORD not in done.stdout + done.stderr and "district" not in done.stdout


def test_a_wrong_call_is_exit_status_2(tmp_path: Path, place: Place) -> None:
    rain = {"type": "collection", "eo": {"source": "chirps3", "dhis2": {"connection": "national"}}}
    (tmp_path / "pygeoapi-config.yml").write_text(json.dumps({"resources": {"rain": rain}}))
    unknown = call(place, tmp_path, "check", "snow", **LOGINS)
    assert unknown.returncode == 2 and "unknown dataset snow (enabled: rain)" in unknown.stderr
    assert call(place, tmp_path, "setup", "--change", **LOGINS).returncode == 2
    no_admin = call(place, tmp_path, "setup", USERNAME="eo_importer", PASSWORD=PASSWORD)
    assert no_admin.returncode == 1 and "EO_DHIS2_NATIONAL_ADMIN_USERNAME" in no_admin.stdout
