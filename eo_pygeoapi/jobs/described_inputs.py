"""Inputs as OGC API - Processes writes them, and their check against a process description.

An input is given inline, as `{"value": …}` with what describes it, or by reference as `{"href": …}`.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from jsonschema import Draft4Validator

from eo_pygeoapi.errors import EoError, InputError
from eo_pygeoapi.json_types import JsonMapping

# what may stand beside a value or a reference
_BESIDE_VALUE = frozenset({"value", "mediaType", "encoding", "schema"})
_BESIDE_HREF = frozenset({"href", "rel", "type", "hreflang", "title"})
_CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_BBOX = "ogc-bbox"
_SHOWN = 80

Fetch = Callable[[str], bytes]


def resolve(described: JsonMapping, inputs: JsonMapping, fetch: Fetch) -> dict[str, object]:
    """Return the inputs as plain values: unwrapped, and fetched where they are given by reference.

    `fetch` returns what lies at a URL. Inputs that are not described pass as they are. Raises InputError with every
    reference that cannot be had.
    """
    problems: list[str] = []
    plain = {name: _resolved(name, described.get(name), value, fetch, problems) for name, value in inputs.items()}
    if problems:
        raise InputError(problems)
    return plain


def check(described: JsonMapping, inputs: JsonMapping) -> None:
    """Check plain inputs against their descriptions; InputError names every wrong one by its id."""
    problems = [
        f"input {name}: is not known here; allowed: {', '.join(described) or 'none'}"
        for name in inputs
        if name not in described
    ]
    for name, description in described.items():
        if name in inputs:
            problems += _problems(name, description, inputs[name])
        elif description.get("minOccurs", 1) > 0:
            problems.append(f"input {name}: is required")
    if problems:
        raise InputError(problems)


def _resolved(name: str, description: Any, value: Any, fetch: Fetch, problems: list[str]) -> object:
    if description is None:
        return value
    if _is_several(description) and isinstance(value, list):
        return [_one(f"{name}[{i}]", description, entry, fetch, problems) for i, entry in enumerate(value)]
    return _one(name, description, value, fetch, problems)


def _one(name: str, description: JsonMapping, value: Any, fetch: Fetch, problems: list[str]) -> object:
    if not isinstance(value, Mapping):
        return value
    if "value" in value and value.keys() <= _BESIDE_VALUE:
        return value["value"]
    if "href" in value and value.keys() <= _BESIDE_HREF:
        try:
            return _read(description, fetch(value["href"]))
        except (EoError, ValueError, RecursionError) as error:
            problems.append(f"input {name}.href: {error}")
    return value


def _read(description: JsonMapping, content: bytes) -> Any:
    """Read what lies at a reference: text where text is described, else JSON."""
    schema = description.get("schema", {})
    if schema.get("type") == "string":
        return content.decode()
    try:
        return json.loads(content)
    except ValueError as error:
        raise ValueError("there is no JSON at this address") from error


def _problems(name: str, description: JsonMapping, value: Any) -> Iterator[str]:
    schema, most = description.get("schema", {}), description.get("maxOccurs", 1)
    if not _is_several(description):
        yield from _schema_problems(name, schema, value)
        return
    entries: Sequence[Any] = value if isinstance(value, list) else [value]
    least = description.get("minOccurs", 1)
    if len(entries) < least or (most != "unbounded" and len(entries) > most):
        yield f"input {name}: {len(entries)} values are not allowed; allowed: {least} to {most}"
    for index, entry in enumerate(entries):
        yield from _schema_problems(f"{name}[{index}]", schema, entry)


def _schema_problems(name: str, schema: JsonMapping, value: Any) -> Iterator[str]:
    if _BBOX in (schema.get("format"), *(part.get("format") for part in schema.get("allOf", ()))):
        yield from _bbox_problems(name, value)
        return
    for error in Draft4Validator(_draft_4(schema)).iter_errors(value):
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        said = error.message if len(error.message) <= 3 * _SHOWN else f"{error.message[: 3 * _SHOWN]}..."
        yield f"input {name}{path}: {said}"


def _draft_4(schema: Any) -> Any:
    """Return a schema of OpenAPI 3.0 in the words of JSON Schema's draft 4, from which it differs by `nullable`.

    The result allows anything where the schema refers to another document, for that is not fetched.
    """
    if isinstance(schema, list):
        return [_draft_4(entry) for entry in schema]
    if not isinstance(schema, Mapping):
        return schema
    if isinstance(schema.get("$ref"), str) and not schema["$ref"].startswith("#"):
        return {}
    draft_4 = {name: _draft_4(entry) for name, entry in schema.items()}
    if schema.get("nullable") is True and isinstance(schema.get("type"), str):
        draft_4["type"] = [schema["type"], "null"]
    return draft_4


def _bbox_problems(name: str, value: Any) -> Iterator[str]:
    numbers = value.get("bbox") if isinstance(value, Mapping) else None
    is_box = isinstance(numbers, list) and len(numbers) in (4, 6)
    if not is_box or not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers or ()):
        yield f'input {name}: expected {{"bbox": [4 or 6 numbers], "crs": "{_CRS84}"}}'
    elif not isinstance(value.get("crs", _CRS84), str) or not value.keys() <= {"bbox", "crs"}:
        yield f"input {name}: beside bbox only crs is allowed, a URI; without it {_CRS84}"


def _is_several(description: JsonMapping) -> bool:
    most = description.get("maxOccurs", 1)
    return most == "unbounded" or (isinstance(most, int) and most > 1)
