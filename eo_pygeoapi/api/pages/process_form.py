"""The form of a process: a field for each input that is a text, a number or a choice; the rest is for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from eo_pygeoapi.json_types import JsonMapping, JsonObject

_SIMPLE = ("string", "number", "integer", "boolean")


@dataclass(frozen=True)
class FormField:
    """A field for one input: how it is called, what may be chosen, what stands in it, and what might."""

    id: str
    title: str
    choices: Sequence[str] = ()
    required: bool = False
    several: bool = False
    value: str = ""
    example: str = ""


def fields_of(description: JsonMapping, given: Mapping[str, str]) -> list[FormField]:
    """Return the fields for the inputs of a process, with what was given in them, else the example or the default."""
    examples: JsonMapping = (description.get("example") or {}).get("inputs", {})
    example: JsonMapping = {} if given else examples
    inputs: JsonMapping = description.get("inputs", {})
    twice = {"datetime"} if "start" in inputs else set()
    return [
        FormField(
            id=id_,
            title=str(described.get("title") or id_),
            choices=_choices(described["schema"]),
            required=described.get("minOccurs", 1) != 0,
            several=_is_several(described),
            value=given.get(id_, _text(example.get(id_, described["schema"].get("default", "")))),
            example=_text(examples.get(id_, "")),
        )
        for id_, described in inputs.items()
        if described.get("schema", {}).get("type") in _SIMPLE and id_ not in twice
    ]


def inputs_of(description: JsonMapping, given: Mapping[str, str]) -> JsonObject:
    """Return the inputs that a form's fields name; what cannot be meant stays a text, which the check then names."""
    inputs = description.get("inputs", {})
    return {id_: _value(text, inputs[id_]) for id_, text in given.items() if text.strip() and id_ in inputs}


def query_of(inputs: JsonMapping) -> str:
    """Return the query that fills the form with these inputs; nothing where a form cannot hold them all."""
    if "features" in inputs or any(isinstance(value, dict | list) for value in inputs.values()):
        return ""
    return urlencode({name: _text(value) for name, value in inputs.items()})


def _choices(schema: JsonMapping) -> Sequence[str]:
    if schema["type"] == "boolean":
        return ("true", "false")
    return [str(choice) for choice in schema.get("enum", ())]


def _is_several(described: JsonMapping) -> bool:
    most = described.get("maxOccurs", 1)
    return most == "unbounded" or int(most) > 1


def _value(text: str, described: JsonMapping) -> object:
    if _is_several(described):
        return [_scalar(part.strip(), described["schema"]) for part in text.split(",")]
    return _scalar(text.strip(), described["schema"])


def _scalar(text: str, schema: JsonMapping) -> object:
    kind = schema["type"]
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    try:
        return {"integer": int, "number": float}.get(kind, str)(text)
    except ValueError:
        return text


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
