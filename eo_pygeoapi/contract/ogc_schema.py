"""Translate pydantic models into the schemas that OGC API - Processes allows.

These have keywords of OpenAPI 3.0 only: we inline `$defs` and translate the newer keywords of JSON Schema.
"""

from typing import Any

from pydantic import BaseModel

from eo_pygeoapi.json_types import JsonObject

_NULL = {"type": "null"}
_DROPPED = ("$defs", "title", "default", "additionalProperties", "examples", "discriminator")


def ogc_inputs(model: type[BaseModel]) -> JsonObject:
    """Return the `inputs` of a process description: one entry per field of the model.

    A list field is an input that may be given several times, as OGC API - Processes has it.
    """
    model_schema = model.model_json_schema(by_alias=True)
    required, definitions = model_schema.get("required", []), model_schema.get("$defs", {})
    inputs: JsonObject = {}
    for name, field in model_schema["properties"].items():
        schema = _openapi(field, definitions)
        entry: JsonObject = {
            "title": field.get("title", name[0].upper() + name[1:]),
            "description": schema.pop("description", ""),
            "minOccurs": 1 if name in required else 0,
            "maxOccurs": 1,
        }
        if schema.get("type") == "array":
            schema, entry["maxOccurs"] = schema["items"], "unbounded"
        if field.get("default") not in (None, "", [], {}) and not isinstance(field["default"], dict):
            schema["default"] = field["default"]
        inputs[name] = entry | {"schema": schema}
    return inputs


def ogc_schema(model: type[BaseModel]) -> JsonObject:
    """Return the schema of an object in OpenAPI 3.0 words."""
    schema = model.model_json_schema(by_alias=True)
    translated: JsonObject = _openapi(schema, schema.get("$defs", {}))
    return translated


def _openapi(schema: object, definitions: JsonObject) -> Any:
    if isinstance(schema, list):
        return [_openapi(entry, definitions) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target = definitions[schema["$ref"].rsplit("/", 1)[-1]]
        own = {key: value for key, value in schema.items() if key != "$ref"}
        return _openapi(target, definitions) | _openapi(own, definitions)
    translated: JsonObject = {}
    if (some := [entry for entry in schema.get("anyOf", []) if entry != _NULL]) != schema.get("anyOf", []):
        own = {key: value for key, value in schema.items() if key != "anyOf"}
        alternatives = some[0] if len(some) == 1 else {"anyOf": some}
        return _openapi(alternatives, definitions) | _openapi(own, definitions) | {"nullable": True}
    for key, value in schema.items():
        if key == "properties":
            translated[key] = {name: _openapi(entry, definitions) for name, entry in value.items()}
        elif key == "const":
            translated["enum"] = [value]
        elif key not in _DROPPED:
            translated[key] = _openapi(value, definitions)
    return translated
