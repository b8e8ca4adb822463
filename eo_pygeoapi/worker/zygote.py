"""The zygote: a process with all libraries loaded. Each run is a fork of it and so does not wait for imports.

It is optional: a launcher without an answer starts its run cold. It has one thread and no connections; launchers ask it
over a Unix socket (`EO_ZYGOTE`). It exits with the worker (its standard input ends) and kills its runs then; if it is
killed itself, the kernel kills them. When the code on disk is newer than the loaded code it takes no more runs, and
exits after the last one; the worker then starts another.
"""

import gc
import importlib
import os
import selectors
import shutil
import signal
import socket
import sys
import threading
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import psutil
import setproctitle

from eo_pygeoapi.worker.execute_run import execute_run
from eo_pygeoapi.worker.loaded_code import STALE, is_newer_on_disk
from eo_pygeoapi.worker.processes import Process, die_with, end_tree
from eo_pygeoapi.worker.warming import warm

PRELOADED = (
    "prefect.engine",
    "prefect.flow_engine",
    "flows.eo_aggregate_import",
    "flows.run_process",
    "flows.undo",
    "flows.reconcile",
    "eo_pygeoapi.pipeline.sources.preloaded",
    "eo_pygeoapi.worker.clock",
    "eo_pygeoapi.worker.run_client",
    "eo_pygeoapi.worker.run_log",
    "eo_pygeoapi.worker.suspension",
)
READY = "zygote is ready"
_REOPENED = ("proj.db",)  # PROJ opens its database anew after a fork
_REQUEST_SECONDS = 5.0


@dataclass(frozen=True)
class Request:
    """The message of a launcher: environment, folder and output of a run."""

    environment: dict[bytes, bytes]
    folder: bytes
    output: tuple[int, int]

    @property
    def settings(self) -> dict[bytes, bytes]:
        """The settings that Prefect reads at import, and that a fork would not read again."""
        return prefect_settings(self.environment)


