"""OWSLib, the client of OGC services for Python, from the process list to the results."""

import time

import pytest
from owslib.ogcapi.processes import Processes

from tests.ogc.jobs import EXAMPLE, Jobs
from tests.stack import PROCESS, Stack

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_owslib_finds_executes_and_reads(stack: Stack, jobs: Jobs) -> None:
    server = Processes(stack.url)
    assert server.api()["openapi"].startswith("3.0")
    assert "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/core" in server.conformance()["conformsTo"]
    assert {process["id"] for process in server.processes()} >= {PROCESS, "echo"}
    assert "datasetId" in server.process(PROCESS)["inputs"]
    answer = server.execute(PROCESS, inputs=EXAMPLE, async_=True)
    assert answer["type"] == "process" and answer["jobID"]
    job, until = f"jobs/{answer['jobID']}", time.monotonic() + 240
    while (status := server._request(method="GET", path=job))["status"] not in ("successful", "failed"):
        assert time.monotonic() < until, status
        time.sleep(0.3)
    assert status["status"] == "successful", status["message"]
    # OWSLib executes with `response: document`, and sends `Accept: */*`
    results = server._request(method="GET", path=f"{job}/results")
    assert results["result"]["value"]["orgUnitCount"] == 6


def test_owslib_reads_errors(stack: Stack) -> None:
    with pytest.raises(RuntimeError, match=r"input start"):
        Processes(stack.url).execute(PROCESS, inputs={"datasetId": "sample-temperature"})
