"""One batch of an import: what DHIS2 holds is read, what differs is sent, and what was taken is read back."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from eo_pygeoapi.contract.models import Difference, Rejected
from eo_pygeoapi.pipeline.dhis2.batch_size import BatchSizes
from eo_pygeoapi.pipeline.dhis2.batching import Done, Wait, again
from eo_pygeoapi.pipeline.dhis2.data_values import Cell, DataValue, value_in
from eo_pygeoapi.pipeline.dhis2.differing import SentToCell, difference
from eo_pygeoapi.pipeline.dhis2.import_files import Row, rejected_rows
from eo_pygeoapi.pipeline.dhis2.send import Sent
from eo_pygeoapi.pipeline.dhis2.stored import Compared, Held, compared
from eo_pygeoapi.pipeline.dhis2.summary import SHOWN, BatchResult
from eo_pygeoapi.pipeline.dhis2.writing import Writing

Attempted = dict[Cell, Compared]  # what earlier attempts at a batch sent: DHIS2 may have it though its answer was lost


@dataclass(frozen=True)
class Read:
    """A batch beside what DHIS2 holds: `refused` is what is not sent at all, and `met` the periods that DHIS2 has.

    `unnoted` is what DHIS2 holds as ours are, though no note says that we sent it: the notes began late, or are lost.
    """

    found: Sequence[Compared]
    refused: Sequence[Rejected]
    unnoted: Sequence[DataValue]
    met: Collection[str]

    @property
    def to_send(self) -> list[Compared]:
        """What DHIS2 does not hold as it is ours."""
        return [one for one in self.found if one.change in ("new", "changed")]


@dataclass(frozen=True)
class Answered:
    """A batch that DHIS2 has answered."""

    read: Read
    to_send: Sequence[Compared]
    attempted: Mapping[Cell, Compared]
    sent: Sent

    @property
    def not_taken(self) -> set[Cell]:
        """The cells that hold nothing of what was sent to them."""
        return {entry.cell for entry in self.sent.rejected}


@dataclass(frozen=True)
class ImportSteps:
    """What is done with each batch; what fails for a time is tried again after each of the `pauses`."""

    run: Writing
    sizes: BatchSizes
    pauses: Sequence[float]
    wait: Wait

    def read(self, batch: Sequence[DataValue]) -> Read:
        """Compare a batch with what DHIS2 holds."""
        run = self.run
        sendable, refused = run.screening.sort(batch)
        held, known = run.stored.of(sendable), run.sent.known(sendable)
        found = list(compared(sendable, held, known, run.target, run.facts.user.username))
        unnoted = [
            one.ours for one in found if one.change == "unchanged" and known.get(one.ours.cell) != [one.ours.value]
        ]
        read = Read(found, refused, unnoted, {period for _, period, _ in held})
        self.sizes.compared(len(batch), len(read.to_send))
        return read

    def send(self, number: int, batch: Sequence[DataValue], read: Callable[[], Read]) -> Answered:
        """Send what differs, and note before and after it what is ours in DHIS2."""
        attempted = _attempted(self.run, number)
        return again(lambda: self._send(number, read(), attempted), self.pauses, self.wait)

    def check(self, answered: Answered) -> Done:
        """Read back what DHIS2 says it has taken; returns what came of the batch."""
        run, sent, not_taken = self.run, answered.sent, answered.not_taken
        taken = [one.ours for one in answered.to_send if one.ours.cell not in not_taken]
        differences = [] if run.dry_run else again(partial(_read_back, run, taken), self.pauses, self.wait)
        sent.reject(answered.read.refused)
        # a value that an earlier attempt has stored counts as what it was then, not as unchanged
        found = [was or one for one, was in _beside(answered.read, answered.attempted)]
        rows = [one.row() for one in found if not not_taken or one.ours.cell not in not_taken]
        rows += rejected_rows(sent.rejected)
        result = _result(run, found, answered.to_send, sent, not_taken, rows)
        return result.model_copy(update={"differences": differences}), rows

    def _send(self, number: int, read: Read, attempted: Attempted) -> Answered:
        run, to_send = self.run, read.to_send
        ours = [one.ours for one in to_send]
        if not run.dry_run:
            run.sent.confirm(read.unnoted)
            run.sent.begin(ours, {one.ours.cell: one.held.value for one in to_send if one.held})
        if ours and not run.facts.is_new:
            run.new_periods.announce({value.period for value in ours}, read.met)
        arrived = [one.ours for one, was in _beside(read, attempted) if was]
        attempted |= {one.ours.cell: one for one in to_send}
        if not run.dry_run:
            run.files.begin(number, [one.row() for one in attempted.values()])
        sent = Sent()
        for part in self.sizes.parts(ours):
            sent.add(self.sizes.timed(partial(run.sender.send, part), lambda sent: sent.stored))
        answered = Answered(read, to_send, attempted, sent)
        if not run.dry_run:
            # with what an earlier attempt has sent, whose note may have been lost with it
            run.sent.confirm([*ours, *arrived], answered.not_taken, run.files.folder.job_id)
        return answered


def _beside(read: Read, attempted: Mapping[Cell, Compared]) -> Iterator[tuple[Compared, Compared | None]]:
    """Yield each value beside what it was when an earlier attempt sent it, where DHIS2 has taken it from that."""
    for one in read.found:
        was = attempted.get(one.ours.cell) if attempted else None
        yield one, was if was and was.ours == one.ours and one.change == "unchanged" else None


def _attempted(run: Writing, number: int) -> Attempted:
    """Return what an earlier attempt at the batch, which may have died, noted before it sent anything."""
    found: Attempted = {}
    for row in run.files.begun(number):
        value = value_in(row)
        held = Held(row["stored"], row["storedBy"] or "") if row["change"] == "changed" else None
        found[value.cell] = Compared(value, held, "changed" if held else "new")
    return found


def _read_back(run: Writing, taken: Sequence[DataValue]) -> list[Difference]:
    """Ask DHIS2 what it holds of the values that it says it has taken; returns what is not as it was sent."""
    held = run.stored.of(taken, deleted=True)
    # nearly all are there, letter by letter
    others = [v for v in taken if (theirs := held.get(v.cell)) is None or theirs.value != v.value or theirs.deleted]
    compared = (difference(SentToCell(v.cell, [v.value]), held, run.facts) for v in others)
    return [found for found in compared if found is not None]


def _result(
    run: Writing,
    found: Sequence[Compared],
    to_send: Sequence[Compared],
    sent: Sent,
    not_taken: set[Cell],
    rows: Sequence[Row],
) -> BatchResult:
    changes = Counter(one.change for one in found)
    now = Counter(one.change for one in to_send)
    counts = Counter(sent.counts)
    if run.facts.is_new:  # it calls everything updated
        taken = Counter(one.change for one in to_send if one.ours.cell not in not_taken)
        counts["imported"], counts["updated"] = taken["new"], taken["changed"]
    # what an earlier attempt stored
    counts["imported"] += changes["new"] - now["new"]
    counts["updated"] += changes["changed"] - now["changed"]
    counts["ignored"] += changes["kept"] + changes["ignored"]
    counts["unchanged"] = changes["unchanged"]
    statuses = set(sent.statuses)
    if sent.rejected and not to_send:
        statuses.add("WARNING")
    return BatchResult(
        statuses=sorted(statuses),
        counts=dict(counts),
        rejected=sent.rejected,
        kept=[one.kept() for one in found if one.change == "kept"],
        reasons=sent.reasons,
        rows=list(rows[:SHOWN]),
    )
