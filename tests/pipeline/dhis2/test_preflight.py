from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time
from time import sleep
from typing import Any

import pytest

from eo_pygeoapi.datasets.block import DatasetTarget
from eo_pygeoapi.errors import Dhis2CredentialError, Dhis2UnavailableError
from eo_pygeoapi.pipeline.dhis2.checks_of_server import check_calendar
from eo_pygeoapi.pipeline.dhis2.data_values import Payload
from eo_pygeoapi.pipeline.dhis2.facts import Facts, read_facts
from eo_pygeoapi.pipeline.dhis2.preflight import preflight
from tests.pipeline.dhis2.imports import KONO, TODAY, connector
from tests.pipeline.made import dataset
from tests.standins.dhis2 import running
from tests.standins.dhis2_metadata import (
    BO,
    CHIEFDOM_WITHOUT_GEOMETRY,
    COUNTRY,
    DAILY,
    DISTRICTS,
    IN_NO_SET,
    IN_TWO_SETS,
    POPULATION,
    RAIN,
    RAIN_WITHOUT_ZEROS,
    default_metadata,
)

RAIN_TARGET = DatasetTarget(data_element=RAIN, data_set=DAILY)
SUMMED: dict[str, Any] = {"aggregation": {"spatial": "sum", "temporal": "sum"}}
Change = Callable[[dict[str, Any]], None]


def payload(target: DatasetTarget = RAIN_TARGET, **other: Any) -> Payload:
    known = {"org_units": list(DISTRICTS), "periods": ["20250701"], "count": 13, **other}
    return Payload(target=target, **known)


def facts_of(made: Payload, version: str = "2.42", change: Change | None = None, **login: Any) -> Facts:
    metadata = default_metadata()
    if change:
        change(metadata)
    with running(version, metadata, TODAY) as dhis2, connector(dhis2, **login)() as api:
        return read_facts(api, made.target, made.org_units)


def test_the_facts_are_read_after_a_login_and_then_several_at_once() -> None:
    made = payload()
    with running("2.42", default_metadata(), TODAY) as dhis2:
        with connector(dhis2, password="wrong")() as api, pytest.raises(Dhis2CredentialError):
            read_facts(api, made.target, made.org_units)
        assert [entry["path"] for entry in dhis2.log()] == ["/api/me"]  # DHIS2 locks a user out after some failures
        dhis2.faults({"path": "/api/system/info", "stall": 4})
        with connector(dhis2)() as api, ThreadPoolExecutor(1) as beside:
            reading = beside.submit(read_facts, api, made.target, made.org_units)
            while not (element := dhis2.log(path="/api/dataElements")) or not element[0]["status"]:
                sleep(0.05)
            assert [entry["status"] for entry in dhis2.log(path="/api/system/info")] == [0]  # not answered yet
            facts = reading.result()
        assert (len(facts.units), facts.version[:2]) == (13, (2, 42))
        dhis2.faults({"path": "/api/organisationUnits", "status": 503, "body": "away"})
        with connector(dhis2)() as api, pytest.raises(Dhis2UnavailableError):
            read_facts(api, made.target, made.org_units)


def found(
    made: Payload,
    version: str = "2.42",
    change: Change | None = None,
    eo: Mapping[str, Any] = SUMMED,
    **login: Any,
) -> list[tuple[str, str]]:
    """Return the severity and code of each finding; every message must say what to do."""
    findings = preflight(facts_of(made, version, change, **login), made, dataset(dhis2=made.target.to_json(), **eo))
    assert all((len(finding.message) > 40 and ";" in finding.message) or ":" in finding.message for finding in findings)
    return [(finding.severity, finding.code) for finding in findings]


def element(metadata: dict[str, Any], uid: str = RAIN) -> dict[str, Any]:
    return next(entry for entry in metadata["dataElements"] if entry["id"] == uid)


@pytest.mark.parametrize("version", ["2.38", "2.42", "2.43"])
def test_nothing_speaks_against_a_good_target(version: str) -> None:
    assert found(payload(), version) == []


@pytest.mark.parametrize(
    ("version", "findings"), [("2.37", [("warning", "version")]), ("2.44", [("warning", "version")])]
)
def test_versions_that_were_not_tested(version: str, findings: list[tuple[str, str]]) -> None:
    assert found(payload(), version) == findings


