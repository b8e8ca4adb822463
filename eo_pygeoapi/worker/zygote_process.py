"""The process of a zygote as its worker has it: how it is started, what it says, and its end.

The first is a fork of the worker, so that what both load is imported, and in memory, once. Later ones load everything
themselves: a worker that has threads and connections cannot be forked, and the code on disk may be newer than its own.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, MutableMapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

from eo_pygeoapi.worker import zygote
from eo_pygeoapi.worker.environment import have_prefect_read_again
from eo_pygeoapi.worker.processes import Process, end_tree


@dataclass(frozen=True)
class Pipes:
    """The ends of its standard input and of its standard output, in the order in which `os.pipe` returns both."""

    own_input: int
    ours: int
    printed: int
    own_output: int

    @property
    def streams(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Its own ends, each with the number that it has there."""
        return (self.own_input, 0), (self.own_output, 1)

    def close_own(self) -> None:
        """Close its own ends here, once it has them: what it prints ends with it."""
        for own, _ in self.streams:
            os.close(own)


@dataclass
class ZygoteProcess:
    """One zygote; it ends when the end of its standard input that is ours, `ours`, is closed."""

    pid: int
    ours: int
    printed: int
    status: int | None = None

    @classmethod
    def start(cls, address: Path, environment: Mapping[str, str]) -> Self:
        """Start one with this environment that loads everything itself."""
        pipes = Pipes(*os.pipe(), *os.pipe())
        streams = [(os.POSIX_SPAWN_DUP2, own, number) for own, number in pipes.streams]
        command = [sys.executable, "-m", "eo_pygeoapi.worker.zygote", str(address)]
        try:
            pid = os.posix_spawn(command[0], command, environment, file_actions=streams, setsid=True)
        finally:
            pipes.close_own()
        return cls(pid, pipes.ours, pipes.printed)

    @classmethod
    def fork(
        cls,
        address: Path,
        environment: Mapping[str, str],
        environ: MutableMapping[str, str],
        raw: MutableMapping[bytes, bytes],
    ) -> Self | None:
        """Start one as a fork of this process, whose environment is `environ` and `raw`; None where that is not safe.

        In the fork and in its runs this ends with SystemExit.
        """
        if zygote.unsafe_to_share():
            return None
        pipes = Pipes(*os.pipe(), *os.pipe())
        sys.stdout.flush()
        if (pid := os.fork()) == 0:
            os.setsid()
            for own, number in pipes.streams:
                os.dup2(own, number)
            for descriptor in astuple(pipes):
                os.close(descriptor)
            environ.clear()
            environ.update(environment)
            have_prefect_read_again()
            zygote.main(str(address), environ, raw)
            sys.exit()
        pipes.close_own()
        return cls(pid, pipes.ours, pipes.printed)

    async def lines(self) -> AsyncIterator[str]:
        """Yield the lines that it prints."""
        reader = asyncio.StreamReader()
        pipe = os.fdopen(self.printed, "rb")
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            async for line in reader:
                yield line.decode().rstrip()
        finally:
            transport.close()

    async def wait(self) -> int:
        """Wait for its end; returns its exit status, or the negative number of the signal that killed it."""
        if self.status is None:
            loop, ended, watched = asyncio.get_running_loop(), asyncio.Event(), os.pidfd_open(self.pid)
            loop.add_reader(watched, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(watched)
                os.close(watched)
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self.ours)
        return self.status

    def kill(self) -> None:
        """Kill it, and with it the runs in it."""
        if self.status is None:
            end_tree(Process.of(self.pid))
