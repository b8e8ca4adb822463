"""Step 6: import the payload into DHIS2, or in a dry run ask what an import would do.

It sends the values in batches of whole periods, with three batches in memory at most. For each batch it reads the
values that DHIS2 holds and sends only new and changed ones, so that a second import changes nothing. It retries each
batch by itself and notes the finished ones: a repetition of an import that broke off goes on where that stopped.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial

from eo_pygeoapi.contract.models import Finding, ImportSummary
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.dhis2.batch_size import MOST, BatchSizes
from eo_pygeoapi.pipeline.dhis2.batching import PAUSES, Done, Report, Turn, Wait, again, batches, in_batches
from eo_pygeoapi.pipeline.dhis2.client import Connect
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue
from eo_pygeoapi.pipeline.dhis2.facts import Facts
from eo_pygeoapi.pipeline.dhis2.import_batch import ImportSteps
from eo_pygeoapi.pipeline.dhis2.import_files import ImportFiles
from eo_pygeoapi.pipeline.dhis2.in_flight import in_flight
from eo_pygeoapi.pipeline.dhis2.pace import Pace
from eo_pygeoapi.pipeline.dhis2.preflight import preflight, refusal
from eo_pygeoapi.pipeline.dhis2.readiness import read_sure_facts
from eo_pygeoapi.pipeline.dhis2.skipped import not_set_up, why_skipped
from eo_pygeoapi.pipeline.dhis2.summary import Tally, alike
from eo_pygeoapi.pipeline.dhis2.token_expiry import token_expiry
from eo_pygeoapi.pipeline.dhis2.writing import Writing
from eo_pygeoapi.store.connections import note_token
from eo_pygeoapi.wording import counted

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
    wait: Wait = lambda _words: None,
) -> ImportSummary:
    """Import the values of the payload in `files` that DHIS2 does not hold yet; with `dry_run` nothing is stored.

    With `per_minute` it sends no more values in a minute, together with other jobs that have a limit and write to the
    data element, and gives the turn back while it waits.

    While DHIS2 does not answer, `wait` is told since when; and an empty text when it answers.

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
        facts = again(
            lambda: read_sure_facts(dhis2, payload.target, payload.org_units, dataset.period_type), pauses, wait
        )
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
            tally = _all_batches(run, pace, batch_size, pauses, lambda done: report(done / payload.count), wait)
    files.write_rows(tally.rows)
    return _summary(tally, facts, findings, dry_run, dataset)


def _all_batches(
    run: Writing,
    pace: Pace,
    batch_size: int,
    pauses: Sequence[float],
    report: Callable[[int], None],
    wait: Wait,
) -> Tally:
    sizes = BatchSizes(run.files.cuts(), fixed=batch_size, most=pace.batch(batch_size or MOST))
    steps = ImportSteps(run, sizes, pauses, wait)

    def alone(number: int, batch: Sequence[DataValue]) -> Done:
        def send() -> Done:
            return steps.check(steps.send(number, batch, partial(steps.read, batch)))

        return pace.keep(send, lambda done: done[0].stored)

    with run.files.data_values() as values:
        found = batches(values, sizes, run.one_period_at_a_time)
        if pace.per_minute:  # another job may write between two batches
            return in_batches(run, found, lambda batch: batch, alone, report)
        return in_flight(run, found, steps, report)


def _summary(tally: Tally, facts: Facts, findings: list[Finding], dry_run: bool, dataset: Dataset) -> ImportSummary:
    total = alike(tally.total(dry_run))
    notes = []
    follows = any(then.analytics for then in dataset.after)  # the job itself says when
    if not dry_run and total.imported + total.updated + total.deleted and not follows:
        last = f"the last one ended {facts.last_analytics}" if facts.last_analytics else "there was none yet"
        notes.append(f"imported values show up in DHIS2 analytics after its next run; {last}")
    if total.kept_count:
        notes.append(
            f"kept in DHIS2: {counted(total.kept_count, 'value')} that others stored; to overwrite such values set "
            "dhis2.onConflict: overwrite in the dataset's eo: block"
        )
    if total.difference_count:
        notes.append(
            f"{counted(total.difference_count, 'value')} not in DHIS2 as sent, though it said that it took everything; "
            "`differences` lists each with the likely reason"
        )
    return total.model_copy(update={"findings": findings, "notes": notes})