@pytest.mark.parametrize("calendar", ["nepali", "ethiopian"])
def test_another_calendar_is_an_error(calendar: str) -> None:
    assert found(payload(), change=lambda m: m["systemInfo"].update(calendar=calendar)) == [("error", "calendar")]


def test_the_calendar_of_the_period_type_must_be_that_of_dhis2() -> None:
    local = dataset(periodType="dailyNepali")
    assert list(check_calendar(Facts(calendar="nepali"), payload(), local)) == []
    (finding,) = check_calendar(Facts(calendar="nepali"), payload(), dataset())
    assert "set periodType to one of dailyNepali, monthlyNepali, yearlyNepali" in finding.message
    (finding,) = check_calendar(Facts(calendar="iso8601"), payload(), local)
    assert "our dailyNepali periods would mean other days" in finding.message
    assert list(check_calendar(Facts(calendar="gregorian"), payload(), dataset())) == []
    (finding,) = check_calendar(Facts(calendar="coptic"), payload(), dataset())
    assert "allowed: iso8601, gregorian" in finding.message


def test_what_is_open_is_counted_in_the_calendar_of_dhis2() -> None:
    """20 July 2025 is in Shrawan 2082, which began on the 17th; without open future periods Ashadh is the last."""
    monthly = {"id": "x", "periodType": "Monthly", "openFuturePeriods": 0}
    facts = Facts(calendar="nepali", now=datetime(2025, 7, 20), data_set=monthly)
    assert facts.open_until() == date(2025, 7, 16)


def test_a_user_who_may_not_write() -> None:
    def change(metadata: dict[str, Any]) -> None:
        metadata["users"][0]["authorities"] = ["F_VIEW_EVENT_ANALYTICS"]
        metadata["dataSets"][0]["access"] = {"data": {"read": True, "write": False}}

    assert found(payload(), change=change) == [("error", "authority"), ("error", "sharing")]


def test_a_data_element_that_does_not_exist() -> None:
    target = RAIN_TARGET.model_copy(update={"data_element": "NoSuchDe001"})
    assert found(payload(target)) == [("error", "data-element")]


@pytest.mark.parametrize(
    ("value_type", "fractions", "findings"),
    [
        ("TEXT", 0, [("error", "value-type")]),
        ("INTEGER", 0, []),
        ("INTEGER", 1, [("error", "value-type")]),
        ("NUMBER", 1, []),
    ],
)
def test_value_types(value_type: str, fractions: int, findings: list[tuple[str, str]]) -> None:
    made = payload(fraction_count=fractions)
    assert found(made, change=lambda m: element(m).update(valueType=value_type)) == findings


def test_a_tracker_data_element() -> None:
    assert found(payload(), change=lambda m: element(m).update(domainType="TRACKER")) == [("error", "data-element")]


@pytest.mark.parametrize(
    ("version", "zeros", "severity"), [("2.42", 1, "error"), ("2.42", 0, "warning"), ("2.43", 1, "warning")]
)
def test_zeros_that_are_not_significant(version: str, zeros: int, severity: str) -> None:
    target = RAIN_TARGET.model_copy(update={"data_element": RAIN_WITHOUT_ZEROS})
    assert found(payload(target, zero_count=zeros), version) == [(severity, "zeros")]


def test_averages_keep_their_zeros() -> None:
    change: Change = lambda m: element(m).update(zeroIsSignificant=False, aggregationType="AVERAGE")  # noqa: E731
    eo = {"aggregation": {"spatial": "mean", "temporal": "mean"}}
    assert found(payload(zero_count=1), change=change, eo=eo) == []


@pytest.mark.parametrize(
    ("aggregation", "type_", "codes"),
    [
        ({"spatial": "mean", "temporal": "sum"}, "SUM", ["aggregation-levels"]),
        ({"spatial": "mean", "temporal": "mean"}, "SUM", ["aggregation", "aggregation-levels"]),
        ({"spatial": "mean", "temporal": "mean"}, "AVERAGE", []),
        ({"spatial": "max", "temporal": "max"}, "MAX", []),
        ({"spatial": "sum", "temporal": "mean"}, "AVERAGE_SUM_ORG_UNIT", []),
        ({"spatial": "sum", "temporal": "sum"}, "NONE", []),
    ],
)
def test_what_dhis2_makes_of_several_values(aggregation: dict[str, str], type_: str, codes: list[str]) -> None:
    change: Change = lambda m: element(m).update(aggregationType=type_)  # noqa: E731
    assert found(payload(), change=change, eo={"aggregation": aggregation}) == [("warning", code) for code in codes]


