"""Executions that are answered with their results, in every form of these."""

from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes
from email.message import Message
from typing import Any, cast
from urllib.parse import urljoin

import pytest
import requests

from tests.ogc.jobs import REASON, taken
from tests.ogc.uris import assert_problem
from tests.stack import Stack

requirement = pytest.mark.requirement

TEXT: dict[str, Any] = {"inputs": {"text": "x"}}
REFERENCE = {"transmissionMode": "reference"}
PICTURE = b"\x89PNG\r\n\x1a\n"
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "all": ("two-outputs", TEXT),
    "mixed": ("two-outputs", {**TEXT, "outputs": {"note": {}, "picture": REFERENCE}}),
    "links": ("two-outputs", {**TEXT, "outputs": {"note": REFERENCE, "picture": REFERENCE}}),
    "document": ("two-outputs", {**TEXT, "response": "document", "outputs": {"note": {}, "picture": REFERENCE}}),
    "whole-document": ("two-outputs", {**TEXT, "response": "document"}),
    "selected": ("two-outputs", {**TEXT, "outputs": {"picture": {}}}),
    "nothing": ("two-outputs", {**TEXT, "outputs": {}}),
    "failed": ("echo", {"inputs": {"text": REASON, "fail": True}}),
}


@pytest.fixture(scope="module")
def answers(stack: Stack) -> dict[str, requests.Response]:
    def answered(request: tuple[str, dict[str, Any]]) -> requests.Response:
        process, body = request
        for _ in range(3):  # on a busy machine one try may be too short for a synchronous answer
            if (answer := taken(stack, body, process, "respond-sync")).status_code != 201:
                break
        return answer

    with ThreadPoolExecutor(4) as threads:
        return dict(zip(REQUESTS, threads.map(answered, REQUESTS.values()), strict=True))


def links(answer: requests.Response) -> dict[str, str]:
    """Return the targets in the header `Link` by their relations."""
    return {link["rel"]: link["url"] for link in requests.utils.parse_header_links(answer.headers["Link"])}


def parts(answer: requests.Response) -> list[Message]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("multipart/related; boundary=")
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    return cast(list[Message], message_from_bytes(head + answer.content).get_payload())


@requirement("core/process-execute-sync-raw-value-multi", "core/process-execute-default-outputs")
def test_several_values_are_parts_of_one_answer(answers: dict[str, requests.Response]) -> None:
    note, picture = parts(answers["all"])
    assert (note["Content-ID"], note["Content-Type"]) == ("<note>", "text/plain")
    assert (picture["Content-ID"], picture["Content-Type"]) == ("<picture>", "image/png")
    assert cast(bytes, note.get_payload(decode=True)) == "schön".encode()
    assert PICTURE in answers["all"].content


@requirement("core/process-execute-sync-raw-mixed-multi")
def test_parts_by_reference_are_empty_and_say_where(answers: dict[str, requests.Response]) -> None:
    note, picture = parts(answers["mixed"])
    assert note["Content-Location"] is None and picture.get_payload() == ""
    assert picture["Content-Location"] == f"{links(answers['mixed'])['monitor']}/results/picture"
    assert requests.get(picture["Content-Location"], timeout=30).content == PICTURE


@requirement("core/process-execute-sync-raw-ref")
def test_references_alone_are_links(stack: Stack, answers: dict[str, requests.Response]) -> None:
    answer = answers["links"]
    assert (answer.status_code, answer.content) == (204, b"")
    targets = links(answer)
    assert set(targets) == {"monitor", "note", "picture"}
    assert requests.get(targets["note"], timeout=30).content == "schön".encode()
    for process in stack.get("/processes").json()["processes"]:
        assert process["outputTransmission"] == ["value", "reference"]


def test_who_is_given_no_headers_finds_references_in_the_body(
    stack: Stack, answers: dict[str, requests.Response]
) -> None:
    monitor = links(answers["links"])["monitor"]
    later = requests.get(f"{monitor}/results?f=json&links=relative", timeout=30)
    process, body = REQUESTS["links"]
    at_once = taken(stack, {**body, "mode": "sync"}, process, "respond-sync")

    for answer in (later, at_once):
        assert answer.status_code == 200, answer.text
        note = answer.json()["note"]
        assert note["type"] == "text/plain"
        assert requests.get(urljoin(answer.url, note["href"]), timeout=30).content == "schön".encode()
    assert "://" not in later.json()["note"]["href"]


