"""What an execute request says besides its inputs, and the inputs that are too large for Prefect."""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from eo_pygeoapi.errors import InputError

# Prefect refuses parameters over 512 KiB
LARGE_BYTES = 256 * 1024


class JsonStore(Protocol):
    """What is needed of the results store here."""

    def write_json(self, key: str, value: Any) -> None:
        """Keep a JSON value."""

    def read_json(self, key: str) -> Any:
        """Return a kept JSON value."""


def parse_request(inputs: Any, outputs: Any, response: Any, output_ids: Sequence[str]) -> dict[str, Any]:
    """Check everything but the inputs' content, and return what has to be kept with the job.

    Raises InputError with every mistake.
    """
    problems = []
    if not isinstance(inputs, Mapping):
        problems.append("inputs: expected an object with the inputs by their ids")
    if response not in ("raw", "document"):
        problems.append(f"response: {response!r} is not allowed; allowed: raw, document")
    if outputs is not None and not isinstance(outputs, Mapping):
        problems.append("outputs: expected an object with the outputs by their ids")
    elif outputs:
        problems += [
            f"outputs.{name}: is not known here; allowed: {', '.join(output_ids)}"
            for name in outputs
            if name not in output_ids
        ]
        problems += [
            f"outputs.{name}: {how!r} is not allowed; allowed: an object"
            for name, how in outputs.items()
            if name in output_ids and not isinstance(how, Mapping)
        ]
    if problems:
        raise InputError(problems)
    return {"response": response}


def hold_features(inputs: Mapping[str, Any], store: JsonStore) -> tuple[dict[str, Any], dict[str, str]]:
    """Put features that are too large for Prefect into the results store.

    Returns the inputs to send, and what to remember: `featuresKey`, the key in the store, where it was used.
    """
    features = inputs.get("features")
    if features is None or len(json.dumps(features)) <= LARGE_BYTES:
        return dict(inputs), {}
    key = f"requests/{uuid.uuid4()}/features.json"
    store.write_json(key, features)
    return {name: value for name, value in inputs.items() if name != "features"}, {"featuresKey": key}


def with_held_features(inputs: Mapping[str, Any], request: Mapping[str, Any], store: JsonStore) -> dict[str, Any]:
    """Undo `hold_features`, in the worker."""
    key = request.get("featuresKey")
    return {**inputs, "features": store.read_json(key)} if key else dict(inputs)
