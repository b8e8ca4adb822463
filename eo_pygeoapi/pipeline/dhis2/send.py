"""Send values to DHIS2, so that each is taken or named with the reason why not.

From 2.43 on one value that DHIS2 does not take refuses all that are sent with it. What is known beforehand is left out
(`screened`); the rest is found by halving what was refused: by units or by periods, whichever the refusal is about.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import Any

from eo_pygeoapi.contract.models import Rejected
from eo_pygeoapi.contract.periods import period_with_id
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.dhis2.client import UID
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue
from eo_pygeoapi.pipeline.dhis2.facts import Facts
from eo_pygeoapi.pipeline.dhis2.stored import StoredValues, same_number
from eo_pygeoapi.pipeline.dhis2.summary import Answer, Status, rejection

# refusals since 2.43 that are about something which all values share: halving would not help
ABOUT_ALL = ("E8001", "E8002", "E8003", "E8005", "E8020")
ABOUT_UNITS = ("E8010", "E8011", "E8022", "E8107")
ABOUT_PERIODS = ("E8021", "E8030", "E8031")
HALVINGS = 500  # requests to find what is refused, in one import
ZEROS = "it does so with zeros where the data element's zeroIsSignificant is false"

Post = Callable[[Sequence[DataValue]], Mapping[str, Any]]
logger = logging.getLogger(__name__)


@dataclass
class Sent:
    """What came of the values that were sent."""

    counts: Counter[str] = field(default_factory=Counter)
    rejected: list[Rejected] = field(default_factory=list)
    statuses: set[Status] = field(default_factory=set)
    reasons: list[str] = field(default_factory=list)

    def reject(self, rejected: Iterable[Rejected], counted: bool = False) -> None:
        """List values that were not taken; `counted` says that DHIS2 has counted them as ignored already."""
        found = list(rejected)
        self.rejected += found
        if not counted:
            self.counts["ignored"] += len(found)


class Sender:
    """Sends values through `post`, which returns DHIS2's import summary; it learns from what was refused."""

    def __init__(self, post: Post, stored: StoredValues, facts: Facts, dry_run: bool) -> None:
        self._post, self._stored, self._facts, self._dry_run = post, stored, facts, dry_run
        self._refused: dict[str, Rejected] = {}  # units and periods that DHIS2 refused everything of
        self._halvings = HALVINGS

    def send(self, values: Sequence[DataValue]) -> Sent:
        """Send the values, at most as many as DHIS2 takes at once."""
        sent = Sent()
        left = self._without_refused(values, sent)
        if left:
            self._send(left, sent)
        return sent

    def _send(self, values: Sequence[DataValue], sent: Sent) -> None:
        answer = Answer(values, self._post(values))
        if answer.refuses_all and self._facts.is_new and answer.code not in ABOUT_ALL:
            parts = _halves(values, answer.code)
            if parts and self._halvings > 0:
                self._halvings -= len(parts)
                for part in parts:
                    if left := self._without_refused(part, sent):
                        self._send(left, sent)
                return
            if not parts:
                self._remember(answer)
        self._take(answer, sent)

    def _take(self, answer: Answer, sent: Sent) -> None:
        counts = Counter(answer.counts)
        if answer.refuses_all and not counts["ignored"]:
            counts["ignored"] = len(answer.values)  # 2.43 counts nothing then
        counts["ignored"] += max(len(answer.values) - counts.total(), 0)  # a dropped zero is counted nowhere
        sent.counts.update(counts)
        sent.statuses.add(answer.status)
        if answer.refuses_all:
            sent.reasons.append(answer.reason)
        rejected = answer.rejected()
        if answer.unexplained():
            rejected = self._explained(answer, rejected, sent)
        sent.reject(rejected, counted=True)

    def _explained(self, answer: Answer, named: list[Rejected], sent: Sent) -> list[Rejected]:
        """Name what DHIS2 dropped without a word by reading back; after a dry run there is nothing to read."""
        sent.statuses.add("WARNING")
        missing = answer.unexplained()
        if self._dry_run:
            sent.reasons.append(f"DHIS2 would drop {missing} of {len(answer.values)} values without a word; {ZEROS}")
            return named
        held = self._stored.of(answer.values)
        known = {(entry.org_unit, entry.period) for entry in named}
        lost = [
            value
            for value in answer.values
            if (cell := (value.org_unit, value.period)) not in known
            and (cell not in held or not same_number(held[cell].value, value.value))
        ]
        said = answer.reason if answer.code or answer.status != "SUCCESS" else f"dropped without a word; {ZEROS}"
        if lost:
            sent.reasons.append(f"DHIS2 did not store {len(lost)} of {len(answer.values)} values; {said}")
        return named + [rejection(value, {"errorCode": answer.code, "value": said}) for value in lost]

    def _remember(self, answer: Answer) -> None:
        """Remember the one unit, or the one period, that everything is refused of."""
        first = answer.rejected()[0]
        if answer.code in ABOUT_UNITS:
            self._refused[first.org_unit] = first
        elif answer.code in ABOUT_PERIODS:
            self._refused[first.period] = first

    def _without_refused(self, values: Sequence[DataValue], sent: Sent) -> list[DataValue]:
        left = []
        for value in values:
            known = self._refused.get(value.org_unit) or self._refused.get(value.period)
            if known:
                sent.reject([rejection(value, {"errorCode": known.code, "value": known.reason})])
                sent.statuses.add("WARNING")
            else:
                left.append(value)
        return left


