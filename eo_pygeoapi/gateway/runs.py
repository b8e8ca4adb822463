"""The flow runs of our deployments, which are the jobs: submit, get, list, cancel and delete."""

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterIdempotencyKey,
    FlowRunFilterStateName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Cancelling, Scheduled

from eo_pygeoapi.contract.status import COMPANIONS, FINAL, PROCESS_ID
from eo_pygeoapi.datasets.viewer import Viewer, viewer
from eo_pygeoapi.errors import InputError, NoSuchJobError
from eo_pygeoapi.gateway.client import KeptClient
from eo_pygeoapi.gateway.deployments import PAGE, Deployments, flow_of, process_of, tenant_of
from eo_pygeoapi.gateway.ended_runs import EndedRuns
from eo_pygeoapi.gateway.filters import ANY_JOB, dataset_tag, flow_run_filters
from eo_pygeoapi.gateway.job import (
    AWAITING_ANALYTICS,
    AWAITING_PARTS,
    PUT_OFF,
    Job,
    Progress,
    dataset_of,
    job_status,
    reports_progress,
)
from eo_pygeoapi.gateway.job_filter import JobFilter
from eo_pygeoapi.gateway.joint_reads import JointReads
from eo_pygeoapi.gateway.progress_artifacts import NO_PROGRESS, read_progress
from eo_pygeoapi.gateway.run_pages import RunPages
from eo_pygeoapi.gateway.submissions import Submissions
from eo_pygeoapi.gateway.wakeup import wake_workers
from eo_pygeoapi.gateway.work_pool import ON_DEMAND, of_tenant
from eo_pygeoapi.json_types import JsonMapping

DURATIONS_LOOKED_AT = 5_000
REST = 2.0  # so many times as long as a read has taken the same is not read again
NEWEST_LOOKED_AT = 1_000


LARGEST_PARAMETERS = 500_000  # of the 512 KiB that Prefect takes


