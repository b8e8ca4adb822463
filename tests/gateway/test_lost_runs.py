"""What a Prefect server is told of machines that are lost: by `apply`, and by workers where nobody has told it."""

from collections.abc import Iterator

import pytest
from prefect.client.orchestration import SyncPrefectClient

from eo_pygeoapi.commands.configuration.applying import agree_on_lost_runs
from eo_pygeoapi.gateway.client import KeptClient
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.lost_runs import DISMISSED, SILENT, lost_runs
from eo_pygeoapi.settings import Settings


@pytest.fixture
def client(prefect_api: str) -> Iterator[KeptClient]:
    client = KeptClient(prefect_api, (), 5.0, 30.0)
    yield client
    client.call(remove)
    client.close()


def remove(prefect: SyncPrefectClient) -> None:
    for name in (SILENT, DISMISSED):
        for old in prefect.read_automations_by_name(name):
            prefect.delete_automation(old.id)


def known(client: KeptClient) -> dict[str, tuple[str, float]]:
    """Id and window of each of ours."""
    found = client.call(
        lambda prefect: [*prefect.read_automations_by_name(SILENT), *prefect.read_automations_by_name(DISMISSED)]
    )
    assert len(found) == 2
    return {each.name: (str(each.id), each.trigger.within.total_seconds()) for each in found}  # type: ignore[union-attr]


def test_the_window_is_that_of_the_installation_whoever_starts_last(client: KeptClient, prefect_api: str) -> None:
    client.call(remove)
    gateway = PrefectGateway(prefect_api, read_timeout=30.0)
    assert gateway.ensure_lost_runs(480) == 480
    first = known(client)
    assert gateway.ensure_lost_runs(540) == 480 and known(client) == first
    gateway.put_lost_runs(480)
    assert known(client) == first
    gateway.put_lost_runs(540)
    assert {window for _, window in known(client).values()} == {540} and gateway.ensure_lost_runs(480) == 540
    gateway.close()


def test_apply_changes_the_window_only_where_its_environment_says_one(client: KeptClient, prefect_api: str) -> None:
    client.call(remove)
    gateway = PrefectGateway(prefect_api, read_timeout=30.0)
    says_600, says_nothing = Settings(EO_LOST_AFTER_SECONDS=600), Settings()  # type: ignore[call-arg]
    assert agree_on_lost_runs(gateway, says_nothing) == (480, 480)
    assert agree_on_lost_runs(gateway, says_600) == (480, 600)
    assert agree_on_lost_runs(gateway, says_nothing) == (600, 600)
    assert {window for _, window in known(client).values()} == {600}
    gateway.close()


def test_an_automation_of_an_earlier_release_is_replaced(client: KeptClient, prefect_api: str) -> None:
    client.call(remove)
    earlier = lost_runs(480)[0]
    earlier.trigger.after = {"prefect.flow-run.heartbeat"}  # type: ignore[union-attr]
    client.call(lambda prefect: prefect.create_automation(earlier))
    gateway = PrefectGateway(prefect_api, read_timeout=30.0)
    gateway.put_lost_runs(480)
    (now,) = client.call(lambda prefect: prefect.read_automations_by_name(SILENT))
    assert now.trigger.after == lost_runs(480)[0].trigger.after  # type: ignore[union-attr]
    gateway.close()
