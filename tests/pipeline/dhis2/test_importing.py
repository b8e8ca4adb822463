import gzip
import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eo_pygeoapi.contract.models import ImportSummary, KeptValue, Rejected
from eo_pygeoapi.datasets.block import DatasetTarget
from eo_pygeoapi.errors import Dhis2Error
from eo_pygeoapi.pipeline.dhis2.batch_size import BatchSizes
from eo_pygeoapi.pipeline.dhis2.batching import batches
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue
from eo_pygeoapi.pipeline.dhis2.importing import import_to_dhis2
from eo_pygeoapi.store.store import ResultStore
from tests.pipeline.dhis2.imports import JULY, KONO, TARGET, TODAY, Importer, connector, files, july, put, sent, stored
from tests.pipeline.made import dataset
from tests.standins.dhis2 import StandIn, running
from tests.standins.dhis2_metadata import (
    BO,
    CHIEFDOM_WITHOUT_GEOMETRY,
    DISTRICTS,
    RAIN,
    RAIN_BY_STAGE,
    RAIN_WITHOUT_ZEROS,
    default_metadata,
)


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, StandIn]]:
    with running("2.38", today=TODAY) as a, running("2.42", today=TODAY) as b, running("2.43", today=TODAY) as c:
        yield {"2.38": a, "2.42": b, "2.43": c}


@pytest.fixture(params=["2.38", "2.42", "2.43"])
def dhis2(request: pytest.FixtureRequest, servers: dict[str, StandIn]) -> StandIn:
    servers[request.param].reset()
    return servers[request.param]


@pytest.fixture
def dhis2_242(servers: dict[str, StandIn]) -> StandIn:
    servers["2.42"].reset()
    return servers["2.42"]


@pytest.fixture
def dhis2_243(servers: dict[str, StandIn]) -> StandIn:
    servers["2.43"].reset()
    return servers["2.43"]


@pytest.fixture
def run(tmp_path: Path) -> Importer:
    return Importer(tmp_path)


# skipped


def test_without_a_connection_the_import_is_skipped(tmp_path: Path) -> None:
    target = TARGET.model_copy(update={"connection": "national"})
    summary = import_to_dhis2(files(tmp_path, july(), target), dataset(), True, None)
    assert summary == ImportSummary(
        status="SKIPPED",
        dry_run=True,
        reason="there is no DHIS2 connection 'national'; set EO_DHIS2_NATIONAL_URL and EO_DHIS2_NATIONAL_TOKEN "
        "(or EO_DHIS2_NATIONAL_USERNAME and EO_DHIS2_NATIONAL_PASSWORD), "
        "or make the Prefect block dhis2-connection/national",
    )


def test_without_a_data_element_the_import_is_skipped(run: Importer, dhis2_242: StandIn) -> None:
    summary = run(dhis2_242, july(), target=DatasetTarget())
    assert (summary.status, summary.dry_run) == ("SKIPPED", False)
    assert "set dhis2.dataElement in the dataset's eo: block" in summary.reason


def test_without_values_the_import_is_skipped(run: Importer, dhis2_242: StandIn) -> None:
    assert run(dhis2_242, {}).status == "SKIPPED"
    assert not dhis2_242.log()


# imported


def test_a_dry_run_asks_dhis2_and_stores_nothing(run: Importer, dhis2: StandIn, tmp_path: Path) -> None:
    put(dhis2, BO, JULY[0], "0.5")
    put(dhis2, KONO, JULY[0], "99", storedBy="admin")
    before = dhis2.values()
    summary = run(dhis2, july(), dry_run=True)
    assert (summary.status, summary.dry_run) == ("SUCCESS", True)
    assert (summary.imported, summary.updated, summary.unchanged) == (128, 1, 1)
    assert dhis2.values() == before
    assert not (tmp_path / "sent").exists()
    (entry,) = dhis2.log("POST")
    assert (entry["query"]["dryRun"], entry["query"]["strictPeriods"]) == (["true"], ["true"])
    rows = {(row["orgUnit"], row["period"]): row for row in run.json("steps/import-rows.json")}
    assert len(rows) == 100
    assert rows[KONO, JULY[0]] | {"value": ""} == {
        "orgUnit": KONO, "period": JULY[0], "value": "", "stored": "99", "change": "changed", "storedBy": "admin"
    }  # fmt: skip
    assert (rows[BO, JULY[0]]["change"], rows[BO, JULY[1]]["change"]) == ("unchanged", "new")
    assert run.text("changes.csv").count("\n") == 131
    assert summary.notes == []


