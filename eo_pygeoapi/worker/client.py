"""The worker's client of the Prefect server: it retries patiently, and caches what each step of a start reads again."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from uuid import UUID

import httpx
from cachetools import TTLCache
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import Flow
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL
from pydantic import BaseModel

from eo_pygeoapi.gateway.patience import PatientAsyncTransport, certificates

# as long as a start takes; the next run must get what `eo-pygeoapi apply` has changed
_SECONDS = 1.0


Heard = Callable[[httpx.Response], Awaitable[None]]


class WorkerClient(PrefectClient):
    """Prefect's client for PREFECT_API_URL; it caches deployments and flows for a second."""

    def __init__(self, heard: Heard | None = None) -> None:
        """Make one; `heard` is given every answer."""
        trusted = certificates()
        super().__init__(
            PREFECT_API_URL.value() or "",
            auth_string=PREFECT_API_AUTH_STRING.value(),
            httpx_settings={
                "verify": trusted,
                "transport": PatientAsyncTransport(verify=trusted),
                "event_hooks": {"response": [heard] if heard else []},
            },
        )
        self._deployments: MutableMapping[UUID, DeploymentResponse] = TTLCache(100, _SECONDS)
        self._flows: MutableMapping[UUID, Flow] = TTLCache(100, _SECONDS)

    async def read_deployment(self, deployment_id: UUID | str) -> DeploymentResponse:
        """Return a deployment, from the cache if it is there."""
        return await _kept(self._deployments, UUID(str(deployment_id)), super().read_deployment)

    async def update_flow_run(self, flow_run_id: UUID, *args: Any, **given: Any) -> httpx.Response:
        """Do not write the number of a process: it is in the worker's records, and only they end it."""
        given.pop("infrastructure_pid", None)
        if not args and not given:
            return httpx.Response(httpx.codes.NO_CONTENT)
        return await super().update_flow_run(flow_run_id, *args, **given)

    async def read_flow(self, flow_id: UUID) -> Flow:
        """Return a flow, from the cache if it is there."""
        return await _kept(self._flows, flow_id, super().read_flow)


async def _kept[T: BaseModel](known: MutableMapping[UUID, T], key: UUID, read: Callable[[UUID], Awaitable[T]]) -> T:
    found = known.get(key)
    if found is None:
        found = known[key] = await read(key)
    return found.model_copy(deep=True)
