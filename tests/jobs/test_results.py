import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.contract.status import PROCESS_ID
from eo_pygeoapi.errors import NoSuchOutputError, ResultNotAvailableError
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.jobs.plugins import outputs_by_id
from eo_pygeoapi.jobs.results import Output, encode, keep_outputs, read_output, read_outputs, results_media_type
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore

NOON = datetime(2025, 7, 1, 12, tzinfo=UTC)
OUTPUTS = {
    "data": Output("application/json", {"a": 1}),
    "note": Output("text/plain", "schön"),
    "raw": Output("image/png", b"\x89PNG"),
}


def job(request: dict[str, Any], process: str = "echo") -> Job:
    return Job("1", process, "successful", "", 100, NOON, NOON, request=request)


def href(id_: str) -> str:
    return f"http://localhost/{id_}"


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(str(tmp_path))


@pytest.mark.parametrize(
    ("output", "body", "in_document"),
    [
        (Output("application/json", {"a": "ü"}), '{"a": "ü"}'.encode(), {"value": {"a": "ü"}}),
        (Output("application/json", "text"), b'"text"', "text"),
        (Output("application/json", [1]), b"[1]", [1]),
        (Output("application/json", 5), b"5", 5),
        (Output("application/json", None), b"null", {"value": None}),
        (Output("application/geo+json", {"a": 1}), b'{"a": 1}', {"value": {"a": 1}}),
        (Output("text/plain", "ü"), "ü".encode(), {"value": "ü", "mediaType": "text/plain"}),
        (
            Output("image/png", b"\x89"),
            b"\x89",
            {"value": "iQ==", "encoding": "base64", "mediaType": "image/png"},
        ),
    ],
)
def test_a_value_is_sent_bare_and_qualified(output: Output, body: bytes, in_document: Any) -> None:
    assert (output.body(), output.in_document()) == (body, in_document)


def test_what_is_kept_is_read_again(store: ResultStore) -> None:
    keep_outputs(JobFolder(store, "1"), OUTPUTS)
    assert read_outputs(store, job({})) == OUTPUTS
    assert list(read_outputs(store, job({"outputs": {"raw": "value", "data": "value"}}))) == ["data", "raw"]
    assert read_outputs(store, job({"outputs": {}})) == {}
    assert read_output(store, job({}), "note").value == "schön"
    with pytest.raises(NoSuchOutputError, match=r"no output 'nope'; allowed: data, note, raw"):
        read_output(store, job({}), "nope")


def test_the_import_has_one_output(store: ResultStore) -> None:
    store.write_json("jobs/1/result.json", {"rowCount": 3})
    assert read_outputs(store, job({}, PROCESS_ID)) == {"result": Output("application/json", {"rowCount": 3})}


@pytest.mark.parametrize("process", [PROCESS_ID, "echo"])
def test_results_that_were_removed_are_not_available_any_more(store: ResultStore, process: str) -> None:
    with pytest.raises(ResultNotAvailableError, match="not in the results store any more"):
        read_outputs(store, job({}, process))


@pytest.mark.parametrize(
    ("request_", "media_type"),
    [
        ({}, "multipart/related"),
        ({"outputs": {"note": "value"}}, "text/plain"),
        ({"outputs": {"note": "reference"}}, "application/json"),
        ({"response": "document"}, "application/json"),
        ({"outputs": {}}, "application/json"),
    ],
)
def test_the_media_type_of_results_is_known(store: ResultStore, request_: dict[str, Any], media_type: str) -> None:
    keep_outputs(JobFolder(store, "1"), OUTPUTS)
    assert results_media_type(store, job(request_)) == media_type


def test_raw_by_reference_is_links_only() -> None:
    encoded = encode(OUTPUTS, {"outputs": dict.fromkeys(OUTPUTS, "reference")}, href)
    assert (encoded.status, encoded.body) == (204, b"")
    assert encoded.headers["Link"].count("rel=") == 3
    assert '<http://localhost/note>; rel="note"; type="text/plain"' in encoded.headers["Link"]


@pytest.mark.parametrize("wanted", [dict.fromkeys(OUTPUTS, "reference"), {"data": "reference"}])
def test_who_is_not_given_headers_finds_references_in_the_body(wanted: dict[str, str]) -> None:
    encoded = encode(OUTPUTS, {"outputs": wanted}, href, in_body=True)

    assert encoded.status == 200 and dict(encoded.headers) == {"Content-Type": "application/json"}
    assert json.loads(encoded.body)["data"] == {"href": href("data"), "type": "application/json"}
    bare = encode({"note": OUTPUTS["note"]}, {"outputs": {"note": "value"}}, href, in_body=True)
    assert bare.body == "schön".encode()


def test_a_document_holds_references_where_asked() -> None:
    encoded = encode(OUTPUTS, {"response": "document", "outputs": {"raw": "reference"}}, href)
    document = json.loads(encoded.body)
    assert document["raw"] == {"href": "http://localhost/raw", "type": "image/png"}
    assert document["data"] == {"value": {"a": 1}}


def test_nothing_asked_for_is_nothing() -> None:
    with pytest.raises(ResultNotAvailableError):
        encode({}, {"outputs": {}}, href)


DESCRIBED = {"a": {"schema": {"contentMediaType": "text/plain"}}, "b": {"schema": {}}}


@pytest.mark.parametrize(
    ("described", "value", "expected"),
    [
        ({"one": {}}, {"x": 1}, {"one": Output("text/csv", {"x": 1})}),
        ({}, "x", {"result": Output("text/csv", "x")}),
        (DESCRIBED, {"a": "x", "b": 1}, {"a": Output("text/plain", "x"), "b": Output("application/json", 1)}),
        (DESCRIBED, {"b": 1}, {"b": Output("application/json", 1)}),
        (DESCRIBED, {"c": 1}, {"a": Output("text/csv", {"c": 1})}),
    ],
)
def test_what_a_plugin_gives_is_sorted_by_its_outputs(described: Any, value: Any, expected: Any) -> None:
    assert outputs_by_id(described, "text/csv", value) == expected
