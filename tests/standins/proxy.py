"""A proxy on the way out that asks for a password, as ministries have them: a process of its own.

    python -m tests.standins.proxy NAME=PORT …

prints its port, then forwards requests (`GET http://…`) and tunnels (`CONNECT`) for these names to ports of this
machine, and no others: who does not go through it cannot reach a name that nobody else resolves. `GET /_log` tells the
names that were asked for with the right password, and `407` for each request without it.
"""

import base64
import contextlib
import json
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import requests

CHECKOUT = Path(__file__).parents[2]
USER, PASSWORD = "ministry", "p%40ss"  # as in an address; the password itself has an @
EXPECTED = "Basic " + base64.b64encode(b"ministry:p@ss").decode()
_HOP_BY_HOP = ("proxy-authorization", "proxy-connection", "connection")


@dataclass(frozen=True)
class StandIn:
    """A running proxy."""

    port: int

    @property
    def environment(self) -> dict[str, str]:
        address = f"http://{USER}:{PASSWORD}@127.0.0.1:{self.port}"
        return {"http_proxy": address, "https_proxy": address, "HTTPS_PROXY": address, "no_proxy": ""}

    @property
    def log(self) -> list[str]:
        direct = requests.Session()
        direct.trust_env = False
        found: list[str] = direct.get(f"http://127.0.0.1:{self.port}/_log", timeout=10).json()
        return found


@contextlib.contextmanager
def running(ports: Mapping[str, int]) -> Iterator[StandIn]:
    """Run one for these names."""
    command = [sys.executable, "-m", "tests.standins.proxy", *(f"{name}={port}" for name, port in ports.items())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=CHECKOUT, text=True) as process:
        try:
            assert process.stdout is not None
            yield StandIn(int(process.stdout.readline()))
        finally:
            process.terminate()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ports: Mapping[str, int] = {}
    asked: list[str] = []

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        """Forward a request, or tell the log."""
        if self.path == "/_log":
            self._answer(200, json.dumps(self.asked).encode())
        elif (port := self._let_in(urlsplit(self.path).hostname or "")) is not None:
            self._forward(port)

    do_HEAD = do_POST = do_PUT = do_GET

    def do_CONNECT(self) -> None:
        """Open a tunnel."""
        port = self._let_in(self.path.partition(":")[0])
        if port is None:
            return
        with socket.create_connection(("127.0.0.1", port)) as there:
            self.send_response(200)
            self.end_headers()
            self._pump(there)
        self.close_connection = True

    def _let_in(self, name: str) -> int | None:
        if self.headers.get("Proxy-Authorization") != EXPECTED:
            self.asked.append("407")
            self._answer(407, b"", ("Proxy-Authenticate", 'Basic realm="ministry"'))
            return None
        self.asked.append(name)
        if name not in self.ports:
            self._answer(502, b"")
        return self.ports.get(name)

    def _forward(self, port: int) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        target = urlsplit(self.path)
        path = target.path + (f"?{target.query}" if target.query else "")
        headers = [f"{key}: {value}" for key, value in self.headers.items() if key.lower() not in _HOP_BY_HOP]
        head = "\r\n".join([f"{self.command} {path} HTTP/1.1", *headers, "Connection: close", "", ""])
        with socket.create_connection(("127.0.0.1", port)) as there:
            there.sendall(head.encode() + self.rfile.read(length))
            while data := there.recv(65536):
                self.wfile.write(data)
        self.close_connection = True

    def _pump(self, there: socket.socket) -> None:
        other = {self.connection: there, there: self.connection}
        while True:
            for ready in select.select(list(other), [], [])[0]:
                if not (data := ready.recv(65536)):
                    return
                other[ready].sendall(data)

    def _answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def main(names: list[str]) -> None:
    """Serve until it is terminated."""
    _Handler.ports = {name: int(port) for name, port in (entry.split("=") for entry in names)}
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
