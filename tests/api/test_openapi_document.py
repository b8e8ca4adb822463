import json
import re
from typing import Any

from openapi_spec_validator import validate

from eo_pygeoapi.api.http.parameters import COMMON, TAKEN
from eo_pygeoapi.api.openapi_document import with_our_operations
from eo_pygeoapi.gateway.job_filter import STATUSES
from eo_pygeoapi.jobs.documents import FILES

EXECUTION = "/processes/echo/execution"


def stock() -> dict[str, Any]:
    """What pygeoapi says of one process, with a reference to another place."""
    remote = {"$ref": "https://schemas.opengis.net/ogcapi/processes/part1/1.0/openapi/responses/NotFound.yaml"}
    body = {"content": {"application/json": {"schema": {"type": "object"}, "example": {"inputs": {"text": "Hello"}}}}}
    execution = {"operationId": "stock", "requestBody": body, "responses": {"404": remote}}
    described = {"get": {"operationId": "describe-echo", "responses": {"200": {"description": "It"}, "404": remote}}}
    lists = {"get": {"operationId": "stock-list", "responses": {"200": {"description": "All"}}}}
    return {
        "openapi": "3.0.2",
        "info": {"title": "t", "version": "1"},
        "paths": {
            "/processes": lists,
            "/processes/echo": described,
            EXECUTION: {"post": execution},
            "/processes/hidden": described,
            "/jobs/{jobId}/stock": lists,
        },
        "components": {
            "parameters": {"f": {"name": "f", "in": "query", "schema": {"type": "string"}}},
            "responses": {},
            "schemas": {},
        },
    }


def test_our_operations_stand_in_place_of_the_stock_ones() -> None:
    document: Any = with_our_operations(stock(), ["echo"])
    validate(document)
    assert '"$ref": "http' not in json.dumps(document)
    paths = document["paths"]
    assert {"/processes/hidden", "/jobs/{jobId}/stock"}.isdisjoint(paths)
    assert paths["/processes"]["get"]["operationId"] == "getProcesses"
    execution = paths[EXECUTION]["post"]
    assert (execution["operationId"], execution["tags"]) == ("execute-echo", ["echo"])
    assert execution["requestBody"]["content"]["application/json"]["example"] == {"inputs": {"text": "Hello"}}
    assert {"200", "201", "204", "404", "413", "default"} <= execution["responses"].keys()


def test_the_values_that_parameters_allow_are_those_of_the_code() -> None:
    paths: Any = with_our_operations(stock(), [])["paths"]
    status = next(p for p in paths["/jobs"]["get"]["parameters"] if p.get("name") == "status")
    assert status["schema"]["items"]["enum"] == list(STATUSES)
    file = next(p for p in paths["/jobs/{jobId}/files/{name}"]["get"]["parameters"] if p["name"] == "name")
    assert file["schema"]["enum"] == list(FILES)


def test_each_call_gives_a_fresh_copy() -> None:
    first: Any = with_our_operations(stock(), ["echo"])
    kept = json.dumps(first)
    for operations in first["paths"].values():
        for operation in operations.values():
            operation["parameters"] = []
            operation["responses"].clear()
    for definition in [*first["components"]["parameters"].values(), *first["components"]["responses"].values()]:
        definition.clear()
    assert json.dumps(with_our_operations(stock(), ["echo"])) == kept
    assert EXECUTION not in with_our_operations(stock(), [])["paths"]  # type: ignore[operator]


def test_the_parameters_that_are_described_are_those_that_are_taken() -> None:
    document: Any = with_our_operations(stock(), ["echo"])
    described = {}
    for path, operations in document["paths"].items():
        for method in {"get", "post"} & operations.keys():
            named = [p["name"] for p in operations[method].get("parameters", []) if p.get("in") == "query"]
            described[_shape(path.replace("/echo", "/{id}"))] = {name for name in named if name not in COMMON}
    taken = {_shape(path): set(names) for path, names in TAKEN.items()}

    assert {path: names for path, names in described.items() if names} == taken


def _shape(path: str) -> str:
    """Return a path without the names of its variables, which OpenAPI and Flask write differently."""
    return re.sub(r"[{<][^}>]+[}>]", "*", path)
