"""Which of the due runs a worker takes next: every tenant has its share of the workers.

Prefect hands out due runs by the priority of their queues and then by their time, 200 in one answer. A tenant that has
asked for a thousand would fill it, so then each tenant's queues are asked by themselves. Of what is due, the next is
always of the tenant of which the fewest run, and none is beyond what its tenant runs at a time. What belongs to no
tenant has a share like one.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterWorkQueueName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import WorkerFlowRunResponse

from eo_pygeoapi.datasets.operations import Tenant
from eo_pygeoapi.gateway.deployments import PAGE
from eo_pygeoapi.gateway.work_pool import PRIORITIES, WORK_POOL, kind_and_tenant, of_tenant

# what Prefect counts against the limit of a queue
_RUNNING = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)


@dataclass(frozen=True)
class Shares:
    """Shares the workers between the tenants of the configuration file; Prefect answers `page` runs at a time."""

    client: PrefectClient
    tenants: Mapping[str, Tenant]
    page: int = PAGE

    async def of(self, due: list[WorkerFlowRunResponse]) -> list[WorkerFlowRunResponse]:
        """Return due runs in the order in which they are to be taken, without those beyond a tenant's limit."""
        if not self.tenants or not due:
            return due
        if len(due) >= self.page:
            due = []
            for tenant in ("", *self.tenants):
                due += await self.client.get_scheduled_flow_runs_for_work_pool(
                    work_pool_name=WORK_POOL, work_queue_names=_queues(tenant), scheduled_before=datetime.now(UTC)
                )
        # counted after they were asked for: one that another worker has taken in between is counted
        running = {}
        for tenant in {_tenant(run.flow_run) for run in due}:
            where = FlowRunFilter(
                work_queue_name=FlowRunFilterWorkQueueName(any_=_queues(tenant)),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(_RUNNING))),
            )
            running[tenant] = await self.client.count_flow_runs(flow_run_filter=where)
        limits = {name: declared.concurrency for name, declared in self.tenants.items()}
        places = {run.flow_run.id: run for run in due}
        return [places[run.id] for run in in_turn([run.flow_run for run in due], running, limits)]


def in_turn(due: Iterable[FlowRun], running: Mapping[str, int], limits: Mapping[str, int | None]) -> list[FlowRun]:
    """Return runs so that each next one is of the tenant of which the fewest run, as if those before it ran by then.

    Those of one tenant, and where several have as few, come by the priority of their queues and then by their time.
    """
    waiting: dict[str, list[FlowRun]] = {}
    for run in sorted(due, key=_urgency):
        waiting.setdefault(_tenant(run), []).append(run)
    counts, order = Counter(running), list[FlowRun]()
    most = {t: math.inf if (limit := limits.get(t)) is None else limit for t in waiting}
    while open_ := [t for t, runs in waiting.items() if runs and counts[t] < most[t]]:
        tenant = min(open_, key=lambda t: (counts[t], _urgency(waiting[t][0])))
        order.append(waiting[tenant].pop(0))
        counts[tenant] += 1
    return order


def _urgency(run: FlowRun) -> tuple[int, datetime]:
    priority = PRIORITIES.get(kind_and_tenant(run.work_queue_name or "")[0], len(PRIORITIES) + 1)
    return priority, run.next_scheduled_start_time or datetime.max.replace(tzinfo=UTC)


def _tenant(run: FlowRun) -> str:
    return kind_and_tenant(run.work_queue_name or "")[1]


def _queues(tenant: str) -> list[str]:
    return [of_tenant(name, tenant) for name in PRIORITIES]