@dataclass
class Zygote:
    """Serves launchers until its standard input ends; `serve` returns in each child, with its request."""

    listener: socket.socket
    settings: dict[bytes, bytes]
    _launchers: dict[int, socket.socket] = field(default_factory=dict)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _stale: bool = False

    def serve(self) -> Request | None:
        """Fork a child for each request; returns the request in the child, and None in the zygote at its end."""
        # a signal that a child has died makes `ended` readable
        ended, wake = socket.socketpair()
        ended.setblocking(False)
        wake.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        self._selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self._selector.register(0, selectors.EVENT_READ, None)
        self._selector.register(ended, selectors.EVENT_READ, self._reap)
        while not (self._stale and not self._launchers):
            for key, _ in self._selector.select():
                if key.data is None:
                    for pid in self._launchers:
                        end_tree(Process.of(pid))
                    return None
                if (request := key.data(key.fileobj)) is not None:
                    signal.set_wakeup_fd(-1)
                    ended.close()
                    wake.close()
                    self._selector.close()
                    return cast(Request, request)
        sys.exit(STALE)

    def _accept(self, listener: socket.socket) -> Request | None:
        connection, _ = listener.accept()
        connection.settimeout(_REQUEST_SECONDS)
        try:
            request = _receive(connection)
            differing = {name.decode() for name, _ in self.settings.items() ^ request.settings.items()}
            reason = f"other settings of Prefect: {', '.join(sorted(differing))}" if differing else ""
            if self._stale or is_newer_on_disk():
                self._stale, reason = True, "the code on disk is newer than what is loaded"
            if reason:
                run = request.environment.get(b"PREFECT__FLOW_RUN_ID", b"").decode()
                print(f"the zygote refuses run {run}: {reason}; it starts cold", file=sys.stderr, flush=True)
                connection.sendall(b"n")
                _close(request, connection)
                return None
            connection.sendall(b"y")
        except (OSError, ValueError):
            connection.close()
            return None
        own = os.getpid()
        pid = os.fork()
        if pid == 0:
            os.setsid()
            die_with(own)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            for open_socket in (connection, self.listener, *self._launchers.values()):
                open_socket.close()
            return request
        _close(request)
        self._launchers[pid] = connection
        self._selector.register(connection, selectors.EVENT_READ, self._launcher_gone)
        return None

    def _launcher_gone(self, connection: socket.socket) -> None:
        """Kill the run whose launcher died; `_reap` then handles its death like any other."""
        self._selector.unregister(connection)
        for pid, known in self._launchers.items():
            if known is connection:
                end_tree(Process.of(pid))

    def _reap(self, ended: socket.socket) -> None:
        ended.recv(4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if (connection := self._launchers.pop(pid, None)) is not None:
                with suppress(KeyError):
                    self._selector.unregister(connection)
                with suppress(OSError):
                    connection.sendall(status.to_bytes(4, "big"))
                connection.close()


def main(address: str, environ: MutableMapping[str, str], raw: MutableMapping[bytes, bytes]) -> None:
    """Load the libraries, then serve launchers at the address; exits if a fork would not be safe.

    `environ` and `raw` are the environment of this process; a fork replaces it by that of its run.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    setproctitle.setproctitle("eo-pygeoapi worker: libraries of jobs")
    settings = prefect_settings(dict(raw))
    for name in PRELOADED:
        importlib.import_module(name)
    warm()
    if shared := unsafe_to_share():
        sys.exit(f"the zygote cannot be used, for a fork would share {', '.join(shared)}; runs start cold")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen(128)
    gc.collect()
    gc.freeze()
    print(READY, flush=True)
    request = Zygote(listener, settings).serve()
    if request is not None:
        # take the environment, folder and output of the run; its standard input is empty
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (request.output[0], 1), (request.output[1], 2)):
            os.dup2(source, target)
        for descriptor in (nothing, *request.output):
            if descriptor > 2:
                os.close(descriptor)
        raw.clear()
        raw.update(request.environment)
        os.chdir(request.folder)
        execute_run(environ)
        return
    shutil.rmtree(Path(address).parent, ignore_errors=True)  # the worker made it and may have been killed


def prefect_settings(environment: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the part of an environment that Prefect reads as settings; its internals begin with two underscores."""
    return {k: v for k, v in environment.items() if k.startswith(b"PREFECT_") and not k.startswith(b"PREFECT__")}


def unsafe_to_share() -> list[str]:
    """Return what a fork must not share: threads, and open files and connections."""
    found = [f"the thread {thread.name}" for thread in threading.enumerate() if thread is not threading.main_thread()]
    own = psutil.Process()
    if not found and (count := own.num_threads()) > 1:
        found.append(f"{count - 1} threads of a C library")
    # a run gets standard streams of its own, and nothing else may be shared
    files = [file for file in own.open_files() if file.fd > 2 and Path(file.path).name not in _REOPENED]
    connections = [connection for connection in own.net_connections("all") if connection.fd > 2]
    return found + [f"the open file {f.path}" for f in files] + [f"the connection {c.laddr}" for c in connections]


def _receive(connection: socket.socket) -> Request:
    head, descriptors, _, _ = socket.recv_fds(connection, 4, 2)
    size, parts = int.from_bytes(head, "big"), b""
    while len(parts) < size and (piece := connection.recv(size - len(parts))):
        parts += piece
    if len(parts) < size or len(descriptors) != 2:
        for descriptor in descriptors:
            os.close(descriptor)
        raise ValueError("broken request")
    folder, *pairs = parts.split(b"\0")
    environment = dict(pair.split(b"=", 1) for pair in pairs)
    return Request(environment, folder, (descriptors[0], descriptors[1]))


def _close(request: Request, connection: socket.socket | None = None) -> None:
    for descriptor in request.output:
        os.close(descriptor)
    if connection is not None:
        connection.close()


if __name__ == "__main__":
    main(sys.argv[1], os.environ, os.environb)
