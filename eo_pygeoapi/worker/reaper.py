"""Looks after runs whose worker is gone: what is left of them is ended, and each goes on or is said to have died."""

import asyncio
import logging
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled
from prefect.utilities.engine import propose_state

from eo_pygeoapi.store.download_cache import sweep_cache
from eo_pygeoapi.worker.deaths import Death, Undertaker
from eo_pygeoapi.worker.processes import end_tree
from eo_pygeoapi.worker.records import Records, RunRecord

_log = logging.getLogger(__name__)
WORKER_KILLED = Death("the worker was killed while the run was going on")
PLACE_GONE = Death("the worker's machine or container was stopped while the run was going on")
# a run that a killed worker was about to take is taken by another within seconds, or by none
UNTAKEN_SECONDS = 30.0


class Reaper:
    """Settles the runs of dead workers that used the same data folder."""

    def __init__(self, records: Records, client: PrefectClient, undertaker: Undertaker) -> None:
        self._records = records
        self._client = client
        self._undertaker = undertaker

    async def reap(self) -> int:
        """Settle what is to be settled now, and return how many runs that were; another worker may be at it."""
        with self._records.locked() as ours:
            if not ours:
                return 0
            records = self._records.all()
            alive = {worker: self._records.is_alive(worker) for worker in {record.worker for record in records}}
            taken = {record.run_id for record in records if alive[record.worker]}
            done = [await self._reap_one(record, taken) for record in records if not alive[record.worker]]
            self._records.forget_dead_workers()
            return sum(done)

    async def _reap_one(self, record: RunRecord, taken: set[UUID]) -> bool:
        if not await self._is_free(record, taken):
            return False
        if record.is_here:
            for process in (record.process, record.launcher):
                if process and not await asyncio.to_thread(end_tree, process):
                    return False
        _log.warning("run %s: its worker %s is gone", record.run_id, record.worker_name)
        await self._undertaker.settle(record.run_id, WORKER_KILLED if record.is_here else PLACE_GONE, record.resume)
        record.forget()
        return True

    async def _is_free(self, record: RunRecord, taken: set[UUID]) -> bool:
        """Return whether the run was the dead worker's; forgets the record where it never was."""
        if record.taken:
            return True
        try:
            run = await self._client.read_flow_run(record.run_id)
        except ObjectNotFound:
            record.forget()
            return False
        pending = run.state is not None and run.state.type == StateType.PENDING
        if run.id in taken or not pending or _is_of_another(run, record):
            record.forget()
        elif run.state and (datetime.now(UTC) - run.state.timestamp).total_seconds() > UNTAKEN_SECONDS:
            await propose_state(self._client, Scheduled(message="its worker was killed"), flow_run_id=run.id)
            record.forget()
        return False


def _is_of_another(run: FlowRun, record: RunRecord) -> bool:
    return run.labels.get("prefect.worker.name", record.worker_name) != record.worker_name


def remove_old_unfinished(cache: str) -> int:
    """Remove unfinished downloads that nobody is at work on; returns how many."""
    if "://" in cache:
        return 0
    return sweep_cache(Path(cache))
