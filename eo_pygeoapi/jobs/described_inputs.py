"""Inputs as OGC API - Processes writes them, and their check against a process description.

An input is given inline, as `{"value": …}` with what describes it, or by reference as `{"href": …}`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jsonschema import Draft4Validator

from eo_pygeoapi.errors import EoError, InputError
from eo_pygeoapi.json_types import JsonMapping
from eo_pygeoapi.wording import not_known

# what may stand beside a value or a reference
_BESIDE_VALUE = frozenset({"value", "mediaType", "encoding", "schema"})
_BESIDE_HREF = frozenset({"href", "rel", "type", "hreflang", "title"})
_CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_BBOX = "ogc-bbox"
_SHOWN = 80
MOST_NAMED = 50  # unknown inputs: it takes a while to look for what may have been meant by each

Fetch = Callable[[str], bytes]


def resolve(described: JsonMapping, inputs: JsonMapping, fetch: Fetch) -> dict[str, object]:
    """Return the inputs as plain values: unwrapped, and fetched where the request gives a reference.

    `fetch` returns the content of a URL: text for inputs of type string, else JSON. Inputs without a description pass
    unchanged. Raises InputError with every reference that cannot be fetched.
    """
    problems: list[str] = []
    plain: dict[str, object] = {}
    for name, value in inputs.items():
        description = described.get(name)
        if description is None:
            plain[name] = value
        elif _is_several(description) and isinstance(value, list):
            entries = enumerate(value)
            plain[name] = [_one(f"{name}[{i}]", description, entry, fetch, problems) for i, entry in entries]
        else:
            plain[name] = _one(name, description, value, fetch, problems)
    if problems:
        raise InputError(problems)
    return plain


def check(described: JsonMapping, inputs: JsonMapping) -> None:
    """Check plain inputs against their descriptions; InputError names every wrong one by its id."""
    unknown = [name for name in inputs if name not in described]
    problems = [f"input {name}: {not_known(name, described)}" for name in unknown[:MOST_NAMED]]
    if len(unknown) > MOST_NAMED:
        problems.append(f"{len(unknown) - MOST_NAMED} more inputs are not known here")
    for name, description in described.items():
        least, most = description.get("minOccurs", 1), description.get("maxOccurs", 1)
        schema = description.get("schema", {})
        if name not in inputs:
            problems += [f"input {name}: is required"] if least > 0 else []
        elif not _is_several(description):
            problems += _schema_problems(name, schema, inputs[name])
        else:
            entries = inputs[name] if isinstance(inputs[name], list) else [inputs[name]]
            if len(entries) < least or (most != "unbounded" and len(entries) > most):
                problems.append(f"input {name}: {len(entries)} values are not allowed; allowed: {least} to {most}")
            for index, entry in enumerate(entries):
                problems += _schema_problems(f"{name}[{index}]", schema, entry)
    if problems:
        raise InputError(problems)


def _one(name: str, description: JsonMapping, value: Any, fetch: Fetch, problems: list[str]) -> object:
    if not isinstance(value, Mapping):
        return value
    if "value" in value and value.keys() <= _BESIDE_VALUE:
        return value["value"]
    if "href" in value and value.keys() <= _BESIDE_HREF:
        is_text = description.get("schema", {}).get("type") == "string"
        try:
            content = fetch(value["href"])
            return content.decode() if is_text else json.loads(content)
        except EoError as error:
            problems.append(f"input {name}.href: {error}")
        except (ValueError, RecursionError):
            problems.append(f"input {name}.href: there is no {'UTF-8 text' if is_text else 'JSON'} at this address")
    return value


def _schema_problems(name: str, schema: JsonMapping, value: Any) -> Iterator[str]:
    if _BBOX in (schema.get("format"), *(part.get("format") for part in schema.get("allOf", ()))):
        numbers = value.get("bbox") if isinstance(value, Mapping) else None
        is_box = isinstance(numbers, list) and len(numbers) in (4, 6)
        if not is_box or not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers or ()):
            yield f'input {name}: expected {{"bbox": [4 or 6 numbers], "crs": "{_CRS84}"}}'
        elif not isinstance(value.get("crs", _CRS84), str) or not value.keys() <= {"bbox", "crs"}:
            yield f"input {name}: beside bbox only crs is allowed, a URI; without it {_CRS84}"
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


def _is_several(description: JsonMapping) -> bool:
    most = description.get("maxOccurs", 1)
    return most == "unbounded" or (isinstance(most, int) and most > 1)
