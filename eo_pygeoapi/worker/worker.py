"""Prefect's process worker on our work pool: it starts runs at once, watches them and settles their deaths."""

import asyncio
import copy
import logging
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import anyio.abc
import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import PrefectHTTPStatusError
from prefect.runner import Runner
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

from eo_pygeoapi.gateway.work_pool import JOB_TEMPLATE, WORK_POOL
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.worker.client import WorkerClient
from eo_pygeoapi.worker.clock import ServerClock
from eo_pygeoapi.worker.configured import Configured
from eo_pygeoapi.worker.deaths import DeadRuns, Death
from eo_pygeoapi.worker.environment import run_environment
from eo_pygeoapi.worker.execute_run import HOOKS_ONLY
from eo_pygeoapi.worker.job_configuration import COMMAND, ImportJobConfiguration, environment_of_runs
from eo_pygeoapi.worker.missed_times import LATE_SECONDS, Absence, MissedTimes, is_late
from eo_pygeoapi.worker.records import Records, RunRecord
from eo_pygeoapi.worker.run_process import RunProcess
from eo_pygeoapi.worker.sharing import Shares
from eo_pygeoapi.worker.taking import take

_log = logging.getLogger(__name__)
AWAY = (httpx.HTTPError, PrefectHTTPStatusError)
WATCH_SECONDS = 1.0
JUST_NOW_SECONDS = 0.5  # a poll that was so recent need not be repeated
FULL_SECONDS = 20.0
UNWRITABLE_SECONDS = 5.0
# time for the process of a run that has ended in Prefect; after it somebody else has ended the run, and we kill it
LEAVE_SECONDS = 60.0
HOOK_SECONDS = 120.0


