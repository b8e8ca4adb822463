"""Step 6: import the payload into DHIS2, or in a dry run ask what an import would do.

It sends the values in batches of whole periods, with one batch in memory. For each batch it reads the values that DHIS2
holds and sends only new and changed ones, so that a second import changes nothing. It retries each batch by itself and
notes the finished ones: a repetition of an import that broke off goes on where that stopped.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial

from eo_pygeoapi.contract.models import Difference, Finding, ImportSummary
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.dhis2.batch_size import MOST, BatchSizes
from eo_pygeoapi.pipeline.dhis2.batching import PAUSES, Done, Report, Turn, again, batches, in_batches
from eo_pygeoapi.pipeline.dhis2.client import Connect
from eo_pygeoapi.pipeline.dhis2.data_values import Cell, DataValue, value_in
from eo_pygeoapi.pipeline.dhis2.differing import SentToCell, difference
from eo_pygeoapi.pipeline.dhis2.facts import Facts, read_facts
from eo_pygeoapi.pipeline.dhis2.import_files import ImportFiles, Row, rejected_rows
from eo_pygeoapi.pipeline.dhis2.pace import Pace
from eo_pygeoapi.pipeline.dhis2.preflight import preflight, refusal
from eo_pygeoapi.pipeline.dhis2.send import Sent
from eo_pygeoapi.pipeline.dhis2.skipped import not_set_up, why_skipped
from eo_pygeoapi.pipeline.dhis2.stored import Compared, Held, compared
from eo_pygeoapi.pipeline.dhis2.summary import SHOWN, BatchResult, Tally
from eo_pygeoapi.pipeline.dhis2.token_expiry import token_expiry
from eo_pygeoapi.pipeline.dhis2.writing import Writing
from eo_pygeoapi.store.connections import note_token

logger = logging.getLogger(__name__)


def import_to_dhis2(
    files: ImportFiles,
    dataset: Dataset,
    dry_run: bool,
    connect: Connect | None,
    *,
    turn: Turn = nullcontext,
    report: Report = lambda _fraction: None,
    batch_size: int = 0,
    pauses: Sequence[float] = PAUSES,
    per_minute: int = 0,
) -> ImportSummary:
    """Import the values of the payload in `files` that DHIS2 does not hold yet; with `dry_run` nothing is stored.

    With `per_minute` it sends no more values in a minute, together with other jobs that have a limit and write to the
    data element, and gives the turn back while it waits.

    A batch holds `batch_size` values at most, or with 0 as many as DHIS2 stores in some seconds.

    `connect` opens the dataset's connection; without one, without a data element or without values the import is
    SKIPPED and the summary says why. The summary holds rejected values and the errors of the check before the import.
    Raises Dhis2Error if DHIS2 refuses a request, and Dhis2UnavailableError if it stays unreachable.
    """
    payload = files.payload()
    if skipped := why_skipped(payload, connect is not None):
        return ImportSummary(status="SKIPPED", dry_run=dry_run, reason=skipped)
    assert connect
    with connect() as dhis2:
        facts = again(lambda: read_facts(dhis2, payload.target, payload.org_units, dataset.period_type), pauses)
        now = datetime.now(UTC)
        if token := token_expiry(dhis2, facts.user.username, now):
            note_token(files.folder.store, payload.target.connection, token, now)
        if facts.element is None and (missing := not_set_up(payload.target, dataset.id, facts)):
            return ImportSummary(status="SKIPPED", dry_run=dry_run, reason=missing)
        findings = preflight(facts, payload, dataset)
        for finding in findings:
            logger.log(logging.ERROR if finding.severity == "error" else logging.WARNING, finding.message)
        if refused := refusal(findings, dry_run):
            return refused
        assert facts.element
        hold = nullcontext if dry_run else partial(turn, str(facts.element["id"]))
        pace = Pace()
        if per_minute and not dry_run:
            pace = Pace(per_minute, hold, shared=partial(turn, f"{facts.element['id']}-paced"))
        with nullcontext() if pace.per_minute else hold():
            run = Writing.of(dhis2, files, payload.target, dataset, facts, dry_run)
            if not dry_run:
                files.note_user(facts.user.username)
            tally = _all_batches(run, pace, batch_size, pauses, lambda done: report(done / payload.count))
    files.write_rows(tally.rows)
    return _summary(tally, facts, findings, dry_run, dataset)


Attempted = dict[Cell, Compared]  # what earlier attempts at a batch sent: DHIS2 may have it though its answer was lost


def _all_batches(
    run: Writing, pace: Pace, batch_size: int, pauses: Sequence[float], report: Callable[[int], None]
) -> Tally:
    def send(number: int, batch: Sequence[DataValue]) -> Done:
        attempted = _attempted(run, number)
        one = sizes.timed(partial(_one_batch, run, number, batch, attempted))
        return pace.keep(partial(again, one, pauses), lambda done: done[0].stored)

    sizes = BatchSizes(run.files.cuts(), fixed=batch_size, most=pace.batch(batch_size or MOST))
    with run.files.data_values() as values:
        found = batches(values, sizes, run.one_period_at_a_time)
        return in_batches(run, found, lambda batch: batch, send, report)


def _attempted(run: Writing, number: int) -> Attempted:
    """Return what an earlier attempt at the batch, which may have died, noted before it sent anything."""
    found: Attempted = {}
    for row in run.files.begun(number):
        value = value_in(row)
        held = Held(row["stored"], row["storedBy"] or "") if row["change"] == "changed" else None
        found[value.cell] = Compared(value, held, "changed" if held else "new")
    return found


def _one_batch(run: Writing, number: int, batch: Sequence[DataValue], attempted: Attempted) -> Done:
    """Import one batch; returns its result, and each value beside the one that DHIS2 held."""
    sendable, refused = run.screening.sort(batch)
    held, known = run.stored.of(sendable), run.sent.known(sendable)
    found = list(compared(sendable, held, known, run.target, run.facts.user.username))
    to_send = [one for one in found if one.change in ("new", "changed")]
    ours = [one.ours for one in to_send]
    if not run.dry_run:
        # values that DHIS2 holds as ours are, though no note says that we sent them: the notes began late, or are lost
        unchanged = [one.ours for one in found if one.change == "unchanged"]
        run.sent.confirm([v for v in unchanged if known.get(v.cell) != [v.value]])
        run.sent.begin(ours, {cell: theirs.value for cell, theirs in held.items()})
    if ours and not run.facts.is_new:
        run.new_periods.announce({value.period for value in ours}, met={period for _, period, _ in held})
    attempted |= {one.ours.cell: one for one in to_send}
    if not run.dry_run:
        run.files.begin(number, [one.row() for one in attempted.values()])
    sent = run.sender.send(ours)
    not_taken = {entry.cell for entry in sent.rejected}
    if not run.dry_run:
        run.sent.confirm(ours, not_taken, run.files.folder.job_id)
    differences = [] if run.dry_run else _read_back(run, [v for v in ours if v.cell not in not_taken])
    sent.reject(refused)
    # a value that an earlier attempt has stored counts as what it was then, not as unchanged
    earlier = ((one, attempted.get(one.ours.cell)) for one in found)
    found = [was if was and was.ours == one.ours and one.change == "unchanged" else one for one, was in earlier]
    rows = [one.row() for one in found if one.ours.cell not in not_taken]
    rows += rejected_rows(sent.rejected)
    result = _result(run, found, to_send, sent, not_taken, rows)
    return result.model_copy(update={"differences": differences}), rows


def _read_back(run: Writing, taken: Sequence[DataValue]) -> list[Difference]:
    """Ask DHIS2 what it holds of the values that it says it has taken; returns what is not as it was sent."""
    held = run.stored.of(taken, deleted=True)
    compared = (difference(SentToCell(v.cell, [v.value]), held, run.facts) for v in taken)
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


def _summary(tally: Tally, facts: Facts, findings: list[Finding], dry_run: bool, dataset: Dataset) -> ImportSummary:
    total = tally.total(dry_run)
    notes = []
    follows = any(then.analytics for then in dataset.after)  # the job itself says when
    if not dry_run and total.imported + total.updated + total.deleted and not follows:
        last = f"the last one ended {facts.last_analytics}" if facts.last_analytics else "there was none yet"
        notes.append(f"imported values show up in DHIS2 analytics after its next run; {last}")
    if total.kept_count:
        notes.append(
            f"{total.kept_count} values that others stored in DHIS2 were kept; to overwrite such values set "
            "dhis2.onConflict: overwrite in the dataset's eo: block"
        )
    if total.difference_count:
        notes.append(
            f"{total.difference_count} values are not in DHIS2 as it was sent them, though it said that it took them; "
            "`differences` lists them with the likely reason"
        )
    return total.model_copy(update={"findings": findings, "notes": notes})
