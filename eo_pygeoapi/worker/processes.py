"""Processes of this machine: who is alive, what belongs to a run, and how it is ended.

A process is known by its number and by when it started, for numbers are used again.
"""

import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

UNFINISHED, LOCK = ".unfinished-", ".lock"  # as in the cache of downloads
_LATER_SECONDS = 0.02  # two of the kernel's ticks: no number is used again so soon


@dataclass(frozen=True)
class Process:
    """One process; `started` counts in seconds from the start of the machine, so that no change of its clock matters.

    A process that never was has started at 0.
    """

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "Process":
        """Return the process that has this number now."""
        try:
            return cls(pid, _started(psutil.Process(pid)))
        except psutil.Error:
            return cls(pid, 0.0)

    def is_alive(self) -> bool:
        """Return whether it still runs; a zombie does not."""
        return self.found() is not None

    def found(self) -> psutil.Process | None:
        """Return it as psutil knows it, while it is alive."""
        try:
            process = psutil.Process(self.pid)
            same = abs(_started(process) - self.started) < _LATER_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None


def tree(root: Process) -> list[int]:
    """Return the process, its descendants and whoever shares their session, where alive."""
    return sorted(process.pid for process in _tree(root))


def resident_bytes(pids: list[int]) -> int:
    """Return how much memory the processes have in use."""
    total = 0
    for pid in pids:
        with suppress(psutil.Error):
            total += psutil.Process(pid).memory_info().rss
    return total


def end_tree(root: Process, seconds: float = 3.0) -> bool:
    """Kill the process and all that belongs to it, at once; returns whether all are gone.

    SIGKILL, because C code answers nothing else in time. What was being written is removed.
    """
    until = time.monotonic() + seconds
    unfinished: set[Path] = set()
    while processes := _tree(root):
        _each(processes, psutil.Process.suspend)  # so that nothing forks or renames while we look
        unfinished |= {path for process in processes for path in _written_by(process)}
        _each(processes, psutil.Process.kill)
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    for path in unfinished:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return True


def end_politely(roots: list[Process], seconds: float) -> None:
    """Ask the processes and their descendants to end, and kill those that have not after so many seconds."""
    family = [member for root in roots if (process := root.found()) for member in _family(process)]
    _each(family, psutil.Process.terminate)
    _, alive = psutil.wait_procs(family, timeout=seconds)
    _each(alive, psutil.Process.kill)


def place() -> str:
    """Return where process numbers mean what they mean here: this container, since the machine was started.

    Only Linux tells; elsewhere there are no containers that share a data folder.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(process: psutil.Process) -> float:
    return round(process.create_time() - psutil.boot_time(), 2)


def _tree(root: Process) -> list[psutil.Process]:
    process = root.found()
    if process is None and psutil.pid_exists(root.pid) and Process.of(root.pid).is_alive():
        return []  # the number is another process's now
    found = {} if process is None else {root.pid: process}
    # a session keeps the number of the process that started it, also after its death
    found |= {member.pid: member for member in _session(root.pid)}
    for member in list(found.values()):
        found |= {descendant.pid: descendant for descendant in _family(member)}
    return [member for member in found.values() if not _is_dead(member)]


def _session(leader: int) -> Iterator[psutil.Process]:
    for pid in psutil.pids():
        with suppress(OSError, psutil.Error):
            if pid != os.getpid() and os.getsid(pid) == leader:
                yield psutil.Process(pid)


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return [process]


def _is_dead(process: psutil.Process) -> bool:
    try:
        return process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.Error:
        return True


def _written_by(process: psutil.Process) -> Iterator[Path]:
    """Yield the unfinished downloads of a process: the files and folders that it writes to, or made beside its lock."""
    with suppress(psutil.Error):
        for file in process.open_files():
            path = Path(file.path)
            yield from (place for place in (path, *path.parents) if place.name.startswith(UNFINISHED))
            if path.name == LOCK:
                yield from path.parent.glob(f"{UNFINISHED}{platform.node()}-{process.pid}-*")


def _each(processes: list[psutil.Process], act: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            act(process)
