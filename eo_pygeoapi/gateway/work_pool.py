"""Our work pool in Prefect, and its queues."""

from contextlib import suppress
from functools import partial
from http import HTTPStatus

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists, PrefectHTTPStatusError

from eo_pygeoapi.gateway.client import KeptClient

WORK_POOL = "eo-pygeoapi"
# work queues by priority: a person waits for an execution on demand, nobody waits for a backfill
ON_DEMAND, SCHEDULED, BACKFILL = "on-demand", "scheduled", "backfill"
PRIORITIES = {ON_DEMAND: 1, SCHEDULED: 2, BACKFILL: 3}


def ensure_work_pool(client: KeptClient) -> None:
    """Create our work pool and its queues where there are none yet."""
    pool = WorkPoolCreate(name=WORK_POOL, type="process", description="Runs of eo_pygeoapi")
    with suppress(ObjectAlreadyExists):
        client.call(lambda prefect: prefect.create_work_pool(pool))
    for name, priority in PRIORITIES.items():
        client.call(partial(_put_queue, name=name, priority=priority))


def _put_queue(client: SyncPrefectClient, name: str, priority: int) -> None:
    pool, content = {"work_pool_name": WORK_POOL}, {"name": name, "priority": priority}
    try:
        client.request("POST", "/work_pools/{work_pool_name}/queues", path_params=pool, json=content)
    except ObjectAlreadyExists:
        pass
    except PrefectHTTPStatusError as error:
        if error.response.status_code != HTTPStatus.CONFLICT:
            raise
    path = {**pool, "name": name}
    client.request("PATCH", "/work_pools/{work_pool_name}/queues/{name}", path_params=path, json=content)
