"""One run as the worker handles it: its launcher, its record, its memory, and how the worker kills it."""

import asyncio
import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

from eo_pygeoapi.worker.deaths import Death, death_by_status
from eo_pygeoapi.worker.processes import Process, end_tree, resident_bytes, tree
from eo_pygeoapi.worker.records import RunRecord

MEMORY_SECONDS = 0.5


@dataclass
class RunProcess:
    """The processes of one run; `ending` is the reason if the worker killed it."""

    record: RunRecord
    launcher: asyncio.subprocess.Process
    memory_limit: int = 0
    ending: Death | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def run_id(self) -> UUID:
        """The flow run."""
        return self.record.run_id

    @classmethod
    async def start(
        cls, record: RunRecord, command: str, environment: Mapping[str, str], memory_limit: int = 0
    ) -> "RunProcess":
        """Start the command in its own folder and session."""
        folder = tempfile.mkdtemp(prefix="eo-run-")
        record = replace(record, folder=folder).write()
        own = {"EO_RUN_PARENT": str(os.getpid()), "TMPDIR": folder, "EO_RUN_RECORD": str(record.path)}
        launcher = await asyncio.create_subprocess_exec(
            *shlex.split(command),
            env={**environment, **own},
            cwd=folder,
            stdin=asyncio.subprocess.PIPE,  # its end tells the launcher that the worker is dead
            start_new_session=True,
        )
        known = replace(record, launcher=Process.of(launcher.pid)).write()
        return cls(known, launcher, memory_limit)

    async def wait(self) -> Death:
        """Wait until all processes of the run have ended; returns the reason."""
        watching = asyncio.create_task(self._watch_memory()) if self.memory_limit else None
        status = await self.launcher.wait()
        if watching is not None:
            watching.cancel()
        # somebody may have killed only the launcher, and a run may leave processes behind
        await self.end()
        await asyncio.to_thread(shutil.rmtree, self.record.folder, ignore_errors=True)
        self.ended.set()
        return self.ending or death_by_status(status)

    def forget(self) -> None:
        """Remove the record of the run, once it is settled."""
        if self.launcher.stdin is not None:
            self.launcher.stdin.close()
        self.record.forget()

    async def end(self, why: Death | None = None) -> None:
        """Kill all processes of the run, and wait until they are dead."""
        self.ending = self.ending or why
        for root in filter(None, (self.record.process, self.record.launcher)):
            while not await asyncio.to_thread(end_tree, root):
                await asyncio.sleep(0.5)

    async def _watch_memory(self) -> None:
        while True:
            process = self.record.process
            if process and resident_bytes(tree(process)) > self.memory_limit:
                limit = f"{self.memory_limit / 2**20:.0f} MiB"
                await self.end(
                    Death(f"the run used more memory than its limit of {limit} (EO_MEMORY_LIMIT_MIB)", again=False)
                )
                return
            await asyncio.sleep(MEMORY_SECONDS)


LAUNCHER = Path(__file__).with_name("launcher.py")
