"""The processes of the local stack: forks of one process that has loaded the libraries which several of them need.

So these are imported once at a start, and are in memory once. That process is the fork server of Python's
multiprocessing: it has one thread, takes over the environment that this process has when it starts it, and ends with
the last child. Where a system cannot fork safely, and when the code on disk is newer than what is loaded, a child
imports for itself.
"""

import multiprocessing
import os
import pkgutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import setproctitle

from eo_pygeoapi.worker.loaded_code import is_newer_on_disk
from eo_pygeoapi.worker.processes import can_fork, die_with

_LIBRARIES = "eo_pygeoapi.commands.up.shared_libraries"
# the functions of console scripts
_SCRIPTS = {"eo-pygeoapi": "eo_pygeoapi.__main__:main", "gunicorn": "gunicorn.app.wsgiapp:run"}


class Children:
    """Starts processes, scripts in a folder; `log` has what the fork server prints, and those without a log."""

    def __init__(self, folder: Path, log: Path, is_newer: Callable[[], bool] = is_newer_on_disk) -> None:
        self._folder = folder
        self._log = log
        self._is_newer = is_newer

    def warm(self) -> ForkServerContext | SpawnContext:
        """Return how a process is started now; where that is by the fork server, it runs and loads the libraries."""
        if not can_fork() or self._is_newer():
            return multiprocessing.get_context("spawn")
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([_LIBRARIES])
        with _printing_to(self._log):  # else what it loads would believe to write to a terminal
            forkserver.ensure_running()
        return context

    def start(self, title: str, work: Callable[..., None], *given: object, log: Path | None = None) -> BaseProcess:
        """Start a process that does this work and ends; lists of processes show the title."""
        process = self.warm().Process(target=_work, args=(title, log or self._log, work, *given))
        process.start()
        return process

    def run(self, command: Sequence[str], log: Path) -> BaseProcess:
        """Start a process that runs a console script with its arguments, in the folder."""
        return self.start(" ".join(command), _run, self._folder, command, log=log)


def _work(title: str, log: Path, work: Callable[..., None], *given: object) -> None:
    setproctitle.setproctitle(title)
    if can_fork():
        os.setsid()  # Ctrl-C is for `up`, which stops its children in order
        die_with(_parent())  # `up` would not hear of its end
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the fork server ignores it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    _print_to(log)
    work(*given)


def _parent() -> int:
    """Return the process that started this one, which may have ended since: the fork server or, without one, `up`."""
    if _LIBRARIES in sys.modules:
        return int(sys.modules[_LIBRARIES].PID)
    parent = multiprocessing.parent_process()
    return parent.pid if parent and parent.pid else os.getppid()


def _run(folder: Path, command: Sequence[str]) -> None:
    os.chdir(folder)
    sys.argv = list(command)
    pkgutil.resolve_name(_SCRIPTS[command[0]])()


def _print_to(log: Path) -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    with log.open("ab") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)


@contextmanager
def _printing_to(log: Path) -> Iterator[None]:
    """Have processes that are started in this block print to the log."""
    kept = {number: os.dup(number) for number in (1, 2)}
    try:
        _print_to(log)
        yield
    finally:
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)
