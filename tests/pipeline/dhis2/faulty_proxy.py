"""A proxy between us and a DHIS2 that spoils the first reading and the first import of values."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import httpx

PAGE = b"<!doctype html><title>Bad gateway</title>"
# what happens to a request, and whether it reaches DHIS2
FAULTS = [
    "hung up before",
    "hung up after",
    "half an answer",
    "502 before",
    "504 after",
    "a page that says all is well",
]
HOP = ("connection", "content-length", "content-encoding", "transfer-encoding", "host", "accept-encoding")


class Handler(http.server.BaseHTTPRequestHandler):
    """Passes requests on, but for those that are to be spoiled."""

    protocol_version = "HTTP/1.1"

    def __init__(self, upstream: str, fault: str, spoiled: set[str], *args: Any) -> None:
        self.upstream, self.fault, self.spoiled = upstream, fault, spoiled
        super().__init__(*args)

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        spoil = "/api/dataValueSets" in self.path and self.command not in self.spoiled
        if spoil:
            self.spoiled.add(self.command)
        fault = self.fault if spoil else ""
        if fault == "hung up before":
            self.close_connection = True
        elif fault == "502 before":
            self._send(HTTPStatus.BAD_GATEWAY, {"Content-Type": "text/html"}, PAGE)
        elif fault == "a page that says all is well":
            self._send(HTTPStatus.OK, {"Content-Type": "text/html"}, PAGE)
        else:
            self._pass_on(body, fault)

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _pass_on(self, body: bytes, fault: str) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        answer = httpx.request(self.command, self.upstream + self.path, content=body, headers=headers, timeout=300)
        if fault == "504 after":
            self._send(HTTPStatus.GATEWAY_TIMEOUT, {"Content-Type": "text/html"}, PAGE)
        elif fault == "hung up after":
            self.close_connection = True
        else:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP}
            self._send(answer.status_code, kept, answer.content, half=fault == "half an answer")

    def _send(self, status: int, headers: dict[str, str], content: bytes, half: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if half else content)
        self.close_connection = half


@contextmanager
def faulty_proxy(upstream: str, fault: str) -> Iterator[str]:
    """Run the proxy; yields its address."""
    spoiled: set[str] = set()

    def handle(*args: Any) -> Handler:
        return Handler(upstream, fault, spoiled, *args)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handle) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:  # else the thread asks its closed socket for ever
            server.shutdown()
