"""Keeps a zygote: starts it, starts another when it exits, and tells its address once it is ready."""

import asyncio
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from eo_pygeoapi.worker.processes import Process, end_tree
from eo_pygeoapi.worker.zygote import READY, STALE

_log = logging.getLogger(__name__)
SLOWEST_RESTART = 60.0


class ZygoteKeeper:
    """Supervises one zygote with this environment; `address` is empty while none is ready."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**environment, "OPENBLAS_NUM_THREADS": "1"}  # threads do not survive a fork
        self._folder = Path(tempfile.mkdtemp(prefix="eo-zygote-"))
        self._process: asyncio.subprocess.Process | None = None
        self._started = 0
        self._settled = asyncio.Event()
        self.address = ""

    async def keep(self) -> None:
        """Run zygotes for ever: the next at once if one was stale or killed, ever later if they fail at start."""
        pause = 1.0
        while True:
            begun = time.monotonic()
            self._started += 1
            self._settled.clear()
            path = self._folder / f"{self._started}.sock"
            self._process = process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "eo_pygeoapi.worker.zygote", str(path)),
                env=self._environment,
                stdin=asyncio.subprocess.PIPE,  # its end tells the zygote that the worker is dead
                stdout=asyncio.subprocess.PIPE,
                cwd=self._folder,
                start_new_session=True,
            )
            assert process.stdout is not None
            try:
                async for line in process.stdout:
                    if line.decode().strip() == READY:
                        self.address = str(path)
                        self._settled.set()
                        _log.info("zygote %d is ready", process.pid)
                status = await process.wait()
            finally:
                self.address = ""
                self._settled.set()
                path.unlink(missing_ok=True)
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
        if self._process is not None:
            if self._process.returncode is None:
                end_tree(Process.of(self._process.pid))
            await self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def zygote_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a zygote: that of its runs, without the variables of a single run."""
    return {name: value for name, value in environ.items() if not name.startswith("PREFECT__")}


def can_fork() -> bool:
    """Return whether this system can have a zygote."""
    return hasattr(os, "fork") and sys.platform == "linux"