def test_an_import_stores_exactly_the_values(run: Importer, dhis2: StandIn) -> None:
    summary = run(dhis2, july())
    assert (summary.status, summary.imported, summary.findings) == ("SUCCESS", 130, [])
    assert (summary.ignored, summary.deleted, summary.unchanged, summary.rejected_count) == (0, 0, 0, 0)
    assert stored(dhis2) == july()
    assert dhis2.log("POST")[0]["query"]["dryRun"] == ["false"]
    assert run.json("rejected.json") == run.json("kept.json") == []


def test_a_second_import_sends_nothing(run: Importer, dhis2: StandIn) -> None:
    run(dhis2, july())
    before = dhis2.values()
    dhis2.clear_log()
    summary = run(dhis2, july())
    assert (summary.status, summary.imported, summary.updated, summary.unchanged) == ("SUCCESS", 0, 0, 130)
    assert not dhis2.log("POST")
    assert dhis2.values() == before
    assert not dhis2.audit()
    assert summary.notes == []


def test_only_what_is_new_or_changed_is_sent(run: Importer, dhis2: StandIn) -> None:
    run(dhis2, july())
    dhis2.clear_log()
    summary = run(dhis2, july() | {(BO, JULY[0]): 99.25, (BO, "20250711"): 7})
    assert (summary.imported, summary.updated, summary.unchanged) == (1, 1, 129)
    assert sorted(sent(dhis2)) == [(BO, JULY[0]), (BO, "20250711")]
    assert [(value["orgUnit"], value["value"]) for value in dhis2.audit()] == [(BO, "0.5")]


def test_the_same_number_in_other_digits_is_unchanged(run: Importer, dhis2: StandIn) -> None:
    put(dhis2, BO, JULY[0], "12.50")
    assert run(dhis2, {(BO, JULY[0]): 12.5}).unchanged == 1


def test_codes_do_as_well_as_uids(run: Importer, dhis2: StandIn) -> None:
    target = DatasetTarget(
        data_element="RAIN_BY_STAGE",
        data_set="CLIMATE_DAILY",
        category_option_combo="FINAL",
        attribute_option_combo="default",
    )
    cells = {("OU_1000", JULY[0]): 1.5, ("OU_1001", JULY[0]): 2.5}
    assert run(dhis2, cells, target=target).imported == 2
    assert {value["categoryOptionCombo"] for value in dhis2.values()} == {"CocFinal001"}
    assert run(dhis2, cells, target=target).unchanged == 2


def test_another_option_combination_is_another_value(run: Importer, dhis2: StandIn) -> None:
    by_stage = TARGET.model_copy(update={"data_element": RAIN_BY_STAGE})
    prelim, final = (by_stage.model_copy(update={"category_option_combo": c}) for c in ("CocPrelim01", "CocFinal001"))
    run(dhis2, {(BO, JULY[0]): 1.5}, target=prelim)
    assert run(dhis2, {(BO, JULY[0]): 1.5}, target=final).imported == 1
    assert len(dhis2.values()) == 2
    assert run(dhis2, {(BO, JULY[0]): 1.5}, target=prelim).unchanged == 1


def test_a_database_whose_default_combination_has_another_uid(run: Importer, dhis2_242: StandIn) -> None:
    put(dhis2_242, BO, JULY[0], "1.5", attributeOptionCombo="CocFinal001")
    run(dhis2_242, {(BO, JULY[0]): 1.5})
    assert len(dhis2_242.log("GET", "/api/categoryOptionCombos")) == 1
    assert len(dhis2_242.values()) == 2
    dhis2_242.faults({"path": "/api/categoryOptionCombos", "status": 403, "body": "{}"})
    assert run(dhis2_242, {(BO, JULY[0]): 1.5}).unchanged == 1


