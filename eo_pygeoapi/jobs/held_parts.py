"""Parts of an execute request that are too large or too private for Prefect: the results store holds them.

| key | what |
|---|---|
| `requests/{id}/features.json` | features that are too large for Prefect's parameters |
| `requests/{id}/subscriber.json` | callback addresses: they may hold secrets, and Prefect shows parameters |

The job's `request` names the keys. The parts are deleted with the job.
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any, Protocol

from eo_pygeoapi.json_types import JsonMapping, JsonObject

# Prefect refuses parameters over 512 KiB
LARGE_BYTES = 256 * 1024
FEATURES_KEY, SUBSCRIBER_KEY = "featuresKey", "subscriberKey"
_FOLDER = "requests/"


class JsonStore(Protocol):
    """The part of the results store that this module uses."""

    def write_json(self, key: str, value: object) -> None:
        """Write a JSON value."""

    def read_json(self, key: str) -> Any:
        """Return a JSON value."""

    def delete(self, prefix: str) -> None:
        """Delete a key, if it exists."""


def hold_features(inputs: JsonMapping, store: JsonStore) -> tuple[dict[str, object], dict[str, str]]:
    """Put features that are too large for Prefect into the results store.

    Returns the inputs for Prefect, and `featuresKey`, the key in the store, if the store holds the features.
    """
    features = inputs.get("features")
    if features is None or len(json.dumps(features)) <= LARGE_BYTES:
        return dict(inputs), {}
    key = _new_key("features")
    store.write_json(key, features)
    return {name: value for name, value in inputs.items() if name != "features"}, {FEATURES_KEY: key}


def with_held_features(inputs: JsonMapping, request: JsonMapping, store: JsonStore) -> JsonObject:
    """Return the inputs with the features that the store holds for them; the worker calls this."""
    key = request.get(FEATURES_KEY)
    return {**inputs, "features": store.read_json(key)} if key else dict(inputs)


def hold_subscriber(subscriber: Mapping[str, str] | None, store: JsonStore) -> dict[str, str]:
    """Put callback addresses into the results store.

    Returns `subscriberKey`, the key in the store, if there is a subscriber.
    """
    if not subscriber:
        return {}
    key = _new_key("subscriber")
    store.write_json(key, dict(subscriber))
    return {SUBSCRIBER_KEY: key}


def held_subscriber(request: JsonMapping, store: JsonStore) -> dict[str, str]:
    """Return the callback addresses that the store holds for a request; the worker calls this."""
    key = request.get(SUBSCRIBER_KEY)
    return dict(store.read_json(key)) if key else {}


def delete_held(request: Mapping[str, object], store: JsonStore) -> None:
    """Delete the parts that the store holds for a request.

    A person who makes a run in Prefect's UI can write any key into its parameters; this deletes only keys of parts.
    """
    for name in (FEATURES_KEY, SUBSCRIBER_KEY):
        key = request.get(name)
        if isinstance(key, str) and key.startswith(_FOLDER) and key.count("/") == 2:
            store.delete(key)


def _new_key(part: str) -> str:
    return f"{_FOLDER}{uuid.uuid4()}/{part}.json"
