"""What pygeoapi's core cannot read in a request, made readable before it gets there."""

import re
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from eo_pygeoapi.api.http.relative_links import ASKED_PATH

_HEADERS = ("HTTP_ACCEPT", "HTTP_ACCEPT_LANGUAGE", "HTTP_ACCEPT_ENCODING")
# "not acceptable": core divides by it
_REFUSED = re.compile(r"(?i)^[^;]*;\s*q\s*=\s*0(\.0*)?\s*$")


class AcceptMiddleware:
    """Take what a client refuses out of its Accept headers, and keep a request with odd ones from being a 500.

    Without `strict_slashes`, a slash at the end of an address is not part of it: core takes it for the end of an id.
    """

    def __init__(self, app: WSGIApplication, strict_slashes: bool = False) -> None:
        self._app = app
        self._strict_slashes = strict_slashes

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Hand the request on."""
        for name in _HEADERS:
            if name in environ:
                environ[name] = readable(environ[name])
        environ[ASKED_PATH] = environ.get("PATH_INFO", "")
        if not self._strict_slashes:
            environ["PATH_INFO"] = environ.get("PATH_INFO", "").rstrip("/") or "/"
        return self._app(environ, start_response)


def readable(header: str) -> str:
    """Return an Accept header without the entries of quality 0."""
    return ",".join(part for part in header.split(",") if not _REFUSED.match(part))


def names_only_json(header: str) -> bool:
    """Tell whether a client takes `application/json` and nothing else, not even what ends in `+json`."""
    types = {part.partition(";")[0].strip().lower() for part in header.split(",")}
    return types == {"application/json"}
