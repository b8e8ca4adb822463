"""The server around the rooms: it reads requests, logs them, brings faults about, and sends answers.

What is not DHIS2's stands under `/_`, without a login: `GET /_log` (requests; `DELETE` forgets them), `GET /_values`,
`GET /_audit`, `GET /_imports` (how many were answered), and `PUT` of `/_values` (a list of data values that somebody
stored), of `/_later` (what a person changes in the metadata before the next import: `unassign`, units of all data sets,
and `dropZeros`, data elements), of `/_collide` (whether periods that are new collide, see `new_periods.py`), of
`/_analytics` (how many seconds a run of analytics takes), of `/_faults` (a list of rules) and of `/_new` (everything as
it was at the start).
A rule has `path` (a shell pattern), may have `method`, `query` (a word of it), `skip` (so many requests pass first) and
`times` (default: for ever), and one or more of

- `status`, `body`, `contentType`, `location`: answer so instead; with `echo` the message says what headers came with
  the request;
- `stall`: wait so many seconds before answering;
- `drop`: close the connection without an answer;
- `storeThenStall`: do what was asked, and wait so many seconds before saying so;
- `storeThenReset`: do what was asked, and break the connection in the middle of the answer.
"""

import contextlib
import json
import socket
import struct
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.standins.dhis2.answers import HTML, REFUSED, Answer, Object, Request
from tests.standins.dhis2.login import logged_in
from tests.standins.dhis2.routes import answered
from tests.standins.dhis2.state import Server

LONGEST_HEAD = 8192  # of Tomcat
TOO_LONG = "<!doctype html><title>HTTP Status 400 – Bad Request</title>"


class Handler(BaseHTTPRequestHandler):
    """DHIS2's paths."""

    protocol_version = "HTTP/1.1"
    server_version = "Apache-Coyote"
    disable_nagle_algorithm = True  # head and body are written apart

    def __init__(self, server: Server, *args: Any) -> None:
        self.dhis2 = server
        super().__init__(*args)

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_PUT(self) -> None:
        self._handle("PUT")

    def do_PATCH(self) -> None:
        self._handle("PATCH")

    def do_DELETE(self) -> None:
        self._handle("DELETE")

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _handle(self, method: str) -> None:
        url = urlsplit(self.path)
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if url.path.startswith("/_"):
            with self.dhis2.lock:
                return self._send(Answer(200, self.dhis2.control(method, url.path, _json(content)), REFUSED))
        query = parse_qs(url.query, keep_blank_values=True)
        entry: Object = {"method": method, "path": url.path, "query": query, "status": 0}
        entry["body"] = None if self.dhis2.forget_bodies else _json(content)
        self.dhis2.log.append(entry)
        rule = self.dhis2.fault(method, url.path, url.query)
        time.sleep(rule.get("stall", 0))
        if rule.get("drop"):
            self.close_connection = True
            return None
        answer = self._fault(rule) if "status" in rule else self._answer(method, url.path, query, content, entry)
        self.dhis2.cost.take()
        entry["status"] = answer.status
        time.sleep(rule.get("storeThenStall", 0))
        if rule.get("storeThenReset"):
            return self._reset(answer)
        self._send(answer)

    def _fault(self, rule: Mapping[str, Any]) -> Answer:
        if rule.get("echo"):
            return Answer(rule["status"], {"message": f"bad request with headers {dict(self.headers)}"})
        headers = {"Location": rule["location"]} if "location" in rule else {}
        return Answer(rule["status"], rule.get("body", ""), rule.get("contentType", REFUSED), **headers)

    def _answer(self, method: str, path: str, query: Mapping[str, list[str]], content: bytes, entry: Object) -> Answer:
        if len(self.requestline) + len(bytes(self.headers)) > LONGEST_HEAD:
            return Answer(400, TOO_LONG, HTML)
        address = f"http://{self.headers.get('Host', '')}"
        with self.dhis2.lock:
            try:
                user = logged_in(self.dhis2, self.headers.get("Authorization", ""), address)
            except Answer as answer:
                return answer
            entry["user"] = user["username"]
            headers = {name.title(): value for name, value in self.headers.items()}
            return answered(self.dhis2, Request(method, path, dict(query), content, user, address, headers))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        if answer.content_type:
            self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        with contextlib.suppress(OSError):  # the client has given up
            self.wfile.write(answer.content)

    def _reset(self, answer: Answer) -> None:
        """Send half of the answer and then a RST."""
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content[: len(answer.content) // 2])
        self.wfile.flush()
        time.sleep(0.05)  # so that the client has read it
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True


def _json(content: bytes) -> Any:
    """Return a body for the log, or None where it is no JSON."""
    with contextlib.suppress(ValueError):
        return json.loads(content)
    return None