def test_one_option_combination_may_be_a_uid_and_the_other_a_code(run: Importer, dhis2: StandIn) -> None:
    combos = {"category_option_combo": "CocFinal001", "attribute_option_combo": "default"}
    target = TARGET.model_copy(update={"data_element": RAIN_BY_STAGE, **combos})
    assert run(dhis2, {(BO, JULY[0]): 1.5}, target=target).imported == 1
    assert run(dhis2, {(BO, JULY[0]): 1.5}, target=target).unchanged == 1


def test_the_only_data_set_of_a_data_element_is_sent(run: Importer, dhis2: StandIn) -> None:
    target = DatasetTarget(data_element=RAIN)
    assert run(dhis2, july(), target=target).imported == 130
    assert dhis2.log("POST")[0]["body"]["dataSet"] == "ClimateDay1"
    assert run(dhis2, july(), target=target).unchanged == 130


@pytest.mark.parametrize(("strategy", "counts", "value"), [("CREATE", (1, 0, 1), 9.0), ("UPDATE", (0, 1, 1), 1.0)])
def test_create_and_update_alone(
    run: Importer, dhis2: StandIn, strategy: str, counts: tuple[int, int, int], value: float
) -> None:
    put(dhis2, BO, JULY[0], "9", storedBy="admin")
    target = TARGET.model_copy(update={"import_strategy": strategy})
    summary = run(dhis2, {(BO, JULY[0]): 1.0, (KONO, JULY[0]): 2.0}, target=target)
    assert (summary.imported, summary.updated, summary.ignored) == counts
    assert (summary.status, summary.rejected_count) == ("SUCCESS", 0)
    assert stored(dhis2) == {(BO, JULY[0]): value} | ({(KONO, JULY[0]): 2.0} if strategy == "CREATE" else {})


def test_after_an_import_people_learn_when_they_will_see_it(run: Importer) -> None:
    metadata = default_metadata()
    with running("2.42", metadata, TODAY) as dhis2:
        assert run(dhis2, {(BO, JULY[0]): 1.5}).notes == [
            "imported values show up in DHIS2 analytics after its next run; there was none yet"
        ]
    metadata["systemInfo"]["lastAnalyticsTableSuccess"] = "1970-01-01T00:00:00.000"  # it never ran
    with running("2.42", metadata, TODAY) as dhis2:
        assert run(dhis2, {(BO, JULY[0]): 1.5}).notes[0].endswith("there was none yet")
    metadata["systemInfo"]["lastAnalyticsTableSuccess"] = "2025-07-19T02:00:00.000"
    with running("2.42", metadata, TODAY) as dhis2:
        assert run(dhis2, {(BO, JULY[0]): 1.5}).notes[0].endswith("the last one ended 2025-07-19T02:00:00.000")


# what others changed


def test_what_somebody_else_stored_is_kept_and_listed(run: Importer, dhis2: StandIn) -> None:
    put(dhis2, BO, JULY[0], "9", storedBy="jane")
    put(dhis2, BO, JULY[1], "0.5", storedBy="jane")
    summary = run(dhis2, july())
    assert (summary.status, summary.imported, summary.unchanged, summary.ignored) == ("WARNING", 128, 1, 1)
    at = summary.kept[0].stored_at
    assert timedelta(0) <= datetime.now(UTC) - datetime.fromisoformat(at).astimezone(UTC) < timedelta(minutes=5)
    kept = KeptValue(org_unit=BO, period=JULY[0], value="0.5", stored="9", stored_by="jane", stored_at=at)
    assert (summary.kept, summary.kept_count) == ([kept], 1)
    assert run.json("kept.json") == [kept.to_json(exclude_defaults=True)]
    assert stored(dhis2) == july() | {(BO, JULY[0]): 9.0}
    assert not dhis2.audit()
    assert any("onConflict: overwrite" in note for note in summary.notes)


