"""Jobs that the requirements look at, each made once, all at the same time."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.ogc import subscriber
from tests.ogc.subscriber import Subscriber
from tests.stack import PROCESS, Stack

EXAMPLE = {"datasetId": "sample-temperature", "start": "2025-07-01", "end": "2025-07-03", "dryRun": True}
# inputs of the process two-outputs, in the forms that the standard allows
FORMS = {
    "text": {"value": "x", "mediaType": "text/plain"},
    "area": {"bbox": [-10, 5, 10.5, 15]},
    "scan": {"value": "iVBORw0KGgo=", "encoding": "base64", "mediaType": "image/png"},
    "either": {"value": {"a": 1}, "mediaType": "application/json"},
    "many": [{"value": 1}],
    "elsewhere": {"b": 2},
}
REASON = "no luck & 1 < 2"


class Jobs:
    """`jobs["name"]` is the path of a job; `ended(name)` waits for its end and gives its status."""

    def __init__(self, stack: Stack, bodies: dict[str, tuple[str, dict[str, Any]]]) -> None:
        self._stack = stack
        # first, while nothing else runs; on a busy machine one try may be too short for a synchronous answer
        tries = (stack.execute({"inputs": {"text": "teststring"}}, "echo", Prefer="respond-sync") for _ in range(3))
        self.synchronous = next((answer for answer in tries if answer.status_code == 200), None)
        self.answers = {name: taken(stack, body, process) for name, (process, body) in bodies.items()}
        self._ended: dict[str, dict[str, Any]] = {}

    def __getitem__(self, name: str) -> str:
        answer = self.answers[name]
        assert answer.status_code == 201, answer.text
        return f"/jobs/{answer.json()['jobID']}"

    def id(self, name: str) -> str:
        return self[name].rpartition("/")[2]

    def ended(self, name: str) -> dict[str, Any]:
        if name not in self._ended:
            self._ended[name] = self._stack.ended(self[name], 240)
        return self._ended[name]

    def results(self, name: str, accept: str | None = "*/*") -> requests.Response:
        self.ended(name)
        return self._stack.get(f"{self[name]}/results", headers={"Accept": accept})


def taken(stack: Stack, body: dict[str, Any], process: str, prefer: str = "respond-async") -> requests.Response:
    """Execute; on a busy machine Prefect may be late, and the service says to try again."""
    until = time.monotonic() + 60
    while (answer := stack.execute(body, process, Prefer=prefer)).status_code == 503 and time.monotonic() < until:
        assert int(answer.headers["Retry-After"]) > 0
        time.sleep(1)
    return answer


@pytest.fixture(scope="session")
def called() -> Iterator[Subscriber]:
    with subscriber.running() as server:
        yield server


@pytest.fixture(scope="session")
def jobs(stack: Stack, called: Subscriber) -> Jobs:
    text: dict[str, Any] = {"inputs": {"text": "teststring"}}
    reference = {"transmissionMode": "reference"}
    examples = {id_: stack.get(f"/processes/{id_}").json()["example"] for id_ in (PROCESS, "echo")}
    rude = {"successUri": f"{called.url}/status/500"}
    moved = {"successUri": f"{called.url}/status/302", "inProgressUri": f"{called.url}/status/302"}
    nobody = {"successUri": "http://127.0.0.1:9/", "inProgressUri": "http://127.0.0.1:9/"}
    return Jobs(
        stack,
        {
            "raw": ("echo", text | {"subscriber": uris(called, "raw")}),
            "document": (
                "echo",
                text | {"response": "document", "subscriber": rude},
            ),
            "reference": ("echo", text | {"outputs": {"text": reference}, "subscriber": nobody}),
            "none": ("echo", text | {"outputs": {}}),
            "failed": ("echo", {"inputs": {"text": REASON, "fail": True}, "subscriber": uris(called, "failed")}),
            "two": ("two-outputs", text | {"outputs": {"note": {}, "picture": reference}, "subscriber": moved}),
            "forms": ("two-outputs", {"inputs": FORMS, "outputs": {"note": {}}}),
            "example": (PROCESS, examples[PROCESS]),
            "echo-example": ("echo", examples["echo"]),
            "no-raster": (PROCESS, {"inputs": {"datasetId": "no-raster", "start": "2026", "end": "2026"}}),
            "import": (PROCESS, {"inputs": EXAMPLE, "subscriber": uris(called, "import")}),
            "import-document": (
                PROCESS,
                {"inputs": EXAMPLE, "response": "document", "outputs": {"result": reference}},
            ),
        },
    )


def uris(called: Subscriber, name: str) -> dict[str, str]:
    return {
        "successUri": f"{called.url}/{name}/success",
        "inProgressUri": f"{called.url}/{name}/running",
        "failedUri": f"{called.url}/{name}/failed",
    }
