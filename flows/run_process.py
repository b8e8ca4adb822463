"""Run any other process plugin of the configuration file as a Prefect flow run."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from eo_pygeoapi.errors import EoError
from eo_pygeoapi.jobs.plugins import execute_plugin
from eo_pygeoapi.jobs.results import keep_outputs
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.settings import process_settings
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from flows.as_submitted import require_process
from flows.hooks import HOOKS
from flows.surroundings import configuration, failed, prepare_log


@flow(name="run_process", validate_parameters=False, persist_result=False, **HOOKS)
def run_process(process_id: str, inputs: JsonObject | None = None, request: JsonObject | None = None) -> State | None:
    """Execute the process plugin called `process_id` and keep its outputs with the job."""
    prepare_log()
    folder = JobFolder(ResultStore(process_settings().results), str(flow_run.id))
    try:
        require_process(process_id)
        outputs = execute_plugin(configuration(), process_id, inputs or {})
    except EoError as error:
        return failed(folder, error)
    keep_outputs(folder, outputs)
    return None
