"""A proxy before the stand-in of S3, which fails on demand; it passes requests on as they are, signature and all."""

import fnmatch
import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from fsspec import get_filesystem_class

from tests.standins.s3 import StandIn

_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}


@dataclass
class Fault:
    """Answer so many requests of this method whose path and query match the pattern with this status.

    The first ones, as many as `after`, are passed on.
    """

    method: str
    pattern: str
    status: int
    times: int
    after: int = 0
    seen: int = 0
    used: int = 0


@dataclass
class FailingS3:
    """The proxy; `fail` makes it fail, `log` is what was asked."""

    url: str
    behind: StandIn
    faults: list[Fault] = field(default_factory=list)
    log: list[tuple[str, str, int]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {**self.behind.environment, "AWS_ENDPOINT_URL": self.url}

    def fail(self, method: str, pattern: str, *, status: int = 503, times: int = 10**6, after: int = 0) -> Fault:
        self.faults.append(fault := Fault(method, pattern, status, times, after))
        return fault

    def heal(self) -> None:
        self.faults.clear()

    def fault_for(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if method == fault.method and fnmatch.fnmatch(path, fault.pattern) and fault.used < fault.times:
                fault.seen += 1
                if fault.seen > fault.after:
                    fault.used += 1
                    return fault
        return None


def _handler(proxy: FailingS3) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if fault := proxy.fault_for(self.command, self.path):
                code = {403: "InvalidAccessKeyId", 404: "NoSuchBucket"}.get(fault.status, "ServiceUnavailable")
                text = f"<Error><Code>{code}</Code><Message>on demand</Message></Error>".encode()
                self._send(fault.status, [("Content-Type", "application/xml")], text)
                return
            behind = http.client.HTTPConnection(urlsplit(proxy.behind.url).netloc, timeout=30)
            behind.request(self.command, self.path, body, dict(self.headers.items()))
            answer = behind.getresponse()
            content = answer.read()
            headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self._send(answer.status, headers, content, length)
            behind.close()

        def _send(self, status: int, headers: list[tuple[str, str]], body: bytes, length: str | None = None) -> None:
            proxy.log.append((self.command, self.path, status))
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", length or str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer

        def log_message(self, *_: Any) -> None: ...

    return Handler


@contextmanager
def before(server: StandIn) -> Iterator[FailingS3]:
    """Run the proxy in a thread while the block runs."""
    proxy = FailingS3("", server)
    listening = ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy))
    listening.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{listening.server_address[1]}"
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    # clients are kept for all of a process, with the address that they began with
    get_filesystem_class("s3").clear_instance_cache()
    try:
        yield proxy
    finally:
        listening.shutdown()
        listening.server_close()
        get_filesystem_class("s3").clear_instance_cache()
