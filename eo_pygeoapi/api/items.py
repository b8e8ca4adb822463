"""The published values over HTTP: pygeoapi answers, and the outlines are put into its answer as text."""

import json
import re
from collections.abc import Mapping
from urllib.parse import quote

from pygeoapi import l10n
from pygeoapi.api import API, APIRequest, itemtypes
from werkzeug.datastructures import MultiDict

from eo_pygeoapi import provider
from eo_pygeoapi.api.http.answers import (
    answer_page,
    executions_of,
    header_of,
    page_of,
    paging_links,
    pairs,
    readable_dataset,
)
from eo_pygeoapi.api.http.mistakes import Mistakes
from eo_pygeoapi.api.http.parameters import check_item_names, check_item_values, is_dataset
from eo_pygeoapi.api.http.problems import Answer, in_our_words
from eo_pygeoapi.api.outlined import with_outlines
from eo_pygeoapi.api.pages.charts import Area, choropleth
from eo_pygeoapi.api.pages.result_page import named_periods, numbers_of
from eo_pygeoapi.api.value_info import describing_links, info_of, with_info, with_unit_column
from eo_pygeoapi.errors import MediaTypeError, QueryError
from eo_pygeoapi.jobs.documents import HTML, JSON
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.item_filters import APOSTROPHE, FIELDS

_FILTERS = ("from", "to", "orgUnit", "limit")  # the fields of the page's form
_FEATURE = "application/geo+json"
_LITERAL = re.compile(r"'(?:[^']|'')*'")


def get_items(api: API, request: APIRequest, collection_id: str) -> Answer:
    """Return a page of the items of a collection."""
    # pygeofilter 0.4 stumbles over an apostrophe in the texts of a CQL2 filter: another character stands for it
    given = request.params.get("filter", "")
    text = _LITERAL.sub(lambda found: f"'{found[0][1:-1].replace("''", APOSTROPHE)}'", given)
    if text != given:
        # the request has no public way to change its parameters
        request._args = MultiDict(
            [(name, text if name == "filter" else value) for name, value in pairs(request.params)]
        )
    if request.data and request.format == "html":  # a page has a form in place of a filter in a body
        request = _Json(request, request.params)
    if request.format == "html":
        return _page(api, request, collection_id)
    check_item_names(api, request, collection_id)
    check_item_values(api, request, collection_id)
    if request.format not in (None, "json"):
        headers, status, content = itemtypes.get_collection_items(api, request, collection_id)
        content = _as_asked(content)
        if status != 200 or (dataset := readable_dataset(api, collection_id)) is None:
            return headers, status, content
        if request.format == "csv":
            text = content.decode() if isinstance(content, bytes) else content
            content = with_unit_column(text or _columns(api, request, collection_id), dataset.unit)
        return headers | describing_links(api, dataset), status, content
    with provider.outlines_by_reference() as outlines:
        headers, status, content = itemtypes.get_collection_items(api, request, collection_id)
    content = _as_asked(content)
    if status == 200 and request.data:
        content = _without_addresses(api, content)
    if status == 200 and (info := info_of(api, collection_id)):
        content = with_info(content.decode() if isinstance(content, bytes) else content, info)
    return with_outlines(api, request, (headers, status, content), outlines) if outlines else (headers, status, content)


def search_items(api: API, request: APIRequest, collection_id: str) -> Answer:
    """Return a page of the items that a filter in the body means (CQL2 as JSON); other bodies raise MediaTypeError."""
    media_type = header_of(request, "Content-Type").partition(";")[0].strip()
    if not is_dataset(api, collection_id):
        if media_type == _FEATURE:
            answer: Answer = itemtypes.manage_collection_item(api, request, "create", collection_id)
            return answer
        return get_items(api, request, collection_id)
    if media_type == _FEATURE or not request.data:
        raise MediaTypeError(
            f"{'an empty body' if media_type != _FEATURE else f'a body of type {media_type}'} is not allowed; allowed: "
            "a filter as CQL2 JSON (Content-Type: application/json); the values of a dataset come from jobs alone"
        )
    return get_items(api, request, collection_id)


def _without_addresses(api: API, content: str) -> str:
    """Leave out the links of an answer to a filter in a body: their addresses lack it, and would lead to all items."""
    document: JsonObject = json.loads(content)
    document["links"] = [found for found in document["links"] if found["rel"] == "collection"]
    return json.dumps(document, ensure_ascii=False, indent=4 if api.pretty_print else None)


