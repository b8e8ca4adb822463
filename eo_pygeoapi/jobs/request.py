"""What an execute request says besides its inputs, and what is too large or too private for Prefect."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from eo_pygeoapi.errors import EoError, InputError, NoSuchOutputError

# Prefect refuses parameters over 512 KiB
LARGE_BYTES = 256 * 1024
TRANSMISSION_MODES = ("value", "reference")
SUBSCRIBER_URIS = ("successUri", "inProgressUri", "failedUri")


class JsonStore(Protocol):
    """What is needed of the results store here."""

    def write_json(self, key: str, value: Any) -> None:
        """Keep a JSON value."""

    def read_json(self, key: str) -> Any:
        """Return a kept JSON value."""


@dataclass(frozen=True)
class ExecuteBody:
    """The members of an execute request, as they came."""

    inputs: Any
    outputs: Any = None
    response: Any = "raw"
    subscriber: Any = None


def read_body(text: bytes) -> ExecuteBody:
    """Read the body of an execute request; InputError when it is no JSON object."""
    try:
        body = json.loads(text, parse_constant=_no_json)
    except (ValueError, RecursionError) as error:
        raise InputError("the body is not JSON; expected an object with the member inputs") from error
    if not isinstance(body, dict):
        raise InputError("the body is not a JSON object; expected an object with the member inputs")
    return ExecuteBody(body.get("inputs", {}), body.get("outputs"), body.get("response", "raw"), body.get("subscriber"))


def parse_request(
    body: ExecuteBody, output_ids: Sequence[str], check_url: Callable[[Any], object] = lambda _: None
) -> dict[str, Any]:
    """Check everything but the inputs' content, and return what has to be kept with the job.

    `outputs` of it maps the wanted outputs to their transmission modes; the subscriber is not in it. `check_url`
    raises InputError for a callback that must not be called. Raises InputError with every mistake.
    """
    problems = []
    if not isinstance(body.inputs, Mapping):
        problems.append("inputs: expected an object with the inputs by their ids")
    if body.response not in ("raw", "document"):
        problems.append(f"response: {_shown(body.response)} is not allowed; allowed: raw, document")
    unknown, wrong = _output_problems(body.outputs, output_ids)
    problems += wrong + _subscriber_problems(body.subscriber, check_url)
    if unknown and not problems:
        raise NoSuchOutputError(unknown)
    if unknown or problems:
        raise InputError(problems + unknown)
    if body.outputs is None:
        return {"response": body.response}
    modes = {name: how.get("transmissionMode", "value") for name, how in body.outputs.items()}
    return {"response": body.response, "outputs": modes}


def _output_problems(outputs: Any, output_ids: Sequence[str]) -> tuple[list[str], list[str]]:
    if outputs is None:
        return [], []
    if not isinstance(outputs, Mapping):
        return [], ["outputs: expected an object with the outputs by their ids"]
    allowed = ", ".join(output_ids)
    unknown = [f"outputs.{name}: is not known here; allowed: {allowed}" for name in outputs if name not in output_ids]
    wrong = []
    for name, how in outputs.items():
        mode = how.get("transmissionMode", "value") if isinstance(how, Mapping) else "value"
        if not isinstance(how, Mapping):
            wrong.append(f"outputs.{name}: {_shown(how)} is not allowed; allowed: an object")
        elif mode not in TRANSMISSION_MODES:
            wrong.append(f"outputs.{name}.transmissionMode: {_shown(mode)} is not allowed; allowed: value, reference")
    return unknown, wrong


def _subscriber_problems(subscriber: Any, check_url: Callable[[Any], object]) -> list[str]:
    if subscriber is None:
        return []
    if not isinstance(subscriber, Mapping):
        allowed = ", ".join(SUBSCRIBER_URIS)
        return [f"subscriber: {_shown(subscriber)} is not allowed; allowed: an object with {allowed}"]
    problems = [] if "successUri" in subscriber else ["subscriber.successUri: is required"]
    for name, uri in subscriber.items():
        if name not in SUBSCRIBER_URIS:
            problems.append(f"subscriber.{name}: is not known here; allowed: {', '.join(SUBSCRIBER_URIS)}")
            continue
        try:
            check_url(uri)
        except EoError as error:
            problems.append(f"subscriber.{name}: {error}")
    return problems


def hold_subscriber(subscriber: Mapping[str, str] | None, store: JsonStore) -> dict[str, str]:
    """Put callback addresses into the results store, for they may hold secrets, which Prefect shows to everybody.

    Returns what to remember: `subscriberKey`, the key in the store, where there is a subscriber.
    """
    if not subscriber:
        return {}
    key = f"requests/{uuid.uuid4()}/subscriber.json"
    store.write_json(key, dict(subscriber))
    return {"subscriberKey": key}


def held_subscriber(request: Mapping[str, Any], store: JsonStore) -> dict[str, str]:
    """Undo `hold_subscriber`, in the worker."""
    key = request.get("subscriberKey")
    return dict(store.read_json(key)) if key else {}


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


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _no_json(constant: str) -> float:
    raise ValueError(constant)
