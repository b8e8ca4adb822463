"""The only door to Prefect: submit, get, list, cancel and delete flow runs, and keep deployments.

It answers in our words: jobs, and errors of our tree.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterType,
    DeploymentFilter,
    DeploymentFilterTags,
    FlowRunFilter,
)
from prefect.client.schemas.objects import Artifact, FlowRun, State, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_UI_URL
from prefect.states import Cancelled, Cancelling

from eo_pygeoapi.contract.status import FINAL, PROCESS_ID
from eo_pygeoapi.errors import NoSuchJobError, NotAppliedError
from eo_pygeoapi.gateway.client import KeptClient
from eo_pygeoapi.gateway.details import RunDetails
from eo_pygeoapi.gateway.filters import ANY_JOB, flow_run_filter
from eo_pygeoapi.gateway.job import Job, Progress, job_status
from eo_pygeoapi.gateway.job_filter import JobFilter
from eo_pygeoapi.gateway.wakeup import wake_workers

WORK_POOL = "eo-pygeoapi"
# work queues, and whose runs a worker takes first: somebody waits for an execution, nobody for a backfill
ON_DEMAND, SCHEDULED, BACKFILL = "on-demand", "scheduled", "backfill"
PRIORITIES = {ON_DEMAND: 1, SCHEDULED: 2, BACKFILL: 3}
TAG = "eo-pygeoapi"
RETIRED = "retired"
IMPORT_FLOW = "eo_aggregate_import_v1"
PROCESS_FLOW = "run_process"
PAGE = 200  # Prefect answers no more in one call
DURATIONS_LOOKED_AT = 5_000
NO_PROGRESS = Progress()


@dataclass(frozen=True)
class DeploymentSpec:
    """What one of our deployments should look like; `fingerprint` tells whether it does."""

    name: str
    flow: str
    entrypoint: str
    description: str
    parameters: Mapping[str, Any]
    parameter_schema: Mapping[str, Any]
    fingerprint: str
    schedules: Sequence[DeploymentScheduleCreate] = field(default_factory=tuple)
    environment: Mapping[str, str] = field(default_factory=dict)


class PrefectGateway:
    """A kept connection to the Prefect server at `api_url` (`http://…/api`); safe to share between threads."""

    def __init__(
        self,
        api_url: str | None,
        *,
        secrets: Sequence[str] = (),
        connect_timeout: float = 1.5,
        read_timeout: float = 3.0,
        deployments_ttl: float = 3.0,
        page: int = PAGE,
    ) -> None:
        self.api_url = api_url
        self._secrets = tuple(secrets)
        self._client = KeptClient(api_url, secrets, connect_timeout, read_timeout)
        self._call = self._client.call
        self.details = RunDetails(self._call, WORK_POOL, secrets)
        self._ttl = deployments_ttl
        self._page = page
        self._submitting = threading.Lock()
        self._deployments: dict[UUID, DeploymentResponse] = {}
        self._deployments_read = float("-inf")

    # Jobs

    def submit(self, deployment: str, parameters: Mapping[str, Any], queue: str = ON_DEMAND) -> Job:
        """Create a run of the deployment, due now, and return it as a job; wakes the workers of this machine.

        Raises NotAppliedError when Prefect has no such deployment of ours, EngineUnavailableError when it is away.
        """
        found = self._deployment_called(deployment)
        body = {
            "parameters": dict(parameters),
            "state": {"type": StateType.SCHEDULED.value},
            "work_queue_name": queue,
            "idempotency_key": str(uuid4()),  # so that trying again never makes a second run
        }
        # one at a time: on SQLite, concurrent writes of ours would only lock each other out
        free = self._submitting.acquire(timeout=1.0)
        try:
            run = self._call(lambda client: _create_run(client, found.id, body))
        finally:
            if free:
                self._submitting.release()
        wake_workers(self.api_url)
        return self._job(run, NO_PROGRESS)

    def get(self, job_id: str) -> Job:
        """Return the job; NoSuchJobError when no run of ours that is due has this id."""
        run = self._run(job_id)
        # for one that waits, or has succeeded, it would say nothing
        asked = [] if job_status(run) in ("accepted", "successful") else [run.id]
        return self._job(run, self._progress(asked).get(run.id, NO_PROGRESS))

    def list(
        self, limit: int, offset: int = 0, wanted: JobFilter = ANY_JOB, now: datetime | None = None
    ) -> tuple[list[Job], int]:
        """Return the wanted jobs newest first, and how many there are in all.

        The number of calls does not depend on the number of jobs, but for Prefect's pages of 200. Prefect has no
        filter for durations: with one, only the newest `DURATIONS_LOOKED_AT` of the others' matches are looked at.
        """
        now = now or datetime.now(UTC)
        where = self._where(wanted, now)
        if where is None:
            return [], 0
        total = self._call(lambda client: client.count_flow_runs(flow_run_filter=where))
        runs: Sequence[FlowRun]
        if wanted.by_duration:
            looked_at = self._runs(where, min(total, DURATIONS_LOOKED_AT), 0)
            fitting = [r for r in looked_at if wanted.duration_fits(self._job(r, NO_PROGRESS), now)]
            runs, total = fitting[offset : offset + limit], len(fitting)
        else:
            runs = self._runs(where, min(limit, total - offset), offset)
        progress = self._progress([run.id for run in runs if job_status(run) == "running"])
        return [self._job(run, progress.get(run.id, NO_PROGRESS)) for run in runs], total

    def place_in_queue(self, job: Job) -> int:
        """Return how many jobs wait, this one and those that were due before it."""
        where = self._where(JobFilter(statuses=("accepted",)), job.created)
        return self._call(lambda client: client.count_flow_runs(flow_run_filter=where)) if where else 0

    def cancel(self, job_id: str) -> Job:
        """Stop a job: one that waits never starts, one that a worker has taken is ended by it.

        One that has ended stays as it ended, also where it does so in this moment.
        """
        run = self._run(job_id)
        if run.state and run.state.type == StateType.SCHEDULED and run.infrastructure_pid:
            # it waits for another attempt: to Prefect it has a process still, and would wait for its end
            self._set_state(run.id, Cancelled(message="dismissed before its next attempt"), force=True)
        elif job_status(run) not in FINAL:
            # Prefect makes this Cancelled where no worker has the run yet; and unlike Cancelled, a run that is just
            # being started cannot leave it
            self._set_state(run.id, Cancelling(message="dismissed"), force=False)
        return self.get(job_id)

    def delete(self, job_id: str) -> None:
        """Forget an ended job."""
        run = self._run(job_id)
        self._call(lambda client: client.delete_flow_run(run.id))

    # Deployments

    def deployments(self) -> dict[str, DeploymentResponse]:
        """Return our deployments by name, retired ones included, as Prefect has them now."""
        self._read_deployments()
        return {deployment.name: deployment for deployment in self._deployments.values()}

    def put_deployment(self, spec: DeploymentSpec) -> None:
        """Create or replace a deployment; planned runs of its schedules are planned anew."""
        flow_id = self._call(lambda client: client.create_flow_from_name(spec.flow))
        self._call(
            lambda client: client.create_deployment(
                flow_id=flow_id,
                name=spec.name,
                version=spec.fingerprint,
                description=spec.description,
                entrypoint=spec.entrypoint,
                parameters=dict(spec.parameters),
                parameter_openapi_schema=dict(spec.parameter_schema),
                enforce_parameter_schema=False,
                schedules=list(spec.schedules),
                tags=[TAG],
                work_pool_name=WORK_POOL,
                job_variables={"env": dict(spec.environment)} if spec.environment else {},
                work_queue_name=SCHEDULED,
                pull_steps=[],
            )
        )
        self._forget_deployments()

    def retire_deployment(self, deployment: DeploymentResponse) -> None:
        """Take the schedules from a deployment and tag it, but keep it: deleting it would orphan its runs."""
        for schedule in deployment.schedules:
            self._call(
                partial(
                    SyncPrefectClient.delete_deployment_schedule, deployment_id=deployment.id, schedule_id=schedule.id
                )
            )
        body = {"tags": [TAG, RETIRED], "version": RETIRED}
        path = {"id": deployment.id}
        self._call(lambda client: client.request("PATCH", "/deployments/{id}", path_params=path, json=body))
        self._forget_deployments()

    def ensure_work_pool(self) -> None:
        """Create our work pool and its queues where there are none yet."""
        pool = WorkPoolCreate(name=WORK_POOL, type="process", description="Runs of eo_pygeoapi")

        def create(client: SyncPrefectClient) -> None:
            try:
                client.create_work_pool(pool)
            except ObjectAlreadyExists:
                return

        self._call(create)
        for name, priority in PRIORITIES.items():
            self._call(partial(_put_queue, name=name, priority=priority))

    def ping(self) -> None:
        """Raise EngineUnavailableError unless the server answers."""
        self._call(lambda client: client.hello())

    def ui_url(self) -> str:
        """Return the address of the Prefect UI."""
        return PREFECT_UI_URL.value() or (self.api_url or "").removesuffix("/").removesuffix("/api")

    def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        self._client.close()

    # Inside

    def _set_state(self, run_id: UUID, state: State[Any], *, force: bool) -> None:
        self._call(lambda client: client.set_flow_run_state(run_id, state, force=force))

    def _run(self, job_id: str) -> FlowRun:
        try:
            id_ = UUID(job_id)
        except ValueError as error:
            raise NoSuchJobError(f"there is no job {job_id!r}") from error
        try:
            run = self._call(lambda client: client.read_flow_run(id_))
        except ObjectNotFound as error:
            raise NoSuchJobError(f"there is no job {job_id!r}") from error
        due = run.expected_start_time is None or run.expected_start_time <= datetime.now(UTC)
        if not self._is_ours(run) or not due:
            raise NoSuchJobError(f"there is no job {job_id!r}")
        return run

    def _is_ours(self, run: FlowRun) -> bool:
        if run.deployment_id is None:
            return False
        if run.deployment_id not in self._deployments:
            self._read_deployments()
        return run.deployment_id in self._deployments

    def _job(self, run: FlowRun, progress: Progress) -> Job:
        deployment = self._deployments.get(run.deployment_id) if run.deployment_id else None
        process = _process_of(deployment)
        flow = IMPORT_FLOW if process == PROCESS_ID else PROCESS_FLOW
        name = deployment.name if deployment else ""
        return Job.from_flow_run(run, name, process, progress, self._secrets, flow)

    def _where(self, wanted: JobFilter, now: datetime) -> FlowRunFilter | None:
        """Return Prefect's filter for the wanted jobs; None when no run can match."""
        if time.monotonic() - self._deployments_read > self._ttl:
            self._read_deployments()
        ids = [
            id_
            for id_, deployment in self._deployments.items()
            if not wanted.process_ids or _process_of(deployment) in wanted.process_ids
        ]
        return flow_run_filter(wanted, ids, now) if ids and wanted.ours else None

    def _runs(self, where: FlowRunFilter, limit: int, offset: int) -> Sequence[FlowRun]:
        runs: list[FlowRun] = []
        while len(runs) < limit:
            size, start = min(self._page, limit - len(runs)), offset + len(runs)
            page = self._call(partial(_read_runs, where=where, limit=size, offset=start))
            runs += page
            if len(page) < size:
                break
        return runs

    def _progress(self, run_ids: Sequence[UUID]) -> dict[UUID, Progress]:
        found: dict[UUID, Progress] = {}
        for start in range(0, len(run_ids), self._page):
            where = ArtifactFilter(
                flow_run_id=ArtifactFilterFlowRunId(any_=list(run_ids[start : start + self._page])),
                type=ArtifactFilterType(any_=["progress"]),
            )
            for artifact in self._call(partial(_read_artifacts, where=where)):
                if artifact.flow_run_id and isinstance(artifact.data, int | float):
                    found[artifact.flow_run_id] = Progress(int(artifact.data), artifact.description or "")
        return found

    def _deployment_called(self, name: str) -> DeploymentResponse:
        fresh = time.monotonic() - self._deployments_read <= self._ttl
        found = next((d for d in self._deployments.values() if d.name == name), None) if fresh else None
        found = found or self.deployments().get(name)
        if found is None or RETIRED in found.tags:
            raise NotAppliedError(
                f"{name!r} is enabled in the configuration file but not applied yet; run `eo-pygeoapi apply`"
            )
        return found

    def _read_deployments(self) -> None:
        where = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
        found: dict[UUID, DeploymentResponse] = {}
        while True:
            page = self._call(partial(_read_deployments, where=where, offset=len(found)))
            found |= {deployment.id: deployment for deployment in page}
            if len(page) < PAGE:
                break
        self._deployments, self._deployments_read = found, time.monotonic()

    def _forget_deployments(self) -> None:
        self._deployments_read = float("-inf")


