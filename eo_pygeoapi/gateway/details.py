"""The details of a run that Prefect keeps apart from it: steps, log, and the workers that could take it."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

from cachetools import LRUCache
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import Log, StateType, TaskRun, Worker
from prefect.client.schemas.sorting import LogSort, TaskRunSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from eo_pygeoapi.contract.status import StepStatus
from eo_pygeoapi.gateway.job import STATUS_BY_STATE, Job
from eo_pygeoapi.gateway.progress_artifacts import NO_PROGRESS, read_progress
from eo_pygeoapi.gateway.steps import IMPORT_STEPS, Step
from eo_pygeoapi.redaction import redact

STEP_STATUS_BY_STATE: dict[StateType, StepStatus] = {
    state: "waiting" if status == "accepted" else status for state, status in STATUS_BY_STATE.items()
}
_LEVELS = ((50, "critical"), (40, "error"), (30, "warning"), (20, "info"), (0, "debug"))
# a worker is dead after so many of its own intervals without a heartbeat
_HEARTBEATS = 3
_WORKERS_TTL = 2.0
_KEPT = 1_000  # jobs whose steps are kept, all of which have succeeded


@dataclass(frozen=True)
class LogLine:
    """A line of a job's log, redacted; `logger` is the name of what wrote it."""

    timestamp: datetime
    level: str
    message: str
    logger: str

    @property
    def is_of_prefect(self) -> bool:
        """Whether Prefect says how it runs the job, and nothing is wrong."""
        return self.logger.startswith("prefect.") and self.level in ("debug", "info")


class RunDetails:
    """Reads details through `call`, which calls a function with the kept client."""

    def __init__(
        self, call: Callable[[Callable[[SyncPrefectClient], Any]], Any], work_pool: str, secrets: Iterable[str] = ()
    ) -> None:
        self._call = call
        self._work_pool = work_pool
        self._secrets = tuple(secrets)
        self._lock = threading.Lock()
        self._workers: list[str] = []
        self._workers_read = float("-inf")
        self._steps: MutableMapping[str, Sequence[Step]] = LRUCache(_KEPT)

    def steps(self, job: Job) -> Sequence[Step]:
        """Return all steps of an import in their order, waiting ones too; of several attempts the last.

        The progress of the job says them. That of jobs of earlier releases does not, so their task runs are read.
        Prefect is asked no more for those of a job that has succeeded, once it says that all of them have.
        """
        if job.status != "successful":
            return job.steps or self._of_task_runs(job.id)
        with self._lock:
            kept = self._steps.get(job.id)
        if kept is not None:
            return kept
        run_id = UUID(job.id)
        progress = read_progress(self._call, [run_id], 1).get(run_id, NO_PROGRESS)
        steps = progress.steps or self._of_task_runs(job.id)
        if all(step.status == "successful" for step in steps):  # Prefect hears of the last ones a little late
            with self._lock:
                self._steps[job.id] = steps
        return steps

    def _of_task_runs(self, job_id: str) -> Sequence[Step]:
        where = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(job_id)]))
        order = TaskRunSort.EXPECTED_START_TIME_DESC
        runs: Sequence[TaskRun] = self._call(
            lambda client: client.read_task_runs(flow_run_filter=where, limit=200, sort=order)
        )
        latest: dict[str, TaskRun] = {}
        for run in runs:
            name = (run.name or "").rpartition("-")[0]
            if name not in latest or _start_of(run) >= _start_of(latest[name]):
                latest[name] = run
        steps = []
        for name in IMPORT_STEPS:
            last, step = latest.get(name), Step(name)
            if last is not None and last.state is not None:
                status = STEP_STATUS_BY_STATE[last.state.type]
                end = last.end_time if status not in ("waiting", "running") else None
                step = Step(name, status, last.start_time, end)
            steps.append(step)
        return steps

    def log(self, job_id: str, limit: int, offset: int) -> list[LogLine]:
        """Return lines of a job's log, oldest first."""
        where = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[UUID(job_id)]))
        lines: Sequence[Log] = self._call(lambda client: client.read_logs(where, limit, offset, LogSort.TIMESTAMP_ASC))
        shown = []
        for line in lines:
            level = next(name for least, name in _LEVELS if line.level >= least)
            shown.append(LogLine(line.timestamp, level, redact(line.message, self._secrets), line.name))
        return shown

    def workers(self) -> list[str]:
        """Return the names of the workers that are alive, cached for some seconds."""
        with self._lock:
            if time.monotonic() - self._workers_read > _WORKERS_TTL:
                found: Sequence[Worker] = self._call(partial(_read_workers, pool=self._work_pool))
                now, self._workers = datetime.now(UTC), []
                for worker in found:
                    silence = timedelta(seconds=_HEARTBEATS * (worker.heartbeat_interval_seconds or 30))
                    if worker.last_heartbeat_time and now - worker.last_heartbeat_time < silence:
                        self._workers.append(worker.name)
                self._workers_read = time.monotonic()
            return list(self._workers)

    def signs_of_life(self) -> Mapping[str, datetime]:
        """Return when each worker that Prefect knows has given its last sign of life, the latest first."""
        found: Sequence[Worker] = self._call(partial(_read_workers, pool=self._work_pool))
        heard = {worker.name: worker.last_heartbeat_time for worker in found if worker.last_heartbeat_time}
        return dict(sorted(heard.items(), key=lambda worker: worker[1], reverse=True))

    def last_sign_of_life(self) -> datetime | None:
        """Return the time of the latest heartbeat of any worker; None if there never was one."""
        return next(iter(self.signs_of_life().values()), None)


def _start_of(run: TaskRun) -> datetime:
    return run.start_time or datetime.min.replace(tzinfo=UTC)


def _read_workers(client: SyncPrefectClient, pool: str) -> Sequence[Worker]:
    try:
        return client.read_workers_for_work_pool(pool)
    except ObjectNotFound:
        return []
    except PrefectHTTPStatusError as error:  # the client does not translate this one
        if error.response.status_code == HTTPStatus.NOT_FOUND:  # before the first `apply` or worker there is no pool
            return []
        raise