def screened(
    values: Iterable[DataValue], facts: Facts, dataset: Dataset, units_are_uids: bool
) -> tuple[list[DataValue], list[Rejected]]:
    """Return the values that may be sent, and those that DHIS2 would not take, or would refuse others for.

    Units that do not exist or lie outside the user's hierarchy are left out always, for their values cannot even be
    read; until 2.42 DHIS2 judges everything else value by value, and is asked.
    """
    left: list[DataValue] = []
    rejected: list[Rejected] = []
    reasons: dict[str, tuple[str, str] | None] = {}
    last, assigned = facts.open_until(), facts.assigned()
    for value in values:
        if value.org_unit not in reasons:
            reasons[value.org_unit] = _unit_reason(value.org_unit, facts, assigned, units_are_uids)
        reason = reasons[value.org_unit]
        if reason is None and facts.is_new and last:
            if value.period not in reasons:
                period = period_with_id(value.period, dataset.period_type)
                words = f"the period is not open yet: today is {facts.today}"
                reasons[value.period] = ("E8030", words) if period and period.start > last else None
            reason = reasons[value.period]
        if reason is None:
            left.append(value)
        else:
            rejected.append(rejection(value, {"errorCode": reason[0], "value": reason[1]}))
    return left, rejected


def _unit_reason(
    org_unit: str, facts: Facts, assigned: frozenset[str] | None, units_are_uids: bool
) -> tuple[str, str] | None:
    if units_are_uids and not UID.fullmatch(org_unit):
        return "", "is no UID of an organisation unit: a letter, then 10 letters or digits"
    if org_unit not in facts.units:
        return "E7612", f"organisation unit not found or not accessible: `{org_unit}`"
    unit = facts.units[org_unit]
    if not facts.may_write_to(unit):
        return "E7617", f"organisation unit `{org_unit}` lies outside the data capture units of `{facts.username}`"
    if facts.is_new and assigned is not None and unit["id"] not in assigned:
        return "E8022", f"organisation unit `{org_unit}` is not assigned to the data set"
    return None


def _halves(values: Sequence[DataValue], code: str) -> list[list[DataValue]]:
    """Return the values in two parts: by units or by periods; none where there is nothing left to part."""
    by_unit: dict[str, list[DataValue]] = {}
    for value in values:
        by_unit.setdefault(value.org_unit, []).append(value)
    by_period = [list(some) for _, some in groupby(values, key=lambda value: value.period)]
    groups = list(by_unit.values())
    if code in ABOUT_PERIODS or (code not in ABOUT_UNITS and len(by_period) > 1):
        groups = by_period
    middle = len(groups) // 2
    parts = (groups[:middle], groups[middle:]) if middle else ()
    return [sorted(chain.from_iterable(part), key=_period) for part in parts]


def _period(value: DataValue) -> str:
    return value.period