class ImportWorker(ProcessWorker):
    """The process worker that `eo-pygeoapi worker` starts; it kills runs by SIGKILL and settles every death itself."""

    type = "process"
    job_configuration = ImportJobConfiguration

    def __init__(self, settings: Settings, records: Records, environ: Mapping[str, str], **given: Any) -> None:
        self._patient_client: PrefectClient | None = None
        self.clock = ServerClock()
        super().__init__(work_pool_name=WORK_POOL, limit=settings.concurrency, **given)
        self.settings = settings
        self._environ = environ
        self.records = records
        self._configured = Configured(settings.config)
        self.wake = asyncio.Event()
        self.draining = False
        self.zygote_address: Callable[[], Awaitable[str]] | None = None
        self._asked = float("-inf")
        self._settled_at = float("-inf")
        self._not_wanted: set[UUID] = set()
        self._settling = asyncio.Lock()
        self._starting: dict[UUID, RunRecord] = {}
        self._running: dict[UUID, RunProcess] = {}
        self._seen_ended: dict[UUID, float] = {}

    @classmethod
    def __dispatch_key__(cls) -> str:
        """Leave the stock worker registered under its type."""
        return "process of eo_pygeoapi"

    @property
    def _client(self) -> PrefectClient | None:
        """The client that Prefect's worker uses."""
        return self._patient_client

    @_client.setter
    def _client(self, given: PrefectClient | None) -> None:
        """Use a patient client instead of that of Prefect's worker, which would sleep for 2 s and more after a 503."""
        self._patient_client = WorkerClient(self.clock.heard) if given else None

    async def __aenter__(self) -> Self:
        """Begin as Prefect's worker does, but for its folder for code from elsewhere, of which ours has none.

        It would be in `runner_storage` among the temporary files, which belongs to the first user who runs a worker.
        """
        runner = Runner(pause_on_shutdown=False, limit=None)
        runner._tmp_dir = unused = Path(tempfile.mkdtemp(prefix="eo-worker-"))
        self._runner = await runner.__aenter__()
        unused.rmdir()
        try:
            await super(ProcessWorker, self).__aenter__()
        except BaseException as error:
            await runner.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    @classmethod
    def get_default_base_job_template(cls) -> JsonObject:
        """Return the template of our work pool, where Prefect has none yet."""
        return copy.deepcopy(JOB_TEMPLATE)

    # Taking runs

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Take the due runs, unless that has just been done; Prefect's worker calls this every second."""
        self.records.polled()
        return [] if time.monotonic() - self._asked < JUST_NOW_SECONDS else await self._take_runs()

    async def take_when_woken(self) -> None:
        """Take runs as soon as a datagram says that one is waiting."""
        while True:
            await self.wake.wait()
            self.wake.clear()
            await self._take_runs()

    async def _take_runs(self) -> list[FlowRun]:
        """Take the due runs, after settling those that were missed while no worker could start them."""
        if self.draining or self._client is None:
            return []
        if self._is_full and time.monotonic() - self._asked < FULL_SECONDS:
            return []  # polling is in vain; a poll now and then shows Prefect that the queues have a worker
        self._asked = time.monotonic()
        try:
            now, last = self.clock.now(), self.records.last_answered()
            if last is not None and (silence := time.time() - last) > LATE_SECONDS:
                since = now - timedelta(seconds=silence)
                _log.warning("no runs could be started since %s; the schedules' missed times are settled", since)
                await self._missed_times().settle(now, Absence(since, now))
            taken = await super().get_and_submit_flow_runs()
            self.records.answered()
            return taken
        except AWAY as error:
            _log.warning("Prefect cannot be asked for runs: %s", error)
            await asyncio.sleep(2)
            return []

    async def _submit_scheduled_flow_runs(self, flow_run_response: list[WorkerFlowRunResponse]) -> list[FlowRun]:
        """Leave out the runs that are due again before their last process, which put them off, has ended here."""
        busy = self._limiter.statistics().borrowers if self._limiter else ()
        return await super()._submit_scheduled_flow_runs([r for r in flow_run_response if r.flow_run.id not in busy])

    async def _get_scheduled_flow_runs(self) -> list[WorkerFlowRunResponse]:
        """Return the runs that are due, in the order of the tenants' shares."""
        if not self.clock.ahead:
            due = await super()._get_scheduled_flow_runs()
        else:  # Prefect's worker would ask by the clock of this machine
            due = await self.client.get_scheduled_flow_runs_for_work_pool(
                work_pool_name=WORK_POOL, scheduled_before=self.clock.now(), work_queue_names=list(self._work_queues)
            )
        return await Shares(self.client, self._configured.tenants()).of(due)

    def _missed_times(self) -> MissedTimes:
        return MissedTimes(self.client, self._configured.datasets)

    @property
    def _is_full(self) -> bool:
        return bool(self._limiter and not self._limiter.available_tokens)

    async def sync_with_backend(self) -> None:
        """Tell the server that this worker is alive, if the server is reachable."""
        try:
            await super().sync_with_backend()
        except AWAY as error:
            _log.warning("Prefect cannot be told that this worker lives: %s", error)

    async def _propose_pending_state(self, flow_run: FlowRun) -> bool:
        try:
            # another run may replace one of a schedule: a later one, or one at the right time
            if flow_run.auto_scheduled and is_late(flow_run, self.clock.now()):
                async with self._settling:
                    if time.monotonic() - self._settled_at > LATE_SECONDS:
                        self._not_wanted = await self._missed_times().settle(self.clock.now(), None)
                        self._settled_at = time.monotonic()
                if flow_run.id in self._not_wanted:
                    return False
            if flow_run.auto_scheduled and await self._missed_times().put_right(flow_run):
                return False
        except AWAY as error:
            _log.warning("run %s: Prefect cannot be asked whether it is wanted: %s", flow_run.id, error)
            return False
        try:
            # written before taking the run, so that another worker finds it if we die just then
            record = self.records.begin(flow_run.id, self.name)
        except OSError as error:  # as of a full disk; the run waits until there is room
            _log.warning("run %s waits, for %s cannot be written: %s", flow_run.id, self.records.folder, error)
            await asyncio.sleep(UNWRITABLE_SECONDS)
            return False
        if self.draining or not await take(self.client, flow_run.id, self.name):
            record.forget()
            return False
        # a run that dies before its process starts has done nothing: it always gets another attempt
        record = replace(record, taken=True, resume=max(1, self.settings.resume))
        with suppress(OSError):  # what was written before does, too: whoever finds it asks Prefect
            record.write()
        self._starting[flow_run.id] = record
        return True

    async def _submit_run_and_capture_errors(self, flow_run: FlowRun, task_status: Any = None) -> Any:
        try:
            return await super()._submit_run_and_capture_errors(flow_run, task_status)
        finally:
            if record := self._starting.pop(flow_run.id, None):  # its process never started, and Prefect knows that
                record.forget()

    async def _give_worker_labels_to_flow_run(self, flow_run_id: UUID) -> None:
        """Write no labels: the run's state says who has taken it."""

    def _emit_flow_run_submitted_event(self, configuration: object) -> None:
        """Tell no event, and so none of the end either: each state of the run is one already."""

    async def _propose_submitting_state(self, flow_run: FlowRun) -> None:
        """Report nothing between taking a run and starting it: that would take longer than the start itself."""

    async def _propose_crashed_state(self, flow_run: FlowRun, message: str, client: object = None) -> None:
        """Give a run that could not be started another attempt: it has done nothing, and Prefect may just be busy."""
        death = Death(f"the run could not be started: {message}")
        await self.dead_runs().settle(flow_run.id, death, max(1, self.settings.resume))

    # Running them

    async def run(
        self,
        flow_run: FlowRun,
        configuration: ProcessJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> ProcessWorkerResult:
        """Run the flow run in a process of its own and settle its end."""
        record = self._starting.pop(flow_run.id)
        environment = await self._environment(configuration.env, flow_run.id)
        resume = _number(environment, "EO_RESUME", self.settings.resume)
        limit = _number(environment, "EO_MEMORY_LIMIT_MIB", self.settings.memory_limit_mib) * 2**20
        process = await RunProcess.start(
            replace(record, resume=resume), configuration.command or "", environment, limit
        )
        self._running[flow_run.id] = process
        if task_status is not None:
            task_status.started(process.launcher.pid)
        try:
            death = await process.wait()
            # Prefect knows whether it was dismissed, died or ended
            await self.dead_runs().settle(flow_run.id, death, resume)
            process.forget()
        finally:
            self._running.pop(flow_run.id, None)
            self._seen_ended.pop(flow_run.id, None)
            if self._is_full:
                self.wake.set()
        return ProcessWorkerResult(status_code=0, identifier=str(process.launcher.pid))

    def dead_runs(self) -> DeadRuns:
        """Return who settles deaths."""
        return DeadRuns(self.client, self._run_hooks)

    async def _environment(self, given: Mapping[str, str | None], run_id: UUID) -> dict[str, str]:
        own = {
            "PREFECT__FLOW_RUN_ID": str(run_id),
            "PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS": "false",
            "EO_ZYGOTE": await self.zygote_address() if self.zygote_address else "",
        }
        return {**run_environment(given), **own, **self.clock.environment()}

    async def _run_hooks(self, run: FlowRun, state: State[Any]) -> None:
        """Call the flow's hooks in a process of its own, for the worker does not load the flow."""
        environment = await self._environment(environment_of_runs(self._environ), run.id) | {HOOKS_ONLY: "true"}
        record = self.records.begin(run.id, self.name, "hooks")
        process = await RunProcess.start(record, COMMAND, environment)
        try:
            await asyncio.wait_for(process.wait(), HOOK_SECONDS)
        except TimeoutError:
            _log.warning("run %s: its hooks took more than %.0f s and were ended", run.id, HOOK_SECONDS)
            await process.end()
        process.forget()

    # Looking after them

    @property
    def running(self) -> list[RunProcess]:
        """The runs that have a process."""
        return list(self._running.values())

    @property
    def busy(self) -> bool:
        """Whether the worker is starting, running or settling runs."""
        return bool(self._running or self._starting)

    async def watch(self) -> None:
        """Once a second, kill the runs that were dismissed or that have ended in Prefect."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if not self._running or self._client is None:
                continue
            now = asyncio.get_running_loop().time()
            where = FlowRunFilter(id=FlowRunFilterId(any_=list(self._running)))
            try:
                runs = await self.client.read_flow_runs(flow_run_filter=where, sort=FlowRunSort.ID_DESC)
            except AWAY as error:
                _log.warning("Prefect cannot be asked what was dismissed: %s", error)
                continue
            for run in runs:
                process, state = self._running.get(run.id), run.state
                if process is None or state is None or process.ending:
                    continue
                if state.is_cancelling() or state.is_cancelled():
                    asyncio.create_task(process.end(Death("dismissed", again=False)))  # noqa: RUF006
                elif state.is_final() and now - self._seen_ended.setdefault(run.id, now) > LEAVE_SECONDS:
                    asyncio.create_task(process.end(Death("ended by others", again=False)))  # noqa: RUF006


def _number(environment: dict[str, str], name: str, default: int) -> int:
    """Return a number from the environment of a deployment, or the worker's own setting."""
    text = environment.get(name, "")
    return int(text) if text.isdigit() else default
