"""From a job that has ended to its line in the import history."""

from datetime import datetime

from eo_pygeoapi.contract.history import ImportRecord
from eo_pygeoapi.contract.models import ImportSummary
from eo_pygeoapi.contract.status import PROCESS_ID
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.validate import validate_inputs
from eo_pygeoapi.errors import InputError
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.history import History
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore


def note_import(store: ResultStore, job: Job, dataset: Dataset | None, now: datetime) -> None:
    """Add the line of a job that has ended to the history of its dataset; none of one that never began.

    `dataset` is what the configuration says now, None where it does not name it any more. Raises ResultsError.
    """
    if job.process_id == PROCESS_ID and job.started is not None:
        History(store, job.deployment).add(import_record(store, job, dataset), now)


def import_record(store: ResultStore, job: Job, dataset: Dataset | None) -> ImportRecord:
    """Return the line of a job that has ended."""
    return ImportRecord(
        job_id=job.id,
        dataset=job.deployment,
        dry_run=job.inputs.get("dryRun") is not False,
        status=job.status,
        by=job.by,
        message=job.message,
        started=job.started,
        finished=job.finished or job.updated,
        **_asked(job, dataset),
        **_counts(store, job),
    )


def _asked(job: Job, dataset: Dataset | None) -> JsonObject:
    """Return the days that were asked for, and where the values go; less where the inputs have mistakes."""
    if dataset is None:
        return {}
    found: JsonObject = {}
    try:
        execution = validate_inputs(job.inputs, {dataset.id: dataset}, job.created)
    except InputError:
        target = dataset.dhis2
    else:
        target = execution.dataset.dhis2
        found |= {"start": execution.interval.start, "end": execution.interval.end}
    return found | {
        "tenant": dataset.tenant,
        "connection": target.connection,
        "data_element": target.data_element,
    }


def _counts(store: ResultStore, job: Job) -> JsonObject:
    kept = JobFolder(store, job.id).read_json(job_folder.SUMMARY, default={}).get("importSummary")
    if not kept:
        return {}
    summary = ImportSummary.model_validate(kept)
    return {
        "import_status": summary.status,
        "imported": summary.imported,
        "updated": summary.updated,
        "deleted": summary.deleted,
        "ignored": summary.ignored,
        "unchanged": summary.unchanged,
        "rejected": summary.rejected_count,
        "kept": summary.kept_count,
    }
