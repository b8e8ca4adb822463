"""What DHIS2 says of what was sent to it, read, and the batches of an import added up.

DHIS2 words it in two ways. Until 2.42 each value stands for itself: a conflict names the `indexes` of the values that
it concerns, and the rest is imported. From 2.43 on one mistake in the metadata refuses all that was sent, with nothing
counted. Until 2.37 conflicts name no indexes. A zero that is not significant is dropped and counted nowhere.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from eo_pygeoapi.contract.models import ImportSummary, KeptValue, Model, Rejected
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue

SHOWN = 100
COUNTS = ("imported", "updated", "ignored", "deleted")
NO_REASON = "DHIS2 gives no reason"

Status = Literal["SUCCESS", "WARNING", "ERROR"]
STATUSES: dict[str, Status] = {"SUCCESS": "SUCCESS", "OK": "SUCCESS", "WARNING": "WARNING", "ERROR": "ERROR"}


class BatchResult(Model):
    """What came of one batch; this is kept, so that a batch that is finished need not be sent again."""

    digest: str = ""
    statuses: list[Status] = []
    counts: dict[str, int] = Field(default_factory=dict)
    rejected: list[Rejected] = []
    kept: list[KeptValue] = []
    reasons: list[str] = []
    rows: list[dict[str, str]] = []


class Tally:
    """The results of the batches of one import, added up; of what is listed it holds only what is shown."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._statuses: set[Status] = set()
        self._reasons: list[str] = []
        self._rejected: list[Rejected] = []
        self._kept: list[KeptValue] = []
        self.rows: list[dict[str, str]] = []

    def add(self, result: BatchResult) -> None:
        """Add the result of a batch."""
        self._counts.update(result.counts)
        self._counts["rejected"] += len(result.rejected)
        self._counts["kept"] += len(result.kept)
        self._statuses.update(result.statuses)
        self._reasons += [reason for reason in result.reasons if reason not in self._reasons]
        self._rejected += result.rejected[: SHOWN - len(self._rejected)]
        self._kept += result.kept[: SHOWN - len(self._kept)]
        self.rows += result.rows[: SHOWN - len(self.rows)]

    def total(self, dry_run: bool) -> ImportSummary:
        """Return the sum: with the status of all batches where they agree, a WARNING where they do not."""
        counts = self._counts
        status: Status = "WARNING"
        if len(self._statuses) < 2:
            status = next(iter(self._statuses), "SUCCESS")
        if status == "SUCCESS" and counts["rejected"] + counts["kept"]:
            status = "WARNING"
        return ImportSummary(
            status=status,
            dry_run=dry_run,
            imported=counts["imported"],
            updated=counts["updated"],
            ignored=counts["ignored"],
            deleted=counts["deleted"],
            unchanged=counts["unchanged"],
            rejected_count=counts["rejected"],
            rejected=self._rejected,
            kept_count=counts["kept"],
            kept=self._kept,
            reason="; ".join(self._reasons),
        )


def in_words(row_count: int, summary: ImportSummary) -> str:
    """Return in one sentence what a job has done: how many values it computed, and what became of them in DHIS2."""
    if summary.status == "SKIPPED":
        return f"{row_count} values; nothing was sent to DHIS2: {summary.reason}"
    counts = {
        "new": summary.imported,
        "changed": summary.updated,
        "unchanged": summary.unchanged,
        "kept": summary.kept_count,
        "rejected": summary.rejected_count,
    }
    listed = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "none"
    sent = "a dry run, nothing is stored; in DHIS2 they would be" if summary.dry_run else "in DHIS2"
    more = [summary.reason] if summary.status == "ERROR" and summary.reason else summary.notes[:1]
    return "; ".join([f"{row_count} values", f"{sent}: {listed}", *more])


class Answer:
    """DHIS2's import summary of `values`, in the order they were sent in."""

    def __init__(self, values: Sequence[DataValue], summary: Mapping[str, Any]) -> None:
        self.values = values
        self.status: Status = STATUSES.get(str(summary.get("status")), "ERROR")
        self.counts = {name: int(summary["importCount"].get(name, 0)) for name in COUNTS}
        self._conflicts: Sequence[Mapping[str, Any]] = summary.get("conflicts") or []
        self._description = str(summary.get("description") or NO_REASON)
        self._conflict_of = _by_index(len(values), summary)

    @property
    def stored(self) -> int:
        """How many values were stored, or would be."""
        return sum(self.counts[name] for name in ("imported", "updated", "deleted"))

    @property
    def code(self) -> str:
        """The code of the first conflict."""
        return str(self._conflicts[0].get("errorCode") or "") if self._conflicts else ""

    @property
    def reason(self) -> str:
        """The words of the first conflict, or DHIS2's own of the whole."""
        return str(self._conflicts[0].get("value") or NO_REASON) if self._conflicts else self._description

    @property
    def refuses_all(self) -> bool:
        """Whether nothing was taken, for a reason that may be that of one value only."""
        return self.status == "ERROR" and not self.stored

    def rejected(self) -> list[Rejected]:
        """Return the values that DHIS2 names as not taken, each with the reason; all of them where it took none."""
        if self._conflict_of and not self.refuses_all:
            return [rejection(self.values[i], conflict) for i, conflict in sorted(self._conflict_of.items())]
        if not self.refuses_all:
            return []
        whole = {"errorCode": self.code, "value": self.reason}
        return [rejection(value, self._conflict_of.get(i, whole)) for i, value in enumerate(self.values)]

    def unexplained(self) -> int:
        """Return how many values are missing from what DHIS2 says, or were deleted, which we never ask for."""
        named = len(self.rejected())
        missing = len(self.values) - self.stored - max(self.counts["ignored"], named)
        unnamed = 0 if named or not self._conflicts else self.counts["ignored"]
        return max(missing, 0) + self.counts["deleted"] + unnamed


def rejection(value: DataValue, conflict: Mapping[str, Any]) -> Rejected:
    """Return a value that was not taken, with the words of the conflict."""
    return Rejected(
        org_unit=value.org_unit,
        period=value.period,
        value=value.value,
        code=str(conflict.get("errorCode") or ""),
        reason=str(conflict.get("value") or NO_REASON),
    )


def _by_index(size: int, summary: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    """Return the first conflict of each value that has one, by the value's index; -1 stands for no value."""
    found: dict[int, Mapping[str, Any]] = {}
    for conflict in summary.get("conflicts") or []:
        for index in conflict.get("indexes") or []:
            if 0 <= index < size:
                found.setdefault(index, conflict)
    for index in summary.get("rejectedIndexes") or []:
        if 0 <= index < size:
            found.setdefault(index, {})
    return found
