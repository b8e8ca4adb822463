from typing import Any

import pytest

from eo_pygeoapi.contract.models import ImportSummary, KeptValue, Rejected
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue
from eo_pygeoapi.pipeline.dhis2.summary import Answer, BatchResult, Tally, imported_nothing, in_words, shortened

BATCH = [DataValue(f"ou{n}", "20250701", str(n)) for n in range(4)]


def answer(status: str, conflicts: list[dict[str, Any]] | None = None, rejected: Any = None, **counts: int) -> Answer:
    found = {name: counts.get(name, 0) for name in ("imported", "updated", "ignored", "deleted")}
    summary = {"status": status, "importCount": found, "conflicts": conflicts or [], "description": "Import done"}
    return Answer(BATCH, summary | ({"rejectedIndexes": rejected} if rejected else {}))


# one answer


def test_one_conflict_may_concern_several_values() -> None:
    conflict = {"errorCode": "E7612", "value": "Organisation unit not found", "object": "ou1", "indexes": [3, 1]}
    reason = "Organisation unit not found"
    found = answer("WARNING", [conflict], imported=2, ignored=2)
    assert found.rejected() == [
        Rejected(org_unit="ou1", period="20250701", value="1", code="E7612", reason=reason),
        Rejected(org_unit="ou3", period="20250701", value="3", code="E7612", reason=reason),
    ]
    assert (found.unexplained(), found.refuses_all) == (0, False)


def test_a_value_is_rejected_once() -> None:
    conflicts = [{"value": "first", "indexes": [0]}, {"value": "second", "indexes": [0]}]
    found = answer("WARNING", conflicts, rejected=[0, 2], imported=3, ignored=1).rejected()
    assert [(entry.org_unit, entry.reason) for entry in found] == [("ou0", "first"), ("ou2", "DHIS2 gives no reason")]


@pytest.mark.parametrize("indexes", [None, [], [-1], [99]])
def test_a_refusal_of_all_rejects_all(indexes: list[int] | None) -> None:
    conflict = {"errorCode": "E7600", "value": "Data set not found"} | ({} if indexes is None else {"indexes": indexes})
    found = answer("ERROR", [conflict])
    assert (found.refuses_all, found.code, found.reason) == (True, "E7600", "Data set not found")
    assert [entry.org_unit for entry in found.rejected()] == ["ou0", "ou1", "ou2", "ou3"]


def test_a_refusal_without_conflicts_has_its_description() -> None:
    assert {entry.reason for entry in answer("ERROR").rejected()} == {"Import done"}
    assert answer("PENDING").status == "ERROR"


@pytest.mark.parametrize(
    ("counts", "conflicts", "unexplained"),
    [
        ({"imported": 4}, [], 0),
        ({"imported": 3, "ignored": 1}, [], 1),
        ({"ignored": 4}, [], 4),
        ({"imported": 3}, [], 1),
        ({"imported": 3, "deleted": 1}, [], 1),
        ({"imported": 1, "ignored": 3}, [{"object": "ou1", "value": "Unit not found"}], 3),
        ({"imported": 1, "ignored": 3}, [{"value": "not found", "indexes": [0, 1, 2]}], 0),
    ],
)
def test_what_does_not_add_up_is_unexplained(
    counts: dict[str, int], conflicts: list[dict[str, Any]], unexplained: int
) -> None:
    assert answer("WARNING" if conflicts else "SUCCESS", conflicts, **counts).unexplained() == unexplained


# all batches


def total(*results: BatchResult) -> ImportSummary:
    tally = Tally()
    for each in results:
        tally.add(each)
    return tally.total(dry_run=False)


def test_nothing_sent_is_a_success() -> None:
    assert total(BatchResult(counts={"unchanged": 5})) == ImportSummary(status="SUCCESS", dry_run=False, unchanged=5)
    assert total().status == "SUCCESS"


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        (["SUCCESS", "SUCCESS"], "SUCCESS"),
        (["SUCCESS", "WARNING"], "WARNING"),
        (["SUCCESS", "ERROR"], "WARNING"),
        (["ERROR", "ERROR"], "ERROR"),
    ],
)
def test_batches_that_do_not_agree_are_a_warning(statuses: list[Any], status: str) -> None:
    assert total(*(BatchResult(statuses=[each]) for each in statuses)).status == status


