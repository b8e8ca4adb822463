"""New flow runs: made once, whatever Prefect answers meanwhile."""

import threading
import time
from uuid import UUID

import httpx
from prefect.client.schemas.objects import FlowRun

from eo_pygeoapi.gateway.client import KeptClient
from eo_pygeoapi.gateway.patience import while_unsure
from eo_pygeoapi.json_types import JsonMapping


class Submissions:
    """Makes runs, one at a time: concurrent writes would lock each other out on SQLite."""

    def __init__(self, client: KeptClient) -> None:
        self._client = client
        self._submitting = threading.Lock()

    def make(self, deployment_id: UUID, body: JsonMapping) -> FlowRun:
        """Make the run that the body of the request describes, or return the one that is there with its key.

        The request is repeated for some seconds where Prefect answers with an error, or not at all: a locked SQLite
        may have made the run all the same. Raises EngineUnavailableError if Prefect is unreachable.
        """
        free = self._submitting.acquire(timeout=1.0)
        try:
            seconds = 1.5 * self._client.read_timeout
            answer = while_unsure(seconds)(self._create, deployment_id, body, time.monotonic() + seconds)
        finally:
            if free:
                self._submitting.release()
        return FlowRun.model_validate(answer.json())

    def _create(self, deployment_id: UUID, body: JsonMapping, until: float) -> httpx.Response:
        path, seconds = {"id": deployment_id}, max(0.5, min(self._client.read_timeout, until - time.monotonic()))
        return self._client.call(
            lambda client: client.request(
                "POST", "/deployments/{id}/create_flow_run", path_params=path, json=body, timeout=seconds
            )
        )
