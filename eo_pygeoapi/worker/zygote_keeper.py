"""Keeps a zygote: starts it, starts another when it exits, and tells its address once it is ready."""

import asyncio
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path

from eo_pygeoapi.worker.environment import zygote_folder_prefix
from eo_pygeoapi.worker.loaded_code import STALE
from eo_pygeoapi.worker.zygote import READY
from eo_pygeoapi.worker.zygote_process import ZygoteProcess

_log = logging.getLogger(__name__)
SLOWEST_RESTART = 60.0


class ZygoteKeeper:
    """Supervises one zygote with this environment; `address` is empty while none is ready."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**environment, "OPENBLAS_NUM_THREADS": "1"}  # threads do not survive a fork
        self._folder = Path(tempfile.mkdtemp(prefix=zygote_folder_prefix(os.getpid())))
        self._first: ZygoteProcess | None = None
        self._process: ZygoteProcess | None = None
        self._started = 0
        self._settled = asyncio.Event()
        self.address = ""

    def fork_first(self, environ: MutableMapping[str, str], raw: MutableMapping[bytes, bytes]) -> None:
        """Fork the first zygote from this process, if that is safe; `environ` and `raw` are its environment."""
        self._started = 1
        self._first = ZygoteProcess.fork(self._path(), self._environment, environ, raw)

    async def keep(self) -> None:
        """Run zygotes for ever: the next at once if one was stale or killed, ever later if they fail at start."""
        pause = 1.0
        while True:
            begun = time.monotonic()
            self._started += not self._first
            self._settled.clear()
            first, self._first = self._first, None
            self._process = process = first or ZygoteProcess.start(self._path(), self._environment)
            try:
                async for line in process.lines():
                    if line == READY:
                        self.address = str(self._path())
                        self._settled.set()
                        _log.info("zygote %d is ready", process.pid)
                status = await process.wait()
            finally:
                self.address = ""
                self._settled.set()
                self._path().unlink(missing_ok=True)
            _log.info("zygote ended with status %s; runs start cold until there is another", status)
            healthy = status == STALE or time.monotonic() - begun > SLOWEST_RESTART
            pause = 0.2 if healthy else min(pause * 2, SLOWEST_RESTART)
            await asyncio.sleep(pause)

    async def ready_address(self, seconds: float) -> str:
        """Return the address, waiting at most so many seconds for a zygote that is loading; empty if there is none.

        A run that starts cold meanwhile would load the same libraries, and start no earlier.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), seconds)
        return self.address

    async def close(self) -> None:
        """Kill the zygote, and with it the runs in it."""
        if process := self._process or self._first:
            process.kill()
            await process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self) -> Path:
        return self._folder / f"{self._started}.sock"


def zygote_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a zygote: that of its runs, without the variables of a single run."""
    return {name: value for name, value in environ.items() if not name.startswith("PREFECT__")}
