"""What Prefect knows of one run beside the run itself: its steps, its log, and the workers that could take it."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import Log, StateType, TaskRun, Worker
from prefect.client.schemas.sorting import LogSort, TaskRunSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from eo_pygeoapi.contract.status import StepStatus
from eo_pygeoapi.gateway.job import IMPORT_STEPS, STATUS_BY_STATE
from eo_pygeoapi.redaction import redact

STEP_STATUS_BY_STATE: dict[StateType, StepStatus] = {
    state: "waiting" if status == "accepted" else status for state, status in STATUS_BY_STATE.items()
}
_LEVELS = ((50, "critical"), (40, "error"), (30, "warning"), (20, "info"), (0, "debug"))
# a worker that says nothing for so many of its own intervals is gone
_HEARTBEATS = 3
_WORKERS_TTL = 2.0


@dataclass(frozen=True)
class Step:
    """One of the steps of an import."""

    name: str
    status: StepStatus = "waiting"
    started: datetime | None = None
    finished: datetime | None = None


@dataclass(frozen=True)
class LogLine:
    """A line of a job's log, redacted."""

    timestamp: datetime
    level: str
    message: str


class RunDetails:
    """Reads details through `call`, which hands a function the kept client."""

    def __init__(
        self, call: Callable[[Callable[[SyncPrefectClient], Any]], Any], work_pool: str, secrets: Iterable[str] = ()
    ) -> None:
        self._call = call
        self._work_pool = work_pool
        self._secrets = tuple(secrets)
        self._lock = threading.Lock()
        self._workers: list[str] = []
        self._workers_read = float("-inf")

    def steps(self, job_id: str) -> list[Step]:
        """Return all steps of an import in their order, whether begun or not; of several attempts the last."""
        where = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(job_id)]))
        runs: Sequence[TaskRun] = self._call(partial(_read_task_runs, where=where))
        latest: dict[str, TaskRun] = {}
        for run in runs:
            name = (run.name or "").rpartition("-")[0]
            if name not in latest or _begun(run) >= _begun(latest[name]):
                latest[name] = run
        return [_step(name, latest.get(name)) for name in IMPORT_STEPS]

    def log(self, job_id: str, limit: int, offset: int) -> list[LogLine]:
        """Return lines of a job's log, oldest first."""
        where = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[UUID(job_id)]))
        lines: Sequence[Log] = self._call(partial(_read_logs, where=where, limit=limit, offset=offset))
        return [LogLine(line.timestamp, _level(line.level), redact(line.message, self._secrets)) for line in lines]

    def workers(self) -> list[str]:
        """Return the names of the workers that are alive, as of some seconds ago."""
        with self._lock:
            if time.monotonic() - self._workers_read > _WORKERS_TTL:
                found: Sequence[Worker] = self._call(partial(_read_workers, pool=self._work_pool))
                now = datetime.now(UTC)
                self._workers = [worker.name for worker in found if _is_alive(worker, now)]
                self._workers_read = time.monotonic()
            return list(self._workers)

    def last_sign_of_life(self) -> datetime | None:
        """Return when any worker was last heard of; None where there never was one."""
        found: Sequence[Worker] = self._call(partial(_read_workers, pool=self._work_pool))
        return max((worker.last_heartbeat_time for worker in found if worker.last_heartbeat_time), default=None)


def _step(name: str, run: TaskRun | None) -> Step:
    if run is None or run.state is None:
        return Step(name)
    status = STEP_STATUS_BY_STATE[run.state.type]
    return Step(name, status, run.start_time, run.end_time if status not in ("waiting", "running") else None)


def _begun(run: TaskRun) -> datetime:
    return run.start_time or datetime.min.replace(tzinfo=UTC)


def _level(number: int) -> str:
    return next(name for least, name in _LEVELS if number >= least)


def _is_alive(worker: Worker, now: datetime) -> bool:
    if worker.last_heartbeat_time is None:
        return False
    silence = timedelta(seconds=_HEARTBEATS * (worker.heartbeat_interval_seconds or 30))
    return now - worker.last_heartbeat_time < silence


def _read_task_runs(client: SyncPrefectClient, where: FlowRunFilter) -> Sequence[TaskRun]:
    return client.read_task_runs(flow_run_filter=where, limit=200, sort=TaskRunSort.EXPECTED_START_TIME_DESC)


def _read_logs(client: SyncPrefectClient, where: LogFilter, limit: int, offset: int) -> Sequence[Log]:
    return client.read_logs(where, limit=limit, offset=offset, sort=LogSort.TIMESTAMP_ASC)


def _read_workers(client: SyncPrefectClient, pool: str) -> Sequence[Worker]:
    try:
        return client.read_workers_for_work_pool(pool)
    except ObjectNotFound:
        return []
    except PrefectHTTPStatusError as error:  # the client does not translate this one
        if error.response.status_code == HTTPStatus.NOT_FOUND:  # before the first `apply` or worker there is no pool
            return []
        raise
