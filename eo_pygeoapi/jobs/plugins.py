"""Execute the process plugins of the configuration file other than ours, and name what they give by its outputs."""

from collections.abc import Mapping
from typing import Any

from pygeoapi.plugin import load_plugin
from pygeoapi.process.base import ProcessorExecuteError

from eo_pygeoapi.errors import EoError, InputError
from eo_pygeoapi.jobs.results import Output
from eo_pygeoapi.json_types import JsonMapping


def execute_plugin(config: JsonMapping, process_id: str, inputs: JsonMapping) -> dict[str, Output]:
    """Load the plugin that the configuration names for the process and execute it; returns outputs by their ids.

    Raises InputError for what the plugin says of the request, and EoError for whatever else it raises.
    """
    try:
        processor = load_plugin("process", config["resources"][process_id]["processor"])
        described = processor.metadata.get("outputs") or {}
        media_type, value = processor.execute(dict(inputs))
    except ProcessorExecuteError as error:
        said = error.message if error.user_msg else str(error)
        raise InputError(said or type(error).__name__) from error
    except Exception as error:
        raise EoError(str(error) or type(error).__name__) from error
    return outputs_by_id(described, media_type, value)


def outputs_by_id(described: JsonMapping, media_type: str, value: Any) -> dict[str, Output]:
    """Return what a plugin gave by the ids of its outputs; a plugin with several gives an object of them."""
    if len(described) > 1 and isinstance(value, Mapping) and set(value) <= set(described):
        return {id_: Output(_media_type(described[id_]), part) for id_, part in value.items()}
    return {next(iter(described), "result"): Output(media_type or "application/json", value)}


def _media_type(description: JsonMapping) -> str:
    return str(description.get("schema", {}).get("contentMediaType", "application/json"))
