"""The worker of the web process: clients that stop in the middle of a request."""

import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.web_worker import WebWorker
from tests.servers import free_port, running, wait_for


class Hasty(WebWorker):
    patience_seconds = 1


def app(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
    try:
        body: bytes = environ["wsgi.input"].read()
    except OSError:
        body = b"gone"
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port, log = free_port(), tmp_path_factory.mktemp("worker") / "web.log"
    command = [sys.executable, "-m", "gunicorn", f"{__name__}:app", "--bind", f"127.0.0.1:{port}", "--threads", "1"]
    root = str(Path(__file__).parent.parent)
    with running([*command, "--worker-class", f"{__name__}.Hasty"], log, {"PYTHONPATH": root}) as process:
        wait_for(f"http://127.0.0.1:{port}/", process, log)
        yield port


@pytest.mark.parametrize(
    "sent", [b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na"]
)
def test_a_client_that_stops_in_a_request_holds_the_only_thread_for_a_while_alone(port: int, sent: bytes) -> None:
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as stopped:
        stopped.sendall(sent)
        time.sleep(0.2)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as other:
            other.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok")
            assert other.recv(1000).startswith(b"HTTP/1.1 200 OK")
    assert time.monotonic() - begun < 10
