"""Requests, answers and refusals, as all rooms of the stand-in use them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

JSON = "application/json;charset=UTF-8"
REFUSED = "application/json"  # what DHIS2 answers by way of an exception has no charset
HTML = "text/html;charset=utf-8"

Object = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """A request of somebody who is logged in; `path` is what stands behind `/api`."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    content: bytes
    user: Object
    address: str  # of the server
    headers: Mapping[str, str] = field(default_factory=dict)

    def one(self, name: str, default: str = "") -> str:
        """Return the last value of a query parameter."""
        return self.query.get(name, [default])[-1]

    def flag(self, name: str) -> bool:
        return self.one(name, "false").lower() == "true"

    def params(self) -> dict[str, str]:
        return {name: values[-1] for name, values in self.query.items()}

    def json(self) -> Any:
        """Return the body; raises ValueError where it is none."""
        return json.loads(self.content)


class Answer(Exception):
    """An answer, also one that ends the work on a request early; a body of None is empty."""

    def __init__(self, status: int, body: Any, content_type: str = JSON, **headers: str) -> None:
        super().__init__(status)
        self.status, self.headers = int(status), {name.replace("_", "-"): value for name, value in headers.items()}
        self.content_type = content_type if body is not None or status == HTTPStatus.OK else ""
        self.content = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()


def message(status: HTTPStatus, text: str, word: str = "ERROR") -> Object:
    """Return what DHIS2 calls a web message."""
    return {"httpStatus": status.phrase, "httpStatusCode": status.value, "status": word, "message": text}


def refusal(status: HTTPStatus, text: str, code: str = "", content_type: str = REFUSED, **headers: str) -> Answer:
    return Answer(status, message(status, text) | ({"errorCode": code} if code else {}), content_type, **headers)


def no_authority(*names: str) -> Answer:
    needed = f"Access is denied, requires one Authority from [{', '.join(names)}]"
    return refusal(HTTPStatus.FORBIDDEN, needed)


def no_resource(path: str, tomcat: str) -> Answer:
    """Return Tomcat's page for an address that is none."""
    escaped = path.strip("/").replace("/", "&#47;")
    return Answer(HTTPStatus.NOT_FOUND, NO_RESOURCE.format(path=escaped, tomcat=tomcat), HTML)


STYLE = (
    (
        "body {font-family:Tahoma,Arial,sans-serif;} h1, h2, h3, b {color:white;background-color:#525D76;} "
        "h1 {font-size:22px;} h2 {font-size:16px;} h3 {font-size:14px;} p {font-size:12px;} a {color:black;} "
        ".line {height:1px;background-color:#525D76;border:none;}"
    )
    .replace("{", "{{")
    .replace("}", "}}")
)
NO_RESOURCE = (
    '<!doctype html><html lang="en"><head><title>HTTP Status 404 – Not Found</title>'
    f'<style type="text/css">{STYLE}</style></head><body><h1>HTTP Status 404 – Not Found</h1>'
    '<hr class="line" /><p><b>Type</b> Status Report</p><p><b>Message</b> No static resource {path}.</p>'
    "<p><b>Description</b> The origin server did not find a current representation for the target resource or is not "
    'willing to disclose that one exists.</p><hr class="line" /><h3>Apache Tomcat/{tomcat}</h3></body></html>'
)
