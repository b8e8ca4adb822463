"""Send values to DHIS2, so that each is taken or named with the reason why not.

From 2.43 on DHIS2 refuses all values of a request if it refuses one of them. `screening` leaves out those that are
known beforehand. If DHIS2 names the refused ones of the rest, the sender sends the others again; if it names none, the
sender finds them by halving the refused values.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import attrgetter
from typing import Any

from eo_pygeoapi.contract.models import Rejected
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue
from eo_pygeoapi.pipeline.dhis2.facts import Facts
from eo_pygeoapi.pipeline.dhis2.new_periods import pauses
from eo_pygeoapi.pipeline.dhis2.refusals import ABOUT_ALL, ABOUT_PERIODS, ABOUT_UNITS, named_by, words_for
from eo_pygeoapi.pipeline.dhis2.stored import Held, StoredValues, same_number
from eo_pygeoapi.pipeline.dhis2.summary import Answer, Status, rejection, stored_of

MORE_REQUESTS = 60  # to find what is refused, in one import
NOTHING_STORED = "DHIS2 says that the import was successful, but stored nothing of it"
NOT_DELETED = "DHIS2 says that it was deleted, and holds it still"
ZEROS = "it does so with zeros where the data element's zeroIsSignificant is false"

Post = Callable[[Sequence[DataValue]], Mapping[str, Any]]
logger = logging.getLogger(__name__)


@dataclass
class Sent:
    """The result of sending values."""

    counts: Counter[str] = field(default_factory=Counter)
    rejected: list[Rejected] = field(default_factory=list)
    statuses: set[Status] = field(default_factory=set)
    reasons: list[str] = field(default_factory=list)

    def reject(self, rejected: Iterable[Rejected], counted: bool = False) -> None:
        """List values that DHIS2 did not take; `counted`: DHIS2 has already counted them as ignored."""
        found = list(rejected)
        self.rejected += found
        if not counted:
            self.counts["ignored"] += len(found)

    def add(self, other: "Sent") -> None:
        """Add the result of sending more values."""
        self.counts.update(other.counts)
        self.rejected += other.rejected
        self.statuses |= other.statuses
        self.reasons += other.reasons

    @property
    def stored(self) -> int:
        """How many values DHIS2 has stored or deleted."""
        return stored_of(self.counts)


class Sender:
    """Sends values through `post`, which returns DHIS2's import summary; it remembers refused units and periods.

    With `deletes`, `post` has DHIS2 delete them.
    """

    def __init__(self, post: Post, stored: StoredValues, facts: Facts, dry_run: bool, *, deletes: bool = False) -> None:
        self._post, self._stored, self._facts, self._dry_run = post, stored, facts, dry_run
        self._deletes = deletes
        self._uids = {name: str(unit["id"]) for name, unit in facts.units.items()}
        self._refused: dict[str, Rejected] = {}  # units and periods that DHIS2 refused everything of
        self._refused_all: Answer | None = None  # why it takes nothing at all
        self._taken = 0
        self._more_requests = MORE_REQUESTS

    def send(self, values: Sequence[DataValue]) -> Sent:
        """Send the values; at most as many as DHIS2 takes in a request."""
        sent = Sent()
        left = self._without_refused(values, sent)
        if left and self._refused_all:
            self._reject(left, self._refused_all, sent)
        elif left:
            self._send(left, sent)
        return sent

    def _send(self, values: Sequence[DataValue], sent: Sent) -> None:
        answer = self._answer(values, sent)
        if not answer.refuses_all or not self._facts.is_new or answer.code in ABOUT_ALL:
            self._take(answer, sent)
            return
        named = named_by(answer, self._uids)
        if named:
            self._reject(named, answer, sent)
            refused = set(named)
            parts = [[value for value in answer.values if value not in refused]]
        else:  # in two parts, by periods or by units
            groups = [list(some) for _, some in groupby(answer.values, key=attrgetter("period"))]
            if answer.code not in ABOUT_PERIODS and (answer.code in ABOUT_UNITS or len(groups) <= 1):
                by_unit: dict[str, list[DataValue]] = {}
                for value in answer.values:
                    by_unit.setdefault(value.org_unit, []).append(value)
                groups = list(by_unit.values())
            middle = len(groups) // 2
            if not middle:  # they cannot be divided
                self._remember(answer.rejected())
                self._take(answer, sent)
                return
            halves = (groups[:middle], groups[middle:])
            parts = [sorted(chain.from_iterable(half), key=attrgetter("period")) for half in halves]
        for part in parts:
            left = self._without_refused(part, sent)
            if left and self._more_requests > 0:
                self._more_requests -= 1
                self._send(left, sent)
            elif left:
                self._reject(left, answer, sent)

    def _answer(self, values: Sequence[DataValue], sent: Sent) -> Answer:
        """Return DHIS2's answer to the values, or to those whose periods another request made at the same moment.

        These values are sent again; the others are taken.
        """
        answer = Answer(values, self._post(values))
        for pause in pauses():
            rest, again = answer.collided()
            if not again:
                break
            logger.info("%d data values met new periods together with another request; sending them again", len(again))
            if rest.values:
                self._take(rest, sent)
            time.sleep(pause)
            answer = Answer(again, self._post(again))
        return answer

    def _reject(self, values: Sequence[DataValue], answer: Answer, sent: Sent) -> None:
        """List the values that DHIS2 has refused."""
        words = {"errorCode": answer.code}
        rejected = [rejection(value, words | {"value": words_for(value, answer, self._uids)}) for value in values]
        self._remember(rejected)
        sent.reject(rejected)
        sent.reasons.append(answer.reason)
        sent.statuses.add("ERROR")

    def _take(self, answer: Answer, sent: Sent) -> None:
        counts = Counter(answer.counts)
        if answer.refuses_all and not counts["ignored"]:
            counts["ignored"] = len(answer.values)  # 2.43 counts nothing then
        counts["ignored"] += max(len(answer.values) - counts.total(), 0)  # a dropped zero is counted nowhere
        sent.counts.update(counts)
        sent.statuses.add(answer.status)
        self._taken += answer.stored
        if answer.refuses_all:
            sent.reasons.append(answer.reason)
            if answer.code in ABOUT_ALL and not self._taken:
                self._refused_all = answer  # it would be the same for all that follow
        rejected = answer.rejected()
        missing = answer.unexplained(self._deletes)
        if missing and self._dry_run:  # after a dry run there is nothing to read
            sent.statuses.add("WARNING")
            said = "would not delete" if self._deletes else "would drop"
            reason = "" if self._deletes else f"; {ZEROS}"
            sent.reasons.append(f"DHIS2 {said} {missing} of {len(answer.values)} values without a word{reason}")
        elif missing:
            held = self._stored.of(answer.values)
            known = {entry.cell for entry in rejected}
            lost = [
                value
                for value in answer.values
                if (cell := value.cell) not in known
                and (cell in held if self._deletes else not _holds(held.get(cell), value))
            ]
            said = f"DHIS2 dropped it without a word; {ZEROS}" if answer.stored else NOTHING_STORED
            if self._deletes:
                said = NOT_DELETED
            if answer.code or answer.status != "SUCCESS":
                said = answer.reason
            if lost:
                sent.statuses.add("WARNING")
                doing = "delete" if self._deletes else "store"
                sent.reasons.append(f"DHIS2 did not {doing} {len(lost)} of {len(answer.values)} values; {said}")
            rejected += [rejection(value, {"errorCode": answer.code, "value": said}) for value in lost]
        sent.reject(rejected, counted=True)

    def _remember(self, rejected: Sequence[Rejected]) -> None:
        """Remember the units and periods of which DHIS2 refuses every value."""
        for entry in rejected:
            if entry.code in ABOUT_UNITS:
                self._refused.setdefault(entry.org_unit, entry)
            elif entry.code in ABOUT_PERIODS:
                self._refused.setdefault(entry.period, entry)

    def _without_refused(self, values: Sequence[DataValue], sent: Sent) -> list[DataValue]:
        if not self._refused:
            return list(values)
        left = []
        for value in values:
            known = self._refused.get(value.org_unit) or self._refused.get(value.period)
            if known:
                sent.reject([rejection(value, {"errorCode": known.code, "value": known.reason})])
                sent.statuses.add("WARNING")
            else:
                left.append(value)
        return left


def _holds(held: Held | None, value: DataValue) -> bool:
    return held is not None and same_number(held.value, value.value)
