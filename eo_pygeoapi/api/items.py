"""The published values over HTTP: pygeoapi answers, and the outlines are put into its answer as text.

An outline of a thousand corners is in a page as often as there are periods. Written once, and copied, it costs a
hundredth of what writing it each time does.
"""

import re
from urllib.parse import quote

from pygeoapi.api import API, APIRequest, itemtypes
from werkzeug.datastructures import MultiDict

from eo_pygeoapi import provider
from eo_pygeoapi.api.answers import pairs
from eo_pygeoapi.api.problems import Answer
from eo_pygeoapi.store.item_filters import APOSTROPHE

_REFERENCE = re.compile(rf'"{provider.REFERENCE}([0-9a-f]+)"')
_LITERAL = re.compile(r"'(?:[^']|'')*'")


def get_items(api: API, request: APIRequest, collection_id: str) -> Answer:
    """Return a page of the items of a collection."""
    _write_apostrophes(request)
    if request.format not in (None, "json"):
        headers, status, content = itemtypes.get_collection_items(api, request, collection_id)
        return headers, status, _as_asked(content)
    with provider.outlines_by_reference() as outlines:
        headers, status, content = itemtypes.get_collection_items(api, request, collection_id)
    content = _as_asked(content)
    return headers, status, _REFERENCE.sub(lambda found: outlines[found[1]], content) if outlines else content


def _write_apostrophes(request: APIRequest) -> None:
    """Write an apostrophe in the texts of a CQL2 filter as a character that pygeofilter 0.4 does not stumble over."""
    given = request.params.get("filter", "")
    text = _LITERAL.sub(lambda found: f"'{found[0][1:-1].replace("''", APOSTROPHE)}'", given)
    if text != given:
        # the request has no public way to change its parameters
        request._args = MultiDict(
            [(name, text if name == "filter" else value) for name, value in pairs(request.params)]
        )


def _as_asked[C: (str, bytes)](content: C) -> C:
    """Return an answer whose links have the filter as it was asked for."""
    written, asked = quote(APOSTROPHE), quote("''")
    if isinstance(content, bytes):
        return content.replace(written.encode(), asked.encode())
    return content.replace(written, asked)
