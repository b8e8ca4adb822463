"""What a small request brings: the members of a JSON object, or the fields of a plain form on our own pages."""

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from urllib.parse import parse_qsl, urlsplit

from pygeoapi.api import API, APIRequest

from eo_pygeoapi.api.http.answers import header_of
from eo_pygeoapi.api.http.forwarded import outside
from eo_pygeoapi.errors import ForbiddenError, InputError, MediaTypeError
from eo_pygeoapi.jobs.documents import JSON

FORM = "application/x-www-form-urlencoded"


def members_of(api: API, request: APIRequest, allowed: Collection[str] = ()) -> dict[str, str]:
    """Return the texts that a request brings by name, where it brings any.

    Raises ForbiddenError for a form on a page of another site, MediaTypeError and InputError for what cannot be meant.
    """
    media_type = header_of(request, "Content-Type").partition(";")[0].strip().lower()
    if media_type != JSON:  # a page of another site cannot send JSON without asking first
        refuse_other_sites(dict(request.headers), api.base_url)
    if media_type not in ("", JSON, FORM):
        raise MediaTypeError(f"Content-Type: {media_type!r} is not allowed; allowed: {JSON}, {FORM}")
    if not request.data:
        return {}
    given: object = None
    if media_type == FORM:
        given = dict(parse_qsl(request.data.decode("utf-8", "replace"), keep_blank_values=True))
    else:
        with suppress(ValueError, RecursionError):
            given = json.loads(request.data)
    if not isinstance(given, dict):
        raise InputError("the body is not a JSON object")
    for name, value in given.items():
        if name not in allowed:
            raise InputError(f"{name}: is not known here; allowed: {', '.join(allowed) or 'nothing'}")
        if not isinstance(value, str):
            raise InputError(f"{name}: {value!r} is not allowed; allowed: a text")
    return {name: str(value) for name, value in given.items()}


def refuse_other_sites(headers: Mapping[str, str], base_url: str) -> None:
    """Raise ForbiddenError for what a browser says that a page of another site has sent."""
    given = {name.lower(): str(value) for name, value in headers.items()}
    site, origin = given.get("sec-fetch-site", ""), given.get("origin", "")
    ours = {given.get("host", "").lower(), *(urlsplit(url).netloc.lower() for url in (base_url, outside()))}
    if site not in ("", "same-origin", "none") or (origin and urlsplit(origin).netloc.lower() not in ours - {""}):
        raise ForbiddenError(
            f"a page of another site cannot do this; programs send Content-Type: {JSON}",
            "execute",
            "Open the page of this server itself, and send its form.",
        )
