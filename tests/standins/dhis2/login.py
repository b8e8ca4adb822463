"""Logging in, by a password or a personal access token; making tokens; and who is logged in."""

import base64
import secrets
import time
import zlib
from http import HTTPStatus
from typing import Any

from tests.standins.dhis2 import sharing
from tests.standins.dhis2.answers import JSON, Answer, Object, Request, refusal
from tests.standins.dhis2.fields import field_names
from tests.standins.dhis2.reading import COMMON, SECRET, View, paged, person_name
from tests.standins.dhis2.state import Server, instant

TOKEN_PREFIX, CODE_LENGTH = "d2pat_", 32
SETTINGS = {
    "keyDbLocale": "en",
    "keyMessageSmsNotification": False,
    "keyTrackerDashboardLayout": "",
    "keyStyle": "light_blue/light_blue.css",
    "keyUiLocale": "en",
    "keyAnalysisDisplayProperty": "name",
    "keyMessageEmailNotification": False,
}
LISTS = [
    *("favorites", "userGroups", "translations", "teiSearchOrganisationUnits", "programs", "attributeValues"),
    *("dataViewOrganisationUnits", "organisationUnits", "userRoles"),
]


def logged_in(server: Server, authorization: str, address: str) -> Object:
    """Return who logs in; who sends nothing is led to the login page."""
    kind, _, rest = authorization.partition(" ")
    if kind == "ApiToken":
        return _by_token(server, rest)
    if kind == "Basic":
        name, _, password = base64.b64decode(rest).decode().partition(":")
        for user in server.metadata.all("users"):
            if (user["username"], user.get("password")) == (name, password):
                return user
        raise refusal(HTTPStatus.UNAUTHORIZED, "Unauthorized", content_type=JSON)
    raise Answer(HTTPStatus.FOUND, None, Location=f"{address}{server.differences.login_page}")


def _by_token(server: Server, key: str) -> Object:
    users = server.metadata.all("users")
    if user := next((user for user in users if user.get("token") == key), None):
        return user
    if not key.startswith(TOKEN_PREFIX) or key[-10:] != _checksum(key[len(TOKEN_PREFIX) : -10]):
        text = "Checksum validation failed"
        raise refusal(HTTPStatus.BAD_REQUEST, text, content_type=JSON, WWW_Authenticate="ApiToken")
    token = next((token for token in server.tokens if token["key"] == key), None)
    if not token or token["expire"] < time.time() * 1000:
        text = "Failed to authenticate API token, token has expired." if token else "The API token does not exist."
        raise refusal(HTTPStatus.UNAUTHORIZED, text, content_type=JSON, WWW_Authenticate="ApiToken")
    return next(user for user in users if user["id"] == token["owner"])


def _checksum(code: str) -> str:
    return f"{zlib.crc32(code.encode()):010}"


def make_token(server: Server, request: Request) -> Answer:
    given = request.json()
    code = secrets.token_hex(CODE_LENGTH // 2)
    token = {"id": new_uid(), "key": f"{TOKEN_PREFIX}{code}{_checksum(code)}", "owner": request.user["id"]}
    server.tokens.append(token | {"expire": given["expire"], "version": given.get("version", 2), "made": instant()})
    report = {"uid": token["id"], "klass": "org.hisp.dhis.security.apikey.ApiToken", "errorReports": []}
    answer = {"httpStatus": "Created", "httpStatusCode": 201, "status": "OK"}
    where = f"{request.address}/api/apiToken/{token['id']}"
    response = {"key": token["key"], **report, "responseType": "ObjectReport"}
    return Answer(HTTPStatus.CREATED, answer | {"response": response}, Location=where)


def tokens(server: Server, request: Request) -> Any:
    mine = [token for token in server.tokens if token["owner"] == request.user["id"]]
    return paged(request, "apiToken", mine, lambda token: _shown_token(server, request, token))


def _shown_token(server: Server, request: Request, token: Object) -> Object:
    view, names = View(server, request.user, request.address), field_names(request.one("fields", "*"))
    own = {"owner": token["owner"], "users": {}, "userGroups": {}, "public": "--------"}
    entry = {"id": token["id"], "sharing": own, "created": token["made"], "lastUpdated": token["made"]}
    whole = view.selected("users", entry, ",".join(name for name in COMMON if name != "displayName"))
    whole |= {"type": "PERSONAL_ACCESS_TOKEN_V2", "attributes": [], "version": token["version"]}
    whole |= {"expire": token["expire"], "href": f"{request.address}/api/apiToken/{token['id']}"}
    whole["access"] = dict.fromkeys(("manage", "write", "read", "update", "delete"), True)
    return whole if "*" in names else {name: value for name, value in whole.items() if name in names}


def me(server: Server, request: Request) -> Object:
    user, metadata = request.user, server.metadata
    sets = [d for d in metadata.all("dataSets") if sharing.sees(user, metadata, "dataSets", d, sharing.READ_DATA)]
    whole = {name: value for name, value in user.items() if name not in SECRET}
    whole |= {name: [] for name in LISTS if name not in whole}
    whole |= {
        "displayName": person_name(user),
        "name": person_name(user),
        "created": server.made,
        "lastUpdated": server.made,
        "access": dict.fromkeys(("manage", "write", "read", "update", "delete"), False),
        "emailVerified": False,
        "settings": SETTINGS,
        "userGroups": [{"id": group} for group in sharing.groups_of(user, metadata)],
        "authorities": sharing.authorities(user, metadata),
        "dataSets": [data_set["id"] for data_set in sets],
        "patTokens": [{"id": token["id"]} for token in server.tokens if token["owner"] == user["id"]],
        "twoFactorType": "NOT_ENABLED",
    }
    view = View(server, user, request.address)
    names = field_names(request.one("fields", "*"))
    return whole if "*" in names else _selected(view, whole, request.one("fields"))


def _selected(view: View, whole: Object, fields: str) -> Object:
    own = {name: whole[name] for name in field_names(fields) if name in ("access", "displayName", "created")}
    return view.selected("", whole, fields) | own


def ping(server: Server, request: Request) -> Answer:
    return Answer(HTTPStatus.OK, "pong", "text/plain;charset=UTF-8")


def new_uid() -> str:
    """Return an id as DHIS2 makes them."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return secrets.choice(letters) + "".join(secrets.choice(f"{letters}0123456789") for _ in range(10))
