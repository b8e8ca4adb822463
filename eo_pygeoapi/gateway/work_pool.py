"""Our work pool in Prefect, and its queues."""

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectAlreadyExists, PrefectHTTPStatusError

from eo_pygeoapi.datasets.operations import Tenant
from eo_pygeoapi.gateway.client import KeptClient
from eo_pygeoapi.json_types import JsonObject

WORK_POOL = "eo-pygeoapi"
# work queues by priority: a person waits for an execution on demand, nobody waits for a backfill
ON_DEMAND, SCHEDULED, BACKFILL = "on-demand", "scheduled", "backfill"
PRIORITIES = {ON_DEMAND: 1, SCHEDULED: 2, BACKFILL: 3}
_OF = "@"
# Prefect checks the variables of each new run against this schema, and the schema first; its own takes 14 ms, this 2
JOB_TEMPLATE: JsonObject = {
    "job_configuration": {"command": "{{ command }}", "env": "{{ env }}"},
    "variables": {"type": "object", "properties": {"command": {"type": "string"}, "env": {"type": "object"}}},
}
# those of Prefect's own template of a process worker, and the only defaults in it
_STOCK_VARIABLES = {"command", "env", "labels", "name", "stream_output", "working_dir"}
_STOCK_DEFAULTS = (None, True)


def of_tenant(name: str, tenant: str) -> str:
    """Return what a tenant's own queue, or deployment, of this name is called in Prefect."""
    return f"{name}{_OF}{tenant}" if tenant else name


def of_feeds(tenant: str) -> tuple[str, ...]:
    """Return the queues of a dataset's own jobs: not those of the parts of a backfill, which say nothing of today."""
    return of_tenant(ON_DEMAND, tenant), of_tenant(SCHEDULED, tenant)


def kind_and_tenant(queue: str) -> tuple[str, str]:
    """Return which of our three work queues one is, and whose; empty where it is nobody's."""
    kind, _, tenant = queue.partition(_OF)
    return kind, tenant


def ensure_work_pool(client: KeptClient, tenants: Mapping[str, Tenant]) -> None:
    """Create our work pool and its queues where there are none yet, three for each tenant.

    Prefect hands out no more runs of a queue than the tenant runs at a time; over all three the workers look after it.
    """
    pool = WorkPoolCreate(
        name=WORK_POOL, type="process", description="Runs of eo_pygeoapi", base_job_template=JOB_TEMPLATE
    )
    try:
        client.call(lambda prefect: prefect.create_work_pool(pool))
    except ObjectAlreadyExists:
        client.call(_replace_stock_template)
    limits = {"": None, **{name: tenant.concurrency for name, tenant in tenants.items()}}
    for tenant, limit in limits.items():
        for name, priority in PRIORITIES.items():
            content: JsonObject = {"name": of_tenant(name, tenant), "priority": priority}
            if tenant:  # what somebody has limited in Prefect of the others stays
                content["concurrency_limit"] = limit
            client.call(partial(_put_queue, content=content))


def _replace_stock_template(client: SyncPrefectClient) -> None:
    """Give the pool our template in place of Prefect's own; one that somebody has edited stays."""
    pool = client.read_work_pool(WORK_POOL)
    properties = pool.base_job_template.get("variables", {}).get("properties", {})
    defaults = (variable.get("default") for variable in properties.values())
    if pool.type == "process" and set(properties) == _STOCK_VARIABLES and all(d in _STOCK_DEFAULTS for d in defaults):
        client.update_work_pool(WORK_POOL, WorkPoolUpdate(base_job_template=JOB_TEMPLATE))


def _put_queue(client: SyncPrefectClient, content: JsonObject) -> None:
    pool = {"work_pool_name": WORK_POOL}
    try:
        client.request("POST", "/work_pools/{work_pool_name}/queues", path_params=pool, json=content)
    except ObjectAlreadyExists:
        pass
    except PrefectHTTPStatusError as error:
        if error.response.status_code != HTTPStatus.CONFLICT:
            raise
    path = {**pool, "name": content["name"]}
    client.request("PATCH", "/work_pools/{work_pool_name}/queues/{name}", path_params=path, json=content)
