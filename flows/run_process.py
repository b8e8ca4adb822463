"""Run any other process plugin of the configuration file as a Prefect flow run."""

from collections.abc import Mapping
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Failed
from pygeoapi.plugin import load_plugin
from pygeoapi.process.base import ProcessorExecuteError

from eo_pygeoapi.config_file import read_config
from eo_pygeoapi.redaction import redact
from eo_pygeoapi.results import ResultStore
from eo_pygeoapi.settings import Settings


@flow(name="run_process", validate_parameters=False, persist_result=False)
def run_process(
    process_id: str, inputs: dict[str, Any] | None = None, request: dict[str, Any] | None = None
) -> State[Any] | None:
    """Execute the process plugin called `process_id` and keep its output with the job."""
    settings = Settings()
    try:
        media_type, value = execute(read_config(settings.config), process_id, inputs or {})
    except Exception as error:
        said = error.message if isinstance(error, ProcessorExecuteError) and error.user_msg else str(error)
        return Failed(message=redact(said or type(error).__name__, settings.secrets()))
    keep_output(ResultStore(settings.results), str(flow_run.id), media_type, value)
    return None


def execute(config: Mapping[str, Any], process_id: str, inputs: Mapping[str, Any]) -> tuple[str, Any]:
    """Load the plugin that the configuration names for the process and execute it: (media type, output)."""
    processor = load_plugin("process", config["resources"][process_id]["processor"])
    media_type, value = processor.execute(dict(inputs))
    return media_type, value


def keep_output(store: ResultStore, job_id: str, media_type: str, value: Any) -> None:
    """Keep the output of a process in the results store: JSON and text as JSON, anything else as bytes."""
    binary = isinstance(value, bytes)
    if binary:
        store.write_bytes(f"jobs/{job_id}/output.bin", value)
    kept = {"mediaType": media_type, "binary": binary, "value": None if binary else value}
    store.write_json(f"jobs/{job_id}/output.json", kept)