def test_what_was_changed_by_our_own_user_is_kept_too(run: Importer, dhis2: StandIn) -> None:
    run(dhis2, july())
    put(dhis2, BO, JULY[0], "9", storedBy="admin")
    summary = run(dhis2, july())
    assert (summary.kept_count, summary.unchanged) == (1, 129)
    assert stored(dhis2)[BO, JULY[0]] == 9.0


def test_what_dhis2_holds_as_ours_is_noted_as_ours(run: Importer, dhis2: StandIn) -> None:
    """The notes began late, or were lost; then a person logs in with our account and corrects a value."""
    for cell, value in july().items():
        put(dhis2, *cell, str(value), storedBy="admin")
    assert run(dhis2, july(), dry_run=True).unchanged == 130
    assert not (run.folder / "sent").exists()
    assert run(dhis2, july()).unchanged == 130
    assert not dhis2.log("POST", "/api/dataValueSets")[1:]
    put(dhis2, BO, JULY[0], "9", storedBy="admin")
    summary = run(dhis2, {cell: value + 1 for cell, value in july().items()})
    assert (summary.kept_count, summary.updated, stored(dhis2)[BO, JULY[0]]) == (1, 129, 9.0)


def test_the_notes_of_what_was_sent_are_lost(run: Importer, dhis2: StandIn) -> None:
    """The next import goes by who stored a value, sends what is lacking or computed anew, and notes all ours again."""
    (lacking, _), (changed, _), (computed_anew, _), (equal, _), *_ = july().items()
    run(dhis2, {cell: value for cell, value in july().items() if cell != lacking})
    put(dhis2, *changed, "9", storedBy="jane")
    shutil.rmtree(run.folder / "sent")
    dhis2.clear_log()
    summary = run(dhis2, july() | {computed_anew: 77.0})
    assert (summary.imported, summary.updated, summary.unchanged, summary.kept_count) == (1, 1, 127, 1)
    assert sorted(sent(dhis2)) == sorted([lacking, computed_anew])
    assert stored(dhis2) == july() | {changed: 9.0, computed_anew: 77.0}
    put(dhis2, *equal, "8", storedBy="admin")  # by a person with our account: the notes tell it again
    summary = run(dhis2, {cell: value + 1 for cell, value in july().items()})
    assert (summary.updated, summary.kept_count, stored(dhis2)[equal]) == (128, 2, 8.0)


def test_our_own_values_follow_the_data(run: Importer, dhis2: StandIn) -> None:
    run(dhis2, july())
    for shift in (1, 2):
        later = {cell: value + shift for cell, value in july().items()}
        assert (run(dhis2, later).updated, stored(dhis2)) == (130, later)


def test_the_dataset_may_say_overwrite(run: Importer, dhis2: StandIn) -> None:
    put(dhis2, BO, JULY[0], "trace", storedBy="jane")
    target = TARGET.model_copy(update={"on_conflict": "overwrite"})
    summary = run(dhis2, july(), target=target)
    assert (summary.status, summary.imported, summary.updated, summary.kept_count) == ("SUCCESS", 129, 1, 0)
    assert stored(dhis2) == july()
    assert [(value["value"], value["modifiedBy"]) for value in dhis2.audit()] == [("trace", "admin")]


def test_a_value_whose_confirmation_was_lost_is_still_ours(run: Importer, dhis2: StandIn) -> None:
    """The import dies after DHIS2 has stored the values and before it says so; a later job has other values."""
    run(dhis2, july())
    later, latest = ({cell: value + shift for cell, value in july().items()} for shift in (1, 2))
    dhis2.faults({"path": "/api/dataValueSets", "method": "POST", "storeThenReset": True, "times": 1})
    with pytest.raises(Dhis2Error):
        run(dhis2, later)
    assert stored(dhis2) == later
    summary = run(dhis2, latest)
    assert (summary.updated, summary.kept_count, stored(dhis2)) == (130, 0, latest)


