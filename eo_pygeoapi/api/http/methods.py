"""Which methods an address has: pygeoapi routes more to the collection of a dataset than it has; and OPTIONS."""

import re
from collections.abc import Iterable

from flask import Request, Response
from pygeoapi.api import API
from werkzeug.exceptions import MethodNotAllowed, NotFound

from eo_pygeoapi.api.http.parameters import is_dataset

_ITEM = re.compile(r"/collections/(?P<collection>.+?)/items/.")
_CHANGING_ITEMS = frozenset({"PUT", "DELETE"})


def refuse_routes_of_pygeoapi(api: API, request: Request) -> None:
    """Raise NotFound for what a dataset does not have (tiles, positions …), MethodNotAllowed to change its values."""
    collection = (request.view_args or {}).get("collection_id", "")
    # our routes come first: what is left for pygeoapi's is what datasets do not have
    if not (request.endpoint or "").startswith("pygeoapi.") or not is_dataset(api, collection):
        return
    if request.method in _CHANGING_ITEMS:
        raise MethodNotAllowed(
            allowed(api, request.path, ("GET", "HEAD", "OPTIONS")),
            "The values of a dataset come from jobs alone: here nobody can change or delete them.",
        )
    raise NotFound(f"collection {collection!r} is a dataset, and has items, schema and queryables alone")


def allowed(api: API, path: str, routed: Iterable[str]) -> list[str]:
    """Return which of the methods that are routed to a path it has, in order."""
    methods, item = set(routed), _ITEM.search(path)
    if item and is_dataset(api, item["collection"]):
        methods -= _CHANGING_ITEMS
    return sorted(methods)


def answer_options(api: API, request: Request, response: Response) -> Response:
    """Have an answer to OPTIONS be without a body and its type, and name the methods that there are."""
    if request.method == "OPTIONS" and response.status_code == 200:
        response.status_code = 204
        response.headers["Allow"] = ", ".join(allowed(api, request.path, response.allow))
        response.headers.pop("Content-Type", None)
        response.headers.pop("Content-Length", None)
    return response