class Runs:
    """The runs of our deployments, as jobs; one call to Prefect reads `page` of them."""

    def __init__(self, client: KeptClient, deployments: Deployments, secrets: Sequence[str], page: int = PAGE) -> None:
        self._client = client
        self._deployments = deployments
        self._secrets = tuple(secrets)
        self._page = page
        self._submissions = Submissions(client)
        self._pages = RunPages(client, page)
        self._joint = JointReads(rest=REST)
        self._ended = EndedRuns(self._pages.count)

    def of(self, deployments: Deployments) -> "Runs":
        """Return the runs of these deployments alone."""
        seen = copy.copy(self)
        seen._deployments = deployments
        return seen

    def submit(
        self,
        deployment: str,
        parameters: JsonMapping,
        queue: str = ON_DEMAND,
        labels: Mapping[str, str] | None = None,
        key: str = "",
    ) -> Job:
        """Create a run of the deployment, due now, and return it as a job; wakes the workers of this machine.

        There is only one run of a `key`: a repetition returns it.
        Raises NotAppliedError if Prefect has no such deployment, EngineUnavailableError if Prefect is unreachable, and
        InputError for parameters that are more than Prefect keeps.
        """
        if (size := len(json.dumps(parameters))) > LARGEST_PARAMETERS:
            raise InputError(f"the inputs have {size:,} bytes as JSON; allowed: {LARGEST_PARAMETERS:,}")
        found = self._deployments.called(deployment)
        about = dataset_of(parameters) if process_of(found) in COMPANIONS else ""
        body = {
            "parameters": dict(parameters),
            "state": {"type": StateType.SCHEDULED.value},
            "work_queue_name": of_tenant(queue, tenant_of(found)),
            "idempotency_key": key or str(uuid4()),  # a retry never makes a second run
            "labels": dict(labels or {}),
            "tags": [dataset_tag(about)] if about else [],
        }
        run = self._submissions.make(found.id, body)
        wake_workers(self._client.api_url)
        return self._job(run, NO_PROGRESS)

    def get(self, job_id: str) -> Job:
        """Return the job; NoSuchJobError if none of our due runs has this id."""
        return self._joint.read((job_id, *self._asking), lambda: self._get(job_id))

    def _get(self, job_id: str) -> Job:
        if run := self._ended.get(job_id):
            self._raise_unless_ours(run)
        else:
            run = self._run(job_id)
            self._ended.keep(run)
        # the artifact says nothing about a run that waits or has succeeded
        wanted = [run.id] if reports_progress(run) else []
        return self._job(run, self._progress(wanted).get(run.id, NO_PROGRESS))

    def list(
        self, limit: int, offset: int = 0, wanted: JobFilter = ANY_JOB, now: datetime | None = None
    ) -> tuple[list[Job], int]:
        """Return the wanted jobs, newest first, and the number of all of them.

        The number of calls does not depend on the number of jobs, but for Prefect's pages of 200. Prefect has no
        filter for durations; a filter by duration looks only at the newest `DURATIONS_LOOKED_AT` runs that match else.
        """
        key = (limit, offset, wanted, now, *self._asking)
        jobs, total = self._joint.read(key, lambda: self._list(limit, offset, wanted, now or datetime.now(UTC)))
        return [*jobs], total

    def _list(self, limit: int, offset: int, wanted: JobFilter, now: datetime) -> tuple[Sequence[Job], int]:
        wheres = self._wheres(wanted, now)
        if wanted.by_duration:
            looked_at, _ = self._pages.merged(wheres, DURATIONS_LOOKED_AT, 0)
            fitting = [run for run in looked_at if wanted.duration_fits(self._job(run, NO_PROGRESS), now)]
            return self._jobs(fitting[offset : offset + limit]), len(fitting)
        runs, total = self._pages.merged(wheres, limit, offset)
        return self._jobs(runs), total

    def _jobs(self, runs: Sequence[FlowRun]) -> Sequence[Job]:
        progress = self._progress([run.id for run in runs if reports_progress(run) and job_status(run) not in FINAL])
        return [self._job(run, progress.get(run.id, NO_PROGRESS)) for run in runs]

    def known(self, job_ids: Sequence[str]) -> set[str]:
        """Return which of these ids Prefect has runs of, ours or not; what is no id of a run counts as known."""
        ids, found = [], set[str]()
        for job_id in job_ids:
            try:
                ids.append(UUID(job_id))
            except ValueError:
                found.add(job_id)
        for start in range(0, len(ids), self._page):
            where = FlowRunFilter(id=FlowRunFilterId(any_=ids[start : start + self._page]))
            found |= {str(run.id) for run in self._pages.part(where, self._page)[0]}
        return found

    def newest(self, deployment: str, most: int = NEWEST_LOOKED_AT) -> Iterator[Job]:
        """Yield the imports of a dataset, newest first; Prefect is asked for more of them as they are wanted."""
        wheres = self._wheres(JobFilter(datasets=(deployment,), process_ids=(PROCESS_ID,)), datetime.now(UTC))
        for where in wheres:
            yield from (self._job(run, NO_PROGRESS) for run in islice(self._pages.each(where), most))

    def place_in_queue(self, job: Job) -> int:
        """Return the number of waiting jobs up to and with this one."""
        wheres = self._wheres(JobFilter(statuses=("accepted",)), job.created)
        for where in wheres:
            if where.state:
                where.state.name = FlowRunFilterStateName(not_any_=list(PUT_OFF))  # their time has not come
        return sum(map(self._pages.count, wheres))

    def cancel(self, job_id: str) -> Job:
        """Stop a job: Prefect never starts one that waits, the worker kills one that it runs.

        A job that has ended, or ends at this moment, stays as it ended.
        """
        run = self._run(job_id)
        if run.state and run.state.type == StateType.SCHEDULED and (run.run_count or run.infrastructure_pid):
            # it waits for another attempt; where Prefect knows of a process it would wait for its end
            imported = run.state.name in (AWAITING_ANALYTICS, AWAITING_PARTS)
            said = "dismissed; what DHIS2 has taken stays there" if imported else "dismissed before its next attempt"
            self._set_state(run.id, Cancelled(message=said), force=True)
        elif job_status(run) not in FINAL:
            # Prefect makes this Cancelled if no worker has the run yet; unlike Cancelled, a run that a worker is just
            # starting cannot leave this state
            self._set_state(run.id, Cancelling(message="dismissed"), force=False)
        return self.get(job_id)

    def with_keys(self, keys: Sequence[str]) -> Sequence[str]:
        """Return the ids of the runs that were submitted with one of these keys."""
        if not keys:
            return []
        where = FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=list(keys)))
        return [str(run.id) for run in self._pages.part(where, len(keys))[0]]

    def wake(self, job_id: str) -> None:
        """Have a job go on now that waits for the jobs that it has started; nothing for one that does not wait."""
        run = self._run(job_id)
        if run.state and run.state.type == StateType.SCHEDULED and run.state.name == AWAITING_PARTS:
            due: State[Any] = Scheduled(
                scheduled_time=datetime.now(UTC), name=AWAITING_PARTS, message=run.state.message
            )
            self._set_state(run.id, due, force=True)
            wake_workers(self._client.api_url)

    def delete(self, job_id: str) -> None:
        """Delete the run of an ended job."""
        run = self._run(job_id)
        self._client.call(lambda client: client.delete_flow_run(run.id))

    @property
    def _asking(self) -> tuple[Viewer, Viewer]:
        """For whom is read: who sees these deployments, and who is told of errors."""
        return self._deployments.viewer, viewer()

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
        self._raise_unless_ours(run)
        return run

    def _raise_unless_ours(self, run: FlowRun) -> None:
        due = run.expected_start_time is None or run.expected_start_time <= datetime.now(UTC)
        if self._deployments.get(run.deployment_id) is None or not due:
            raise NoSuchJobError(f"there is no job {str(run.id)!r}")

    def _job(self, run: FlowRun, progress: Progress) -> Job:
        deployment = self._deployments.get(run.deployment_id)
        process = process_of(deployment)
        name = deployment.name if deployment else ""
        return Job.from_flow_run(run, name, process, progress, self._secrets, flow_of(process))

    def _wheres(self, wanted: JobFilter, now: datetime) -> Sequence[FlowRunFilter]:
        return flow_run_filters(wanted, self._deployments.recent(), now)

    def _progress(self, run_ids: Sequence[UUID]) -> dict[UUID, Progress]:
        return read_progress(self._client.call, run_ids, self._page)