def test_the_next_attempt_of_a_job_notes_what_dhis2_took_from_the_one_before(run: Importer, dhis2: StandIn) -> None:
    run(dhis2, july())
    later = {cell: value + 1 for cell, value in july().items()}
    dhis2.faults({"path": "/api/dataValueSets", "method": "POST", "storeThenReset": True, "times": 1})
    with pytest.raises(Dhis2Error):
        run(dhis2, later)
    run.jobs -= 1
    assert run(dhis2, later).updated == 130
    store = ResultStore(str(run.folder))
    notes = [json.loads(gzip.decompress(store.read_bytes(key))) for key in store.keys("sent") if key.endswith(".gz")]
    assert {job for note in notes for job in note["jobs"].values()} == {"job2"}
    counts = {len(values) for note in notes for period in note["values"].values() for values in period.values()}
    assert counts == {1}, "the value before is no longer taken for ours"


# rejected


def test_a_part_is_rejected(run: Importer, dhis2: StandIn) -> None:
    cells = july() | {("Unknown0000", period): 1 for period in JULY} | {(BO, "20250801"): 1}
    importer = connector(dhis2, username="importer", password="Importer-of-all-1")  # admin may enter more on 2.43
    summary = run(dhis2, cells, connect=importer)
    assert summary.status == "WARNING"
    assert (summary.imported, summary.ignored, summary.rejected_count) == (130, 11, 11)
    assert stored(dhis2) == july()
    found = {(entry.org_unit, entry.period): entry for entry in summary.rejected}
    assert found["Unknown0000", "20250701"] == Rejected(
        org_unit="Unknown0000",
        period="20250701",
        value="1",
        code="E7612",
        reason="organisation unit not found or not accessible: `Unknown0000`",
    )
    assert found[BO, "20250801"].code in ("E7641", "E8030")
    assert len(run.json("rejected.json")) == 11


def test_unassigned_units_are_left_out(run: Importer, dhis2: StandIn) -> None:
    summary = run(dhis2, july() | {(CHIEFDOM_WITHOUT_GEOMETRY, JULY[0]): 1})
    assert (summary.status, summary.imported, summary.rejected_count) == ("WARNING", 130, 1)
    assert (summary.rejected[0].org_unit, summary.rejected[0].code) == (CHIEFDOM_WITHOUT_GEOMETRY, "E8022")
    assert "is not assigned to the data set Climate daily (ClimateDay1)" in summary.rejected[0].reason
    assert (len(dhis2.log("POST")), stored(dhis2)) == (1, july())
    assert [finding.code for finding in summary.findings if "assigned" in finding.message] == ["assignment"]


@pytest.mark.parametrize("bad", [1, 3])
def test_what_243_refuses_by_name_is_left_out_and_the_rest_sent_again(
    run: Importer, dhis2_243: StandIn, bad: int
) -> None:
    """The data set changes after the check; DHIS2 then refuses whole batches."""
    dropped = list(DISTRICTS)[3 : 3 + bad]
    dhis2_243.unassign(*dropped)
    summary = run(dhis2_243, july(), batch_size=65)
    good = {cell: value for cell, value in july().items() if cell[0] not in dropped}
    assert (summary.status, summary.imported, stored(dhis2_243)) == ("WARNING", len(good), good)
    assert (summary.rejected_count, {entry.code for entry in summary.rejected}) == (10 * bad, {"E8022"})
    assert {entry.org_unit for entry in summary.rejected} == set(dropped)
    # once found, the units are left out of the other batch
    assert len(dhis2_243.log("POST")) == 3
    accepted = [entry for entry in dhis2_243.log("POST") if entry["status"] == 200]
    cells = [(v["orgUnit"], v["period"]) for entry in accepted for v in entry["body"]["dataValues"]]
    assert sorted(cells) == sorted(good)


def test_a_dry_run_finds_it_too(run: Importer, dhis2_243: StandIn) -> None:
    dhis2_243.unassign(KONO)
    summary = run(dhis2_243, july(), dry_run=True)
    assert (summary.imported, summary.rejected_count) == (120, 10)
    assert not dhis2_243.values()


