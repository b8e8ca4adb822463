"""The process `eo-reconcile`: compare what DHIS2 holds with what it was sent."""

from datetime import UTC, datetime

from prefect import flow
from prefect.client.schemas.objects import State

from eo_pygeoapi.contract.reconcile import ReconcileInputs
from eo_pygeoapi.datasets.validate import enabled_dataset, parsed_inputs
from eo_pygeoapi.gateway.progress import RunProgress
from eo_pygeoapi.jobs.reconcile import in_words, reconcile_dataset
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.store.job_folder import JobFolder
from flows.as_submitted import datasets_as_submitted
from flows.hooks import HOOKS
from flows.surroundings import connection_of, outcome, own_folder

STEPS = {"compare_with_dhis2": 100}
DAY = 24 * 3600


@flow(name="eo_reconcile_v1", validate_parameters=False, persist_result=False, timeout_seconds=DAY, **HOOKS)
def eo_reconcile_v1(process_id: str, inputs: JsonObject, request: JsonObject | None = None) -> State:
    """Compare what DHIS2 holds of a dataset with what it was sent."""
    folder = own_folder()
    return outcome(folder, lambda: _reconcile(folder, inputs))


def _reconcile(folder: JobFolder, inputs: JsonObject) -> str:
    progress, wanted = RunProgress(STEPS), parsed_inputs(inputs, ReconcileInputs)
    dataset = enabled_dataset(wanted.dataset_id, datasets_as_submitted())
    with progress.step("compare_with_dhis2") as report:
        connect = connection_of(dataset.dhis2.connection)
        outputs = reconcile_dataset(folder, wanted, dataset, connect, datetime.now(UTC), report)
    progress.end()
    return in_words(outputs)