def _columns(api: API, request: APIRequest, collection_id: str) -> str:
    """Return the first line of a table without rows, which pygeoapi does not write."""
    configured = next(p for p in api.config["resources"][collection_id]["providers"] if p["type"] == "feature")
    asked = [name for name in request.params.get("properties", "").split(",") if name]
    wanted = asked or configured.get("properties") or FIELDS
    return ",".join(name for name in FIELDS if name in wanted) + "\r\n"


def get_item(api: API, request: APIRequest, collection_id: str, item_id: str) -> Answer:
    """Return one item; its page has a map."""
    if request.format != "html":
        answer: Answer = itemtypes.get_collection_item(api, request, collection_id, item_id)
        return answer
    headers, status, content = itemtypes.get_collection_item(
        api, _Json(request, request.params), collection_id, item_id
    )
    if status != 200:
        return {**headers, "Content-Type": JSON}, status, content
    item: JsonObject = json.loads(content)
    shown = item["properties"]
    area = Area(item_id, str(shown.get("name") or item_id), item.get("geometry"), shown.get("value"))
    more = {"map": choropleth([area], area.name, "")}
    return answer_page(api, request, "collections/items/item.html", item | more | _named(api, collection_id))


def _page(api: API, request: APIRequest, collection_id: str) -> Answer:
    """Return the page of items; its form asks for two dates and a unit, each of which may be empty."""
    given = {name: text for name, text in pairs(request.params) if text}
    first, last = given.pop("from", ""), given.pop("to", "")
    if first or last:
        given["datetime"] = f"{first or '..'}/{last or '..'}"
    given.pop("f", None)
    json_request = _Json(request, given | {"skipGeometry": "true"})
    wrong: QueryError | None = None
    document: JsonObject = {}
    try:
        check_item_values(api, json_request, collection_id)
        headers, status, content = itemtypes.get_collection_items(api, json_request, collection_id)
        if status not in (200, 400):
            return {**headers, "Content-Type": JSON}, status, content
        document = json.loads(_as_asked(content))
        if status == 400:
            raise QueryError(in_our_words(str(document["description"])))
    except QueryError as error:
        wrong = error
    table = CoverageTable(executions_of(api).store, collection_id)
    first, _, last = given.get("datetime", "").partition("/")
    asked = {
        "from": first.replace("..", ""),
        "to": (last or first).replace("..", ""),
        "orgUnit": given.get("orgUnit", ""),
        "limit": given.get("limit", ""),
    }
    shown = {"units": table.units(), "asked": asked, "mistakes": Mistakes()} | _named(api, collection_id)
    if wrong:
        shown |= {"features": [], "links": [], "mistakes": Mistakes.of(wrong, _FILTERS, {"datetime": "from"})}
        return answer_page(api, request, "collections/items/index.html", shown, 400)
    limit, offset = page_of(api, request)
    url = f"{api.base_url}/collections/{collection_id}/items"
    shown["paging"] = paging_links(request, url, limit, offset, int(document.get("numberMatched", 0)), HTML)
    return answer_page(api, request, "collections/items/index.html", document | shown)


def _named(api: API, collection_id: str) -> JsonObject:
    """Return what a page calls a collection and its periods, and the unit of its values."""
    dataset = executions_of(api).datasets().get(collection_id)
    collection = api.config["resources"].get(collection_id, {})
    title = l10n.translate(collection.get("title", collection_id), l10n.str2locale("en"))
    divided = dataset.options.divided_by() if dataset else {}
    return {
        "collection": collection_id,
        "title": title,
        "unit": dataset.unit if dataset else "",
        "period_name": named_periods(dataset),
        "number": numbers_of(dataset),
        "groups": {group: ", ".join(options.values()) for group, options in divided.items()},
    }


class _Json:
    """A request for JSON with other parameters, for pygeoapi's functions whose answers become our pages."""

    format = "json"

    def __init__(self, request: APIRequest, params: Mapping[str, str]) -> None:
        self._request = request
        self.params = params

    def __getattr__(self, name: str) -> object:
        return getattr(self._request, name)


def _as_asked[C: (str, bytes)](content: C) -> C:
    """Return an answer whose links have the filter as it was asked for."""
    written, asked = quote(APOSTROPHE), quote("''")
    if isinstance(content, bytes):
        return content.replace(written.encode(), asked.encode())
    return content.replace(written, asked)