def _process_of(deployment: DeploymentResponse | None) -> str:
    foreign = deployment is not None and deployment.entrypoint != import_entrypoint()
    return deployment.name if deployment is not None and foreign else PROCESS_ID


def import_entrypoint() -> str:
    """Return the entrypoint of the import flow, as deployments name it."""
    return f"flows.eo_aggregate_import:{IMPORT_FLOW}"


def process_entrypoint() -> str:
    """Return the entrypoint of the flow that runs any other process."""
    return f"flows.run_process:{PROCESS_FLOW}"


def _create_run(client: SyncPrefectClient, deployment_id: UUID, body: Mapping[str, object]) -> FlowRun:
    response = client.request(
        "POST", "/deployments/{id}/create_flow_run", path_params={"id": deployment_id}, json=dict(body)
    )
    return FlowRun.model_validate(response.json())


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


def _read_deployments(client: SyncPrefectClient, where: DeploymentFilter, offset: int) -> Sequence[DeploymentResponse]:
    return client.read_deployments(deployment_filter=where, limit=PAGE, offset=offset)


def _read_artifacts(client: SyncPrefectClient, where: ArtifactFilter) -> Sequence[Artifact]:
    return client.read_artifacts(artifact_filter=where, limit=PAGE)


def _read_runs(client: SyncPrefectClient, where: FlowRunFilter, limit: int, offset: int) -> Sequence[FlowRun]:
    return client.read_flow_runs(
        flow_run_filter=where, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=limit, offset=offset
    )
