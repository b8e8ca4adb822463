"""The OpenAPI document: pygeoapi's, with the operations of this application in place of the stock ones.

It refers to nothing outside itself, so that it can be used without the internet.
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy

from pydantic import BaseModel

from eo_pygeoapi.contract.documents import JobDocument, JobList, ProblemDocument
from eo_pygeoapi.contract.ogc_schema import ogc_schema
from eo_pygeoapi.contract.operations import Coverage, DatasetStatus, Problem
from eo_pygeoapi.gateway.job_filter import STATUSES
from eo_pygeoapi.jobs.documents import CSV, FILES, HTML, JSON
from eo_pygeoapi.json_types import Json, JsonMapping, JsonObject

PROBLEM = "application/problem+json"
_REMOTE = re.compile(r"https?://.*[/#](?P<name>[\w-]+?)(?:\.ya?ml|\.json)?$")
_MODELS: Mapping[str, type[BaseModel]] = {
    "job": JobDocument,
    "jobList": JobList,
    "problem": ProblemDocument,
    "datasetStatus": DatasetStatus,
    "coverage": Coverage,
    "feedProblem": Problem,
}
_OBJECT = {"type": "object"}
# what pygeoapi refers to elsewhere, by the last part of the address
_LOCAL: Mapping[str, tuple[str, JsonObject]] = {
    "featureId": ("parameters", {"name": "featureId", "in": "path", "required": True, "schema": {"type": "string"}}),
    "datetime": ("parameters", {"name": "datetime", "in": "query", "schema": {"type": "string"}}),
    "sortby": ("parameters", {"name": "sortby", "in": "query", "schema": {"type": "string"}}),
}
_METHODS = ("get", "post", "put", "patch", "delete", "options", "head")
_ERRORS = {"InvalidParameter": "400", "NotFound": "404", "ServerError": "500"}


def with_our_operations(document: Mapping[str, object], processes: Sequence[str]) -> dict[str, object]:
    """Return the document with our operations, and without references to other places."""
    whole: JsonObject = deepcopy(dict(document))
    paths = {
        path: operations
        for path, operations in whole["paths"].items()
        if not path.startswith(("/jobs", "/processes")) or path.removeprefix("/processes/") in processes
    }
    paths |= _description_paths(whole["paths"])
    for process_id in processes:
        paths[f"/processes/{process_id}/execution"] = _execution(process_id, whole["paths"])
    whole["paths"] = _local(paths | _job_paths() | _feed_paths() | _health_paths())
    _complete_errors(whole["paths"])
    whole["components"] = _local(whole["components"])
    components = whole["components"]
    components["schemas"] |= {name: ogc_schema(model) for name, model in _MODELS.items()}
    components["responses"] |= {"problem": _problem("An error"), "default": _problem("An error")}
    for name, (section, definition) in _LOCAL.items():
        components[section][name] = definition
    return whole


def with_security(document: Mapping[str, object]) -> dict[str, object]:
    """Return the document where tokens are needed: for jobs, executions and published values."""
    whole: JsonObject = deepcopy(dict(document))
    whole["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, operations in whole["paths"].items():
        values = path.startswith("/collections/") and "/items" in path
        if values or path.startswith(("/jobs", "/datasets", "/problems")) or path.endswith("/execution"):
            for method, operation in operations.items():
                if method in _METHODS:
                    operation["security"] = [{"token": []}, *([{}] if values else [])]  # some datasets are public
    return whole


def _job_paths() -> JsonObject:
    job, f = _path_parameter("jobId", "job identifier"), {"$ref": "#/components/parameters/f"}
    result = {"200": {"description": "The results, in the form that the execution asked for"}}
    referenced = {"204": {"description": "All outputs by reference: see the header Link"}}
    csv = _query("f", {"type": "string", "enum": ["json", "csv", "html"]}, "format")
    file = _path_parameter("name", "file", list(FILES))
    paths = {
        "/jobs": {"get": _get("getJobs", "The jobs, newest first", [*_list_parameters(), f], _ok("jobList", "Jobs"))},
        "/jobs/{jobId}": {
            "get": _get("getJob", "The status of a job", [job, f], _ok("job", "Status")),
            "delete": _get("dismissJob", "Stop a job, or forget one that has ended", [job], _ok("job", "Dismissed")),
        },
        "/jobs/{jobId}/results": {"get": _get("getJobResults", "Results of a job", [job, f], result | referenced)},
        "/jobs/{jobId}/results/{outputId}": {
            "get": _get("getJobOutput", "One output", [job, _path_parameter("outputId", "output")], _any("The value"))
        },
        "/jobs/{jobId}/payload-preview": {
            "get": _get("getPayloadPreview", "What DHIS2 is, or would be, sent", [job, csv], _preview())
        },
        "/jobs/{jobId}/files/{name}": {
            "get": _get("getJobFile", "A file of a job", [job, file], _any("The file") | _part())
        },
        "/jobs/{jobId}/logs": {"get": _get("getJobLog", "The log of a job", [job, *_paging(), f], _any("Log lines"))},
    }
    return paths


def _feed_paths() -> JsonObject:
    dataset, f = _path_parameter("datasetId", "dataset"), {"$ref": "#/components/parameters/f"}
    csv = _query("f", {"type": "string", "enum": ["json", "csv"]}, "format")
    day = {"type": "string", "format": "date"}
    matrix = [
        dataset,
        _query("start", day, "first day"),
        _query("end", day, "last day"),
        _query("level", {"type": "integer", "minimum": 1}, "units of this level alone"),
        csv,
    ]
    state = _query("state", {"type": "array", "items": {"type": "string", "enum": ["open", "closed"]}}, "one of these")
    return {
        "/datasets": {
            "get": _get("getDatasets", "Until when values are right, the worst first", [f], _any("Datasets"), "feeds")
        },
        "/datasets/{datasetId}": {
            "get": _get(
                "getDataset", "Until when its values are right", [dataset, f], _ok("datasetStatus", "It"), "feeds"
            )
        },
        "/datasets/{datasetId}/coverage": {
            "get": _get("getCoverage", "What there is for each period and unit", matrix, _ok("coverage", "It"), "feeds")
        },
        "/problems": {
            "get": _get("getProblems", "What is wrong with the feeds", [state, f], _any("Problems"), "feeds")
        },
    }


def _health_paths() -> JsonObject:
    unavailable = {"503": {"description": "Something is missing", "content": {JSON: {"schema": _OBJECT}}}}
    return {
        "/health": {"get": _get("getHealth", "Whether the service lives", [], _any("It does"), "server")},
        "/ready": {
            "get": _get("getReady", "Whether it can do its work", [], _any("It can") | unavailable, "server"),
        },
    }


def _description_paths(stock: Mapping[str, object]) -> dict[str, object]:
    f = {"$ref": "#/components/parameters/f"}
    listed = _get("getProcesses", "The processes", [*_paging(), f], _any("Processes"), "server")
    return {"/processes": {"get": listed}} if "/processes" in stock else {}


def _execution(process_id: str, stock: JsonMapping) -> dict[str, object]:
    body = stock[f"/processes/{process_id}/execution"]["post"]["requestBody"]["content"][JSON]
    parameters = [
        {
            "name": "Prefer",
            "in": "header",
            "schema": {"type": "string"},
            "description": "RFC 7240: respond-async, wait=N",
        }
    ]
    responses = {
        "200": {"description": "The results, in the form that was asked for"},
        "201": _ok("job", "A job was made")["200"],
        "204": {"description": "All outputs by reference, or none: see the header Link"},
    }
    operation = _get(f"execute-{process_id}", f"Execute {process_id}", parameters, responses, process_id)
    content = {"schema": _execute_schema(), **({"example": body["example"]} if "example" in body else {})}
    return {"post": operation | {"requestBody": {"required": True, "content": {JSON: content}}}}


def _execute_schema() -> dict[str, object]:
    uri = {"type": "string", "format": "uri"}
    subscriber = {"successUri": uri, "inProgressUri": uri, "failedUri": uri}
    return {
        "type": "object",
        "properties": {
            "inputs": _OBJECT,
            "outputs": _OBJECT,
            "response": {"type": "string", "enum": ["raw", "document"], "default": "raw"},
            "subscriber": {"type": "object", "required": ["successUri"], "properties": subscriber},
        },
    }


def _list_parameters() -> list[dict[str, Json]]:
    several = {"type": "array", "items": {"type": "string"}}
    seconds = {"type": "integer", "minimum": 0}
    return [
        *_paging(),
        _query("status", {"type": "array", "items": {"type": "string", "enum": list(STATUSES)}}, "one of these"),
        _query("type", several, "jobs here are of the type process"),
        _query("processID", several, "one of these processes"),
        _query("dataset", several, "one of these datasets"),
        _query("datetime", {"type": "string"}, "RFC 3339 instant or interval in which jobs were created"),
        _query("minDuration", seconds, "seconds that they took, or take by now, at least"),
        _query("maxDuration", seconds, "seconds that they took, or take by now, at most"),
    ]


def _paging() -> list[dict[str, Json]]:
    return [
        _query("limit", {"type": "integer", "minimum": 1, "maximum": 10000, "default": 100}, "so many at most"),
        _query("offset", {"type": "integer", "minimum": 0, "default": 0}, "after so many"),
    ]


def _get(
    operation: str, summary: str, parameters: Sequence[object], responses: Mapping[str, object], tag: str = "jobs"
) -> JsonObject:
    return {
        "operationId": operation,
        "summary": summary,
        "tags": [tag],
        "parameters": list(parameters),
        "responses": dict(responses),
    }


def _complete_errors(paths: JsonMapping) -> None:
    """Describe for every operation the errors that any of them may answer."""
    for operations in paths.values():
        for method, operation in operations.items():
            if isinstance(operation, dict) and "responses" in operation:
                codes = ["400", "401", "403", "404", "406", "500", "503", *(["413", "415"] if method == "post" else [])]
                for code in codes:
                    operation["responses"].setdefault(code, {"$ref": "#/components/responses/problem"})
                operation["responses"].setdefault("default", {"$ref": "#/components/responses/problem"})


def _local(value: object) -> object:
    """Replace references to other places by ours."""
    if isinstance(value, list):
        return [_local(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    match = _REMOTE.match(str(value.get("$ref", "")))
    if match is None:
        return {key: _local(entry) for key, entry in value.items()}
    name = match["name"]
    if name in _LOCAL:
        return {"$ref": f"#/components/{_LOCAL[name][0]}/{name}"}
    if name in _ERRORS:
        return {"$ref": "#/components/responses/problem"}
    if name == "exception":
        return {"$ref": "#/components/schemas/problem"}
    return {"description": "successful operation"} if "/responses/" in value["$ref"] else dict(_OBJECT)


def _query(name: str, schema: Mapping[str, object], description: str) -> JsonObject:
    exploded = {"style": "form", "explode": False} if schema["type"] == "array" else {}
    return {"name": name, "in": "query", "schema": dict(schema), "description": description, **exploded}


def _path_parameter(name: str, description: str, allowed: Sequence[str] = ()) -> JsonObject:
    schema = {"type": "string", "enum": list(allowed)} if allowed else {"type": "string"}
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": description}


def _ok(schema: str, description: str) -> JsonObject:
    content = {JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}, HTML: {"schema": {"type": "string"}}}
    return {"200": {"description": description, "content": content}}


def _any(description: str) -> JsonObject:
    return {"200": {"description": description}}


def _part() -> dict[str, Json]:
    return {
        "206": {"description": "The part that was asked for"},
        "304": {"description": "Not modified"},
        "416": {"description": "There is no such part"},
    }


def _preview() -> JsonObject:
    content = {JSON: {"schema": _OBJECT}, CSV: {"schema": {"type": "string"}}, HTML: {"schema": {"type": "string"}}}
    return {"200": {"description": "The first data values", "content": content}}


def _problem(description: str) -> dict[str, object]:
    content = {"schema": {"$ref": "#/components/schemas/problem"}}
    return {"description": description, "content": {PROBLEM: content, HTML: {"schema": {"type": "string"}}}}
