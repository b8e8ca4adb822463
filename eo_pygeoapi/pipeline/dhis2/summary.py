"""Reads DHIS2's import summaries, and adds up the batches of an import.

There are two kinds of summaries. Until 2.42 each value stands for itself: a conflict names the `indexes` of its values,
and DHIS2 imports the rest. From 2.43 on DHIS2 refuses all values for one mistake in the metadata, and counts nothing.
Until 2.37 conflicts name no indexes. DHIS2 drops a zero that is not significant, and counts it nowhere.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from eo_pygeoapi.contract.models import Difference, ImportSummary, KeptValue, Model, Rejected
from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue
from eo_pygeoapi.pipeline.dhis2.timeliness import left_out_words
from eo_pygeoapi.wording import counted

SHOWN = 100
NAMED = 5  # so many of many names stand in a reason
NOT_OPEN = "E8031"  # DHIS2's code, from 2.43 on, for a period in which a unit was not open
NEW_PERIOD = "E7611"  # DHIS2's code, until 2.42, also for a valid period that another request made at the same moment
COUNTS = ("imported", "updated", "ignored", "deleted")
NO_REASON = "DHIS2 gives no reason"

Status = Literal["SUCCESS", "WARNING", "ERROR"]
STATUSES: dict[str, Status] = {"SUCCESS": "SUCCESS", "OK": "SUCCESS", "WARNING": "WARNING", "ERROR": "ERROR"}


def stored_of(counts: Mapping[str, int]) -> int:
    """Return how many values DHIS2 has stored or deleted, of its counts."""
    return sum(counts.get(name, 0) for name in ("imported", "updated", "deleted"))


class BatchResult(Model):
    """The result of one batch, kept so that a repetition does not send a finished batch again."""

    digest: str = ""
    statuses: list[Status] = []
    counts: dict[str, int] = Field(default_factory=dict)
    rejected: list[Rejected] = []
    kept: list[KeptValue] = []
    differences: list[Difference] = []
    reasons: list[str] = []
    rows: list[dict[str, str]] = []

    @property
    def stored(self) -> int:
        """How many values DHIS2 has stored or deleted; those that it held already were not sent."""
        return stored_of(self.counts)


class Tally:
    """The sum of the results of an import's batches; of long lists it holds only the entries that are shown."""

    def __init__(self, period_type: PeriodType = "daily") -> None:
        self._period_type = period_type
        self._counts: Counter[str] = Counter()
        self._statuses: set[Status] = set()
        self._reasons: dict[str, str] = {}
        self._rejected: list[Rejected] = []
        self._not_open: Counter[tuple[str, str]] = Counter()  # units that were not open, with the words
        self._kept: list[KeptValue] = []
        self._differences: list[Difference] = []
        self.rows: list[dict[str, str]] = []

    def add(self, result: BatchResult) -> None:
        """Add the result of a batch."""
        self._counts.update(result.counts)
        self._counts["rejected"] += len(result.rejected)
        self._counts["kept"] += len(result.kept)
        self._counts["differences"] += len(result.differences)
        self._statuses.update(result.statuses)
        for reason in result.reasons:  # each once, whatever units, periods and numbers it is about
            self._reasons.setdefault(re.sub(r"\[[^\]]*\]|\d+", "", reason), shortened(reason))
        single = [entry for entry in result.rejected if entry.code != NOT_OPEN]
        self._not_open.update((entry.org_unit, entry.reason) for entry in result.rejected if entry.code == NOT_OPEN)
        self._rejected += single[: SHOWN - len(self._rejected)]
        self._kept += result.kept[: SHOWN - len(self._kept)]
        self._differences += result.differences[: SHOWN - len(self._differences)]
        self.rows += result.rows[: SHOWN - len(self.rows)]

    def total(self, dry_run: bool) -> ImportSummary:
        """Return the sum; its status is that of all batches if they agree, else WARNING."""
        counts = self._counts
        status: Status = "WARNING"
        if len(self._statuses) < 2:
            status = next(iter(self._statuses), "SUCCESS")
        if status == "SUCCESS" and counts["rejected"] + counts["kept"] + counts["differences"]:
            status = "WARNING"
        # one entry for each unit, whatever the number of periods that it was not open for
        not_open = [
            Rejected(org_unit=unit, code=NOT_OPEN, reason=left_out_words(words, count, self._period_type))
            for (unit, words), count in self._not_open.items()
        ]
        return ImportSummary(
            status=status,
            dry_run=dry_run,
            imported=counts["imported"],
            updated=counts["updated"],
            ignored=counts["ignored"],
            deleted=counts["deleted"],
            unchanged=counts["unchanged"],
            rejected_count=counts["rejected"],
            rejected=(self._rejected + not_open)[:SHOWN],
            kept_count=counts["kept"],
            kept=self._kept,
            difference_count=counts["differences"],
            differences=self._differences,
            reason="; ".join(self._reasons.values()),
        )


def shortened(reason: str) -> str:
    """Return DHIS2's words with the first few only of many names in brackets."""

    def few(names: re.Match[str]) -> str:
        found = names[1].split(", ")
        return f"[{', '.join(found[:NAMED])}{f' and {len(found) - NAMED} more' if len(found) > NAMED else ''}]"

    return re.sub(r"\[([^\]]*)\]", few, reason)


