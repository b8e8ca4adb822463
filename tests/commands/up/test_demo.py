"""How the demo asks the API: a busy server is asked again, any other answer is the last."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from eo_pygeoapi.commands.up.demo import get
from eo_pygeoapi.errors import EoError


@contextmanager
def answering(*statuses: int) -> Iterator[tuple[str, list[int]]]:
    """An API that answers with these, the last one for ever; yields its address and what it has answered."""
    given: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given.append(statuses[min(len(given), len(statuses) - 1)])
            self.send_response(given[-1])
            self.end_headers()
            self.wfile.write(b'{"status": "running"}')

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/jobs/1", given
        finally:  # else the thread asks its closed socket for ever
            server.shutdown()


def test_a_busy_server_is_asked_again() -> None:
    with answering(503, 503, 200) as (url, given):
        assert get(url) == {"status": "running"}
        assert given == [503, 503, 200]


def test_one_that_stays_busy_is_named_with_what_it_says() -> None:
    with answering(503) as (url, given), pytest.raises(EoError, match="/jobs/1 was answered with 503"):
        get(url, seconds=0.5)
    assert 2 <= len(given) <= 4


def test_other_answers_are_not_asked_for_again() -> None:
    with answering(404) as (url, given), pytest.raises(EoError, match="404"):
        get(url)
    assert given == [404]
