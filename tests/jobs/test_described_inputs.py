from typing import Any

import pytest

from eo_pygeoapi.errors import InputError
from eo_pygeoapi.jobs.described_inputs import check, resolve
from eo_pygeoapi.jobs.outbound import OutboundError

DESCRIBED: dict[str, Any] = {
    "text": {"schema": {"type": "string"}},
    "level": {"schema": {"type": "integer", "minimum": 0, "exclusiveMinimum": True}, "minOccurs": 0},
    "colours": {"schema": {"type": "string", "enum": ["red", "blue"]}, "minOccurs": 1, "maxOccurs": 2},
    "many": {"schema": {"type": "integer"}, "minOccurs": 0, "maxOccurs": "unbounded"},
    "shape": {"schema": {"type": "object", "required": ["a"]}, "minOccurs": 0},
    "box": {"schema": {"format": "ogc-bbox"}, "minOccurs": 0},
    "either": {"schema": {"oneOf": [{"type": "string"}, {"type": "object"}]}, "minOccurs": 0},
    "standard_box": {
        "schema": {"allOf": [{"format": "ogc-bbox"}, {"$ref": "https://example.org/bbox.yaml"}]},
        "minOccurs": 0,
    },
    "elsewhere": {"schema": {"type": "array", "items": {"$ref": "http://127.0.0.1:9/x.json"}}, "minOccurs": 0},
    "nothing": {"schema": {"type": "integer", "minimum": 1, "nullable": True}, "minOccurs": 0},
    "members": {"schema": {"properties": {"a": {"type": "string", "nullable": True}}}, "minOccurs": 0},
    "newer": {"schema": {"type": ["string", "null"]}, "minOccurs": 0},
    "binary": {"schema": {"type": "string", "contentEncoding": "base64"}, "minOccurs": 0},
}
GOOD = {"text": "x", "colours": ["red"]}
PLACES = {"https://a/text": b"from afar", "https://a/json": b'{"a": 1}', "https://a/no-json": b"<html>"}


def fetch(url: str) -> bytes:
    if url not in PLACES:
        raise OutboundError(f"{url} does not answer")
    return PLACES[url]


def problems(**inputs: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        check(DESCRIBED, {**GOOD, **inputs})
    return caught.value.problems


@pytest.mark.requirement(
    "core/process-execute-inputs", "core/process-execute-input-inline-bbox", "core/process-execute-input-inline-binary"
)
@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"level": 1, "many": [1, 2, 3], "shape": {"a": 1}},
        {"colours": "blue"},
        {"colours": ["red", "blue"]},
        {"box": {"bbox": [0, 0, 1, 1]}},
        {"box": {"bbox": [0, 0, 0, 1, 1, 1], "crs": "http://www.opengis.net/def/crs/EPSG/0/4326"}},
        {"either": "x"},
        {"either": {}},
        {"binary": "aGk="},
        {"standard_box": {"bbox": [0, 0, 1, 1]}},
        {"elsewhere": [1, {}]},
        {"nothing": None, "members": {"a": None}, "newer": None},
        {"nothing": 1, "members": {"a": "x"}, "newer": "x"},
    ],
)
def test_what_is_described_passes(inputs: dict[str, Any]) -> None:
    check(DESCRIBED, {**GOOD, **inputs})


@pytest.mark.requirement(
    "core/process-execute-input-validation", "core/process-execute-input-array", "core/process-execute-input-mixed-type"
)
@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"text": 5}, "input text: 5 is not of type 'string'"),
        ({"level": 0}, "input level: 0 is less than or equal to the minimum of 0"),
        ({"text": None}, "input text: None is not of type 'string'"),
        ({"nothing": "x"}, "input nothing: 'x' is not of type 'integer', 'null'"),
        ({"nothing": 0}, "input nothing: 0 is less than the minimum of 1"),
        ({"level": True}, "input level: True is not of type 'integer'"),
        ({"level": 1.5}, "input level: 1.5 is not of type 'integer'"),
        ({"colours": ["red", "green"]}, "input colours[1]: 'green' is not one of ['red', 'blue']"),
        ({"colours": ["red"] * 3}, "input colours: 3 values are not allowed; allowed: 1 to 2"),
        ({"colours": []}, "input colours: 0 values are not allowed; allowed: 1 to 2"),
        ({"many": [1, "2"]}, "input many[1]: '2' is not of type 'integer'"),
        ({"shape": {}}, "input shape: 'a' is a required property"),
        ({"shape": 7}, "input shape: 7 is not of type 'object'"),
        ({"nope": 1}, f"input nope: is not known here; allowed: {', '.join(DESCRIBED)}"),
        ({"elsewhere": 5}, "input elsewhere: 5 is not of type 'array'"),
        ({"either": 5}, "input either: 5 is not valid under any of the given schemas"),
    ],
)
def test_what_is_not_is_named(inputs: dict[str, Any], said: str) -> None:
    assert problems(**inputs) == [said]


@pytest.mark.requirement("core/process-execute-input-inline-bbox")
@pytest.mark.parametrize("box", [5, {}, {"bbox": [1, 2]}, {"bbox": [1, 2, 3, "4"]}, {"bbox": [0, 0, 1, 1], "crs": 5}])
def test_a_box_is_four_or_six_numbers(box: Any) -> None:
    assert len(problems(box=box)) == len(problems(standard_box=box)) == 1


@pytest.mark.requirement("core/process-execute-input-validation#abstract-test")
def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        check(DESCRIBED, {"level": "x", "nope": 1})
    assert [p.split(":")[0] for p in caught.value.problems] == [
        "input nope",
        "input text",
        "input level",
        "input colours",
    ]


@pytest.mark.requirement("core/process-execute-input-inline-object", "core/process-execute-inputs")
def test_values_are_unwrapped_and_references_fetched() -> None:
    given = {
        "text": {"href": "https://a/text", "type": "text/plain"},
        "shape": {"value": {"a": 1}, "mediaType": "application/json"},
        "many": [{"value": 1}, 2],
        "either": {"href": "https://a/json"},
        "other": {"value": "not described, so it stays"},
    }
    assert resolve(DESCRIBED, given, fetch) == {
        "text": "from afar",
        "shape": {"a": 1},
        "many": [1, 2],
        "either": {"a": 1},
        "other": {"value": "not described, so it stays"},
    }


def test_an_object_that_only_looks_like_one_stays() -> None:
    assert resolve(DESCRIBED, {"shape": {"value": 1, "a": 2}}, fetch) == {"shape": {"value": 1, "a": 2}}


@pytest.mark.requirement("core/process-execute-inputs")
def test_references_that_cannot_be_had_are_named() -> None:
    given = {"text": {"href": "https://nowhere"}, "shape": {"href": "https://a/no-json"}}
    with pytest.raises(InputError) as caught:
        resolve(DESCRIBED, given, fetch)
    assert caught.value.problems == [
        "input text.href: https://nowhere does not answer",
        "input shape.href: there is no JSON at this address",
    ]
