"""Make up for the times of schedules that the server, the workers or the machine were away at, as each schedule says.

`catchUp: latest` makes one run for the latest of them, `all` one for each, after all other work and the oldest first,
and `none` none. Prefect would start all runs that it had planned at once, and none of those it had not planned yet.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterTags,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled

from eo_pygeoapi.datasets.block import Dataset, Schedule
from eo_pygeoapi.datasets.schedule_times import is_planned, latest_until, moved, planned_from
from eo_pygeoapi.gateway.deployments import PAGE, TAG
from eo_pygeoapi.gateway.job import SCHEDULE, schedule_of
from eo_pygeoapi.gateway.schedules import NOT_RUN, run_inputs
from eo_pygeoapi.gateway.work_pool import BACKFILL, SCHEDULED, of_tenant

_log = logging.getLogger(__name__)
LATE_SECONDS = 60.0
MOST_AT_ONCE = 10_000


@dataclass(frozen=True)
class Absence:
    """From when to when nobody could start runs."""

    since: datetime
    until: datetime

    def has(self, moment: datetime) -> bool:
        """Return whether runs that were due at this moment were missed."""
        return self.since < moment < self.until


class MissedTimes:
    """Settles due runs of schedules; `datasets` returns what the configuration file says of them."""

    def __init__(self, client: PrefectClient, datasets: Callable[[], Mapping[str, Dataset]]) -> None:
        self._client = client
        self._datasets = datasets

    async def settle(self, now: datetime, absence: Absence | None) -> set[UUID]:
        """Leave no due run that its schedule does not want any more; returns those that are not to be started.

        Without an absence these are the ones that waited until a later time of the same schedule was due.
        """
        datasets, settled = self._datasets(), set[UUID]()
        where, deployments = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG])), list[DeploymentResponse]()
        while page := await self._client.read_deployments(deployment_filter=where, limit=PAGE, offset=len(deployments)):
            deployments += page
        for deployment in deployments:
            if not deployment.schedules or deployment.paused:
                continue
            dataset = datasets.get(deployment.name)
            policies = {schedule.name: schedule for schedule in dataset.schedules} if dataset else {}
            if absence:
                await self._plan_missed(deployment, policies, absence)
            by_schedule: dict[str, list[FlowRun]] = {}
            for run in await self._due_runs(deployment, now):
                by_schedule.setdefault(schedule_of(run), []).append(run)
            for name, of_schedule in by_schedule.items():
                waiting = [run for run in of_schedule if run.state_type == StateType.SCHEDULED and not run.run_count]
                policy = policies[name].catch_up if name in policies else "latest"
                if policy == "latest":
                    settled |= await self._leave_out(
                        [run for run in waiting if run is not of_schedule[-1]], of_schedule
                    )
                missed = [run for run in waiting if absence and absence.has(_due(run))]
                if policy == "none":
                    settled |= await self._leave_out(missed, [])
                elif policy == "all":
                    for run in missed:  # a worker takes those in their place after all others
                        await self._replace(run, datasets[deployment.name], policies[name], BACKFILL)
                        settled.add(run.id)
        return settled

    async def _plan_missed(
        self, deployment: DeploymentResponse, policies: Mapping[str, Schedule], absence: Absence
    ) -> None:
        """Have Prefect plan the missed times that are wanted; what it has planned already it plans no second time."""
        # made anew, a schedule has forgotten what it had planned, and changed, it never had these times
        since = max([absence.since, *(s.updated or s.created or absence.since for s in deployment.schedules)])
        starts = []
        for schedule in deployment.schedules:
            policy = policies[schedule.slug].catch_up if schedule.slug and schedule.slug in policies else "latest"
            if schedule.active and policy == "all":
                starts.append(since)
            elif schedule.active and policy == "latest" and isinstance(cron := schedule.schedule, CronSchedule):
                # a moment from which on Prefect plans the last run before the end of the absence
                given = Schedule(name="x", cron=cron.cron, timezone=cron.timezone or "UTC", inputs={})
                latest = latest_until(given, absence.until - timedelta(microseconds=1))
                start = absence.until if latest is None else planned_from(given, latest)
                starts += [start] if start > since else []
        if starts and min(starts) < absence.until:
            await self._client.request(
                "POST",
                "/deployments/{id}/schedule",
                path_params={"id": deployment.id},
                json={
                    "start_time": min(starts).isoformat(),
                    "end_time": absence.until.isoformat(),
                    "min_runs": MOST_AT_ONCE,
                    "max_runs": MOST_AT_ONCE,
                },
            )

    async def put_right(self, run: FlowRun) -> bool:
        """Replace a run that Prefect planned for a local time which its day does not have, as clocks go forward.

        Returns whether the run is replaced by one at the right time, and so must not be started.
        """
        dataset = self._datasets().get(str(run.parameters.get("inputs", {}).get("datasetId")))
        schedule = dataset.schedule(schedule_of(run)) if dataset else None
        if dataset is None or schedule is None or (due := moved(schedule, _due(run))) is None:
            return False
        if is_planned(schedule, due):
            said = f"not run: this day does not have its local time, and another run is due at {due:%H:%M} UTC"
            await self._client.set_flow_run_state(run.id, Cancelled(message=said), force=True)
        else:
            _log.info("run %s of schedule %s, due %s, is due %s", run.id, schedule.name, _due(run), due)
            await self._replace(run, dataset, schedule, SCHEDULED)
        return True

    async def _leave_out(self, runs: Iterable[FlowRun], instead: list[FlowRun]) -> set[UUID]:
        left_out = set()
        for run in runs:
            other = f"; the run of {_due(instead[-1]):%Y-%m-%d %H:%M} UTC stands for it" if instead else ""
            said = f"{NOT_RUN}{other}"
            _log.warning("run %s of schedule %s, due %s: %s", run.id, schedule_of(run), _due(run), said)
            await self._client.set_flow_run_state(run.id, Cancelled(message=said), force=True)
            left_out.add(run.id)
        return left_out

    async def _replace(self, run: FlowRun, dataset: Dataset, schedule: Schedule, queue: str) -> None:
        """Replace a run by one in this queue, due when the schedule says; however often this is done, there is one."""
        due = (moved(schedule, _due(run)) or _due(run)).isoformat()
        body = {
            "parameters": {**run.parameters, "inputs": run_inputs(dataset, schedule)},
            "state": {"type": StateType.SCHEDULED.value, "state_details": {"scheduled_time": due}},
            "work_queue_name": of_tenant(queue, dataset.tenant),
            "idempotency_key": f"missed {run.deployment_id} {schedule.name} {due}",
            "labels": {SCHEDULE: schedule.name},
        }
        path = {"id": run.deployment_id}
        await self._client.request("POST", "/deployments/{id}/create_flow_run", path_params=path, json=body)
        try:
            await self._client.delete_flow_run(run.id)
        except ObjectNotFound:  # another worker was at it, too
            pass

    async def _due_runs(self, deployment: DeploymentResponse, now: datetime) -> list[FlowRun]:
        """Return the newest runs of schedules that are due, whatever became of them; the oldest of them first."""
        where = FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]),
            expected_start_time=FlowRunFilterExpectedStartTime(before_=now),
        )
        found: list[FlowRun] = []
        while len(found) < MOST_AT_ONCE + PAGE:
            page = await self._client.read_flow_runs(
                flow_run_filter=where, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=PAGE, offset=len(found)
            )
            found += page
            if len(page) < PAGE or not any(run.state_type == StateType.SCHEDULED for run in page):
                break
        return [run for run in reversed(found) if run.auto_scheduled and schedule_of(run)]


def _due(run: FlowRun) -> datetime:
    return run.expected_start_time or datetime.now(UTC)


def is_late(run: FlowRun, now: datetime) -> bool:
    """Return whether a run of a schedule has waited for so long that a later one may stand for it."""
    return run.auto_scheduled and now - _due(run) > timedelta(seconds=LATE_SECONDS)
