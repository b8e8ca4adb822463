"""What the API says of itself: landing page, conformance, OpenAPI document, and the process list."""

import json
from collections.abc import Mapping

import pygeoapi.api as core_api
import pygeoapi.api.processes as processes_api
from pygeoapi.api import API, APIRequest

from eo_pygeoapi.api.http.answers import answer_page, manager_of, page_of, paging_links
from eo_pygeoapi.api.http.problems import Answer
from eo_pygeoapi.api.openapi_document import seen, with_our_operations, with_security
from eo_pygeoapi.api.pages.openapi_page import groups
from eo_pygeoapi.api.status_page import status_board
from eo_pygeoapi.contract.status import COMPANIONS, PROCESS_ID
from eo_pygeoapi.jobs.documents import JSON, RELATION, link
from eo_pygeoapi.json_types import JsonObject

CONFORMANCE = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/"
# every class of OGC API - Processes 1.0 whose requirements tests/ogc shows to hold
CONFORMANCE_CLASSES = (
    "core", "ogc-process-description", "json", "html", "oas30", "job-list", "dismiss", "callback",
)  # fmt: skip
# pygeoapi declares it for every collection of features
EDITING = "http://www.opengis.net/spec/ogcapi-features-4/1.0/conf/"
# of datasets; clients that do not find these filter what they download
FILTERING = (
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/features-filter",
)


def landing_page(api: API, request: APIRequest) -> Answer:
    """Return pygeoapi's landing page with the relations that OGC API - Processes asks for."""
    if request.format not in (None, "json", "html"):
        answer: Answer = core_api.landing_page(api, request)
        return answer
    headers, status, content = core_api.landing_page(api, as_json(request))
    document = json.loads(content)
    document["links"] += [
        link(f"{api.base_url}/conformance", f"{RELATION}conformance", JSON, "Conformance"),
        link(f"{api.base_url}/health", "status", JSON, "Whether the service lives"),
    ]
    if request.format == "html":
        return answer_page(api, request, "landing_page.html", document | status_board(api), status)
    return headers, status, json.dumps(document, ensure_ascii=False, indent=4 if api.pretty_print else None)


def conformance(api: API, request: APIRequest) -> Answer:
    """Return pygeoapi's declaration with the classes of OGC API - Processes that hold here, and no others."""
    if request.format == "html":
        headers, status, content = core_api.conformance(api, as_json(request))
        return answer_page(api, request, "conformance.html", _declared(api, content), status)
    headers, status, content = core_api.conformance(api, request)
    return headers, status, json.dumps(_declared(api, content), indent=4 if api.pretty_print else None)


def openapi(api: API, request: APIRequest) -> Answer:
    """Return pygeoapi's OpenAPI document with the operations of this application in place of the stock ones."""
    headers, status, content = core_api.openapi_(api, as_json(request))
    processes = list(api.manager.processes)
    document = with_our_operations(json.loads(content), processes)
    # pygeoapi has written the document once, for all
    described = [id_ for id_ in processes if id_ in (PROCESS_ID, *COMPANIONS)]
    examples = {id_: api.manager.get_processor(id_).metadata["example"] for id_ in described}
    document = seen(document, api.config["resources"], examples)
    if manager_of(api).settings.api_tokens_file:
        document = with_security(document)
    if request.format == "html":
        return answer_page(api, request, "openapi/index.html", document | {"groups": groups(document)}, status)
    return headers, status, json.dumps(document, ensure_ascii=False, indent=4 if api.pretty_print else None)


def get_processes(api: API, request: APIRequest) -> Answer:
    """Return a page of the process list."""
    limit, offset = page_of(api, request)
    if request.format == "html":
        answer: Answer = processes_api.describe_processes(api, request)
        return answer
    headers, status, content = processes_api.describe_processes(api, _Unlimited(request))
    if status != 200 or request.format not in (None, "json"):
        return headers, status, content
    document: JsonObject = json.loads(content)
    known = document["processes"]
    document["processes"] = known[offset : offset + limit]
    document["links"] += paging_links(request, f"{api.base_url}/processes", limit, offset, len(known))
    document |= {"numberMatched": len(known), "numberReturned": len(document["processes"])}
    return headers, status, json.dumps(document, ensure_ascii=False, indent=4 if api.pretty_print else None)


class _Unlimited:
    """A request without its own limit: all processes are described, and the page is cut from them."""

    params: Mapping[str, str] = {"limit": "1000000"}

    def __init__(self, request: APIRequest) -> None:
        self._request = request

    def __getattr__(self, name: str) -> object:
        return getattr(self._request, name)


class _Json(_Unlimited):
    format = "json"


def as_json(request: APIRequest) -> object:
    """Return a request that asks for JSON, for pygeoapi's functions whose answers become our pages."""
    return _Json(request)


def _declared(api: API, content: str) -> dict[str, object]:
    document: JsonObject = json.loads(content)
    collections = [resource for resource in api.config["resources"].values() if resource["type"] == "collection"]
    editable = any(provider.get("editable") for each in collections for provider in each.get("providers", ()))
    leaving = (CONFORMANCE,) if editable else (CONFORMANCE, EDITING)
    declared = [uri for uri in document["conformsTo"] if not uri.startswith(leaving)]
    declared += [CONFORMANCE + name for name in CONFORMANCE_CLASSES]
    if any("eo" in each for each in collections):
        declared += FILTERING
    document["conformsTo"] = sorted(set(declared))
    return document
