"""Run any other process plugin of the configuration file as a Prefect flow run."""

from collections.abc import Mapping
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Failed
from pygeoapi.plugin import load_plugin
from pygeoapi.process.base import ProcessorExecuteError

from eo_pygeoapi.datasets.config_file import read_config
from eo_pygeoapi.jobs.results import Output, keep_outputs
from eo_pygeoapi.redaction import redact
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from flows import notifications


@flow(name="run_process", validate_parameters=False, persist_result=False, **notifications.HOOKS)
def run_process(
    process_id: str, inputs: dict[str, Any] | None = None, request: dict[str, Any] | None = None
) -> State[Any] | None:
    """Execute the process plugin called `process_id` and keep its outputs with the job."""
    settings = Settings()
    folder = JobFolder(ResultStore(settings.results), str(flow_run.id))
    try:
        outputs = execute(read_config(settings.config), process_id, inputs or {})
    except Exception as error:
        said = error.message if isinstance(error, ProcessorExecuteError) and error.user_msg else str(error)
        message = redact(said or type(error).__name__, settings.secrets())
        status, code = (400, "InvalidParameterValue") if isinstance(error, ProcessorExecuteError) else (500, "")
        kept = {"status": status, "code": code or "NoApplicableCode", "detail": message}
        folder.write_json(job_folder.ERROR, kept)
        return Failed(message=message)
    keep_outputs(folder, outputs)
    return None


def execute(config: Mapping[str, Any], process_id: str, inputs: Mapping[str, Any]) -> dict[str, Output]:
    """Load the plugin that the configuration names for the process and execute it; returns outputs by their ids."""
    processor = load_plugin("process", config["resources"][process_id]["processor"])
    described = processor.metadata.get("outputs") or {}
    media_type, value = processor.execute(dict(inputs))
    return outputs_by_id(described, media_type, value)


def outputs_by_id(described: Mapping[str, Any], media_type: str, value: Any) -> dict[str, Output]:
    """Return what a plugin gave by the ids of its outputs; a plugin with several gives an object of them."""
    if len(described) > 1 and isinstance(value, Mapping) and set(value) <= set(described):
        return {id_: Output(_media_type(described[id_]), part) for id_, part in value.items()}
    return {next(iter(described), "result"): Output(media_type or "application/json", value)}


def _media_type(description: Mapping[str, Any]) -> str:
    return str(description.get("schema", {}).get("contentMediaType", "application/json"))