@requirement("core/process-execute-sync-document", "core/process-execute-default-outputs")
def test_a_document_holds_values_and_references(answers: dict[str, requests.Response]) -> None:
    answer = answers["document"]
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    reference = f"{links(answer)['monitor']}/results/picture"
    note = {"value": "schön", "mediaType": "text/plain"}
    assert answer.json() == {"note": note, "picture": {"href": reference, "type": "image/png"}}
    picture = {"value": "iVBORw0KGgo=", "encoding": "base64", "mediaType": "image/png"}
    assert answers["whole-document"].json() == {"note": note, "picture": picture}


@requirement("outputs-selection", "core/process-execute-sync-raw-value-one")
def test_one_of_several_is_its_bare_value(answers: dict[str, requests.Response]) -> None:
    answer = answers["selected"]
    assert (answer.status_code, answer.headers["Content-Type"], answer.content) == (200, "image/png", PICTURE)


@requirement("core/process-execute-empty-outputs")
def test_no_outputs_are_no_answer(answers: dict[str, requests.Response]) -> None:
    assert (answers["nothing"].status_code, answers["nothing"].content) == (204, b"")


@requirement("core/process-execute-empty-outputs")
def test_clients_that_take_json_alone_get_no_outputs_as_an_empty_document(stack: Stack) -> None:
    answer = stack.execute({**TEXT, "outputs": {}}, "echo", Accept="application/json")
    assert (answer.status_code, answer.headers["Content-Type"], answer.json()) == (200, "application/json", {})
    assert links(answer)["monitor"]


@requirement("core/process-execute-sync-raw-value-one")
def test_echo_repeats_an_input_of_every_kind(stack: Stack) -> None:
    given: dict[str, Any] = {
        "numbers": [1, 2],
        "area": {"bbox": [-14, 6, -10, 11], "crs": "urn:ogc:def:crs:EPSG:6.6:4326"},
        "anything": {"value": {"b": 2}},
        "note": {"value": "aside", "mediaType": "text/plain"},
    }
    answer = stack.execute({"inputs": {"text": "x", **given}}, "echo")
    repeated = given | {"anything": {"b": 2}, "note": "aside"}
    assert answer.json() == {"message": "x", "length": 1, **repeated}
    plain = stack.execute({"inputs": {"text": "x", "plain": True}}, "echo")
    assert (plain.headers["Content-Type"], plain.text) == ("text/plain", "x")
    wrong = stack.execute({"inputs": {"text": "x", "note": {"type": "wrong/type"}, "numbers": 1}}, "echo")
    assert all(f"input {name}: " in assert_problem(wrong, 400)["detail"] for name in ("note", "numbers"))


@requirement("core/job-results-failed", "failed-results-carry-reason", "core/job-results-success-sync")
def test_a_failure_is_answered_with_its_reason_and_its_job(answers: dict[str, requests.Response]) -> None:
    assert assert_problem(answers["failed"], 400)["detail"] == REASON
    job = requests.get(links(answers["failed"])["monitor"], timeout=30).json()
    assert (job["status"], job["message"]) == ("failed", REASON)


@requirement("dismiss/job-dismiss-op", "dismiss/job-dismiss-success", "dismiss/job-dismiss-status")
@pytest.mark.parametrize("name", ["whole-document", "failed"])
def test_a_job_that_has_ended_is_removed(answers: dict[str, requests.Response], name: str) -> None:
    job = links(answers[name])["monitor"]
    dismissed = requests.delete(job, timeout=30)
    assert (dismissed.status_code, dismissed.json()["status"]) == (200, "dismissed")
    assert [link["rel"] for link in dismissed.json()["links"]] == ["up"]
    assert_problem(requests.get(job, timeout=30), 404, "no-such-job")
    assert_problem(requests.get(f"{job}/results", timeout=30), 404, "no-such-job")
