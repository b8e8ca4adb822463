"""Executing: modes, preferences, answers, inputs and their validation."""

import json
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPMessage
from typing import Any

import jsonschema
import pytest
import requests

from eo_pygeoapi.contract.documents import json_schema
from tests.ogc.jobs import EXAMPLE, Jobs, taken
from tests.ogc.subscriber import Subscriber
from tests.ogc.uris import assert_problem, href, hrefs
from tests.stack import PROCESS, Stack

requirement = pytest.mark.requirement

TEXT: dict[str, Any] = {"inputs": {"text": "teststring"}}


def count(stack: Stack) -> int:
    return int(stack.get("/jobs?limit=1").json()["numberMatched"])


def assert_201(stack: Stack, answer: requests.Response, process: str = "echo") -> None:
    assert answer.status_code == 201, answer.text
    assert answer.headers["Content-Type"] == "application/json" and "Link" not in answer.headers
    body = answer.json()
    assert answer.headers["Location"] == f"{stack.url}/jobs/{body['jobID']}" == href(body, "monitor")
    assert (body["type"], body["processID"]) == ("process", process)
    assert hrefs(body, "REL:results") == []
    jsonschema.validate(body, json_schema("job"))


@requirement("core/process-execute-op", "core/process-execute-request", "core/process-execute-success-async")
def test_an_asynchronous_execution_is_answered_with_a_job(stack: Stack, jobs: Jobs) -> None:
    assert_201(stack, jobs.answers["raw"])
    assert_201(stack, jobs.answers["import"], PROCESS)


@requirement(
    "core/process-execute-preference-applied",
    "core/process-execute-honor-prefer",
    "core/process-execute-auto-execution-mode",
)
def test_the_honoured_preference_is_named(jobs: Jobs) -> None:
    assert all(answer.headers["Preference-Applied"] == "respond-async" for answer in jobs.answers.values())


@requirement(
    "core/process-execute-default-execution-mode",
    "core/job-results-success-sync",
    "core/process-execute-sync-raw-value-one",
    "preference-applied-only-when-asked",
    "core/process-execute-honor-prefer#forms",
)
def test_a_synchronous_execution_is_answered_with_the_bare_value(stack: Stack, jobs: Jobs) -> None:
    answer = jobs.synchronous
    assert answer is not None, "no echo was quick enough"
    assert answer.status_code == 200 and "Preference-Applied" not in answer.headers
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {"message": "teststring", "length": 10}
    link = answer.headers["Link"]
    assert link.startswith(f"<{stack.url}/jobs/") and link.endswith('>; rel="monitor"')
    job = stack.get(link[1:].partition(">")[0].removeprefix(stack.url)).json()
    assert job["status"] == "successful" and job["processID"] == "echo"


@requirement("core/process-execute-default-execution-mode", "preference-applied-only-when-asked", "wait-is-bounded")
def test_what_can_only_run_asynchronously_does(stack: Stack) -> None:
    begun = time.monotonic()
    answer = taken(stack, {"inputs": EXAMPLE}, PROCESS, "wait=1")
    assert_201(stack, answer, PROCESS)
    assert "Preference-Applied" not in answer.headers
    assert 1 <= time.monotonic() - begun < 30
    requests.delete(answer.headers["Location"], timeout=30)


@requirement("wait-is-bounded", "core/process-execute-honor-prefer#forms")
@pytest.mark.parametrize("prefer", ["wait=1", "return=minimal, Respond-Async; x=1, wait=1"])
def test_waiting_falls_back_to_a_job(stack: Stack, prefer: str) -> None:
    begun = time.monotonic()
    answer = taken(stack, {"inputs": {"text": "x", "pause": 20}}, "echo", prefer)
    assert_201(stack, answer)
    assert 1 <= time.monotonic() - begun < 15  # not until the end, as for those who say nothing
    assert ("Preference-Applied" in answer.headers) == ("async" in prefer.lower())
    requests.delete(answer.headers["Location"], timeout=30)


FORMS = [
    ["Respond-Async"],
    ["respond-async; x=1"],
    ["return=minimal, respond-async"],
    ["respond-async; profile=https://example.org/profile"],
    ["return=minimal", "respond-async"],
    ["respond-sync, respond-async"],
    ["respond-async, wait=1"],
    ["wait=1, respond-async"],
    ["wait=1, wait=25, respond-async"],
]


def executed(stack: Stack, lines: list[str]) -> tuple[int, HTTPMessage]:
    """Execute with several lines `Prefer`, which `requests` cannot send."""
    body = json.dumps({"inputs": {"text": "x", "pause": 20}}).encode()
    with closing(HTTPConnection(stack.url.removeprefix("http://"), timeout=60)) as connection:
        connection.putrequest("POST", "/processes/echo/execution")
        connection.putheader("Content-Length", str(len(body)))
        for line in lines:
            connection.putheader("Prefer", line)
        connection.endheaders(body)
        with connection.getresponse() as answer:
            answer.read()
            return answer.status, answer.headers