def test_an_id_that_is_neither_uid_nor_code_is_rejected_here(run: Importer, dhis2: StandIn) -> None:
    summary = run(dhis2, july() | {("my-area", JULY[0]): 1.5})
    assert (summary.status, summary.imported, summary.rejected_count) == ("WARNING", 130, 1)
    assert (summary.rejected[0].org_unit, summary.rejected[0].value) == ("my-area", "1.5")
    assert "not found or not accessible: `my-area`" in summary.rejected[0].reason


def test_units_outside_the_users_hierarchy_are_rejected(run: Importer, dhis2: StandIn) -> None:
    clerk = connector(dhis2, username="clerk", password="Clerk-in-Bo-1")
    summary = run(dhis2, {(BO, JULY[0]): 1, (KONO, JULY[0]): 1}, connect=clerk)
    assert (summary.status, summary.imported, summary.rejected_count) == ("WARNING", 1, 1)
    assert (summary.rejected[0].org_unit, summary.rejected[0].code) == (KONO, "E7617")
    assert stored(dhis2) == {(BO, JULY[0]): 1.0}


@pytest.mark.parametrize("version", ["2.42", "2.43"])
def test_a_user_who_does_not_see_a_unit_does_not_write_to_it(run: Importer, version: str) -> None:
    """Reading tells such a user nothing, which would look like an empty DHIS2."""
    metadata = default_metadata()
    metadata["users"][0] |= {"superuser": False, "dataViewOrganisationUnits": [{"id": KONO}]}
    with running(version, metadata, TODAY) as dhis2:
        put(dhis2, BO, JULY[0], "9", storedBy="jane")
        summary = run(dhis2, {(BO, JULY[0]): 1, (KONO, JULY[0]): 1})
        assert stored(dhis2) == {(BO, JULY[0]): 9.0, (KONO, JULY[0]): 1.0}
        assert (summary.status, summary.imported, summary.rejected[0].code) == ("WARNING", 1, "E2012")
        none = run(dhis2, {(BO, JULY[0]): 1})
        assert (none.status, none.imported) == ("ERROR", 0)
        assert "for whom DHIS2 looks empty there; add them to the user (O6uvpzGd5pu)" in none.reason


def test_zeros_that_are_dropped_are_named_by_reading_back(run: Importer, dhis2_242: StandIn) -> None:
    """The check before cannot know when somebody unticks `zeroIsSignificant` during an import."""
    put(dhis2_242, KONO, JULY[0], "9", storedBy="admin")
    dhis2_242.drop_zeros(RAIN)
    cells = {(BO, JULY[0]): 0.0, (BO, JULY[1]): 3.5, (KONO, JULY[0]): 0.0}
    assert "would drop" in run(dhis2_242, cells, dry_run=True).reason
    dhis2_242.reset()
    put(dhis2_242, KONO, JULY[0], "9", storedBy="admin")
    dhis2_242.drop_zeros(RAIN)
    summary = run(dhis2_242, cells)
    assert (summary.status, summary.imported, summary.deleted) == ("WARNING", 1, 1)
    assert {(entry.org_unit, entry.period) for entry in summary.rejected} == {(BO, JULY[0]), (KONO, JULY[0])}
    assert all("zeroIsSignificant" in entry.reason for entry in summary.rejected)
    assert "did not store 2 of 3 values" in summary.reason
    assert stored(dhis2_242) == {(BO, JULY[1]): 3.5}


# the check before


def test_an_error_keeps_everything_from_being_sent(run: Importer, dhis2_242: StandIn) -> None:
    target = TARGET.model_copy(update={"data_element": RAIN_WITHOUT_ZEROS})
    for dry_run in (True, False):
        summary = run(dhis2_242, {(BO, JULY[0]): 0.0, (BO, JULY[1]): 1.0}, dry_run=dry_run, target=target)
        assert (summary.status, summary.imported) == ("ERROR", 0)
        assert "DHIS2 would drop 1 of 2 values" in summary.reason
        assert [finding.code for finding in summary.findings] == ["zeros"]
    assert not dhis2_242.log("POST")


