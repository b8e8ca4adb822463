from typing import Any

import pytest

from eo_pygeoapi.models import ImportSummary, Rejected
from eo_pygeoapi.pipeline.dhis2_summary import Tally, rejections

BATCH = [{"dataElement": "de", "period": "20250701", "orgUnit": f"ou{n}", "value": str(n)} for n in range(4)]


def summary(status: str, conflicts: list[dict[str, Any]] | None = None, **counts: int) -> dict[str, Any]:
    found = {name: counts.get(name, 0) for name in ("imported", "updated", "ignored", "deleted")}
    return {"status": status, "importCount": found, "conflicts": conflicts or [], "description": "Import done"}


def total(*summaries: dict[str, Any], batch: list[dict[str, str]] = BATCH) -> ImportSummary:
    tally = Tally()
    for each in summaries:
        tally.add(batch, each)
    return tally.total(dry_run=False)


def test_nothing_sent_is_a_success() -> None:
    tally = Tally()
    tally.leave("unchanged", 5)
    assert tally.total(dry_run=True) == ImportSummary(status="SUCCESS", dry_run=True, unchanged=5)


def test_the_counts_of_the_batches_are_added() -> None:
    found = total(summary("SUCCESS", imported=3, ignored=1), summary("SUCCESS", updated=4))
    assert found == ImportSummary(status="SUCCESS", dry_run=False, imported=3, updated=4, ignored=1)


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        (["SUCCESS", "SUCCESS"], "SUCCESS"),
        (["SUCCESS", "WARNING"], "WARNING"),
        (["SUCCESS", "ERROR"], "WARNING"),
        (["ERROR", "ERROR"], "ERROR"),
        (["OK"], "SUCCESS"),
        (["PENDING"], "ERROR"),
    ],
)
def test_batches_that_do_not_agree_are_a_warning(statuses: list[str], status: str) -> None:
    assert total(*(summary(each, updated=4) for each in statuses)).status == status


def test_one_conflict_may_concern_several_values() -> None:
    conflict = {"errorCode": "E7612", "value": "Organisation unit not found", "object": "ou1", "indexes": [3, 1]}
    found = total(summary("WARNING", [conflict], imported=2, ignored=2))
    assert found.rejected_count == 2
    reason = "Organisation unit not found"
    assert found.rejected == [
        Rejected(org_unit="ou1", period="20250701", value="1", code="E7612", reason=reason),
        Rejected(org_unit="ou3", period="20250701", value="3", code="E7612", reason=reason),
    ]
    assert found.reason == ""


def test_a_value_is_rejected_once() -> None:
    conflicts = [{"value": "first", "indexes": [0]}, {"value": "second", "indexes": [0]}]
    answer = summary("WARNING", conflicts, imported=3, ignored=1) | {"rejectedIndexes": [0, 2]}
    rejected, count = rejections(BATCH, answer)
    assert count == 2
    reasons = [(entry.org_unit, entry.reason) for entry in rejected]
    assert reasons == [("ou0", "first"), ("ou2", "DHIS2 gives no reason")]


def test_conflicts_without_indexes_are_told_as_they_are() -> None:
    conflicts = [{"object": "ou1", "value": "Unit not found"}, {"object": "x", "value": "Something else"}]
    found = total(summary("WARNING", conflicts, imported=1, ignored=3))
    assert found.rejected_count == 3
    assert found.rejected == [Rejected(org_unit="ou1", reason="Unit not found"), Rejected(reason="Something else")]


@pytest.mark.parametrize("indexes", [None, [], [-1], [99]])
def test_a_refused_batch_rejects_all_its_values(indexes: list[int] | None) -> None:
    conflict = {"errorCode": "E7600", "value": "Data set not found"} | ({} if indexes is None else {"indexes": indexes})
    found = total(summary("ERROR", [conflict]))
    assert (found.status, found.rejected_count, found.reason) == ("ERROR", 4, "Data set not found")
    assert [entry.org_unit for entry in found.rejected] == ["ou0", "ou1", "ou2", "ou3"]


def test_a_batch_that_failed_without_conflicts() -> None:
    found = total(summary("ERROR") | {"description": "The import process failed: deadlock"})
    assert (found.status, found.rejected_count) == ("ERROR", 4)
    assert found.reason == "The import process failed: deadlock"


def test_the_first_hundred_rejected_are_kept_and_all_counted() -> None:
    batch = [{"period": "2026", "orgUnit": f"ou{n}", "value": "1"} for n in range(80)]
    refused = summary("ERROR", [{"value": "no", "indexes": list(range(80))}])
    found = total(refused, refused, batch=batch)
    assert (len(found.rejected), found.rejected_count) == (100, 160)


def test_a_value_that_was_not_sent_is_a_warning() -> None:
    tally = Tally()
    tally.refuse(BATCH[0], "is no UID")
    tally.add(BATCH[1:], summary("SUCCESS", updated=3))
    found = tally.total(dry_run=False)
    assert (found.status, found.updated, found.rejected_count) == ("WARNING", 3, 1)
    assert found.rejected[0].org_unit == "ou0"


def test_values_that_are_counted_nowhere_are_missed() -> None:
    found = total(summary("SUCCESS", imported=3))
    assert (found.status, found.imported) == ("WARNING", 3)
    assert found.reason.startswith("DHIS2 dropped 1 of 4 values without a word")


def test_values_that_were_deleted_are_mentioned() -> None:
    found = total(summary("SUCCESS", imported=3, deleted=1))
    assert (found.status, found.deleted) == ("WARNING", 1)
    assert found.reason.startswith("DHIS2 deleted 1 values instead of updating them")
