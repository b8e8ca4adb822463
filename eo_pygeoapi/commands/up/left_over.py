"""End what a local stack left running when it was killed before it could stop its children, and remove its files."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from eo_pygeoapi.worker.environment import zygote_folder_prefix
from eo_pygeoapi.worker.processes import Process, end_politely

SECONDS = 10.0


def born(pid: int) -> float:
    """Return when a process was started, in seconds from the start of the machine; 0 where there is none."""
    return Process.of(pid).started


def end_left_over(pids: Mapping[str, int], births: Mapping[str, float]) -> list[str]:
    """End these processes and their descendants; returns the names of those that were still running.

    A process is only ended if it was started when `births` says: ids are used again. Raises nothing for a process
    that ends meanwhile or is not ours to end.
    """
    known = {name: Process(pid, births.get(name, 0.0)) for name, pid in pids.items()}
    found = {name: process for name, process in known.items() if process.is_alive()}
    end_politely(list(found.values()), SECONDS)
    return list(found)


def remove_temporary(of_multiprocessing: str, pids: Iterable[int]) -> None:
    """Remove the temporary folders of a stack that has ended: that of Python's multiprocessing, and its zygotes'.

    Only what has the name of such a folder and belongs to this user is removed.
    """
    found = [Path(of_multiprocessing)] if Path(of_multiprocessing).name.startswith("pymp-") else []
    for pid in pids:
        found += Path(tempfile.gettempdir()).glob(f"{zygote_folder_prefix(pid)}*")
    for folder in found:
        if folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)
