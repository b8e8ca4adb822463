"""Processes of this machine: which are alive, which belong to a run, and how to kill them.

A number and a start time identify a process, for the system uses numbers again.
"""

import ctypes
import os
import platform
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

UNFINISHED, LOCK = ".unfinished-", ".lock"  # as in the cache of downloads
_PR_SET_PDEATHSIG = 1
_LATER_SECONDS = 0.02  # two of the kernel's ticks: no number is used again so soon


@dataclass(frozen=True)
class Process:
    """One process; `started` is in seconds since the machine's start, which no change of the clock affects.

    It is 0 for a process that never existed.
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
        """Tell whether it still runs; a zombie does not."""
        return self.found() is not None

    def found(self) -> psutil.Process | None:
        """Return its psutil object while it is alive."""
        try:
            process = psutil.Process(self.pid)
            same = abs(_started(process) - self.started) < _LATER_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None


def tree(root: Process) -> list[int]:
    """Return the numbers of the process, its descendants and the members of its session that are alive."""
    return sorted(process.pid for process in _tree(root))


def resident_bytes(pids: list[int]) -> int:
    """Return how much memory the processes have in use."""
    total = 0
    for pid in pids:
        with suppress(psutil.Error):
            total += psutil.Process(pid).memory_info().rss
    return total


def end_tree(root: Process, seconds: float = 3.0) -> bool:
    """Kill the process and all that belongs to it, and remove their unfinished files; returns whether all are dead.

    It sends SIGKILL, because C code reacts to no other signal in time.
    """
    until = time.monotonic() + seconds
    unfinished: set[Path] = set()
    while processes := _tree(root):
        _each(processes, psutil.Process.suspend)  # so that none forks or renames a file meanwhile
        for process in processes:
            with suppress(psutil.Error):
                # what it writes to, or made beside its lock
                for path in (Path(file.path) for file in process.open_files()):
                    unfinished |= {place for place in (path, *path.parents) if place.name.startswith(UNFINISHED)}
                    if path.name.startswith(LOCK):
                        unfinished |= set(path.parent.glob(f"{UNFINISHED}{platform.node()}-{process.pid}-*"))
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


def can_fork() -> bool:
    """Return whether a process of this system can be forked after it has loaded libraries."""
    return hasattr(os, "fork") and sys.platform == "linux"


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, where it can (Linux)."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before
        os.kill(os.getpid(), signal.SIGKILL)


def place() -> str:
    """Return an id of this container since the machine's start: process numbers of another place mean nothing here.

    It is empty except on Linux; other systems have no containers that share a data folder.
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
        return []  # another process has this number now
    found = {} if process is None else {root.pid: process}
    # a session keeps the number of the process that started it, also after its death
    for pid in psutil.pids():
        with suppress(OSError, psutil.Error):
            if pid != os.getpid() and os.getsid(pid) == root.pid:
                found[pid] = psutil.Process(pid)
    for member in list(found.values()):
        found |= {descendant.pid: descendant for descendant in _family(member)}
    alive = []
    for member in found.values():
        with suppress(psutil.Error):
            if member.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                alive.append(member)
    return alive


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return [process]


def _each(processes: list[psutil.Process], act: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            act(process)
