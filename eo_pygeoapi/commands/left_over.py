"""End what a local stack left running when it was killed before it could stop its children."""

from collections.abc import Iterator, Mapping

import psutil

SECONDS = 10.0


def born(pid: int) -> float:
    """Return when a process was started (seconds since 1970); 0 where there is none."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0


def end_left_over(pids: Mapping[str, int], births: Mapping[str, float]) -> list[str]:
    """End these processes and their descendants; returns the names of those that were still running.

    A process is only ended if it was started when `births` says: ids are used again. Raises nothing for a process
    that ends meanwhile or is not ours to end.
    """
    found = {name: process for name, pid in pids.items() for process in _same(pid, births.get(name, 0.0))}
    family = [member for process in found.values() for member in _family(process)]
    for process in family:
        _send(process, kill=False)
    _, alive = psutil.wait_procs(family, timeout=SECONDS)
    for process in alive:
        _send(process, kill=True)
    return list(found)


def _same(pid: int, birth: float) -> Iterator[psutil.Process]:
    if birth and abs(born(pid) - birth) < 1:
        yield psutil.Process(pid)


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return [process]


def _send(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.Error:
        return