@pytest.mark.parametrize(
    ("levels", "codes"), [(None, ["aggregation-levels"]), ([2], ["aggregation-levels"]), ([1], [])]
)
def test_values_at_several_levels_need_aggregation_levels(levels: list[int] | None, codes: list[str]) -> None:
    change: Change = lambda m: element(m).update(aggregationLevels=levels or [])  # noqa: E731
    made = payload(org_units=[COUNTRY, *DISTRICTS])
    eo = {"aggregation": {"spatial": "mean", "temporal": "sum"}}
    assert found(made, change=change, eo=eo) == [("warning", code) for code in codes]


@pytest.mark.parametrize(
    ("target", "version", "findings"),
    [
        ({"data_set": "NoSuchSet01"}, "2.42", [("error", "data-set")]),
        ({"data_element": IN_NO_SET, "data_set": ""}, "2.42", [("error", "data-set")]),
        ({"data_element": IN_TWO_SETS, "data_set": ""}, "2.42", [("warning", "data-set")]),
        ({"data_element": IN_TWO_SETS, "data_set": ""}, "2.43", [("error", "data-set")]),
        ({"data_element": IN_TWO_SETS}, "2.43", []),
        ({"data_element": POPULATION}, "2.42", [("error", "data-set")]),
        ({"data_element": POPULATION, "data_set": ""}, "2.42", [("error", "period-type")]),
        ({"data_set": ""}, "2.43", []),
    ],
)
def test_data_sets(target: dict[str, str], version: str, findings: list[tuple[str, str]]) -> None:
    assert found(payload(RAIN_TARGET.model_copy(update=target)), version) == findings


@pytest.mark.parametrize(
    ("org_units", "version", "findings"),
    [
        ([BO, "Unknown0000"], "2.42", [("warning", "org-units")]),
        (["Unknown0000"], "2.42", [("error", "org-units")]),
        ([BO, CHIEFDOM_WITHOUT_GEOMETRY], "2.42", [("warning", "assignment")]),
        ([CHIEFDOM_WITHOUT_GEOMETRY], "2.42", [("error", "assignment")]),
        ([CHIEFDOM_WITHOUT_GEOMETRY], "2.43", [("error", "assignment")]),
    ],
)
def test_org_units(org_units: list[str], version: str, findings: list[tuple[str, str]]) -> None:
    made = payload(org_units=org_units)
    assert [f for f in found(made, version) if f[1] != "aggregation-levels"] == findings


def test_units_outside_the_hierarchy_of_the_user() -> None:
    login: dict[str, Any] = {"username": "clerk", "password": "Clerk-in-Bo-1"}
    assert found(payload(org_units=[BO, KONO]), **login) == [("warning", "hierarchy")]
    assert found(payload(org_units=[KONO]), **login) == [("error", "hierarchy")]


@pytest.mark.parametrize(
    ("period", "open_future_periods", "findings"),
    [
        ("20250719", 0, []),
        ("20250720", 0, [("warning", "open-periods")]),
        ("20250720", 1, []),
        ("20250721", 1, [("warning", "open-periods")]),
    ],
)
def test_periods_that_are_not_open_yet(period: str, open_future_periods: int, findings: list[tuple[str, str]]) -> None:
    change: Change = lambda m: m["dataSets"][0].update(openFuturePeriods=open_future_periods)  # noqa: E731
    assert found(payload(periods=[period]), change=change) == findings


def test_periods_that_are_closed() -> None:
    def change(metadata: dict[str, Any]) -> None:
        metadata["dataSets"][0]["expiryDays"] = 10
        metadata["users"][0]["authorities"] = ["F_DATAVALUE_ADD"]

    assert found(payload(periods=["20250710"]), change=change) == []
    assert found(payload(periods=["20250709"]), change=change) == [("warning", "open-periods")]


@pytest.mark.parametrize(
    ("type_", "open_future_periods", "last"),
    [
        ("Daily", 0, date(2025, 7, 19)),
        ("Weekly", 0, date(2025, 7, 13)),
        ("Monthly", 1, date(2025, 7, 31)),
        ("Yearly", 10, date(2034, 12, 31)),
        ("BiWeekly", 0, date(2025, 7, 13)),
        ("TwoYearly", 0, None),
    ],
)
def test_how_long_a_data_set_is_open(type_: str, open_future_periods: int, last: date | None) -> None:
    data_set = {"periodType": type_, "openFuturePeriods": open_future_periods}
    facts = Facts(now=datetime.combine(TODAY, time(10)), data_set=data_set)
    assert facts.open_until() == last