def test_a_warning_does_not(run: Importer, dhis2: StandIn) -> None:
    summary = run(dhis2, july(), eo={"aggregation": {"spatial": "mean", "temporal": "sum"}})
    assert (summary.imported, summary.status) == (130, "SUCCESS")
    assert [(finding.severity, finding.code) for finding in summary.findings] == [("warning", "aggregation-levels")]


@pytest.mark.parametrize("data_element", [RAIN, "CHIRPS_PRECIPITATION"])
def test_only_a_real_import_takes_its_turn(run: Importer, dhis2_242: StandIn, data_element: str) -> None:
    turns: list[tuple[str, int]] = []

    @contextmanager
    def turn(uid: str) -> Iterator[None]:
        turns.append((uid, len(dhis2_242.log("POST"))))
        yield
        turns.append((uid, len(dhis2_242.log("POST"))))

    target = TARGET.model_copy(update={"data_element": data_element})
    run(dhis2_242, july(), dry_run=True, target=target, turn=turn)
    assert turns == []
    run(dhis2_242, july(), target=target, turn=turn)
    assert turns == [(RAIN, 1), (RAIN, 2)]


# batches and schemes


def test_batches_are_whole_periods() -> None:
    values = [DataValue(unit, period, "1") for period in ("1", "2", "3", "4") for unit in "abc"]
    sizes = [(len(batch), {value.period for value in batch}) for batch in batches(values, BatchSizes(fixed=7))]
    assert sizes == [(6, {"1", "2"}), (6, {"3", "4"})]
    assert [len(batch) for batch in batches(values, BatchSizes(fixed=2))] == [2, 1, 2, 1, 2, 1, 2, 1]
    assert [len(batch) for batch in batches(values, BatchSizes(fixed=100))] == [12]
    assert list(batches([], BatchSizes(fixed=5))) == []


def test_a_large_import_goes_in_batches_of_whole_periods(run: Importer) -> None:
    metadata = default_metadata()
    bo = next(unit for unit in metadata["organisationUnits"] if unit["id"] == BO)
    villages = [f"Village{n:04}" for n in range(800)]
    metadata["organisationUnits"] += [bo | {"id": uid, "path": f"{bo['path']}/{uid}"} for uid in villages]
    metadata["dataSets"][0]["organisationUnits"] += [{"id": uid} for uid in villages]
    cells = {(uid, period): 1.5 for uid in villages for period in [*JULY, *(f"202506{day:02}" for day in range(1, 21))]}
    with running("2.42", metadata, TODAY) as dhis2:
        summary = run(dhis2, cells, batch_size=2500)
        assert (summary.status, summary.imported) == ("SUCCESS", 24_000)
        assert [len(entry["body"]["dataValues"]) for entry in dhis2.log("POST")] == 10 * [2400]
        assert {entry["status"] for entry in dhis2.log()} == {200}
        assert run(dhis2, cells).unchanged == 24_000


def test_what_dhis2_holds_otherwise_right_after_the_import_is_listed(tmp_path: Path) -> None:
    with running(today=TODAY) as dhis2:
        dhis2.faults({"path": "/api/dataValueSets", "method": "POST", "storeThenStall": 2, "times": 1})
        with ThreadPoolExecutor(1) as pool:
            import_ = pool.submit(Importer(tmp_path), dhis2, july())
            while not dhis2.values():
                time.sleep(0.05)
            put(dhis2, KONO, JULY[3], "99")
            summary = import_.result()
    assert (summary.status, summary.imported, summary.difference_count) == ("WARNING", len(july()), 1)
    (difference,) = summary.differences
    assert (difference.org_unit, difference.period, difference.held, difference.likely) == (
        KONO, JULY[3], "99", "changed"
    )  # fmt: skip
    assert difference.reason.startswith("it was changed by somebody at 20")
    assert summary.notes[-1].startswith("1 value not in DHIS2 as sent")
