"""A person's token in a cookie, so that pages can be used where tokens are needed.

The cookie holds the token itself: it is sent to this address alone (path, `SameSite`), no script reads it
(`HttpOnly`), and it ends after twelve hours. What changes something is taken with a cookie from our own pages only.
"""

from urllib.parse import urlsplit

from pygeoapi.api import API, APIRequest
from werkzeug.http import dump_cookie

from eo_pygeoapi.api.http.answers import answer_page, headers_of, manager_of
from eo_pygeoapi.api.http.forms import members_of
from eo_pygeoapi.api.http.forwarded import outside
from eo_pygeoapi.api.http.problems import Answer
from eo_pygeoapi.api.http.tokens import TokenFile
from eo_pygeoapi.jobs.documents import HTML

COOKIE = "eo_token"
LASTS_SECONDS = 12 * 3600
NOT_KNOWN = "This token is not known. Copy it whole, from eo_ to its end; it may have been revoked."


def get_sign_in(api: API, request: APIRequest) -> Answer:
    """Return the page that takes a token."""
    return _page(api, request, request.params.get("next", ""), "")


def sign_in(api: API, request: APIRequest) -> Answer:
    """Keep a known token in a cookie, and show the page that was wanted."""
    given = members_of(api, request, ["token", "next"])
    path = manager_of(api).settings.api_tokens_file
    token, wanted = given.get("token", "").strip(), given.get("next", "")
    if path is None or TokenFile(path).find(token) is None:
        return _page(
            api,
            request,
            wanted,
            NOT_KNOWN,
            401,
        )
    location = f"{api.base_url}{wanted if _is_ours(wanted) else '?f=html'}"
    return headers_of(api, request, HTML, **{"Location": location, "Set-Cookie": _cookie(api, token)}), 303, ""


def sign_out(api: API, request: APIRequest) -> Answer:
    """Forget the token."""
    members_of(api, request)
    forgotten = {"Location": f"{api.base_url}?f=html", "Set-Cookie": _cookie(api, "", lasts=0)}
    return headers_of(api, request, HTML, **forgotten), 303, ""


def _page(api: API, request: APIRequest, wanted: str, wrong: str, status: int = 200) -> Answer:
    shown = {"next": wanted, "wrong": wrong, "needed": bool(manager_of(api).settings.api_tokens_file)}
    return answer_page(api, request, "sign_in.html", shown, status)


def _is_ours(wanted: str) -> bool:
    """Tell whether an address is a path of ours, and nothing that a browser reads as another host."""
    return wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted and wanted.isprintable()


def _cookie(api: API, token: str, lasts: int = LASTS_SECONDS) -> str:
    address = urlsplit(outside() or api.base_url)
    return dump_cookie(
        COOKIE,
        token,
        max_age=lasts,
        path=address.path or "/",
        secure=address.scheme == "https",
        httponly=True,
        samesite="Lax",
    )
