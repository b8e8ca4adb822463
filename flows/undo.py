"""The process `eo-undo`: take back what a job changed in DHIS2."""

from datetime import UTC, datetime
from functools import partial

from prefect import flow
from prefect.client.schemas.objects import State

from eo_pygeoapi.contract.undo import UndoInputs
from eo_pygeoapi.datasets.validate import enabled_dataset, parsed_inputs
from eo_pygeoapi.errors import Dhis2Error
from eo_pygeoapi.gateway import turns
from eo_pygeoapi.gateway.artifacts import show_summary
from eo_pygeoapi.gateway.job import DATASET
from eo_pygeoapi.gateway.progress import RunProgress
from eo_pygeoapi.jobs.undo import Undo, in_words
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.pipeline.dhis2.summary import imported_nothing
from eo_pygeoapi.store.job_folder import JobFolder
from flows.as_submitted import datasets_as_submitted
from flows.hooks import UNDO_HOOKS
from flows.surroundings import connection_of, outcome, own_folder

STEPS = {"find_changes": 10, "undo_in_dhis2": 90, "publish_results": 100}
DAY = 24 * 3600


@flow(name="eo_undo_v1", validate_parameters=False, persist_result=False, timeout_seconds=DAY, **UNDO_HOOKS)
def eo_undo_v1(process_id: str, inputs: JsonObject, request: JsonObject | None = None) -> State:
    """Take back what the job that `inputs` name has changed in DHIS2."""
    folder = own_folder()
    return outcome(folder, lambda: _undo(folder, inputs, str((request or {}).get(DATASET))))


def _undo(folder: JobFolder, inputs: JsonObject, dataset_id: str) -> str:
    progress, wanted = RunProgress(STEPS), parsed_inputs(inputs, UndoInputs)
    dataset = enabled_dataset(dataset_id, datasets_as_submitted())
    undo = Undo(folder, wanted.job_id, dataset, wanted.dry_run, connection_of)
    with progress.step("find_changes"):
        changes = undo.changes()
    with progress.step("undo_in_dhis2") as report:
        turn = partial(turns.turn, folder.job_id, changes.target.connection)
        summary = undo.in_dhis2(changes, turn, report)
        show_summary(summary)
    with progress.step("publish_results"):
        outputs = undo.publish(changes, summary, datetime.now(UTC))
    if imported_nothing(summary, changes.count):
        raise Dhis2Error(in_words(outputs))
    progress.end()
    return in_words(outputs)
