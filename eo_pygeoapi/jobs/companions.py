"""What the requests of the import's companions are checked for, before there is a job: backfill, undo, reconcile."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from eo_pygeoapi.contract.periods import raise_without_period
from eo_pygeoapi.contract.status import BACKFILL_ID, FINAL, PROCESS_ID, RECONCILE_ID, UNDO_ID
from eo_pygeoapi.contract.undo import UndoInputs
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.companion_inputs import backfilled_dataset, compared
from eo_pygeoapi.datasets.validate import parsed_inputs
from eo_pygeoapi.errors import InputError, NoSuchJobError
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.jobs.targets import connection_asked
from eo_pygeoapi.json_types import JsonMapping, JsonObject

UNDOABLE = (PROCESS_ID, BACKFILL_ID)


@dataclass(frozen=True)
class Seen:
    """What the asking viewer sees: the enabled datasets, by id, and jobs (NoSuchJobError where there is none).

    `may_run` returns the ids of the jobs that a job has started and not seen end.
    """

    datasets: Mapping[str, Dataset]
    job: Callable[[str], Job]
    may_run: Callable[[str], Sequence[str]] = lambda _job_id: ()


@dataclass(frozen=True)
class Accepted:
    """A request that may become a job: its inputs, the dataset that it is about, and the DHIS2 connection it uses."""

    inputs: JsonObject
    dataset: Dataset
    connection: str


def accept(process_id: str, inputs: JsonMapping, seen: Seen) -> Accepted:
    """Check the inputs of a companion; InputError names every mistake."""
    return _CHECKS[process_id](inputs, seen)


def undoable(job_id: str, seen: Seen) -> Job:
    """Return the job if what it changed in DHIS2 can be taken back; else InputError says why not."""
    try:
        job = seen.job(job_id)
    except NoSuchJobError as error:
        raise InputError(f"input jobId: {error}") from error
    said = f"input jobId: job {job_id}"
    if job.process_id == UNDO_ID:
        raise InputError(f"{said} is itself an undo; to have the values back, execute the import again")
    if job.process_id not in UNDOABLE:
        raise InputError(f"{said} is one of {job.process_id}; allowed: jobs of {', '.join(UNDOABLE)}")
    if job.inputs.get("dryRun") is not False:
        raise InputError(f"{said} was a dry run, which changes nothing in DHIS2")
    if job.status not in FINAL:
        raise InputError(f"{said} is {job.status}; wait for its end, or dismiss it first")
    if busy := [id_ for id_ in seen.may_run(job_id) if _runs(id_, seen)]:
        raise InputError(
            f"{said} is {job.status}, but jobs that it started still run ({', '.join(busy)}); wait for them"
        )
    return job


def _runs(job_id: str, seen: Seen) -> bool:
    try:
        return seen.job(job_id).status not in FINAL
    except NoSuchJobError:
        return False


def _backfill(inputs: JsonMapping, seen: Seen) -> Accepted:
    dataset = backfilled_dataset(inputs, seen.datasets, datetime.now(UTC))
    return Accepted(dict(inputs), dataset, dataset.dhis2.connection)


def _undo(inputs: JsonMapping, seen: Seen) -> Accepted:
    wanted = parsed_inputs(inputs, UndoInputs)
    job = undoable(wanted.job_id, seen)
    if (dataset := seen.datasets.get(job.dataset)) is None:
        enabled = ", ".join(seen.datasets) or "none"
        raise InputError(f"input jobId: dataset {job.dataset!r} of the job is not enabled (enabled: {enabled})")
    return Accepted(dict(inputs), dataset, connection_asked(job.inputs, dataset))


def _reconcile(inputs: JsonMapping, seen: Seen) -> Accepted:
    dataset, interval = compared(inputs, seen.datasets, datetime.now(UTC))
    raise_without_period(interval, dataset.period_type)
    return Accepted(dict(inputs), dataset, dataset.dhis2.connection)


_CHECKS: Mapping[str, Callable[[JsonMapping, Seen], Accepted]] = {
    BACKFILL_ID: _backfill,
    UNDO_ID: _undo,
    RECONCILE_ID: _reconcile,
}
