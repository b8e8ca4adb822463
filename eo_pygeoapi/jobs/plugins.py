"""Execute the other process plugins of the configuration file, and sort what they return by their outputs."""

from collections.abc import Mapping
from typing import Any

from pygeoapi.plugin import load_plugin
from pygeoapi.process.base import ProcessorExecuteError

from eo_pygeoapi.errors import EoError, InputError
from eo_pygeoapi.jobs.results import Output
from eo_pygeoapi.json_types import JsonMapping


def execute_plugin(config: JsonMapping, process_id: str, inputs: JsonMapping) -> dict[str, Output]:
    """Load and execute the plugin that the configuration names for the process; returns its outputs by id.

    Raises InputError for a ProcessorExecuteError of the plugin, and EoError for any other exception.
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
    """Return the value of a plugin by output id; a plugin with several outputs returns an object of them."""
    if len(described) > 1 and isinstance(value, Mapping) and set(value) <= set(described):
        schemas = {id_: described[id_].get("schema", {}) for id_ in value}
        media_types = {id_: str(schema.get("contentMediaType", "application/json")) for id_, schema in schemas.items()}
        return {id_: Output(media_types[id_], part) for id_, part in value.items()}
    return {next(iter(described), "result"): Output(media_type or "application/json", value)}
