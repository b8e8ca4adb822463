"""Collections over HTTP: pygeoapi describes them; we add days and formulas, and pages for people."""

import json

import pygeoapi.api as core_api
from pygeoapi.api import API, APIRequest

from eo_pygeoapi.api.datasets import statuses
from eo_pygeoapi.api.description import as_json
from eo_pygeoapi.api.http.allowed import may_read
from eo_pygeoapi.api.http.answers import answer_page, executions_of
from eo_pygeoapi.api.http.problems import Answer
from eo_pygeoapi.api.value_info import MEMBER, info_of
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.jobs.documents import JSON
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.store.coverage import CoverageTable


def get_collections(api: API, request: APIRequest) -> Answer:
    """Return the collections, each with the days that have values, and how these are computed."""
    if request.format not in (None, "json", "html"):
        answer: Answer = core_api.describe_collections(api, request)
        return answer
    headers, status, content = core_api.describe_collections(api, as_json(request))
    document: JsonObject = json.loads(content)
    known = _known(api)
    for collection in document.get("collections", []):
        _add_what_is_known(api, collection, known.get(collection["id"]))
    if request.format != "html":
        return headers, status, json.dumps(document, ensure_ascii=False, indent=4 if api.pretty_print else None)
    documents = {found["id"]: found for found in _statuses(api, list(known.values()))}
    return answer_page(api, request, "collections/index.html", {**document, "datasets": known, "known": documents})


def get_collection(api: API, request: APIRequest, collection_id: str) -> Answer:
    """Return one collection; its page says how its values are made, and how to open them."""
    if request.format not in (None, "json", "html"):
        answer: Answer = core_api.describe_collections(api, request, collection_id)
        return answer
    headers, status, content = core_api.describe_collections(api, as_json(request), collection_id)
    if status != 200:
        return {**headers, "Content-Type": JSON}, status, content
    document: JsonObject = json.loads(content)
    dataset = _known(api).get(collection_id)
    _add_what_is_known(api, document, dataset)
    if request.format != "html":
        return headers, status, json.dumps(document, ensure_ascii=False, indent=4 if api.pretty_print else None)
    found = _statuses(api, [dataset]) if dataset else []
    shown = {"dataset": dataset, "known": found[0] if found else None}
    return answer_page(api, request, "collections/collection.html", {**document, **shown})


def _known(api: API) -> dict[str, Dataset]:
    """Return the datasets that the request may be told of."""
    datasets = executions_of(api).datasets()
    return {id_: dataset for id_, dataset in datasets.items() if dataset.public or may_read()}


def _add_what_is_known(api: API, collection: JsonObject, dataset: Dataset | None) -> None:
    """Add what the values are and whom to name who uses them; the days that have values where these may be told."""
    if info := info_of(api, collection["id"]):
        collection[MEMBER] = info
        if "citation" in info:
            collection["attribution"] = info["citation"]
    if dataset is None:
        return
    if method := dataset.options.method():
        collection["method"] = method
    try:
        periods = [period for period in CoverageTable.of(executions_of(api).store, dataset).summary() if period.present]
    except EoError:  # a description comes without the store too
        return
    if periods:
        ends = [f"{periods[0].start}T00:00:00Z", f"{periods[-1].end}T23:59:59Z"]
        collection.setdefault("extent", {})["temporal"] = {"interval": [ends]}


def _statuses(api: API, datasets: list[Dataset]) -> list[JsonObject]:
    """Return what is known of datasets; nothing where Prefect is away, or the request may not be told."""
    if not may_read():
        return []
    try:
        return [document.to_json() for document in statuses(api, datasets)]
    except EoError:
        return []
