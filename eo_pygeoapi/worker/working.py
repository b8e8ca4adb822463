"""`eo-pygeoapi worker`: run jobs until SIGTERM or SIGINT, then take no more and give the running ones time."""

import asyncio
import logging
import os
import platform
import signal
from collections.abc import Callable, Coroutine, Mapping, MutableMapping
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import uuid4

from eo_pygeoapi.errors import EngineUnavailableError, ResultsError
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.wakeup import listen, stop_listening
from eo_pygeoapi.redaction import redact_logs
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.shared_cache import shared_store
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.store.workers import forget_worker, note_worker
from eo_pygeoapi.worker.deaths import Death
from eo_pygeoapi.worker.environment import run_environment
from eo_pygeoapi.worker.job_configuration import environment_of_runs
from eo_pygeoapi.worker.processes import can_fork
from eo_pygeoapi.worker.reaper import Reaper, tidy_cache
from eo_pygeoapi.worker.records import FOLDER, Records
from eo_pygeoapi.worker.worker import AWAY, ImportWorker
from eo_pygeoapi.worker.zygote_keeper import ZygoteKeeper, zygote_environment

_log = logging.getLogger(__name__)
REAP_SECONDS = 10.0
TIDY_SECONDS = 24 * 3600.0
STOPPED = "the worker was stopped, and the run had not ended after the {:.0f} s that it was given"
ZYGOTE_SECONDS = 20.0  # how long a run waits for a zygote that is loading
SETTLE_SECONDS = 60.0  # for settling killed runs and calling hooks


def run_worker(
    settings: Settings, name: str | None, environ: MutableMapping[str, str], raw: MutableMapping[bytes, bytes]
) -> None:
    """Run jobs until SIGTERM or SIGINT; a second signal kills the running ones at once.

    `environ` and `raw` are the environment of this process.
    """
    if not settings.prefect_api_url:
        raise EngineUnavailableError("PREFECT_API_URL is not set, so there is no Prefect server to take jobs from")
    logging.getLogger("eo_pygeoapi").setLevel(logging.INFO)
    keeper = None
    if settings.use_zygote and can_fork():
        keeper = ZygoteKeeper(zygote_environment(run_environment(environment_of_runs(environ))))
        keeper.fork_first(environ, raw)  # while there are no threads and connections
    redact_logs(settings.secrets(), [])  # not before: a run redacts after it has looked at what is logged
    asyncio.run(_Work(settings, name, environ, keeper).until_stopped())


