from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import date
from functools import partial
from typing import Any

import pandas as pd
import pytest

from eo_pygeoapi.datasets import DatasetTarget
from eo_pygeoapi.errors import Dhis2Error, Dhis2UnavailableError
from eo_pygeoapi.models import ImportSummary, Rejected
from eo_pygeoapi.pipeline.data_values import Payload, build_dhis2_payload
from eo_pygeoapi.pipeline.dhis2 import Dhis2, connect
from eo_pygeoapi.pipeline.dhis2_import import batches, id_schemes, import_to_dhis2
from eo_pygeoapi.settings import Dhis2Connection
from tests.standins.dhis2 import StandIn, running
from tests.standins.dhis2_metadata import (
    BO,
    CHIEFDOM_WITHOUT_GEOMETRY,
    DAILY,
    DISTRICTS,
    IN_TWO_SETS,
    RAIN,
    RAIN_WITHOUT_ZEROS,
    default_metadata,
)

KONO = "Vth0fbpFcsO"
TARGET = DatasetTarget(data_element=RAIN, data_set=DAILY)
TODAY = date(2025, 7, 20)
JULY = [f"202507{day:02}" for day in range(1, 11)]

Connector = Callable[[], AbstractContextManager[Dhis2]]
Cells = Mapping[tuple[str, str], float]