@requirement("core/process-execute-honor-prefer#forms")
@pytest.mark.parametrize("lines", FORMS)
def test_the_preference_is_understood_in_every_form(stack: Stack, lines: list[str]) -> None:
    for _ in range(10):
        begun = time.monotonic()
        status, headers = executed(stack, lines)
        if status != 503:  # on a busy machine Prefect may be late, and the service says to try again
            break
    assert (status, headers["Preference-Applied"]) == (201, "respond-async")
    assert time.monotonic() - begun < 15
    requests.delete(headers["Location"], timeout=30)


@requirement("execute-unknown-process")
def test_an_unknown_process_is_not_executed(stack: Stack) -> None:
    assert_problem(stack.execute(TEXT, "nope"), 404, "no-such-process")


@requirement("bad-json-is-400", "empty-body-is-400", "json-array-body-is-400", "json-null-is-400", "json-number-is-400")
@pytest.mark.parametrize("process", ["echo", PROCESS])
@pytest.mark.parametrize("text", ["{not json", "", "[1]", "null", "5", "[" * 50_000])
def test_a_body_that_is_no_object_is_refused(stack: Stack, process: str, text: str) -> None:
    before = count(stack)
    url = f"{stack.url}/processes/{process}/execution"
    answer = requests.post(url, data=text, headers={"Content-Type": "application/json"}, timeout=30)
    assert_problem(answer, 400)
    assert count(stack) == before


def test_a_form_is_refused_with_what_to_send(stack: Stack) -> None:
    answer = requests.post(f"{stack.url}/processes/echo/execution", data={"inputs": "x"}, timeout=30)
    assert "allowed: application/json" in assert_problem(answer, 415)["detail"]


SAMPLE = {**EXAMPLE}
SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [0.1, 0], [0.1, 0.1], [0, 0]]]}

# process, body, words that the error says
WRONG: list[tuple[str, dict[str, Any], list[str]]] = [
    ("echo", {}, ["input text: is required"]),
    ("echo", {"inputs": {}}, ["input text: is required"]),
    ("echo", {"inputs": [1]}, ["inputs"]),
    ("echo", {"inputs": {"text": 12345, "pause": "5", "fail": 1}}, ["input text", "input pause", "input fail"]),
    ("echo", {"inputs": {"text": "x", "fail": "true"}}, ["input fail"]),
    ("echo", {"inputs": {"text": "x", "pause": -1}}, ["input pause: -1 is less than the minimum of 0"]),
    ("echo", {"inputs": {"text": ["x"]}}, ["input text"]),
    ("echo", {"inputs": {"text": {"a": 1}}}, ["input text"]),
    ("echo", {"inputs": {"text": "x", "nope": 1}}, ["input nope", "text, pause, fail"]),
    ("echo", {**TEXT, "outputs": "x"}, ["outputs"]),
    ("echo", {**TEXT, "outputs": {"text": "x"}}, ["outputs.text"]),
    ("echo", {**TEXT, "outputs": {"text": {"transmissionMode": "x"}}}, ["outputs.text.transmissionMode", "reference"]),
    ("echo", {**TEXT, "response": "nonsense"}, ["response: 'nonsense'", "raw, document"]),
    ("echo", {**TEXT, "subscriber": "x"}, ["subscriber: 'x'"]),
    ("echo", {**TEXT, "subscriber": {"successUrl": "http://127.0.0.1/"}}, ["subscriber.successUri: is required"]),
    ("echo", {**TEXT, "subscriber": {"successUri": "/relative"}}, ["subscriber.successUri: '/relative'"]),
    ("echo", {**TEXT, "subscriber": {"successUri": "ftp://example.org/"}}, ["subscriber.successUri: 'ftp:"]),
    ("echo", {"inputs": {"text": {"href": "file:///etc/passwd"}}}, ["input text.href: 'file:"]),
    (PROCESS, {"inputs": {**SAMPLE, "start": 2025, "dryRun": 1}}, ["input start", "input dryRun"]),
    (PROCESS, {"inputs": {**SAMPLE, "orgUnitLevel": ["2"]}}, ["input orgUnitLevel[0]"]),
    (PROCESS, {"inputs": {**SAMPLE, "aggregation": 7}}, ["input aggregation"]),
    (PROCESS, {"inputs": {**SAMPLE, "parameters": 7}}, ["input parameters"]),
    (PROCESS, {"inputs": SAMPLE, "dryRun": False}, ["dryRun: stands beside `inputs`"]),
    ("echo", {"Inputs": {"text": "x"}}, ["Inputs: is not known here; did you mean inputs?"]),
    (PROCESS, {"inputs": {**SAMPLE, "aggregation": {"spatial": "nope"}}}, ["aggregation.spatial", "'nope'", "mean"]),
    (PROCESS, {"inputs": {"datasetId": "nope"}}, ["datasetId", "'nope'"]),
    (PROCESS, {}, ["input datasetId: is required"]),
    (PROCESS, {"inputs": [1]}, ["inputs"]),
    (PROCESS, {"inputs": {**SAMPLE, "nope": 7}}, ["input nope"]),
    ("two-outputs", {"inputs": {"text": "x", "area": {"bbox": [1, 2]}}}, ["input area"]),
    (
        "two-outputs",
        {"inputs": {"text": "x", "area": {"bbox": [0, 0, 1, "1"]}, "scan": 5}},
        ["input area", "input scan"],
    ),
    ("two-outputs", {"inputs": {"text": "x", "either": 5}}, ["input either"]),
    ("two-outputs", {"inputs": {"text": "x", "many": [1, 0, "2"]}}, ["input many[1]", "input many[2]"]),
    ("two-outputs", {"inputs": {"text": "x", "many": [1, 2, 3, 4]}}, ["input many"]),
    (PROCESS, {"inputs": {**SAMPLE, "features": {"href": "http://127.0.0.1:1/"}}}, ["input features.href"]),
    (PROCESS, {"inputs": SAMPLE, "outputs": "x"}, ["outputs"]),
    (PROCESS, {"inputs": SAMPLE, "response": "nonsense"}, ["response: 'nonsense'"]),
    (PROCESS, {"inputs": SAMPLE, "subscriber": {}}, ["subscriber.successUri: is required"]),
]


