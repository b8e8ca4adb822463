"""What DHIS2 says of the batches of an import, read and added up.

DHIS2 words it in two ways. Until 2.42 each value stands for itself: a conflict names the `indexes` of the values that
it concerns, and the rest is imported. From 2.43 on one mistake in the metadata refuses the whole batch, with nothing
counted. Until 2.37 conflicts name no indexes. A zero that is not significant is dropped and counted nowhere.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from eo_pygeoapi.models import ImportSummary, Rejected

REJECTED_SHOWN = 100
COUNTS = ("imported", "updated", "ignored", "deleted")
ZEROS = "it does so with zeros where the data element's zeroIsSignificant is false"

Status = Literal["SUCCESS", "WARNING", "ERROR"]
STATUSES: dict[str, Status] = {"SUCCESS": "SUCCESS", "OK": "SUCCESS", "WARNING": "WARNING", "ERROR": "ERROR"}


class Tally:
    """The import summaries of the batches of one import, added up."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._rejected: list[Rejected] = []
        self._rejected_count = 0
        self._statuses: set[Status] = set()
        self._reasons: list[str] = []

    def leave(self, kind: Literal["unchanged", "ignored"], count: int) -> None:
        """Count values that need not, or must not, be sent."""
        self._counts[kind] += count

    def refuse(self, data_value: Mapping[str, str], reason: str) -> None:
        """Count a value that DHIS2 would not take, and is not sent."""
        self._reject([_rejected(data_value, {"value": reason})], 1)
        self._statuses.add("WARNING")

    def add(self, batch: Sequence[Mapping[str, str]], summary: Mapping[str, Any]) -> None:
        """Add DHIS2's import summary of `batch`, the data values that were sent, in the order they were sent in."""
        counts = {name: int(summary["importCount"].get(name, 0)) for name in COUNTS}
        self._counts.update(counts)
        self._statuses.add(STATUSES.get(str(summary.get("status")), "ERROR"))
        rejected, count = rejections(batch, summary)
        self._reject(rejected, count)
        if summary.get("status") == "ERROR":
            self._reason(rejected[0].reason if rejected else summary.get("description") or "DHIS2 gives no reason")
        self._check(len(batch), counts, count)

    def total(self, dry_run: bool) -> ImportSummary:
        """Return the sum: with the status of all batches where they agree, a WARNING where they do not."""
        status: Status = "WARNING"
        if len(self._statuses) < 2:
            status = next(iter(self._statuses), "SUCCESS")
        return ImportSummary(
            status=status,
            dry_run=dry_run,
            imported=self._counts["imported"],
            updated=self._counts["updated"],
            ignored=self._counts["ignored"],
            deleted=self._counts["deleted"],
            unchanged=self._counts["unchanged"],
            rejected_count=self._rejected_count,
            rejected=self._rejected,
            reason="; ".join(self._reasons),
        )

    def _reject(self, rejected: Sequence[Rejected], count: int) -> None:
        self._rejected += rejected[: REJECTED_SHOWN - len(self._rejected)]
        self._rejected_count += count

    def _check(self, sent: int, counts: Mapping[str, int], rejected: int) -> None:
        """Say so where values are missing from the counts, or were deleted, which we never ask for."""
        done = counts["imported"] + counts["updated"] + counts["deleted"]
        missing = sent - done - max(counts["ignored"], rejected)
        if missing > 0:
            self._reason(f"DHIS2 dropped {missing} of {sent} values without a word; {ZEROS}")
        if counts["deleted"]:
            self._reason(f"DHIS2 deleted {counts['deleted']} values instead of updating them; {ZEROS}")
        if missing > 0 or counts["deleted"]:
            self._statuses.add("WARNING")

    def _reason(self, reason: str) -> None:
        if reason not in self._reasons:
            self._reasons.append(reason)


def rejections(batch: Sequence[Mapping[str, str]], summary: Mapping[str, Any]) -> tuple[list[Rejected], int]:
    """Return the values of `batch` that DHIS2 did not take, each with the reason, and how many they are.

    Where conflicts name no values, and some values were taken, there is one entry for each conflict.
    """
    conflicts = summary.get("conflicts") or []
    by_index = _by_index(len(batch), summary)
    if by_index:
        return [_rejected(batch[index], conflict) for index, conflict in sorted(by_index.items())], len(by_index)
    if not conflicts and summary.get("status") != "ERROR":
        return [], 0
    if any(summary["importCount"].get(name, 0) for name in ("imported", "updated", "deleted")):
        return [_rejected(_named_in(conflict, batch), conflict) for conflict in conflicts], int(
            summary["importCount"].get("ignored", 0)
        )
    whole = conflicts[0] if conflicts else {"value": summary.get("description")}
    return [_rejected(data_value, whole) for data_value in batch], len(batch)


def _by_index(size: int, summary: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    """Return the first conflict of each value that has one, by the value's index; -1 stands for no value."""
    found: dict[int, Mapping[str, Any]] = {}
    for conflict in summary.get("conflicts") or []:
        for index in conflict.get("indexes") or []:
            if 0 <= index < size:
                found.setdefault(index, conflict)
    for index in summary.get("rejectedIndexes") or []:
        if 0 <= index < size:
            found.setdefault(index, {"value": "DHIS2 gives no reason"})
    return found


def _rejected(data_value: Mapping[str, str], conflict: Mapping[str, Any]) -> Rejected:
    return Rejected(
        org_unit=data_value.get("orgUnit", ""),
        period=data_value.get("period", ""),
        value=data_value.get("value", ""),
        code=str(conflict.get("errorCode") or ""),
        reason=str(conflict.get("value") or "DHIS2 gives no reason"),
    )


def _named_in(conflict: Mapping[str, Any], batch: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    """Return the dimension that a conflict without indexes names: a unit or a period of the batch."""
    named = conflict.get("object")
    for dimension in ("orgUnit", "period"):
        if any(data_value[dimension] == named for data_value in batch):
            return {dimension: str(named)}
    return {}