@pytest.fixture(params=["2.38", "2.42", "2.43"])
def dhis2(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    with running(request.param, today=TODAY) as dhis2:
        yield dhis2


@pytest.fixture
def dhis2_242() -> Iterator[StandIn]:
    with running("2.42", today=TODAY) as dhis2:
        yield dhis2


@pytest.fixture
def dhis2_243() -> Iterator[StandIn]:
    with running("2.43", today=TODAY) as dhis2:
        yield dhis2


def connector(dhis2: StandIn, **other: Any) -> Connector:
    connection = Dhis2Connection(**{"url": dhis2.url, "username": dhis2.username, "password": dhis2.password} | other)
    return partial(connect, connection, read_timeout=10)


def payload(cells: Cells, target: DatasetTarget = TARGET) -> Payload:
    rows = [(org_unit, period, value) for (org_unit, period), value in cells.items()]
    return build_dhis2_payload(pd.DataFrame(rows, columns=["orgUnit", "period", "value"]), target)


def july() -> dict[tuple[str, str], float]:
    return {(unit, period): n + 0.5 for n, unit in enumerate(DISTRICTS) for period in JULY}


def run(
    dhis2: StandIn, cells: Cells, dry_run: bool = False, target: DatasetTarget = TARGET, **other: Any
) -> ImportSummary:
    return import_to_dhis2(payload(cells, target), target, dry_run, connector(dhis2), **other)


def stored(dhis2: StandIn) -> dict[tuple[str, str], float]:
    return {(value["orgUnit"], value["period"]): float(value["value"]) for value in dhis2.values()}


def done(summary: ImportSummary) -> int:
    """Return how many values are new or changed; 2.43 calls both updated."""
    return summary.imported + summary.updated


# skipped


def test_without_a_connection_the_import_is_skipped() -> None:
    target = TARGET.model_copy(update={"connection": "national"})
    summary = import_to_dhis2(payload(july(), target), target, True, None)
    assert summary == ImportSummary(
        status="SKIPPED",
        dry_run=True,
        reason="there is no DHIS2 connection 'national'; set EO_DHIS2_NATIONAL_URL and EO_DHIS2_NATIONAL_TOKEN "
        "(or EO_DHIS2_NATIONAL_USERNAME and EO_DHIS2_NATIONAL_PASSWORD)",
    )


def test_without_a_data_element_the_import_is_skipped(dhis2_242: StandIn) -> None:
    summary = run(dhis2_242, july(), target=DatasetTarget())
    assert (summary.status, summary.dry_run) == ("SKIPPED", False)
    assert "set dhis2.dataElement in the dataset's eo: block" in summary.reason


def test_without_values_the_import_is_skipped(dhis2_242: StandIn) -> None:
    assert run(dhis2_242, {}).status == "SKIPPED"
    assert not dhis2_242.log()


# imported


def test_a_dry_run_counts_and_stores_nothing(dhis2: StandIn) -> None:
    summary = run(dhis2, july(), dry_run=True)
    assert (summary.status, summary.dry_run, done(summary)) == ("SUCCESS", True, 130)
    assert not dhis2.values()
    (entry,) = dhis2.log("POST")
    assert entry["query"]["dryRun"] == ["true"]
    assert entry["query"]["strictPeriods"] == ["true"]
    assert entry["body"]["dataSet"] == DAILY


def test_an_import_stores_exactly_the_values(dhis2: StandIn) -> None:
    summary = run(dhis2, july())
    assert (summary.status, done(summary)) == ("SUCCESS", 130)
    assert (summary.ignored, summary.deleted, summary.unchanged, summary.rejected_count) == (0, 0, 0, 0)
    assert stored(dhis2) == july()
    assert dhis2.log("POST")[0]["query"]["dryRun"] == ["false"]


def test_a_second_import_sends_nothing(dhis2: StandIn) -> None:
    run(dhis2, july())
    before = dhis2.values()
    dhis2.clear_log()
    summary = run(dhis2, july())
    assert (summary.status, done(summary), summary.unchanged) == ("SUCCESS", 0, 130)
    assert not dhis2.log("POST")
    assert dhis2.values() == before
    assert not dhis2.audit()


def test_only_what_is_new_or_changed_is_sent(dhis2: StandIn) -> None:
    run(dhis2, july())
    dhis2.clear_log()
    summary = run(dhis2, july() | {(BO, JULY[0]): 99.25, (BO, "20250711"): 7})
    assert (done(summary), summary.unchanged) == (2, 129)
    (entry,) = dhis2.log("POST")
    sent = {(value["orgUnit"], value["period"]): value["value"] for value in entry["body"]["dataValues"]}
    assert sent == {(BO, JULY[0]): "99.25", (BO, "20250711"): "7"}
    assert [(value["orgUnit"], value["value"]) for value in dhis2.audit()] == [(BO, "0.5")]


def test_the_same_number_in_other_digits_is_unchanged(dhis2: StandIn) -> None:
    dhis2.put_values({"dataElement": RAIN, "period": JULY[0], "orgUnit": BO, "value": "12.50"})
    assert run(dhis2, {(BO, JULY[0]): 12.5}).unchanged == 1


def test_what_is_stored_as_text_is_replaced(dhis2: StandIn) -> None:
    dhis2.put_values({"dataElement": RAIN, "period": JULY[0], "orgUnit": BO, "value": "trace"})
    assert done(run(dhis2, {(BO, JULY[0]): 0.5})) == 1
    assert stored(dhis2) == {(BO, JULY[0]): 0.5}


def test_codes_do_as_well_as_uids(dhis2: StandIn) -> None:
    target = DatasetTarget(
        data_element="CHIRPS_PRECIPITATION",
        data_set="CLIMATE_DAILY",
        category_option_combo="FINAL",
        attribute_option_combo="default",
    )
    cells = {("OU_1000", JULY[0]): 1.5, ("OU_1001", JULY[0]): 2.5}
    assert done(run(dhis2, cells, target=target)) == 2
    assert {value["categoryOptionCombo"] for value in dhis2.values()} == {"CocFinal001"}
    assert run(dhis2, cells, target=target).unchanged == 2


def test_another_option_combination_is_another_value(dhis2: StandIn) -> None:
    final = TARGET.model_copy(update={"category_option_combo": "CocFinal001"})
    run(dhis2, {(BO, JULY[0]): 1.5})
    assert done(run(dhis2, {(BO, JULY[0]): 1.5}, target=final)) == 1
    assert len(dhis2.values()) == 2
    assert run(dhis2, {(BO, JULY[0]): 1.5}).unchanged == 1


def test_a_database_whose_default_combination_has_another_uid() -> None:
    with running("2.42", today=TODAY) as dhis2:
        dhis2.put_values(
            {
                "dataElement": RAIN,
                "period": JULY[0],
                "orgUnit": BO,
                "value": "1.5",
                "attributeOptionCombo": "CocFinal001",
            }
        )
        run(dhis2, {(BO, JULY[0]): 1.5})
        assert len(dhis2.log("GET", "/api/categoryOptionCombos")) == 1
        assert len(dhis2.values()) == 2
        dhis2.clear_log()
        dhis2.faults({"path": "/api/categoryOptionCombos", "status": 403, "body": "{}"})
        assert run(dhis2, {(BO, JULY[0]): 1.5}).unchanged == 1


def test_option_combinations_of_both_kinds_are_refused() -> None:
    target = TARGET.model_copy(update={"category_option_combo": "CocFinal001", "attribute_option_combo": "FINAL"})
    with running() as dhis2, pytest.raises(Dhis2Error, match="two UIDs or two codes"):
        run(dhis2, {(BO, JULY[0]): 1.5}, target=target)


def test_without_a_data_set_one_is_found(dhis2: StandIn) -> None:
    target = DatasetTarget(data_element=RAIN)
    assert done(run(dhis2, july(), target=target)) == 130
    assert run(dhis2, july(), target=target).unchanged == 130


@pytest.mark.parametrize(("strategy", "sent", "value"), [("CREATE", (KONO, 2.0), 9.0), ("UPDATE", (BO, 1.0), 1.0)])
def test_create_and_update_alone(dhis2: StandIn, strategy: str, sent: tuple[str, float], value: float) -> None:
    dhis2.put_values({"dataElement": RAIN, "period": JULY[0], "orgUnit": BO, "value": "9"})
    target = TARGET.model_copy(update={"import_strategy": strategy})
    summary = run(dhis2, {(BO, JULY[0]): 1.0, (KONO, JULY[0]): 2.0}, target=target)
    assert (summary.status, done(summary), summary.ignored, summary.rejected_count) == ("SUCCESS", 1, 1, 0)
    assert stored(dhis2) == {(BO, JULY[0]): value, (sent[0], JULY[0]): sent[1]}


# rejected


def test_a_part_is_rejected_until_242(dhis2_242: StandIn) -> None:
    cells = july() | {("Unknown0000", period): 1 for period in JULY} | {(BO, "20250801"): 1}
    summary = run(dhis2_242, cells)
    assert summary.status == "WARNING"
    assert (summary.imported, summary.ignored, summary.rejected_count) == (130, 11, 11)
    assert stored(dhis2_242) == july()
    assert summary.rejected[0] == Rejected(
        org_unit="Unknown0000",
        period="20250701",
        value="1",
        code="E7612",
        reason="Organisation unit not found or not accessible: `Unknown0000`",
    )
    assert (summary.rejected[-1].code, summary.rejected[-1].period) == ("E7641", "20250801")


def test_a_part_is_rejected_without_a_list_of_indexes_in_238() -> None:
    with running("2.38", today=TODAY) as dhis2:
        summary = run(dhis2, {(BO, JULY[0]): 1, ("Unknown0000", JULY[0]): 1})
    assert (summary.status, done(summary), summary.rejected_count) == ("WARNING", 1, 1)


def test_one_unit_refuses_the_whole_batch_from_243_on(dhis2_243: StandIn) -> None:
    summary = run(dhis2_243, july() | {(CHIEFDOM_WITHOUT_GEOMETRY, JULY[0]): 1})
    assert summary.status == "ERROR"
    assert (done(summary), summary.rejected_count, len(summary.rejected)) == (0, 131, 100)
    assert {entry.code for entry in summary.rejected} == {"E8022"}
    assert CHIEFDOM_WITHOUT_GEOMETRY in summary.reason
    assert not dhis2_243.values()


def test_one_period_refuses_only_its_batch_from_243_on(dhis2_243: StandIn) -> None:
    summary = run(dhis2_243, july() | {(BO, "20250801"): 1}, batch_size=50)
    assert (summary.status, done(summary), summary.rejected_count) == ("WARNING", 117, 14)
    assert [len(entry["body"]["dataValues"]) for entry in dhis2_243.log("POST")] == [39, 39, 39, 14]


def test_an_id_that_can_be_no_uid_is_rejected_here(dhis2: StandIn) -> None:
    summary = run(dhis2, july() | {("my-area", JULY[0]): 1.5})
    assert (summary.status, done(summary), summary.rejected_count) == ("WARNING", 130, 1)
    assert (summary.rejected[0].org_unit, summary.rejected[0].value) == ("my-area", "1.5")
    assert "is no UID of an organisation unit" in summary.rejected[0].reason


def test_units_outside_the_users_hierarchy_fail_with_their_name(dhis2_242: StandIn) -> None:
    clerk = connector(dhis2_242, username="clerk", password="Clerk-in-Bo-1")
    with pytest.raises(Dhis2Error, match=f"not allowed to view org unit: `{KONO}`"):
        import_to_dhis2(payload({(BO, JULY[0]): 1, (KONO, JULY[0]): 1}), TARGET, False, clerk)


def test_a_data_set_that_does_not_exist(dhis2: StandIn) -> None:
    summary = run(dhis2, {(BO, JULY[0]): 1.5}, target=TARGET.model_copy(update={"data_set": "NoSuchSet01"}))
    assert (summary.status, done(summary), summary.rejected_count) == ("ERROR", 0, 1)
    assert summary.rejected[0].org_unit == BO
    assert "NoSuchSet01" in summary.reason


def test_two_data_sets_and_none_given(dhis2_243: StandIn) -> None:
    summary = run(dhis2_243, {(BO, JULY[0]): 1.5}, target=DatasetTarget(data_element=IN_TWO_SETS))
    assert (summary.status, summary.rejected[0].code) == ("ERROR", "E8002")


def test_a_period_type_that_the_data_element_does_not_have(dhis2: StandIn) -> None:
    summary = run(dhis2, {(BO, "202506"): 1.5})
    assert (done(summary), summary.rejected_count, summary.rejected[0].code) == (0, 1, summary.rejected[0].code)
    assert summary.rejected[0].code in ("E7632", "E8021")


def test_zeros_that_are_not_significant_are_missed_until_242(dhis2_242: StandIn) -> None:
    target = TARGET.model_copy(update={"data_element": RAIN_WITHOUT_ZEROS})
    dhis2_242.put_values({"dataElement": RAIN_WITHOUT_ZEROS, "period": JULY[0], "orgUnit": KONO, "value": "9"})
    summary = run(dhis2_242, {(BO, JULY[0]): 0.0, (BO, JULY[1]): 3.5, (KONO, JULY[0]): 0.0}, target=target)
    assert (summary.status, summary.imported, summary.deleted) == ("WARNING", 1, 1)
    assert summary.reason.startswith("DHIS2 dropped 1 of 3 values without a word; it does so with zeros where")
    assert "DHIS2 deleted 1 values instead of updating them" in summary.reason
    assert stored(dhis2_242) == {(BO, JULY[1]): 3.5}


# broken off


def test_an_import_that_breaks_off_is_made_again(dhis2: StandIn) -> None:
    dhis2.faults({"path": "/api/dataValueSets", "method": "POST", "skip": 1, "status": 503, "times": 1})
    with pytest.raises(Dhis2UnavailableError, match="HTTP 503"):
        run(dhis2, july(), batch_size=65)
    assert len(dhis2.values()) == 65
    summary = run(dhis2, july(), batch_size=65)
    assert (summary.status, done(summary), summary.unchanged) == ("SUCCESS", 65, 65)
    assert stored(dhis2) == july()
    assert not dhis2.audit()


def test_an_import_that_was_stored_but_not_confirmed(dhis2: StandIn) -> None:
    dhis2.faults({"path": "/api/dataValueSets", "method": "POST", "storeThenStall": 3, "times": 1})
    login = Dhis2Connection(url=dhis2.url, token=dhis2.token)
    with pytest.raises(Dhis2UnavailableError, match="timed out"):
        import_to_dhis2(payload(july()), TARGET, False, partial(connect, login, read_timeout=0.5))
    assert run(dhis2, july()).unchanged == 130


# batches and schemes


def test_batches_are_whole_periods() -> None:
    values = [{"period": period, "orgUnit": unit} for unit in "abc" for period in ("1", "2", "3", "4")]
    sizes = [(len(batch), {value["period"] for value in batch}) for batch in batches(values, 7)]
    assert sizes == [(6, {"1", "2"}), (6, {"3", "4"})]
    assert [len(batch) for batch in batches(values, 2)] == [2, 1, 2, 1, 2, 1, 2, 1]
    assert [len(batch) for batch in batches(values, 100)] == [12]
    assert list(batches([], 5)) == []


def test_what_looks_like_a_uid_is_one() -> None:
    target = DatasetTarget(data_element=RAIN, data_set="CLIMATE_DAILY", category_option_combo="CocFinal001")
    assert id_schemes(target, [BO, "my-area"]) == {
        "dataElementIdScheme": "UID",
        "dataSetIdScheme": "CODE",
        "categoryOptionComboIdScheme": "UID",
        "orgUnitIdScheme": "UID",
    }
    assert id_schemes(DatasetTarget(), ["OU_1", "OU_2"]) == {"orgUnitIdScheme": "CODE"}


def test_a_large_import_goes_in_batches_of_ten_thousand() -> None:
    metadata = default_metadata()
    bo = next(unit for unit in metadata["organisationUnits"] if unit["id"] == BO)
    villages = [f"Village{n:04}" for n in range(800)]
    metadata["organisationUnits"] += [bo | {"id": uid, "path": f"{bo['path']}/{uid}"} for uid in villages]
    cells = {(uid, period): 1.5 for uid in villages for period in [*JULY, *(f"202506{day:02}" for day in range(1, 21))]}
    with running("2.42", metadata, TODAY) as dhis2:
        summary = run(dhis2, cells)
        assert (summary.status, summary.imported) == ("SUCCESS", 24_000)
        assert [len(entry["body"]["dataValues"]) for entry in dhis2.log("POST")] == [9600, 9600, 4800]
        assert {entry["status"] for entry in dhis2.log()} == {200}
        assert run(dhis2, cells).unchanged == 24_000
