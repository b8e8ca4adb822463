from typing import Any

import pytest

from eo_pygeoapi.errors import InputError, ProblemsError
from eo_pygeoapi.jobs.request import ExecuteBody, misplaced, parse_request, read_body

OUTPUTS = ["result"]


def problems(inputs: Any = None, outputs: Any = None, response: Any = "raw") -> list[str]:
    body = ExecuteBody({} if inputs is None else inputs, outputs, response)
    with pytest.raises(ProblemsError) as caught:
        parse_request(body, OUTPUTS)
    return caught.value.problems


@pytest.mark.parametrize(
    ("outputs", "kept"),
    [
        (None, {}),
        ({}, {"outputs": {}}),
        ({"result": {}}, {"outputs": {"result": "value"}}),
        ({"result": {"transmissionMode": "value"}}, {"outputs": {"result": "value"}}),
        ({"result": {"transmissionMode": "reference"}}, {"outputs": {"result": "reference"}}),
    ],
)
@pytest.mark.parametrize("response", ["raw", "document"])
def test_what_the_request_asked_for_is_kept(outputs: Any, kept: dict[str, Any], response: str) -> None:
    body = ExecuteBody({"datasetId": "rain"}, outputs, response)
    assert parse_request(body, OUTPUTS) == {"response": response} | kept


@pytest.mark.parametrize("inputs", [[1], "x", 5, [], True])
def test_inputs_are_an_object(inputs: Any) -> None:
    assert problems(inputs) == ["inputs: expected an object with the inputs by their ids"]


@pytest.mark.parametrize("response", ["nonsense", "RAW", None, 5, ["raw"], {"raw": 1}])
def test_a_response_is_raw_or_a_document(response: Any) -> None:
    assert problems(response=response) == [
        f"response: {'null' if response is None else repr(response)} is not allowed; allowed: raw, document"
    ]


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ("x", "outputs: expected an object with the outputs by their ids"),
        (["result"], "outputs: expected an object with the outputs by their ids"),
        (0, "outputs: expected an object with the outputs by their ids"),
        ({"nope": {}}, "outputs.nope: is not known here; allowed: result"),
        ({"result": "value"}, "outputs.result: 'value' is not allowed; allowed: an object"),
    ],
)
def test_outputs_are_known(outputs: Any, expected: str) -> None:
    assert problems(outputs=outputs) == [expected]


def test_all_mistakes_are_named_at_once() -> None:
    assert len(problems([1], {"nope": {}, "no": {}}, "x")) == 4


# Features that are too large for Prefect


# Body


@pytest.mark.parametrize("text", [b"", b"{not json", b"\xff", b'{"inputs": NaN}', b"[" * 100_000])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(InputError, match="the body is not JSON"):
        read_body(text)


@pytest.mark.parametrize("text", [b"[1]", b"null", b"5", b'"x"', b"true"])
def test_what_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(InputError, match="not a JSON object"):
        read_body(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b'{"inputs": {"dryRun": true, "dryRun": false}}', "'dryRun'"),
        (b'{"inputs": {}, "response": "raw", "inputs": {"a": 1}}', "'inputs'"),
        (b'{"inputs": {"features": [{"id": 1, "id": 1}]}}', "'id'"),
    ],
)
def test_what_is_said_twice_is_refused(text: bytes, name: str) -> None:
    with pytest.raises(InputError, match=f"the body has the member {name} twice in one object"):
        read_body(text)


def test_an_input_beside_the_inputs_is_named_and_members_of_other_clients_are_taken() -> None:
    body = read_body(b'{"Inputs": {}, "dryRun": false, "id": "x", "mode": "auto", "OUTPUTS": {}}')
    assert misplaced(body.others, ["dryRun", "datasetId"]) == [
        "dryRun: stands beside `inputs`; allowed: within `inputs`",
        "Inputs: is not known here; did you mean inputs?",
        "OUTPUTS: is not known here; did you mean outputs?",
    ]
    assert misplaced(read_body(b'{"inputs": {}, "id": "x", "process": "p"}').others, ["dryRun"]) == []


# Subscriber


def refuse(url: Any) -> None:
    if url != "https://example.org/done":
        raise InputError("no")


@pytest.mark.parametrize(
    ("subscriber", "said"),
    [
        ("x", "subscriber: 'x' is not allowed; allowed: an object with successUri, inProgressUri, failedUri"),
        ([], "subscriber: [] is not allowed; allowed: an object with successUri, inProgressUri, failedUri"),
        ({}, "subscriber.successUri: is required"),
        ({"successUrl": "https://example.org/done"}, "subscriber.successUri: is required"),
        ({"successUri": "https://example.org/done", "failedUri": 5}, "subscriber.failedUri: no"),
        ({"successUri": "ftp://example.org"}, "subscriber.successUri: no"),
    ],
)
def test_a_subscriber_has_uris_that_may_be_called(subscriber: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_request(ExecuteBody({}, subscriber=subscriber), OUTPUTS, refuse)
    assert caught.value.problems[0] == said
