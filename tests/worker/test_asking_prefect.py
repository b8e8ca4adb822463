"""What a worker asks Prefect for, and what it has Prefect watch."""

import asyncio
from collections.abc import Iterator

import pytest
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import PREFECT_API_URL, temporary_settings

from eo_pygeoapi.worker.client import WorkerClient
from tests.worker.farm import Farm, deploy


@pytest.fixture
def prefect(servers: Farm) -> Iterator[Farm]:
    with temporary_settings({PREFECT_API_URL: servers.prefect_api}):
        yield servers
    deploy(servers.gateway)


def test_a_deployment_is_read_once_for_a_start_and_anew_for_the_next(prefect: Farm) -> None:
    asyncio.run(_read_and_retire(prefect, prefect.gateway.deployments.read()["test-empty"]))


async def _read_and_retire(prefect: Farm, known: DeploymentResponse) -> None:
    async with WorkerClient() as client:
        before = await client.read_deployment(known.id)
        flow = await client.read_flow(before.flow_id)
        prefect.gateway.deployments.retire(known)
        assert (await client.read_deployment(known.id)).tags == before.tags
        assert (await client.read_flow(before.flow_id)).name == flow.name == "empty"
        await asyncio.sleep(1.1)
        assert "retired" in (await client.read_deployment(known.id)).tags
