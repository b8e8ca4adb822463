"""The flow runs of our deployments, which are the jobs: submit, get, list, cancel and delete."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterType, FlowRunFilter
from prefect.client.schemas.objects import Artifact, FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Cancelling

from eo_pygeoapi.contract.status import FINAL, PROCESS_ID
from eo_pygeoapi.errors import NoSuchJobError
from eo_pygeoapi.gateway.client import KeptClient
from eo_pygeoapi.gateway.deployments import IMPORT_FLOW, PAGE, PROCESS_FLOW, Deployments, process_of
from eo_pygeoapi.gateway.filters import ANY_JOB, flow_run_filter
from eo_pygeoapi.gateway.job import Job, Progress, job_status
from eo_pygeoapi.gateway.job_filter import JobFilter
from eo_pygeoapi.gateway.wakeup import wake_workers
from eo_pygeoapi.gateway.work_pool import ON_DEMAND
from eo_pygeoapi.json_types import JsonMapping

DURATIONS_LOOKED_AT = 5_000
FEW, NEWEST_LOOKED_AT = 20, 1_000
NO_PROGRESS = Progress()


class Runs:
    """The runs of our deployments, as jobs; reads `page` of them in one call."""

    def __init__(self, client: KeptClient, deployments: Deployments, secrets: Sequence[str], page: int = PAGE) -> None:
        self._client = client
        self._deployments = deployments
        self._secrets = tuple(secrets)
        self._page = page
        self._submitting = threading.Lock()

    def submit(
        self,
        deployment: str,
        parameters: JsonMapping,
        queue: str = ON_DEMAND,
        labels: Mapping[str, str] | None = None,
    ) -> Job:
        """Create a run of the deployment, due now, and return it as a job; wakes the workers of this machine.

        Raises NotAppliedError when Prefect has no such deployment of ours, EngineUnavailableError when it is away.
        """
        found = self._deployments.called(deployment)
        body = {
            "parameters": dict(parameters),
            "state": {"type": StateType.SCHEDULED.value},
            "work_queue_name": queue,
            "idempotency_key": str(uuid4()),  # so that trying again never makes a second run
            "labels": dict(labels or {}),
        }
        # one at a time: on SQLite, concurrent writes of ours would only lock each other out
        free = self._submitting.acquire(timeout=1.0)
        try:
            run = self._client.call(lambda client: _create_run(client, found.id, body))
        finally:
            if free:
                self._submitting.release()
        wake_workers(self._client.api_url)
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
        total = self._client.call(lambda client: client.count_flow_runs(flow_run_filter=where))
        runs: Sequence[FlowRun]
        if wanted.by_duration:
            looked_at = self._runs(where, min(total, DURATIONS_LOOKED_AT), 0)
            fitting = [r for r in looked_at if wanted.duration_fits(self._job(r, NO_PROGRESS), now)]
            runs, total = fitting[offset : offset + limit], len(fitting)
        else:
            runs = self._runs(where, min(limit, total - offset), offset)
        progress = self._progress([run.id for run in runs if job_status(run) == "running"])
        return [self._job(run, progress.get(run.id, NO_PROGRESS)) for run in runs], total

    def newest(self, deployment: str, most: int = NEWEST_LOOKED_AT) -> Iterator[Job]:
        """Yield the jobs of a deployment, newest first; Prefect is asked for more of them as they are wanted."""
        where = self._where(JobFilter(datasets=(deployment,)), datetime.now(UTC))
        size, offset = FEW, 0
        while where and offset < most:
            page = self._client.call(partial(_read_runs, where=where, limit=size, offset=offset))
            yield from (self._job(run, NO_PROGRESS) for run in page)
            if len(page) < size:
                return
            size, offset = self._page, offset + size

    def place_in_queue(self, job: Job) -> int:
        """Return how many jobs wait, this one and those that were due before it."""
        where = self._where(JobFilter(statuses=("accepted",)), job.created)
        return self._client.call(lambda client: client.count_flow_runs(flow_run_filter=where)) if where else 0

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
        self._client.call(lambda client: client.delete_flow_run(run.id))

    def _set_state(self, run_id: UUID, state: State[Any], *, force: bool) -> None:
        self._client.call(lambda client: client.set_flow_run_state(run_id, state, force=force))

    def _run(self, job_id: str) -> FlowRun:
        try:
            id_ = UUID(job_id)
        except ValueError as error:
            raise NoSuchJobError(f"there is no job {job_id!r}") from error
        try:
            run = self._client.call(lambda client: client.read_flow_run(id_))
        except ObjectNotFound as error:
            raise NoSuchJobError(f"there is no job {job_id!r}") from error
        due = run.expected_start_time is None or run.expected_start_time <= datetime.now(UTC)
        if self._deployments.get(run.deployment_id) is None or not due:
            raise NoSuchJobError(f"there is no job {job_id!r}")
        return run

    def _job(self, run: FlowRun, progress: Progress) -> Job:
        deployment = self._deployments.get(run.deployment_id)
        process = process_of(deployment)
        flow = IMPORT_FLOW if process == PROCESS_ID else PROCESS_FLOW
        name = deployment.name if deployment else ""
        return Job.from_flow_run(run, name, process, progress, self._secrets, flow)

    def _where(self, wanted: JobFilter, now: datetime) -> FlowRunFilter | None:
        """Return Prefect's filter for the wanted jobs; None when no run can match."""
        ids = [
            id_
            for id_, deployment in self._deployments.recent().items()
            if (not wanted.process_ids or process_of(deployment) in wanted.process_ids)
            and (not wanted.datasets or deployment.name in wanted.datasets)
        ]
        return flow_run_filter(wanted, ids, now) if ids and wanted.ours else None

    def _runs(self, where: FlowRunFilter, limit: int, offset: int) -> Sequence[FlowRun]:
        runs: list[FlowRun] = []
        while len(runs) < limit:
            size, start = min(self._page, limit - len(runs)), offset + len(runs)
            page = self._client.call(partial(_read_runs, where=where, limit=size, offset=start))
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
            for artifact in self._client.call(partial(_read_artifacts, where=where)):
                if artifact.flow_run_id and isinstance(artifact.data, int | float):
                    found[artifact.flow_run_id] = Progress(int(artifact.data), artifact.description or "")
        return found


def _create_run(client: SyncPrefectClient, deployment_id: UUID, body: JsonMapping) -> FlowRun:
    response = client.request(
        "POST", "/deployments/{id}/create_flow_run", path_params={"id": deployment_id}, json=dict(body)
    )
    return FlowRun.model_validate(response.json())


def _read_artifacts(client: SyncPrefectClient, where: ArtifactFilter) -> Sequence[Artifact]:
    return client.read_artifacts(artifact_filter=where, limit=PAGE)


def _read_runs(client: SyncPrefectClient, where: FlowRunFilter, limit: int, offset: int) -> Sequence[FlowRun]:
    return client.read_flow_runs(
        flow_run_filter=where, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=limit, offset=offset
    )
