"""A Route of DHIS2: what it passes on of requests and answers, and how long it waits.

`GET …/api/routes/{code}/run/{path}` asks `{target}/{path}` with the same query and method, and the headers of the
Route's own `auth`. Of the request's headers it passes on some, gives back some of the answer's, and after five seconds
gives up, unless the Route says otherwise.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

PASSED_ON = re.compile(r"(?i)accept(-.*)?|content-type|cache-.*|if-.*|x-forwarded-.*|user-agent")
GIVEN_BACK = re.compile(r"(?i)content-(type|disposition|language|location)|cache-control|etag|expires|last-modified")
SECONDS = 5.0


@contextmanager
def route(target: str, auth: Mapping[str, str], code: str = "eo", seconds: float = SECONDS) -> Iterator[str]:
    """Run a DHIS2 that has one Route to `target`; yields the address below which the Route answers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _run(self) -> None:
            path = self.path.removeprefix(f"/api/routes/{code}/run")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if path == self.path:
                self._answer(404, {}, b"")
                return
            sent = {name: value for name, value in self.headers.items() if PASSED_ON.fullmatch(name)}
            try:
                found = requests.request(
                    self.command, target + path, data=body, headers={**sent, **auth}, timeout=seconds,
                    allow_redirects=False,
                )  # fmt: skip
            except requests.Timeout:
                self._answer(504, {"Content-Type": "application/json"}, b'{"httpStatusCode": 504}')
                return
            kept = {name: value for name, value in found.headers.items() if GIVEN_BACK.fullmatch(name)}
            self._answer(found.status_code, kept, found.content)

        do_GET = do_POST = do_DELETE = do_PUT = _run

        def _answer(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/routes/{code}/run"
    finally:
        server.shutdown()
        server.server_close()
