"""From the jobs that a client wants to Prefect's filters."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterStartTime,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    FlowRunFilterWorkQueueName,
    Operator,
)
from prefect.client.schemas.objects import StateType

from eo_pygeoapi.contract.status import JobStatus
from eo_pygeoapi.gateway.job import AWAITING_PARTS, STATUS_BY_STATE
from eo_pygeoapi.gateway.job_filter import JobFilter

ANY_JOB = JobFilter()


def dataset_tag(dataset_id: str) -> str:
    """Return the tag of a companion's run that is about a dataset: those of all datasets share a deployment."""
    return f"dataset:{dataset_id}"


def flow_run_filter(
    wanted: JobFilter, deployments: Sequence[UUID], now: datetime, tags: Sequence[str] = ()
) -> FlowRunFilter:
    """Return the filter for the due runs of these deployments that are wanted; it does not look at durations.

    Of `tags` a run has one.
    """
    until = min(wanted.created_until, now) if wanted.created_until else now
    return FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=list(deployments)),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=until, after_=wanted.created_from),
        state=_state(wanted.statuses) if wanted.statuses else None,
        tags=FlowRunFilterTags(any_=list(tags)) if tags else None,
        work_queue_name=FlowRunFilterWorkQueueName(any_=list(wanted.queues)) if wanted.queues else None,
        start_time=FlowRunFilterStartTime(is_null_=False) if wanted.by_duration else None,
    )


def _state(statuses: Sequence[JobStatus]) -> FlowRunFilterState:
    """Return the filter for states with these statuses; a backfill runs while it waits for its parts."""
    types: list[StateType] = [state for state, status in STATUS_BY_STATE.items() if status in statuses]
    found = FlowRunFilterState(type=FlowRunFilterStateType(any_=types))
    if "running" in statuses and "accepted" not in statuses:
        found.operator, found.name = Operator.or_, FlowRunFilterStateName(any_=[AWAITING_PARTS])
    elif "accepted" in statuses and "running" not in statuses:
        found.name = FlowRunFilterStateName(not_any_=[AWAITING_PARTS])
    return found
