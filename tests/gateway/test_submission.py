"""A run is submitted once, and in time, through a server that refuses, fails or is silent for a while."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from eo_pygeoapi.errors import EngineUnavailableError
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job_filter import JobFilter
from tests.gateway.test_runs import spec

Answer = Literal["passed on", "503", "made, 500", "made, cut off", "made, silent"]


@dataclass
class Between:
    """A proxy before Prefect; `planned` are its answers to the next submissions, then they are passed on."""

    behind: str
    url: str = ""
    planned: list[Answer] = field(default_factory=list)
    asked: int = 0


def handler(between: Between) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body, plan = self.rfile.read(int(self.headers.get("Content-Length", 0))), "passed on"
            if self.path.endswith("/create_flow_run"):
                between.asked += 1
                plan = between.planned.pop(0) if between.planned else "passed on"
            if plan == "503":
                return self.answer(503, b"{}")
            behind = http.client.HTTPConnection(urlsplit(between.behind).netloc, timeout=30)
            behind.request(self.command, self.path, body, {**self.headers, "Accept-Encoding": "identity"})
            made = behind.getresponse()
            content = made.read()
            behind.close()
            if plan == "passed on":
                return self.answer(made.status, content)
            assert made.status in (200, 201), content  # 200: that run was there already
            self.close_connection = True
            if plan == "made, 500":
                self.answer(500, b"{}")
            elif plan == "made, silent":
                time.sleep(4)

        do_GET = do_PATCH = do_POST

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@contextmanager
def before(api: str) -> Iterator[Between]:
    between = Between(api)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(between)) as server:
        server.daemon_threads = True
        between.url = f"http://127.0.0.1:{server.server_port}/api"
        (serving := threading.Thread(target=server.serve_forever)).start()
        try:
            yield between
        finally:
            server.shutdown()
            serving.join()


@pytest.fixture
def between(prefect_api: str) -> Iterator[Between]:
    with before(prefect_api) as proxy:
        yield proxy


@pytest.fixture
def gateway(between: Between) -> Iterator[PrefectGateway]:
    gateway = PrefectGateway(between.url, deployments_ttl=60.0, read_timeout=3.0)
    yield gateway
    gateway.close()


@pytest.fixture
def dataset(prefect_api: str) -> str:
    patient = PrefectGateway(prefect_api, read_timeout=30.0)
    patient.ensure_work_pool()
    patient.deployments.put(spec(name := f"dataset-{uuid4()}"))
    patient.close()
    return name


@pytest.mark.parametrize(
    "planned",
    [["503", "503", "503"], ["made, 500"], ["made, cut off"], ["made, silent"], ["503", "made, 500", "made, cut off"]],
)
def test_it_is_tried_again_and_there_is_one_run(
    between: Between, gateway: PrefectGateway, dataset: str, prefect_api: str, planned: list[Answer]
) -> None:
    between.planned += planned
    job = gateway.runs.submit(dataset, {"inputs": {"datasetId": dataset}})
    assert between.asked == len(planned) + 1
    counting = PrefectGateway(prefect_api, read_timeout=30.0)
    jobs, total = counting.runs.list(10, wanted=JobFilter(datasets=(dataset,)))
    counting.close()
    assert (total, [found.id for found in jobs]) == (1, [job.id])


@pytest.mark.parametrize("plan", ["503", "made, 500", "made, silent"])
def test_patience_ends_before_a_route_of_dhis2_gives_up(
    between: Between, gateway: PrefectGateway, dataset: str, plan: Answer
) -> None:
    gateway.deployments.called(dataset)
    between.planned += [plan] * 1000
    begun = time.monotonic()
    with pytest.raises(EngineUnavailableError, match=r"answered 50\d|does not answer in time"):
        gateway.runs.submit(dataset, {})
    assert between.asked > 1 and 2 < time.monotonic() - begun < 5.0