class _Work:
    """One worker and all that runs beside its loops."""

    def __init__(
        self, settings: Settings, name: str | None, environ: Mapping[str, str], keeper: ZygoteKeeper | None
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._keeper = keeper
        self._records = Records(settings.data_dir.absolute() / FOLDER)
        self._name = name
        self._stops = 0
        self._stopped = asyncio.Event()
        self._hurried = asyncio.Event()

    async def until_stopped(self) -> None:
        """Start everything, wait for a signal, drain, and stop everything."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):  # also in a shell's background job, which ignores SIGINT
            loop.add_signal_handler(number, self._stop)
        self._records.enter()
        name = self._name or f"{platform.node()} {uuid4().hex[:8]}"
        self.worker = ImportWorker(self._settings, self._records, self._environ, name=name)
        store = ResultStore(self._settings.results)
        await _if_the_store_answers(note_worker, store, name)
        serving = asyncio.create_task(self._serve())
        parts = (self._tidy, self._reap, self.worker.watch, self.worker.take_when_woken)
        beside = [asyncio.create_task(_for_ever(part)) for part in parts]
        if keeper := self._keeper:
            beside.append(asyncio.create_task(_for_ever(keeper.keep)))
            self.worker.zygote_address = partial(keeper.ready_address, ZYGOTE_SECONDS)
        socket_path = self._listen(loop)
        stopping = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                await self._drain()
        finally:
            for task in (*beside, stopping, serving):
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            if keeper is not None:
                await keeper.close()
            if socket_path is not None:
                stop_listening(socket_path)
        self._records.leave()
        await _if_the_store_answers(forget_worker, store, name)
        with suppress(asyncio.CancelledError):
            await serving  # raises its error if it ended by itself

    async def _serve(self) -> None:
        """Wait for the Prefect server, create the work pool, then take runs."""
        gateway = PrefectGateway(self._settings.prefect_api_url)
        try:
            said_away = False
            while True:
                try:
                    await asyncio.to_thread(gateway.ensure_work_pool)
                    await asyncio.to_thread(self._ensure_lost_runs, gateway)
                    break
                except EngineUnavailableError as error:
                    if not said_away:
                        _log.warning("%s; waiting for it", error)
                    said_away = True
                    await asyncio.sleep(0.5)
        finally:
            gateway.close()
        await self.worker.start()

    def _ensure_lost_runs(self, gateway: PrefectGateway) -> None:
        wanted = self._settings.lost_after_seconds
        if (counts := gateway.ensure_lost_runs(wanted)) != wanted and self._settings.says_lost_after:
            _log.warning(
                "EO_LOST_AFTER_SECONDS is %d here, and %d counts, as `eo-pygeoapi apply` last found it; "
                "set it to the same everywhere",
                wanted,
                counts,
            )

    def _stop(self) -> None:
        self._stops += 1
        self.worker.draining = True
        (self._stopped if self._stops == 1 else self._hurried).set()

    async def _drain(self) -> None:
        """Take no more runs, give the running ones their time, then kill and settle them."""
        grace = self._settings.stop_grace_seconds
        _log.warning("stopping: no new runs; %d that run have %.0f s", len(self.worker.running), grace)
        until = asyncio.get_running_loop().time() + grace
        while self.worker.busy and asyncio.get_running_loop().time() < until and not self._hurried.is_set():
            await asyncio.sleep(0.1)
        why = Death(STOPPED.format(grace))
        await asyncio.gather(*(process.end(why) for process in self.worker.running))
        until = asyncio.get_running_loop().time() + SETTLE_SECONDS
        while self.worker.busy and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.05)
        if self.worker.busy:
            _log.warning("Prefect could not be told of all runs that were ended; the next worker will")

    async def _tidy(self) -> None:
        while True:
            await asyncio.to_thread(
                tidy_cache, self._settings.cache_folder(), shared_store(self._settings.shared_cache)
            )
            await asyncio.sleep(TIDY_SECONDS)

    async def _reap(self) -> None:
        while True:
            if self.worker.is_setup and not self.worker.draining:
                try:
                    await Reaper(self._records, self.worker.client, self.worker.dead_runs()).reap()
                except AWAY as error:
                    _log.warning("Prefect cannot be told of dead runs: %s", error)
                await asyncio.sleep(REAP_SECONDS)
            await asyncio.sleep(0.2)

    def _listen(self, loop: asyncio.AbstractEventLoop) -> Any:
        found = listen(self._settings.prefect_api_url or "", str(os.getpid()))
        if found is None:
            return None
        receiver, path = found

        def woken() -> None:
            with suppress(OSError):
                receiver.recv(64)
            self.worker.wake.set()

        loop.add_reader(receiver, woken)
        return path


async def _if_the_store_answers(say: Callable[[ResultStore, str], None], store: ResultStore, name: str) -> None:
    try:
        await asyncio.to_thread(say, store, name)
    except ResultsError as error:
        _log.warning("%s", error)


async def _for_ever(part: Any) -> None:
    """Run a part of the worker; after an exception, log it and start the part again."""
    while True:
        try:
            work: Coroutine[Any, Any, None] = part()
            await work
        except Exception:
            _log.exception("%s failed; it is started again", getattr(part, "__name__", part))
            await asyncio.sleep(5)