def test_the_counts_are_added_and_the_first_hundred_listed() -> None:
    rejected = [Rejected(org_unit=f"ou{n}", reason="no") for n in range(80)]
    kept = [KeptValue(org_unit="a", period="2026", value="1", stored="2", stored_by="jane")]
    batch = BatchResult(statuses=["SUCCESS"], counts={"imported": 3, "ignored": 81}, rejected=rejected, kept=kept)
    found = total(batch, batch)
    assert (found.status, found.imported, found.ignored) == ("WARNING", 6, 162)
    assert (len(found.rejected), found.rejected_count, found.kept_count, len(found.kept)) == (100, 160, 2, 2)


def test_a_reason_is_given_once() -> None:
    batch = BatchResult(statuses=["ERROR"], reasons=["Data set not found"])
    assert total(batch, batch).reason == "Data set not found"


def test_a_job_says_in_a_sentence_what_came_of_its_values() -> None:
    late = [Rejected(org_unit="a", period="2026", reason="it is too late")]
    done = ImportSummary(status="WARNING", dry_run=False, imported=3, unchanged=2, rejected_count=1)
    done = done.model_copy(update={"rejected": late, "notes": ["soon"]})
    assert in_words(6, done) == "6 values; in DHIS2: 3 new, 2 unchanged, 1 rejected; rejected: it is too late; soon"
    asked = ImportSummary(status="SUCCESS", dry_run=True, updated=1)
    assert in_words(1, asked) == "1 value; a dry run, nothing is stored; in DHIS2 they would be: 1 changed"
    would = ImportSummary(status="ERROR", dry_run=True, reason="the data set is closed")
    assert (
        in_words(4, would) == "an import would fail: the data set is closed; a dry run of 4 values, nothing is stored"
    )
    refused = ImportSummary(status="ERROR", dry_run=False, reason="the data set is closed")
    assert in_words(4, refused) == "4 values; in DHIS2: none; the data set is closed"


def test_which_import_is_a_failure() -> None:
    error = ImportSummary(status="ERROR", dry_run=False, unchanged=3)
    assert imported_nothing(error, 3)
    assert not imported_nothing(error.model_copy(update={"dry_run": True}), 3)
    assert not imported_nothing(error.model_copy(update={"imported": 1}), 3)
    assert not imported_nothing(error.model_copy(update={"status": "WARNING"}), 3)
    skipped = ImportSummary(status="SKIPPED", dry_run=False, reason="there is no DHIS2 connection 'national'")
    assert imported_nothing(skipped, 3)
    assert not imported_nothing(skipped, 0)  # there was nothing to import
    assert not imported_nothing(skipped.model_copy(update={"dry_run": True}), 3)


def test_long_lists_of_names_are_shortened() -> None:
    days = [f"202401{day:02}" for day in range(10, 20)]
    words = f"Untimely data entry and period(s): `[{', '.join(days)}]`"
    assert shortened(words) == f"Untimely data entry and period(s): `[{', '.join(days[:5])} and 5 more]`"
    assert shortened("[a, b] and [c]") == "[a, b] and [c]"


def test_values_whose_new_periods_collided_are_parted_from_the_others() -> None:
    values = [DataValue("a", "1", "5"), DataValue("a", "2", "6"), DataValue("b", "2", "x")]
    conflicts = [{"errorCode": "E7611", "value": "period", "indexes": [0]}, {"errorCode": "E7619", "indexes": [2]}]
    counts = {"imported": 1, "updated": 0, "ignored": 2, "deleted": 0}
    answer = Answer(
        values, {"status": "WARNING", "importCount": counts, "conflicts": conflicts, "rejectedIndexes": [0, 2]}
    )
    rest, apart = answer.collided()
    assert (apart, rest.values, rest.status, rest.counts["ignored"]) == (values[:1], values[1:], "WARNING", 1)
    assert [entry.org_unit for entry in rest.rejected()] == ["b"]
    assert rest.collided()[1] == []
