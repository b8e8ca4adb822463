"""The members of an execute request besides its inputs: outputs, response and subscriber."""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eo_pygeoapi.errors import EoError, InputError, NoSuchOutputError
from eo_pygeoapi.wording import shown

TRANSMISSION_MODES = ("value", "reference")
MEMBERS = ("inputs", "outputs", "response", "subscriber", "mode")
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
SUBSCRIBER_URIS = ("successUri", "inProgressUri", "failedUri")


@dataclass(frozen=True)
class ExecuteBody:
    """The members of an execute request, unchecked."""

    inputs: Any
    outputs: Any = None
    response: Any = "raw"
    subscriber: Any = None
    mode: Any = None
    others: tuple[str, ...] = ()  # the names of members that no execute request has


def read_body(text: bytes) -> ExecuteBody:
    """Read the body of an execute request; InputError when it is no JSON object, or says something twice."""
    try:
        body = json.loads(text, parse_constant=_no_json, object_pairs_hook=_once)
        if _ESCAPED_SURROGATE.search(text):
            json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise InputError("the body has half a character: \\ud800 to \\udfff stand for one in pairs alone") from error
    except (ValueError, RecursionError) as error:
        raise InputError("the body is not JSON; expected an object with the member inputs") from error
    if not isinstance(body, dict):
        raise InputError("the body is not a JSON object; expected an object with the member inputs")
    return ExecuteBody(
        body.get("inputs", {}),
        body.get("outputs"),
        body.get("response", "raw"),
        body.get("subscriber"),
        body.get("mode"),
        tuple(name for name in body if name not in MEMBERS),
    )


def misplaced(others: Sequence[str], described: Collection[str]) -> list[str]:
    """Say which unknown members of a body are inputs, or members that are written otherwise; clients send others."""
    found = [f"{name}: stands beside `inputs`; allowed: within `inputs`" for name in others if name in described]
    written = {member.lower(): member for member in MEMBERS}
    return found + [
        f"{name}: is not known here; did you mean {meant}?" for name in others if (meant := written.get(name.lower()))
    ]


def parse_request(
    body: ExecuteBody, output_ids: Sequence[str], check_url: Callable[[Any], object] = lambda _: None
) -> dict[str, object]:
    """Check everything but the content of the inputs, and return what the job has to keep of the request.

    Its `outputs` maps the wanted outputs to their transmission modes; the subscriber is not in it. `check_url` raises
    InputError for a callback address that is not allowed. Raises InputError with every mistake.
    """
    problems = []
    if not isinstance(body.inputs, Mapping):
        problems.append("inputs: expected an object with the inputs by their ids")
    if body.response not in ("raw", "document"):
        problems.append(f"response: {shown(body.response)} is not allowed; allowed: raw, document")
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


def _output_problems(outputs: object, output_ids: Sequence[str]) -> tuple[list[str], list[str]]:
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
            wrong.append(f"outputs.{name}: {shown(how)} is not allowed; allowed: an object")
        elif mode not in TRANSMISSION_MODES:
            wrong.append(f"outputs.{name}.transmissionMode: {shown(mode)} is not allowed; allowed: value, reference")
    return unknown, wrong


def _subscriber_problems(subscriber: object, check_url: Callable[[Any], object]) -> list[str]:
    if subscriber is None:
        return []
    if not isinstance(subscriber, Mapping):
        allowed = ", ".join(SUBSCRIBER_URIS)
        return [f"subscriber: {shown(subscriber)} is not allowed; allowed: an object with {allowed}"]
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


def _once(members: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object; InputError for one with a member twice, of which nobody knows which one counts."""
    found = dict(members)
    if len(found) < len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"the body has the member {shown(twice)} twice in one object")
    return found


def _no_json(constant: str) -> float:
    raise ValueError(constant)
