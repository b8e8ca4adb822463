"""What the process of a run asks Prefect with."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.settings import PREFECT_API_URL, temporary_settings

from eo_pygeoapi.worker.run_client import RunTransport, one_client, sign_of_life
from eo_pygeoapi.worker.taking import taken_by
from tests.gateway.test_patience import busy
from tests.worker.farm import Farm, until


def test_a_run_s_client_repeats_at_once_and_leaves_a_server_that_stays_busy_to_prefect_s_client() -> None:
    with busy(2) as (url, received), httpx.Client(transport=RunTransport()) as client:
        begun = time.monotonic()
        assert client.post(url, json={}).status_code == 201
        assert len(received) == 3 and time.monotonic() - begun < 1.5
    with busy(10_000) as (url, _), httpx.Client(transport=RunTransport(busy_seconds=0.3)) as client:
        assert client.post(url, json={}).status_code == 503


def test_all_that_asks_in_a_run_shares_its_client(servers: Farm) -> None:
    with temporary_settings({PREFECT_API_URL: servers.prefect_api}), one_client() as context:
        assert get_client(sync_client=True) is context.client
        with get_client(sync_client=True) as client:
            assert client is context.client
        assert context.client.hello().status_code == 200


def test_a_sign_of_life_is_dated_by_the_server_and_sent_once(servers: Farm) -> None:
    name, run = f"test.{uuid4().hex}", {"prefect.resource.id": "prefect.flow-run.1"}
    ahead, begun = timedelta(minutes=20), datetime.now(UTC)
    with temporary_settings({PREFECT_API_URL: servers.prefect_api}), one_client():
        sign_of_life(ahead)(event=name, resource=run, related=[])

    def events() -> list[Any]:
        where = EventFilter(event=EventNameFilter(name=[name]))
        with SyncPrefectClient(servers.prefect_api) as client:
            body = {"filter": where.model_dump(mode="json"), "limit": 10}
            return list(client.request("POST", "/events/filter", json=body).json()["events"])

    (found,) = until(events)
    assert abs(datetime.fromisoformat(found["occurred"]) + ahead - begun) < timedelta(minutes=1)
    with (
        busy(10_000) as (url, received),
        temporary_settings({PREFECT_API_URL: url}),
        pytest.raises(Exception, match="503"),
        one_client(),
    ):
        sign_of_life(ahead)(event=name, resource=run, related=[])
    assert received


@pytest.mark.parametrize(
    ("message", "labels", "worker"),
    [
        ("taken by the worker west 1", {}, "west 1"),
        (None, {"prefect.worker.name": "of an earlier release"}, "of an earlier release"),
        (None, {}, None),
    ],
)
def test_the_state_of_a_run_says_who_has_taken_it(message: str | None, labels: dict[str, Any], worker: str) -> None:
    state: State[Any] = State(type=StateType.PENDING, message=message)
    assert taken_by(FlowRun(flow_id=uuid4(), state=state, labels=labels)) == worker
