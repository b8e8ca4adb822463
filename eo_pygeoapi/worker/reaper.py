"""Looks after runs whose worker died: it kills their processes, and gives each another attempt or marks it crashed."""

import asyncio
import logging
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled
from prefect.utilities.engine import propose_state

from eo_pygeoapi.store.download_cache import sweep_cache
from eo_pygeoapi.worker.deaths import DeadRuns, Death
from eo_pygeoapi.worker.processes import end_tree
from eo_pygeoapi.worker.records import Records, RunRecord
from eo_pygeoapi.worker.taking import taken_by

_log = logging.getLogger(__name__)
WORKER_KILLED = Death("the worker was killed while the run was going on")
PLACE_GONE = Death("the worker's machine or container was stopped while the run was going on")
# another worker takes a run that a killed worker was about to take within seconds, or none does
UNTAKEN_SECONDS = 30.0


class Reaper:
    """Settles the runs of dead workers that used the same data folder."""

    def __init__(self, records: Records, client: PrefectClient, dead_runs: DeadRuns) -> None:
        self._records = records
        self._client = client
        self._dead_runs = dead_runs

    async def reap(self) -> int:
        """Settle the runs of dead workers and return their number; 0 while another worker does this."""
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
        if not record.taken:
            try:
                run = await self._client.read_flow_run(record.run_id)
            except ObjectNotFound:
                record.forget()
                return False
            pending = run.state is not None and run.state.type == StateType.PENDING
            if run.id in taken or not pending or taken_by(run) not in (None, record.worker_name):
                record.forget()
            elif run.state and (datetime.now(UTC) - run.state.timestamp).total_seconds() > UNTAKEN_SECONDS:
                await propose_state(self._client, Scheduled(message="its worker was killed"), flow_run_id=run.id)
                record.forget()
            return False
        if record.is_here:
            for process in (record.process, record.launcher):
                if process and not await asyncio.to_thread(end_tree, process):
                    return False
        _log.warning("run %s: its worker %s is gone", record.run_id, record.worker_name)
        await self._dead_runs.settle(record.run_id, WORKER_KILLED if record.is_here else PLACE_GONE, record.resume)
        record.forget()
        return True


def remove_old_unfinished(cache: Path) -> int:
    """Remove unfinished downloads whose process is dead; returns their number."""
    return sweep_cache(cache)
