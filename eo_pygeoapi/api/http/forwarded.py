"""The address at which a proxy in front of us is reached: links and forms must lead there.

Where `server.url` is an address of other machines, it is that. Where it is this machine's own, as it comes, the headers
`X-Forwarded-Proto`, `-Host` and `-Prefix` of a request say it, if they come from an address in `EO_TRUSTED_PROXIES`:
anybody else could have links lead anywhere.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from urllib.parse import urlsplit

from flask import Response

from eo_pygeoapi.jobs.exposure import is_loopback
from eo_pygeoapi.settings import Network

_HOST = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9a-fA-F:]+\](:\d{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_TEXTS = ("json", "html", "xml", "yaml")
_HEADERS = ("Location", "Content-Location", "Link")
# where the request that is being answered reached us from outside; empty where that is `server.url`
_external: ContextVar[str] = ContextVar("external address", default="")


def outside() -> str:
    """Return the address of the API as the client of this request knows it, where it is not `server.url`."""
    return _external.get()


def look_at(environ: Mapping[str, object], base_url: str, trusted: Sequence[Network]) -> None:
    """Find out at which address a request reached the proxy in front of us."""
    _external.set("")
    if trusted and is_loopback(urlsplit(base_url).hostname or "") and _comes_from(environ, trusted):
        found = external_address(environ)
        _external.set(found if found != base_url else "")


def external_address(environ: Mapping[str, object]) -> str:
    """Return the address that the headers of a proxy name; nothing where they are missing or cannot be meant."""

    def last(name: str) -> str:  # each proxy adds its own at the end, and the one that we trust is the last
        return str(environ.get(f"HTTP_X_FORWARDED_{name}", "")).rpartition(",")[2].strip()

    scheme, host, prefix = last("PROTO") or "http", last("HOST"), last("PREFIX")
    if scheme not in ("http", "https") or not _HOST.fullmatch(host) or not _PREFIX.fullmatch(prefix):
        return ""
    return f"{scheme}://{host}{prefix.rstrip('/')}"


def with_outside_address(response: Response, base_url: str) -> Response:
    """Return an answer whose links, redirects and forms lead to the proxy in front of us."""
    if not (found := outside()):
        return response
    own = re.compile(rf"{re.escape(base_url)}(?![\w.:-])")
    for name in _HEADERS:
        if name in response.headers:
            response.headers[name] = own.sub(found, response.headers[name])
    if not response.direct_passthrough and (response.mimetype or "").endswith(_TEXTS):
        response.set_data(own.sub(found, response.get_data(as_text=True)))
    return response


def _comes_from(environ: Mapping[str, object], trusted: Sequence[Network]) -> bool:
    try:
        address = ipaddress.ip_address(str(environ.get("REMOTE_ADDR", "")))
    except ValueError:
        return False
    return any(address in network for network in trusted)
