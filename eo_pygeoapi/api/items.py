"""The published values over HTTP: pygeoapi answers, and the outlines are put into its answer as text.

An outline of a thousand corners is in a page as often as there are periods. Written once, and copied, it costs a
hundredth of what writing it each time does.
"""

import re

from pygeoapi.api import API, APIRequest, itemtypes

from eo_pygeoapi import provider
from eo_pygeoapi.api.problems import Answer

_REFERENCE = re.compile(rf'"{provider.REFERENCE}([0-9a-f]+)"')


def get_items(api: API, request: APIRequest, collection_id: str) -> Answer:
    """Return a page of the items of a collection."""
    if request.format not in (None, "json"):
        answer: Answer = itemtypes.get_collection_items(api, request, collection_id)
        return answer
    with provider.outlines_by_reference() as outlines:
        headers, status, content = itemtypes.get_collection_items(api, request, collection_id)
    return headers, status, _REFERENCE.sub(lambda found: outlines[found[1]], content) if outlines else content
