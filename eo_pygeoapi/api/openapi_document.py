"""The OpenAPI document: pygeoapi's, with the operations of this application in place of the stock ones.

`openapi.yaml` holds our operations. The document refers to nothing outside itself, so that people can use it without
the internet.
"""

import re
from collections.abc import Container, Mapping, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel

from eo_pygeoapi.api.http.access import OF_JOBS
from eo_pygeoapi.contract.documents import JobDocument, JobList, ProblemDocument
from eo_pygeoapi.contract.history import ImportHistory
from eo_pygeoapi.contract.ogc_schema import ogc_schema
from eo_pygeoapi.contract.operations import Coverage, DatasetStatus, Problem, ScheduleDocument
from eo_pygeoapi.gateway.job_filter import STATUSES
from eo_pygeoapi.jobs.documents import FILES, JSON
from eo_pygeoapi.json_types import JsonMapping, JsonObject
from eo_pygeoapi.store.item_filters import FIELDS

_REMOTE = re.compile(r"https?://.*[/#](?P<name>[\w-]+?)(?:\.ya?ml|\.json)?$")
_MODELS: Mapping[str, type[BaseModel]] = {
    "job": JobDocument,
    "jobList": JobList,
    "problem": ProblemDocument,
    "datasetStatus": DatasetStatus,
    "coverage": Coverage,
    "importHistory": ImportHistory,
    "schedule": ScheduleDocument,
    "feedProblem": Problem,
}
# the values that parameters of our operations allow, by path and name
_ALLOWED: Mapping[tuple[str, str], Sequence[str]] = {
    ("/jobs", "status"): STATUSES,
    ("/jobs/{jobId}/files/{name}", "name"): tuple(FILES),
}
_OF_COLLECTION = re.compile(r"/collections/([^/{]+)")
_METHODS = ("get", "post", "put", "patch", "delete", "options", "head")
# what items of our datasets take, in place of pygeoapi's word that they may take more
_MAY_TAKE_MORE = {"$ref": "#/components/parameters/vendorSpecificParameters"}
_OF_ITEMS = [
    {"$ref": f"#/components/parameters/{name}"} for name in ("simplify", "filter", "filter-lang", "resulttype")
]
# answers and schemas of pygeoapi that we write as problem documents
_ERRORS = ("InvalidParameter", "NotFound", "ServerError")


def with_our_operations(document: Mapping[str, object], processes: Sequence[str]) -> dict[str, object]:
    """Return the document with our operations, and without references to other places."""
    whole: JsonObject = deepcopy(dict(document))
    ours = deepcopy(_operations())
    for process_id in processes:
        path = f"/processes/{process_id}/execution"
        execution = {
            "operationId": f"execute-{process_id}",
            "summary": f"Execute {process_id}",
            "tags": [process_id],
            **deepcopy(ours["execution"]),
        }
        described = whole["paths"][path]["post"]["requestBody"]["content"][JSON]
        if "example" in described:
            execution["requestBody"]["content"][JSON]["example"] = described["example"]
        ours["paths"][path] = {"post": execution}
    stock_paths = {
        path: operations
        for path, operations in whole["paths"].items()
        if not path.startswith(("/jobs", "/processes")) or path.removeprefix("/processes/") in processes
    }
    if "/processes" not in whole["paths"]:
        del ours["paths"]["/processes"]
    whole["paths"] = _local(stock_paths | ours["paths"], ours["components"])
    _complete_parameters(whole["paths"])
    _complete_errors(whole["paths"])
    whole["components"] = _local(whole["components"], ours["components"])
    for section, definitions in ours["components"].items():
        whole["components"][section] |= definitions
    whole["components"]["schemas"] |= {name: ogc_schema(model) for name, model in _MODELS.items()}
    return whole


def seen(document: JsonMapping, resources: Container[str], examples: Mapping[str, object]) -> JsonObject:
    """Return the document without the collections that are not among these resources, and with these examples.

    `examples` are the execute requests of processes, by id.
    """
    whole: JsonObject = deepcopy(dict(document))
    named = {path: found[1] for path in whole["paths"] if (found := _OF_COLLECTION.match(path))}
    hidden = {id_ for id_ in named.values() if id_ not in resources}
    whole["paths"] = {path: operations for path, operations in whole["paths"].items() if named.get(path) not in hidden}
    whole["tags"] = [tag for tag in whole.get("tags", []) if tag["name"] not in hidden]
    for process_id, example in examples.items():
        operation = whole["paths"][f"/processes/{process_id}/execution"]["post"]
        operation["requestBody"]["content"][JSON]["example"] = example
    return whole


def with_security(document: Mapping[str, object]) -> dict[str, object]:
    """Return the document where tokens are needed: for jobs, executions and published values."""
    whole: JsonObject = deepcopy(dict(document))
    whole["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, operations in whole["paths"].items():
        values = path.startswith("/collections/") and "/items" in path
        if values or path.startswith(OF_JOBS) or path.endswith("/execution"):
            for method, operation in operations.items():
                if method in _METHODS:
                    operation["security"] = [{"token": []}, *([{}] if values else [])]  # some datasets are public
    return whole


@cache
def _operations() -> JsonObject:
    """Return our operations, read once in a process."""
    ours: JsonObject = yaml.safe_load(Path(__file__).with_name("openapi.yaml").read_text(encoding="utf-8"))
    for (path, name), allowed in _ALLOWED.items():
        for parameter in ours["paths"][path]["get"]["parameters"]:
            if parameter.get("name") == name:
                schema = parameter["schema"]
                schema.get("items", schema)["enum"] = list(allowed)
    return ours


def _complete_parameters(paths: JsonMapping) -> None:
    """Describe what items of our datasets take: all else is refused."""
    for path, operations in paths.items():
        if path.startswith("/collections/") and path.endswith("/items"):
            given = operations["get"].get("parameters", [])
            if {parameter.get("name") for parameter in given}.issuperset(FIELDS):
                kept = [parameter for parameter in given if parameter != _MAY_TAKE_MORE]
                operations["get"]["parameters"] = kept + deepcopy(_OF_ITEMS)


def _complete_errors(paths: JsonMapping) -> None:
    """Describe for every operation the errors that any of them may answer."""
    for operations in paths.values():
        for method, operation in operations.items():
            if isinstance(operation, dict) and "responses" in operation:
                codes = ["400", "401", "403", "404", "406", "500", "503", *(["413", "415"] if method == "post" else [])]
                for code in (*codes, "default"):
                    operation["responses"].setdefault(code, {"$ref": "#/components/responses/problem"})


def _local(value: object, ours: JsonMapping) -> object:
    """Replace references to other places by references to our components."""
    if isinstance(value, list):
        return [_local(entry, ours) for entry in value]
    if not isinstance(value, dict):
        return value
    match = _REMOTE.match(str(value.get("$ref", "")))
    if match is None:
        return {key: _local(entry, ours) for key, entry in value.items()}
    name = match["name"]
    if name in ours["parameters"]:
        return {"$ref": f"#/components/parameters/{name}"}
    if name in _ERRORS:
        return {"$ref": "#/components/responses/problem"}
    if name == "exception":
        return {"$ref": "#/components/schemas/problem"}
    return {"description": "successful operation"} if "/responses/" in value["$ref"] else {"type": "object"}
