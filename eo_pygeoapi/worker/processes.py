"""Processes of this machine: who is alive, what belongs to a run, and how it is ended.

A process is known by its number and the time it started, for numbers are used again. Trees are read from `/proc`;
where there is none (macOS), a tree is a process group.
"""

import os
import platform
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")
UNFINISHED, LOCK = ".unfinished-", ".lock"  # as in the cache of downloads


@dataclass(frozen=True)
class Process:
    """One process; `started` is 0 where the system does not tell."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "Process":
        """Return the process that has this number now."""
        fields = _stat(pid)
        return cls(pid, int(fields[19]) if fields else 0)

    def is_alive(self) -> bool:
        """Return whether it still runs; a zombie does not."""
        fields = _stat(self.pid)
        if fields:
            return fields[0] not in "ZX" and self.started in (0, int(fields[19]))
        return not PROC.joinpath("self").exists() and _answers(self.pid)


def tree(root: Process) -> list[int]:
    """Return the process, its descendants and whoever shares their session, where alive."""
    if not root.is_alive() and not PROC.joinpath("self").exists():
        return []
    parents, sessions = {}, {}
    for pid, fields in _all():
        if fields[0] not in "ZX":
            parents[pid], sessions[pid] = int(fields[1]), int(fields[3])
    if root.pid in parents and not root.is_alive():
        return []  # the number is another process's now
    found = {root.pid} if root.is_alive() else set()
    # a session keeps the number of the process that started it, also after its death
    found |= {pid for pid, session in sessions.items() if session == root.pid and pid != os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found)


def resident_bytes(pids: list[int]) -> int:
    """Return how much memory the processes have in use."""
    pages = 0
    for pid in pids:
        try:
            pages += int((PROC / str(pid) / "statm").read_text().split()[1])
        except (OSError, ValueError, IndexError):
            continue
    return pages * _PAGE


def end_tree(root: Process, seconds: float = 3.0) -> bool:
    """Kill the process and all that belongs to it, at once; returns whether all are gone.

    SIGKILL, because C code answers nothing else in time. What was being written is removed.
    """
    until = time.monotonic() + seconds
    unfinished: set[Path] = set()
    while pids := tree(root):
        for pid in pids:
            _send(pid, signal.SIGSTOP)  # so that nothing forks or renames while we look
        unfinished |= {path for pid in pids for path in _written_by(pid)}
        for pid in pids:
            _send(pid, signal.SIGKILL)
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    if not PROC.joinpath("self").exists():
        _kill_group(root.pid)
    for path in unfinished:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return True


def place() -> str:
    """Return where process numbers mean what they mean here: this container, since the machine was started."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink(PROC / 'self/ns/pid')}"
    except OSError:
        return ""


def _written_by(pid: int) -> Iterator[Path]:
    """Yield the unfinished downloads of a process: the files and folders that it writes to, or made beside its lock."""
    try:
        for entry in (PROC / str(pid) / "fd").iterdir():
            target = Path(os.readlink(entry))
            yield from (path for path in (target, *target.parents) if path.name.startswith(UNFINISHED))
            if target.name == LOCK:
                yield from target.parent.glob(f"{UNFINISHED}{platform.node()}-{pid}-*")
    except OSError:
        return


def _all() -> Iterator[tuple[int, list[str]]]:
    try:
        entries = os.listdir(PROC)
    except OSError:
        return
    for entry in entries:
        if entry.isdigit() and (fields := _stat(int(entry))):
            yield int(entry), fields


def _stat(pid: int) -> list[str] | None:
    """Return the fields of `/proc/PID/stat` after the name: state, parent, group, session …"""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        return


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        return
