"""From the jobs that a client wants to Prefect's filters."""

from collections.abc import Mapping, Sequence
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
from prefect.client.schemas.responses import DeploymentResponse

from eo_pygeoapi.contract.status import COMPANIONS, JobStatus
from eo_pygeoapi.gateway.deployments import process_of
from eo_pygeoapi.gateway.job import AWAITING_PARTS, STATUS_BY_STATE
from eo_pygeoapi.gateway.job_filter import JobFilter

ANY_JOB = JobFilter()


def dataset_tag(dataset_id: str) -> str:
    """Return the tag of a companion's run that is about a dataset: those of all datasets share a deployment."""
    return f"dataset:{dataset_id}"


def flow_run_filters(
    wanted: JobFilter, deployments: Mapping[UUID, DeploymentResponse], now: datetime
) -> Sequence[FlowRunFilter]:
    """Return the filters for the wanted runs of these deployments, which have no run in common; none for no run."""
    if not wanted.ours:
        return []
    processes = {id_: process_of(deployment) for id_, deployment in deployments.items()}
    ids = [id_ for id_, process in processes.items() if not wanted.process_ids or process in wanted.process_ids]
    if not wanted.datasets:
        return [flow_run_filter(wanted, ids, now)] if ids else []
    own = [id_ for id_ in ids if deployments[id_].name in wanted.datasets]
    about = [id_ for id_ in ids if processes[id_] in COMPANIONS and id_ not in own]
    found = [flow_run_filter(wanted, own, now)] if own else []
    tags = [dataset_tag(dataset) for dataset in wanted.datasets]
    return [*found, flow_run_filter(wanted, about, now, tags)] if about else found


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
