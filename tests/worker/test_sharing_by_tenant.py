"""The jobs of several tenants at one worker: none waits for another's flood."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from uuid import uuid4

import pytest
import requests
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from eo_pygeoapi.commands.running import CONFIG
from eo_pygeoapi.datasets.operations import Tenant
from eo_pygeoapi.gateway.deployments import DeploymentSpec
from eo_pygeoapi.gateway.work_pool import BACKFILL, ON_DEMAND, SCHEDULED, WORK_POOL, of_tenant
from eo_pygeoapi.worker.sharing import Shares, in_turn
from tests.worker.farm import Farm, patiently

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def due(tenant: str, count: int, kind: str = ON_DEMAND, minutes: int = 0) -> list[FlowRun]:
    """Runs of a tenant, one a minute."""
    return [
        FlowRun(
            flow_id=uuid4(),
            name=f"{tenant or 'nobody'}-{number}",
            work_queue_name=of_tenant(kind, tenant),
            next_scheduled_start_time=NOON + timedelta(minutes=minutes + number),
        )
        for number in range(count)
    ]


def names(runs: Sequence[FlowRun]) -> list[str]:
    return [str(run.name) for run in runs]


def test_the_next_is_of_the_tenant_of_which_the_fewest_run() -> None:
    runs = [*due("a", 4), *due("b", 2, minutes=30), *due("", 1, minutes=60)]

    assert names(in_turn(runs, {}, {})) == ["a-0", "b-0", "nobody-0", "a-1", "b-1", "a-2", "a-3"]
    assert names(in_turn(runs, {"a": 2, "b": 1}, {}))[:3] == ["nobody-0", "b-0", "a-0"]


def test_within_a_tenant_executions_go_before_schedules_and_backfills() -> None:
    runs = [*due("a", 1, BACKFILL), *due("a", 1, SCHEDULED, 1), *due("a", 1, ON_DEMAND, 2)]

    assert [run.work_queue_name for run in in_turn(runs, {}, {})] == ["on-demand@a", "scheduled@a", "backfill@a"]


@pytest.mark.parametrize(("running", "taken"), [(0, ["a-0", "a-1"]), (1, ["a-0"]), (2, []), (5, [])])
def test_no_tenant_runs_more_than_it_may_over_all_its_queues(running: int, taken: list[str]) -> None:
    runs = [*due("a", 2), *due("a", 2, SCHEDULED, 5), *due("b", 1)]

    assert [name for name in names(in_turn(runs, {"a": running}, {"a": 2, "b": None})) if name[0] == "a"] == taken


# With Prefect and a worker


def deploy(work: Farm, tenants: Mapping[str, Tenant]) -> None:
    patiently(lambda: work.gateway.ensure_work_pool(tenants))
    for tenant in tenants:
        spec = DeploymentSpec(
            name=f"test-sleepy-{tenant}",
            flow="sleepy",
            entrypoint="tests.worker.tiny:sleepy",
            description="",
            parameters={},
            parameter_schema={"type": "object", "properties": {}},
            fingerprint="1",
            tenant=tenant,
        )
        patiently(partial(work.gateway.deployments.put, spec))


def submit(work: Farm, tenant: str, folder: Path, number: int, seconds: float, queue: str = ON_DEMAND) -> str:
    parameters = {"path": str(folder / f"{tenant}-{number}"), "seconds": seconds}
    return patiently(lambda: work.gateway.runs.submit(f"test-sleepy-{tenant}", parameters, queue)).id


@pytest.mark.timeout(900)
def test_a_flood_of_one_tenant_does_not_delay_another(work: Farm, tmp_path: Path) -> None:
    deploy(work, {"alpha": Tenant(concurrency=1), "beta": Tenant()})
    config = yaml.safe_load((work.folder / CONFIG).read_text())
    config["eo"] = {"tenants": {"alpha": {"concurrency": 1}, "beta": {}}}
    (tmp_path / "config.yml").write_text(yaml.safe_dump(config))
    queues = (ON_DEMAND, SCHEDULED, BACKFILL)
    flood = [submit(work, "alpha", tmp_path, n, 0.5, queues[n % 3]) for n in range(4)]
    late = submit(work, "beta", tmp_path, 0, 0.1, BACKFILL)
    work.worker(tmp_path / "data", zygote=True, EO_CONCURRENCY="2", PYGEOAPI_CONFIG=str(tmp_path / "config.yml"))
    for job in (*flood, late):
        assert work.ended(job, 240)["status"] == "successful"

    beta = taken(work, late)
    assert sum(taken(work, job) < beta for job in flood) <= 1  # the one slot that alpha has
    alphas = sorted(((taken(work, job), work.gateway.runs.get(job).finished) for job in flood), key=itemgetter(0))
    assert all(ended and ended <= next_taken for (_, ended), (next_taken, _) in pairwise(alphas))


def taken(work: Farm, job: str) -> datetime:
    """When a worker took the run: its process may start later, and that of the next before it, on a busy machine."""
    states = requests.get(f"{work.prefect_api}/flow_run_states/", params={"flow_run_id": job}, timeout=30).json()
    return min(datetime.fromisoformat(state["timestamp"]) for state in states if state["type"] == "PENDING")


def test_a_tenant_is_seen_behind_a_flood_that_fills_an_answer_of_prefect(work: Farm, tmp_path: Path) -> None:
    tenants = {"gamma": Tenant(), "delta": Tenant(concurrency=1)}
    deploy(work, tenants)
    flood = [submit(work, "gamma", tmp_path, n, 0.1) for n in range(4)]
    late = submit(work, "delta", tmp_path, 9, 0.1, BACKFILL)

    async def taken() -> list[str]:
        with temporary_settings({PREFECT_API_URL: work.prefect_api}):
            async with get_client() as client:
                first = await client.get_scheduled_flow_runs_for_work_pool(WORK_POOL)
                ours = [run for run in first if str(run.flow_run.id) in flood][:2]
                found = await Shares(client, tenants, page=2).of(ours)
                return [str(run.flow_run.id) for run in found]

    order = asyncio.run(taken())
    for job in (*flood, late):
        work.dismiss(job)
    assert set(order[:2]) == {flood[0], late} and order[2:] == flood[1:]