@requirement(
    "core/process-execute-input-validation",
    "core/process-execute-input-validation#abstract-test",
    "core/process-execute-input-inline-bbox",
    "core/process-execute-input-array",
    "unknown-input-is-400",
    "inputs-not-an-object-is-400",
    "outputs-not-an-object-is-400",
    "response-not-raw-or-document-is-400",
    "subscriber-without-successUri-is-400",
    "subscriber-not-an-object-is-400",
    "json-is-not-html-escaped",
)
@pytest.mark.parametrize(("process", "body", "words"), WRONG)
def test_wrong_requests_are_refused_and_leave_no_job(
    stack: Stack, process: str, body: dict[str, Any], words: list[str]
) -> None:
    before = count(stack)
    problem = assert_problem(stack.execute(body, process), 400)
    assert all(word in problem["detail"] for word in words), problem["detail"]
    assert count(stack) == before


@requirement("unknown-output-is-400")
@pytest.mark.parametrize(("process", "inputs"), [("echo", TEXT["inputs"]), (PROCESS, SAMPLE)])
def test_an_unknown_output_is_refused(stack: Stack, process: str, inputs: dict[str, Any]) -> None:
    before = count(stack)
    problem = assert_problem(stack.execute({"inputs": inputs, "outputs": {"nope": {}}}, process), 400, "no-such-output")
    assert "outputs.nope" in problem["detail"] and count(stack) == before


@requirement(
    "core/process-execute-inputs",
    "core/process-execute-input-inline-object",
    "core/process-execute-input-array",
    "core/process-execute-input-mixed-type",
    "core/process-execute-input-inline-binary",
)
def test_inputs_are_taken_in_every_form_of_the_standard(stack: Stack, called: Subscriber) -> None:
    # by reference and qualified; that the values were understood is seen from what is said of others
    body = {
        "inputs": {
            "text": {"href": f"{called.url}/text", "type": "text/plain"},
            "pause": {"value": 30, "mediaType": "application/json"},
        }
    }
    answer = stack.execute(body, "echo", Prefer="respond-async")
    assert_201(stack, answer)
    requests.delete(answer.headers["Location"], timeout=30)
    wrong: dict[str, Any] = {
        "inputs": {"text": {"value": 5}, "pause": {"href": f"{called.url}/json"}, "fail": {"href": f"{called.url}/no"}}
    }
    detail = assert_problem(stack.execute(wrong, "echo"), 400)["detail"]
    assert "input fail.href" in detail and "was answered with 404" in detail
    wrong["inputs"].pop("fail")
    detail = assert_problem(stack.execute(wrong, "echo"), 400)["detail"]
    assert "input text: 5 is not of type 'string'" in detail and "input pause: {'a': 1}" in detail
    feature = {"type": "Feature", "id": "a", "properties": {}, "geometry": SQUARE}
    features = {"value": {"type": "FeatureCollection", "features": [feature]}, "mediaType": "application/geo+json"}
    answer = stack.execute({"inputs": {**SAMPLE, "features": features, "aggregation": {"value": {"spatial": "max"}}}})
    assert_201(stack, answer, PROCESS)
    requests.delete(answer.headers["Location"], timeout=30)


@requirement(
    "core/process-execute-inputs",
    "core/process-execute-input-inline-object",
    "core/process-execute-input-array",
    "core/process-execute-input-mixed-type",
    "core/process-execute-input-inline-binary",
    "core/process-execute-input-inline-bbox",
)
def test_a_process_is_given_plain_values_whatever_their_form(jobs: Jobs) -> None:
    assert jobs.results("forms").json() == {
        "area": {"bbox": [-10, 5, 10.5, 15]},
        "scan": "iVBORw0KGgo=",
        "either": {"a": 1},
        "many": [1],
        "elsewhere": {"b": 2},
    }


@requirement("good-inputs-succeed")
@pytest.mark.parametrize("name", ["example", "echo-example"])
def test_the_example_succeeds_as_it_stands(jobs: Jobs, name: str) -> None:
    assert jobs.ended(name)["status"] == "successful"
