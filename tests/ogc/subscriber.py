"""A server that is called back: it remembers what it was sent, and is rude where it is asked to."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Subscriber:
    """`posts` maps the path to what was posted there: (media type, body), `first` to when the first of it came.

    `/status/NNN` answers with that status.
    """

    url: str = ""
    posts: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    first: dict[str, datetime] = field(default_factory=dict)

    def waited(self, path: str, seconds: float = 15) -> tuple[str, bytes]:
        until = time.monotonic() + seconds
        while path not in self.posts:
            assert time.monotonic() < until, f"nothing was posted to {path}: {list(self.posts)}"
            time.sleep(0.1)
        return self.posts[path][-1]


@contextmanager
def running() -> Iterator[Subscriber]:
    subscriber = Subscriber()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            sent = (self.headers.get("Content-Type", ""), body)
            subscriber.first.setdefault(self.path, datetime.now(UTC))
            subscriber.posts.setdefault(self.path, []).append(sent)
            status = int(self.path.rpartition("/")[2]) if self.path.startswith("/status/") else 200
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("Location", f"{subscriber.url}/redirected")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            body = {"/text": b"from a reference", "/json": b'{"a": 1}'}.get(self.path, b"")
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    subscriber.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield subscriber
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
