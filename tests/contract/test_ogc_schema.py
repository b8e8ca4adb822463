"""Only what OpenAPI 3.0 knows leaves `ogc_schema`, and it means what the models mean."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
from jsonschema import Draft4Validator
from pydantic import BaseModel, Field

from eo_pygeoapi.contract.models import ImportInputs, ImportOutputs, ImportSummary, LeftOut, Rejected
from eo_pygeoapi.contract.ogc_schema import ogc_inputs, ogc_schema

# every keyword of a Schema Object in OpenAPI 3.0.3
KEYWORDS = {
    *("title", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength"),
    *("pattern", "maxItems", "minItems", "uniqueItems", "maxProperties", "minProperties", "required", "enum", "type"),
    *("allOf", "oneOf", "anyOf", "not", "items", "properties", "additionalProperties", "description", "format"),
    *("default", "nullable", "discriminator", "readOnly", "writeOnly", "xml", "externalDocs", "example", "deprecated"),
}
TYPES = {"array", "boolean", "integer", "number", "object", "string"}


def schemas_in(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a schema and all that it holds, each with its place."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from schemas_in(inner, f"{path}.{name}")
    if "items" in schema:
        yield from schemas_in(schema["items"], f"{path}[]")
    for word in ("allOf", "oneOf", "anyOf"):
        for number, inner in enumerate(schema.get(word, [])):
            yield from schemas_in(inner, f"{path}.{word}[{number}]")


ALL = [(f"inputs.{name}", entry["schema"]) for name, entry in ogc_inputs(ImportInputs).items()]
ALL.append(("outputs.result", ogc_schema(ImportOutputs)))


@pytest.mark.parametrize(("path", "schema"), [found for start, top in ALL for found in schemas_in(top, start)])
def test_schemas_hold_only_what_openapi_3_0_knows(path: str, schema: dict[str, Any]) -> None:
    assert set(schema) <= KEYWORDS, path
    assert schema.get("type") in TYPES, path  # one type, and never null
    for bound in ("exclusiveMinimum", "exclusiveMaximum"):
        assert isinstance(schema.get(bound, False), bool), path
    if schema["type"] == "array":
        assert isinstance(schema["items"], dict), path
    Draft4Validator.check_schema(schema)  # whose words OpenAPI 3.0 took


def test_each_field_is_an_input_by_its_name_in_json() -> None:
    inputs = ogc_inputs(ImportInputs)
    assert list(inputs) == [field.alias for field in ImportInputs.model_fields.values()]
    assert all(entry["title"] and entry["description"] for entry in inputs.values())


def test_only_what_is_required_must_occur() -> None:
    occurs = {name: entry["minOccurs"] for name, entry in ogc_inputs(ImportInputs).items()}
    assert occurs.pop("datasetId") == 1
    assert set(occurs.values()) == {0}


def test_lists_are_inputs_that_may_be_given_several_times() -> None:
    inputs = ogc_inputs(ImportInputs)
    several = {name: entry["schema"]["type"] for name, entry in inputs.items() if entry["maxOccurs"] == "unbounded"}
    assert several == {"orgUnitLevel": "integer", "orgUnitIds": "string"}
    assert {entry["maxOccurs"] for name, entry in inputs.items() if name not in several} == {1}


def test_defaults_are_said_where_they_mean_something() -> None:
    defaults = {n: e["schema"]["default"] for n, e in ogc_inputs(ImportInputs).items() if "default" in e["schema"]}
    assert defaults == {"dryRun": True}


def test_period_types_are_listed_as_we_and_as_dhis2_write_them() -> None:
    allowed = ogc_inputs(ImportInputs)["periodType"]["schema"]["enum"]
    assert {"daily", "Daily", "weeklySunday", "WeeklySunday"} <= set(allowed)
    for value in allowed:
        ImportInputs.model_validate({"datasetId": "rain", "periodType": value})


def test_each_call_gives_a_fresh_copy() -> None:
    first = ogc_inputs(ImportInputs)
    first["aggregation"]["schema"]["properties"].clear()
    first["periodType"]["schema"]["enum"].append("x")
    assert ogc_inputs(ImportInputs) != first and "x" not in ogc_inputs(ImportInputs)["periodType"]["schema"]["enum"]


class Part(BaseModel):
    kind: Literal["one"] = "one"
    size: Annotated[int, Field(ge=1)] = 1


class Whole(BaseModel):
    """A whole."""

    parts: list[Part] = []
    part: Part = Field(Part(), description="its own words")
    default: str = Field("x", description="a property with the name of a keyword")


def test_definitions_are_inlined_and_newer_words_translated() -> None:
    part = {
        "type": "object",
        "properties": {"kind": {"type": "string", "enum": ["one"]}, "size": {"type": "integer", "minimum": 1}},
    }
    assert ogc_schema(Whole) == {
        "type": "object",
        "description": "A whole.",
        "properties": {
            "parts": {"type": "array", "items": part},
            "part": {**part, "description": "its own words"},
            "default": {"type": "string", "description": "a property with the name of a keyword"},
        },
    }


@pytest.mark.parametrize(
    "outputs",
    [
        {"left_out": [LeftOut(org_unit="a", reason="x"), LeftOut(period="2025", reason="x", expected="y")]},
        {"import_summary": ImportSummary(status="SKIPPED", dry_run=True, reason="x", rejected=[Rejected(reason="x")])},
    ],
)
def test_outputs_are_valid_against_their_schema(outputs: dict[str, Any]) -> None:
    paths = {"payload_preview_path": "jobs/1/payload-preview.json", "result_features_path": "jobs/1/features.geojson"}
    summary = ImportSummary(status="SUCCESS", dry_run=False)
    made = ImportOutputs(**{"org_unit_count": 2, "row_count": 3, "import_summary": summary, **paths, **outputs})
    Draft4Validator(ogc_schema(ImportOutputs)).validate(made.to_json())


def test_what_may_be_null_is_nullable() -> None:
    class Answer(BaseModel):
        level: int | None = Field(description="of the unit")
        either: int | str | None

    properties = ogc_schema(Answer)["properties"]

    assert properties["level"] == {"type": "integer", "description": "of the unit", "nullable": True}
    assert properties["either"] == {"anyOf": [{"type": "integer"}, {"type": "string"}], "nullable": True}
