"""Take back what jobs have changed in DHIS2, cell by cell.

A value that was new is deleted, and one that was changed gets its old value, but only where DHIS2 still holds what the
job sent. What a person or a later job has changed since is kept. It goes in batches of whole periods, as an import
does, and a repetition of an undo that broke off goes on where that stopped.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Literal

from eo_pygeoapi.contract.models import ImportSummary
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.dhis2.batch_size import BatchSizes
from eo_pygeoapi.pipeline.dhis2.batching import PAUSES, Done, Report, Turn, again, in_batches
from eo_pygeoapi.pipeline.dhis2.changes import Change, Changes
from eo_pygeoapi.pipeline.dhis2.client import Connect
from eo_pygeoapi.pipeline.dhis2.data_values import Cell, Payload, as_row, value_in
from eo_pygeoapi.pipeline.dhis2.import_files import ImportFiles, Row, rejected_rows
from eo_pygeoapi.pipeline.dhis2.preflight import preflight, refusal
from eo_pygeoapi.pipeline.dhis2.readiness import read_sure_facts
from eo_pygeoapi.pipeline.dhis2.send import Sent
from eo_pygeoapi.pipeline.dhis2.stored import Compared, Held, same_number
from eo_pygeoapi.pipeline.dhis2.summary import SHOWN, BatchResult, Tally
from eo_pygeoapi.pipeline.dhis2.writing import Writing
from eo_pygeoapi.settings import no_connection

What = Literal["deleted", "restored", "unchanged", "kept", "rejected"]


def undo_in_dhis2(
    files: ImportFiles,
    changes: Changes,
    dataset: Dataset,
    dry_run: bool,
    connect: Connect | None,
    *,
    turn: Turn = nullcontext,
    report: Report = lambda _fraction: None,
    batch_size: int = 0,
    pauses: Sequence[float] = PAUSES,
) -> ImportSummary:
    """Take the changes back, or with `dry_run` ask what that would do; `files` are those of the undo's own job.

    In the summary `deleted` and `updated` count what was taken back, `unchanged` what had been before, and `kept` what
    has changed since. Raises Dhis2Error if DHIS2 refuses a request, and Dhis2UnavailableError if it is unreachable.
    """
    if connect is None:
        return ImportSummary(status="ERROR", dry_run=dry_run, reason=no_connection(changes.target.connection))
    if not changes.count:
        return ImportSummary(status="SUCCESS", dry_run=dry_run, notes=["the job has changed nothing in DHIS2"])
    with connect() as dhis2:
        facts = again(lambda: read_sure_facts(dhis2, changes.target, changes.org_units, dataset.period_type), pauses)
        payload = Payload(
            target=changes.target,
            count=changes.count,
            org_units=list(changes.org_units),
            periods=list(changes.periods),
        )
        findings = preflight(facts, payload, dataset)
        if refused := refusal(findings, dry_run):
            return refused
        assert facts.element
        with nullcontext() if dry_run else turn(str(facts.element["id"])):
            run = Writing.of(dhis2, files, changes.target, dataset, facts, dry_run)
            tally = _all_batches(run, changes, batch_size, pauses, report)
    files.write_rows(tally.rows)
    return tally.total(dry_run).model_copy(update={"notes": _notes(changes)})


def _notes(changes: Changes) -> list[str]:
    if not changes.of_others:
        return []
    return [
        f"{changes.of_others} of the old values had been stored by others, and count as theirs again, which imports "
        "keep; DHIS2 says that our user has stored them, and their comments and marks for follow-up do not come back"
    ]


def _all_batches(run: Writing, changes: Changes, batch_size: int, pauses: Sequence[float], report: Report) -> Tally:
    def send(number: int, batch: Sequence[Change]) -> Done:
        begun = {value_in(row).cell: row for row in run.files.begun(number)}
        return again(partial(_one_batch, run, changes, number, batch, begun, sizes), pauses)

    sizes = BatchSizes(run.files.cuts(), fixed=batch_size)
    found = changes.batches(sizes, run.one_period_at_a_time)
    return in_batches(
        run, found, lambda batch: [change.ours for change in batch], send, lambda done: report(done / changes.count)
    )


def _one_batch(
    run: Writing, changes: Changes, number: int, batch: Sequence[Change], begun: dict[Cell, Row], sizes: BatchSizes
) -> Done:
    """Take one batch back; `begun` is what earlier attempts at it have tried, and may have done."""
    sendable, refused = run.screening.sort([change.ours for change in batch])
    held, senders, allowed = run.stored.of(sendable), run.sent.jobs(sendable), set(sendable)
    asked = [change for change in batch if change.ours in allowed]
    ours = {run.facts.user.username, *changes.users}
    later = {cell for cell, job in senders.items() if job not in changes.jobs}
    rows = [_row(change, held.get(change.cell), ours, change.cell in later) for change in asked]
    kept = [
        Compared(change.ours, held.get(change.cell), "kept").kept()
        for change, row in zip(asked, rows, strict=True)
        if row["change"] == "kept"
    ]
    back = [change for change, row in zip(asked, rows, strict=True) if row["change"] in ("deleted", "restored")]
    if not run.dry_run:
        begun |= {value_in(row).cell: row for row in rows if row["change"] in ("deleted", "restored")}
        run.files.begin(number, list(begun.values()))
    send_back = partial(_send_back, run, changes, back)
    results = sizes.timed(send_back, lambda sent: sum(one.stored for one in sent))
    rejected = [entry for sent in results for entry in sent.rejected] + refused
    not_taken = {entry.cell for entry in rejected}
    # what an earlier attempt has taken back counts as that, and not as taken back before
    rows = [begun.get(value_in(r).cell, r) if r["change"] == "unchanged" else r for r in rows]
    rows = [row for row in rows if value_in(row).cell not in not_taken]
    rows += rejected_rows(rejected)
    counts = Counter(row["change"] for row in rows)
    result = BatchResult(
        statuses=["WARNING" if rejected else "SUCCESS"],
        counts={
            "deleted": counts["deleted"],
            "updated": counts["restored"],
            "unchanged": counts["unchanged"],
            "ignored": counts["kept"] + counts["rejected"],
        },
        rejected=rejected,
        kept=kept,
        reasons=[reason for sent in results for reason in sent.reasons],
        rows=rows[:SHOWN],
    )
    return result, rows


def _send_back(run: Writing, changes: Changes, back: Sequence[Change]) -> tuple[Sent, Sent]:
    """Delete what was new and store the old values of the rest, and note what is ours then."""
    to_delete = [change for change in back if change.before is None]
    to_restore = [change for change in back if change.before is not None]
    of_others = [change for change in to_restore if change.replaced_another(changes.users)]
    of_ours = [change.has_been() for change in to_restore if not change.replaced_another(changes.users)]
    if not run.dry_run:
        run.sent.begin(of_ours)
        run.sent.give_up([change.has_been() for change in of_others])
    deleted = run.deleter.send([change.ours for change in to_delete])
    restored = run.sender.send([change.has_been() for change in to_restore])
    if not run.dry_run:
        not_taken = {entry.cell for sent in (deleted, restored) for entry in sent.rejected}
        run.sent.forget([change.ours for change in to_delete if change.cell not in not_taken])
        run.sent.confirm(of_ours, not_taken)
        run.sent.confirm([change.ours for change in of_others if change.cell in not_taken])
    return deleted, restored


def _row(change: Change, held: Held | None, ours: Collection[str], is_later: bool) -> Row:
    """Return what becomes of a cell: `value` is what DHIS2 holds in the end, and `stored` what it holds now.

    `ours` are the users that we write as; with `is_later` another job has sent what DHIS2 holds.
    """
    what: What
    if held is None:
        what = "unchanged" if change.before is None else "kept"
    elif change.before is not None and same_number(held.value, change.before):
        what = "unchanged"
    elif change.is_ours(held.value):
        by_another = is_later or held.is_of_another(ours)
        what = "kept" if by_another else "deleted" if change.before is None else "restored"
    else:
        what = "kept"
    now = held or Held("")
    in_the_end = change.has_been()
    if what in ("kept", "unchanged"):
        in_the_end = in_the_end._replace(value=now.value)
    return as_row(in_the_end, what, stored=now.value, stored_by=now.stored_by)