def in_words(row_count: int, summary: ImportSummary) -> str:
    """Return in one sentence how many values a job computed, and what DHIS2 did with them."""
    if summary.status == "SKIPPED":
        return f"{counted(row_count, 'value')}; nothing was sent to DHIS2: {summary.reason}"
    counts = {
        "new": summary.imported,
        "changed": summary.updated,
        "unchanged": summary.unchanged,
        "kept": summary.kept_count,
        "rejected": summary.rejected_count,
    }
    listed = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "none"
    if summary.status == "ERROR" and summary.dry_run:
        return f"an import would fail: {summary.reason}; a dry run of {counted(row_count, 'value')}, nothing is stored"
    sent = "a dry run, nothing is stored; in DHIS2 they would be" if summary.dry_run else "in DHIS2"
    why = [f"rejected: {entry.reason}" for entry in summary.rejected[:1]]
    more = [summary.reason] if summary.status == "ERROR" and summary.reason else [*why, *summary.notes[:1]]
    return "; ".join([counted(row_count, "value"), f"{sent}: {listed}", *more])


def alike(total: ImportSummary) -> ImportSummary:
    """Return the sum of an import with the status that it has with every version of DHIS2.

    Until 2.42 DHIS2 calls it a WARNING to refuse all that was sent, and from 2.43 on an ERROR. Here it is an ERROR
    where no value is in DHIS2, and else a WARNING; values of units that were not open are not sent, and not refused.
    """
    holds = total.imported + total.updated + total.deleted + total.unchanged + total.kept_count
    refused = [entry for entry in total.rejected if entry.code != NOT_OPEN]
    if holds and total.status == "ERROR":
        return total.model_copy(update={"status": "WARNING"})
    if refused and not holds and total.ignored == total.rejected_count:
        return total.model_copy(update={"status": "ERROR", "reason": total.reason or refused[0].reason})
    return total


def imported_nothing(summary: ImportSummary, count: int) -> bool:
    """Tell whether an import of `count` values, and not a dry run, could not be made: the job has failed.

    DHIS2 changed nothing because of an error, or it was not asked at all, for it has no such data element or there is
    no connection. Where there were no values to import, nothing failed.
    """
    if summary.dry_run or summary.imported + summary.updated + summary.deleted:
        return False
    return summary.status == "ERROR" or (summary.status == "SKIPPED" and count > 0)


class Answer:
    """DHIS2's import summary of `values`, in the order they were sent in."""

    def __init__(self, values: Sequence[DataValue], summary: Mapping[str, Any]) -> None:
        self.values = values
        self._summary = summary
        self.status: Status = STATUSES.get(str(summary.get("status")), "ERROR")
        self.counts = {name: int(summary["importCount"].get(name, 0)) for name in COUNTS}
        self._conflicts: Sequence[Mapping[str, Any]] = summary.get("conflicts") or []
        self._description = str(summary.get("description") or NO_REASON)
        # the first conflict of each value that has one, by the value's index; -1 stands for no value
        self._conflict_of: dict[int, Mapping[str, Any]] = {}
        for conflict in self._conflicts:
            for index in conflict.get("indexes") or []:
                if 0 <= index < len(values):
                    self._conflict_of.setdefault(index, conflict)
        for index in summary.get("rejectedIndexes") or []:
            if 0 <= index < len(values):
                self._conflict_of.setdefault(index, {})

    def collided(self) -> tuple["Answer", list[DataValue]]:
        """Return the answer without the values that DHIS2 would take a moment later, and these values.

        Another request made their periods at the same moment. Until 2.42 DHIS2 refuses such values as E7611, and takes
        the rest. From 2.43 on it takes none, counts all as ignored, and says SUCCESS.
        """
        if self.status == "SUCCESS" and not self.stored and not self._conflicts:
            return Answer([], {**self._summary, "importCount": {}}), list(self.values)
        apart = {i for i, conflict in self._conflict_of.items() if conflict.get("errorCode") == NEW_PERIOD}
        if not apart:
            return self, []
        left = [i for i in range(len(self.values)) if i not in apart]
        now = {before: i for i, before in enumerate(left)}
        conflicts = [
            {**conflict, "indexes": [now[i] for i in conflict.get("indexes") or [] if i in now]}
            for conflict in self._conflicts
            if conflict.get("errorCode") != NEW_PERIOD
        ]
        rest = {
            **self._summary,
            "status": self.status if conflicts else "SUCCESS",
            "importCount": {**self.counts, "ignored": max(self.counts["ignored"] - len(apart), 0)},
            "conflicts": conflicts,
            "rejectedIndexes": [now[i] for i in self._summary.get("rejectedIndexes") or [] if i in now],
        }
        return Answer([self.values[i] for i in left], rest), [self.values[i] for i in sorted(apart)]

    @property
    def stored(self) -> int:
        """How many values were stored, or would be."""
        return stored_of(self.counts)

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

    def unexplained(self, deletes: bool = False) -> int:
        """Return how many values DHIS2 neither stored nor named, or deleted without being asked to (`deletes`).

        That DHIS2 counts a value as ignored is no reason: we send new and changed values only.
        """
        unasked = 0 if deletes else self.counts["deleted"]
        return max(len(self.values) - self.stored - len(self.rejected()), 0) + unasked


def rejection(value: DataValue, conflict: Mapping[str, Any]) -> Rejected:
    """Return a value that was not taken, with the words of the conflict."""
    return Rejected(
        org_unit=value.org_unit,
        period=value.period,
        group=value.group,
        value=value.value,
        code=str(conflict.get("errorCode") or ""),
        reason=str(conflict.get("value") or NO_REASON),
    )
