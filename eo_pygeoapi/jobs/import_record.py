"""From a job that has ended to its line in the import history."""

from contextlib import suppress
from datetime import datetime

from eo_pygeoapi.contract.history import ImportRecord
from eo_pygeoapi.contract.models import ImportSummary
from eo_pygeoapi.contract.status import PROCESS_ID, UNDO_ID
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
    if job.process_id in (PROCESS_ID, UNDO_ID) and job.started is not None:
        History(store, job.dataset).add(import_record(store, job, dataset), now)


def import_record(store: ResultStore, job: Job, dataset: Dataset | None) -> ImportRecord:
    """Return the line of a job that has ended; with less of what was asked where the inputs have mistakes."""
    asked, counts = JsonObject(), JsonObject()
    if dataset is not None:
        target = dataset.dhis2
        with suppress(InputError):
            execution = validate_inputs(job.inputs, {dataset.id: dataset}, job.created)
            target = execution.dataset.dhis2
            asked = {"start": execution.interval.start, "end": execution.interval.end}
        asked |= {"tenant": dataset.tenant, "connection": target.connection, "data_element": target.data_element}
    if kept := JobFolder(store, job.id).read_json(job_folder.SUMMARY, default={}).get("importSummary"):
        summary = ImportSummary.model_validate(kept)
        counts = {
            "import_status": summary.status,
            "imported": summary.imported,
            "updated": summary.updated,
            "deleted": summary.deleted,
            "ignored": summary.ignored,
            "unchanged": summary.unchanged,
            "rejected": summary.rejected_count,
            "kept": summary.kept_count,
        }
    return ImportRecord(
        job_id=job.id,
        dataset=job.dataset,
        process="" if job.process_id == PROCESS_ID else job.process_id,
        dry_run=job.inputs.get("dryRun") is not False,
        status=job.status,
        by=job.by,
        message=job.message,
        started=job.started,
        finished=job.finished or job.updated,
        **asked,
        **counts,
    )