# combinations of options

BY_STAGE = {"id": "CatComboSt1", "name": "By stage", "isDefault": False}
DEFAULT = {"id": "bjDvmb4bfuf", "name": "default", "isDefault": True}


def combination_of(kind: str, **combination: Any) -> Change:
    """Return what gives the data element, its place in the data set, or the data set a category combination."""

    def change(metadata: dict[str, Any]) -> None:
        data_set = metadata["dataSets"][0]
        places = {"element": element(metadata), "member": data_set["dataSetElements"][0], "data set": data_set}
        for place in ("element", "data set"):
            places[place]["categoryCombo"] = DEFAULT
        places[kind]["categoryCombo"] = BY_STAGE | combination
        for combo in metadata["categoryOptionCombos"]:
            combo["categoryCombo"] = DEFAULT if combo["code"] == "default" else BY_STAGE

    return change


@pytest.mark.parametrize("version", ["2.42", "2.43"])
@pytest.mark.parametrize("kind", ["element", "member", "data set"])
@pytest.mark.parametrize(
    ("combo", "findings"),
    [
        ("", [("error", "option-combinations")]),
        ("FINAL", []),
        ("CocFinal001", []),
        ("default", [("error", "option-combinations")]),
        ("NO_SUCH", [("error", "option-combinations")]),
    ],
)
def test_option_combinations(version: str, kind: str, combo: str, findings: list[tuple[str, str]]) -> None:
    if kind == "member" and version == "2.42":
        pytest.skip("one version is enough for what only DHIS2's metadata say")
    key = "attribute_option_combo" if kind == "data set" else "category_option_combo"
    assert found(payload(RAIN_TARGET.model_copy(update={key: combo})), version, combination_of(kind)) == findings


def test_a_data_element_may_lose_its_categories_in_a_data_set() -> None:
    def change(metadata: dict[str, Any]) -> None:
        combination_of("element")(metadata)
        metadata["dataSets"][0]["dataSetElements"][0]["categoryCombo"] = DEFAULT

    assert found(payload(), change=change) == []


def test_category_options_that_the_user_may_not_write() -> None:
    def change(metadata: dict[str, Any]) -> None:
        combination_of("element")(metadata)
        options = [{"id": "CatOption01", "name": "Final", "access": {"data": {"read": True, "write": False}}}]
        metadata["categoryOptionCombos"][1]["categoryOptions"] = options

    target = RAIN_TARGET.model_copy(update={"category_option_combo": "FINAL"})
    assert found(payload(target), "2.43", change) == [("error", "sharing")]


def test_two_option_combinations_called_default() -> None:
    def change(metadata: dict[str, Any]) -> None:
        second = {"id": "CocDefault2", "name": "default", "categoryCombo": {"id": "CatComboOld", "isDefault": False}}
        metadata["categoryOptionCombos"].insert(0, second)
        metadata["categoryOptionCombos"][1]["categoryCombo"] = DEFAULT

    assert found(payload(), change=change) == [("warning", "option-combinations")]
    assert facts_of(payload(), change=change).default_combo() == "HllvX50cXC0"


def test_a_data_element_that_the_user_may_not_write() -> None:
    """From 2.44 on data elements have a sharing for data of their own."""
    change: Change = lambda m: element(m).update(access={"data": {"read": True, "write": False}})  # noqa: E731
    assert found(payload(), change=change) == [("error", "sharing")]


def test_units_that_the_user_does_not_see() -> None:
    view: Change = lambda m: m["users"][0].update(dataViewOrganisationUnits=[{"id": BO}])  # noqa: E731
    assert found(payload(org_units=[BO, KONO]), change=view) == [("warning", "hierarchy")]
    assert found(payload(org_units=[KONO]), change=view) == [("error", "hierarchy")]


def test_a_user_without_any_unit_sees_and_writes_nothing() -> None:
    nothing: Change = lambda m: m["users"][0].update(organisationUnits=[])  # noqa: E731
    assert found(payload(), change=nothing) == [("error", "hierarchy")]
