"""What a worker asks Prefect for, and what it has Prefect watch."""

import asyncio
from collections.abc import Iterator

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import PREFECT_API_URL, temporary_settings

from eo_pygeoapi.worker.client import WorkerClient
from eo_pygeoapi.worker.heartbeats import NAME, lost_runs, watch_heartbeats
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


@pytest.mark.usefixtures("prefect")
def test_prefect_is_told_once_what_a_sign_of_life_is_and_again_when_that_changes() -> None:
    asyncio.run(_tell_again())


async def _tell_again() -> None:
    async with get_client() as client:
        for old in await client.read_automations_by_name(NAME):
            await client.delete_automation(old.id)
        earlier = lost_runs(480)
        earlier.trigger.expect = {"prefect.flow-run.*"}  # type: ignore[union-attr]
        await client.create_automation(earlier)
        await watch_heartbeats(client, 480)
        (now,) = await client.read_automations_by_name(NAME)
        assert now.trigger.expect == lost_runs(480).trigger.expect  # type: ignore[union-attr]
        await watch_heartbeats(client, 480)
        assert [each.id for each in await client.read_automations_by_name(NAME)] == [now.id]
        await watch_heartbeats(client, 540)
        (later,) = await client.read_automations_by_name(NAME)
        assert "9 minutes" in later.description
