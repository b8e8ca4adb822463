"""Links relative to the address that was asked for, for clients that reach us through something that does not say so.

A Route of DHIS2 is one: what it calls is not told at which address of DHIS2 it stands. A reference that is relative as
RFC 3986 says is right for every such client: `new URL(link.href, response.url)`.
"""

import re

from flask import Response, request
from pygeoapi.api import APIRequest

from eo_pygeoapi.errors import QueryError

PARAMETER = "links"
# links, the name of a JSON Schema, and of things in JSON-LD, and the servers of an OpenAPI document
_REFERENCE = r'(?P<before>"(?P<name>href|\$id|@id|url)"\s*:\s*")'
ASKED_PATH = "eo_pygeoapi.path"  # in the WSGI environment: the path with the slash that may end it


def relative_asked(request: APIRequest) -> bool:
    """Tell whether a request asks for relative links, and so is not given our headers."""
    return bool(request.params.get(PARAMETER) == "relative")


def is_asked() -> bool:
    """Tell whether the request asks for relative links; raises QueryError for what is not allowed."""
    asked = request.args.get(PARAMETER, "")
    if asked not in ("", "absolute", "relative"):
        raise QueryError(f"{PARAMETER}: {asked!r} is not allowed; allowed: absolute, relative")
    return asked == "relative"


def with_relative_links(response: Response, base_url: str) -> Response:
    """Return a JSON answer with each reference below `base_url` relative to the address that was asked for."""
    if response.direct_passthrough or not (response.mimetype or "").endswith("json"):
        return response
    path = str(request.environ.get(ASKED_PATH) or request.path)
    response.set_data(made_relative(response.get_data(as_text=True), base_url, path))
    return response


def made_relative(text: str, base_url: str, path: str) -> str:
    """Return a JSON text whose references to addresses below `base_url` are relative to `path`."""
    to_root = "../" * (path.count("/") - 1) or "./"

    def relative(found: re.Match[str]) -> str:
        # programs put a path behind the address of a server, which begins with a slash
        is_server = found["name"] == "url" and text.startswith('"', found.end())
        return found["before"] + (to_root.rstrip("/") if is_server else to_root)

    return re.sub(rf'{_REFERENCE}{re.escape(base_url)}/?(?=["?#]|(?<=/))', relative, text)
