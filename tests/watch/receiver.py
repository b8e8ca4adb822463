"""A webhook that keeps what it is sent."""

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class Receiver:
    """A webhook: what it got, and the status that it answers with."""

    def __init__(self) -> None:
        self.got: list[Any] = []  # also what it did not take
        self.taken: list[Any] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                got, status = json.loads(self.rfile.read(int(self.headers["Content-Length"]))), receiver.status
                receiver.got.append(got)
                if status < HTTPStatus.BAD_REQUEST:
                    receiver.taken.append(got)
                self.send_response(status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/secret-path"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
