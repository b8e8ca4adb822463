"""A server that is busy for a moment, as Prefect on SQLite is, costs a moment; one that stays so is said to be."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import prefect
import pytest
from prefect.client.orchestration import SyncPrefectClient

from eo_pygeoapi.errors import EngineUnavailableError
from eo_pygeoapi.gateway.client import KeptClient
from eo_pygeoapi.gateway.patience import PatientAsyncTransport, PatientTransport, ServerBusyError


@contextmanager
def busy(times: int) -> Iterator[tuple[str, list[bytes]]]:
    """Serve 503 so often, then 201; yields the address and the bodies that were received."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if "csrf-token" in self.path:
                self.answer(404, "{}")  # as of a server that needs none
            else:
                self.answer(200, f'"{prefect.__version__}"')

        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer(503 if len(received) <= times else 201, "{}")

        def answer(self, status: int, body: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            serving.join()


def test_a_request_is_repeated_whole_until_it_is_answered() -> None:
    with busy(3) as (url, received), httpx.Client(transport=PatientTransport()) as client:
        begun = time.monotonic()
        assert client.post(url, json={"a": 1}).status_code == 201
        assert time.monotonic() - begun < 1.5
    assert received == [b'{"a":1}'] * 4


def test_patience_has_an_end() -> None:
    with busy(1000) as (url, received), httpx.Client(transport=PatientTransport(0.3)) as client:
        with pytest.raises(ServerBusyError):
            client.post(url, json={})
    assert 2 <= len(received) < 30


def test_asynchronous_clients_are_as_patient() -> None:
    async def post(url: str, seconds: float) -> int:
        async with httpx.AsyncClient(transport=PatientAsyncTransport(seconds)) as client:
            return (await client.post(url, json={})).status_code

    with busy(2) as (url, received):
        assert asyncio.run(post(url, 5)) == 201 and len(received) == 3
    with busy(1000) as (url, _), pytest.raises(ServerBusyError):
        asyncio.run(post(url, 0.2))


def test_the_kept_client_does_not_sleep_as_prefects_own_does() -> None:
    def ask(client: SyncPrefectClient) -> int:
        return client.request("POST", "/flow_runs/count", json={}).status_code

    with busy(2) as (url, _):
        client, begun = KeptClient(f"{url}/api", (), 2.0, 3.0), time.monotonic()
        assert client.call(ask) == 201 and time.monotonic() - begun < 1.5
        client.close()
    with busy(1000) as (url, _):
        client, begun = KeptClient(f"{url}/api", (), 2.0, 0.5), time.monotonic()
        with pytest.raises(EngineUnavailableError, match="answered 503"):
            client.call(ask)
        assert time.monotonic() - begun < 5
        client.close()
