"""Everything on one machine: what `eo-pygeoapi up` starts, watches and stops."""

import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import asdict
from http.client import HTTPException
from multiprocessing.process import BaseProcess
from multiprocessing.util import get_temp_dir
from pathlib import Path
from urllib.request import urlopen

from eo_pygeoapi.commands.running import CONFIG, OPENAPI, STATE, Running, prefect_api_url, read_state
from eo_pygeoapi.commands.up.children import Children
from eo_pygeoapi.commands.up.empty_database import make_empty
from eo_pygeoapi.commands.up.interrupts import deferred_interrupts
from eo_pygeoapi.commands.up.left_over import born, end_left_over, remove_temporary
from eo_pygeoapi.commands.up.preparation import Checked, Preparation
from eo_pygeoapi.commands.up.restarts import Restarts
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.files import write_whole
from eo_pygeoapi.settings import variables_for_jobs
from eo_pygeoapi.worker.environment import DAY_AND_TIME, LOG_DATES
from eo_pygeoapi.worker.loaded_code import STALE
from eo_pygeoapi.worker.records import has_polled

START_SECONDS = 120.0
STOP_SECONDS = 80.0
WORKER_GRACE_SECONDS = "10"  # for the worker's runs, where somebody waits at the terminal
# the children in words; each is started again where it has died
NAMES = {
    "prefect-server": "the Prefect server",
    "worker": "the worker",
    "web": "the web process",
    "watch": "the watch",
}
_PREFECT_SERVER = ["eo-pygeoapi", "prefect-server"]
_WORKER = ["eo-pygeoapi", "worker"]
_WEB = ["gunicorn", "--config", "python:eo_pygeoapi.commands.up.web_process"]
_WATCH = ["eo-pygeoapi", "watch"]
DEFAULT_PREFECT_PORT = 4200
# variables that name a file or a folder of this machine, and may do so from the folder that a person stands in
_OF_PATHS = re.compile("EO_(RESULTS_URL|CACHE_URL|API_TOKENS_FILE|WEB_PID|DHIS2_[A-Z0-9_]+_CA_FILE)")

Say = Callable[[str], None]


class StackError(EoError):
    """A process of the local stack could not be started, or died."""


class ChildDiedError(StackError):
    """The child called `child` has died for good."""

    def __init__(self, message: str, child: str) -> None:
        super().__init__(message)
        self.child = child


class LocalStack:
    """Prefect server, worker, web process and watch, as children of this process; each has a log file of its own.

    `environ` is the environment of this process, which they take over.
    """

    def __init__(
        self,
        config: Path,
        data_dir: Path,
        port: int | None,
        prefect_port: int | None,
        environ: MutableMapping[str, str],
        say: Say,
    ) -> None:
        self.config = config.absolute()
        self.data_dir = data_dir.absolute()
        self._asked = (port, prefect_port)
        self._environ = environ
        self._say = say
        self._children: dict[str, BaseProcess] = {}
        self._commands: dict[str, Sequence[str]] = {}
        self._restarts = Restarts()
        self._due: dict[str, float] = {}  # when each child that has died is started again
        self.is_up = False
        self._begun = time.time()
        self.children = Children(self.data_dir, self.log_file("up"))

    def warm(self) -> None:
        """Choose the port of Prefect, set the environment, and have the libraries loaded; StackError if one runs."""
        self._prepare_folder()
        self._prefect_port = self._free_port("Prefect", "127.0.0.1", self._asked[1], DEFAULT_PREFECT_PORT)
        self._variables = variables_for_jobs(self._environ)
        self._environ.update(child_environment(self._environ, self.data_dir, prefect_api_url(self._prefect_port)))
        self.children.warm()

    def start(self, checked: Checked, preparation: Preparation) -> Running:
        """Start all, at the same time where they do not need each other."""
        host = checked.host
        port = self._free_port("web", host, self._asked[0], checked.port)
        births = {"up": born(os.getpid())}
        self.running = running = Running(
            os.getpid(), str(self.config), host, port, self._prefect_port, {}, births, self._variables, get_temp_dir()
        )
        self._spawn("prefect-server", [*_PREFECT_SERVER, "--port", str(running.prefect_port)])
        preparation.write(running.port)
        self._spawn("worker", _WORKER)
        address = f"{running.host}:{running.port}"
        self._spawn("web", [*_WEB, "--bind", address, "--pid", str(self.data_dir / "web.pid")])
        self._wait_for_answer("prefect-server", f"{running.prefect_api_url}/health")
        preparation.apply(running.prefect_api_url)
        host = "127.0.0.1" if running.host in ("0.0.0.0", "") else running.host
        self._wait_for_answer("web", f"http://{host}:{running.port}/conformance?f=json")
        # before that the first job would be told that there is no worker
        self._wait_for("worker", lambda: has_polled(self.data_dir, self._begun), "the worker takes no jobs")
        self._spawn("watch", _WATCH)
        self._remember()
        self.is_up = True
        return running

    def watch(self) -> None:
        """Watch the children for ever; raise StackError with the end of its log when one has died for good."""
        while True:
            self.check()
            time.sleep(0.5)

    def check(self) -> None:
        """Start again what has died; ChildDiedError for a child that has died too often within an hour.

        A new worker settles what the dead one left; the others wait while the Prefect server is away. But for the
        worker, a child that does not come up the first time has died for good.
        """
        for name, child in list(self._children.items()):
            if child.exitcode is None:
                continue
            if name not in self._due:
                again = self._restarts.after_death(name) if self.is_up or name == "worker" else None
                said = f"{name} ended with status {child.exitcode}"
                if again is None:
                    raise ChildDiedError(f"{said}; its log ends:\n{self._end_of_log(name)}", name)
                why = (
                    "has older code than the disk" if child.exitcode == STALE else f"ended with status {child.exitcode}"
                )
                self._say(f"{NAMES[name]} {why}; another is started")
                self._due[name] = time.monotonic() + again
            if self._due[name] <= time.monotonic():
                del self._due[name]
                try:
                    self._spawn(name, self._commands[name])
                except OSError as error:  # as of a full disk; the next check counts it as a death
                    self._say(f"{NAMES[name]} could not be started: {error}")

    def stop(self) -> None:
        """Stop the children, the last one started first, and kill those that do not end in time."""
        for name, child in reversed(self._children.items()):
            child.terminate()
            child.join(STOP_SECONDS)
            if child.exitcode is None:
                os.killpg(child.pid or 0, signal.SIGKILL)
                child.join()
            self._say(f"stopped {name}")
        if self._children:  # else the file, if there is one, is another stack's
            (self.data_dir / STATE).unlink(missing_ok=True)
        self._children.clear()

    def log_file(self, name: str) -> Path:
        """Return the log file of a child."""
        return self.data_dir / "logs" / f"{name}.log"

    def _prepare_folder(self) -> None:
        for folder in ("logs", "results", "cache", "prefect"):
            (self.data_dir / folder).mkdir(parents=True, exist_ok=True)
        make_empty(self.data_dir / "prefect", self._environ)
        earlier = read_state(self.data_dir)
        if earlier is not None and earlier.is_alive():
            raise StackError(
                f"already running from {self.data_dir} (process {earlier.pid}, {earlier.web_url}); stop it first"
            )
        if earlier is not None and (ended := end_left_over(earlier.pids, earlier.births)):
            self._say(f"ended what an earlier run was killed without stopping: {', '.join(ended)}")
        if earlier is not None:
            ids_of_others = {n for n, pid in earlier.pids.items() if born(pid) not in (0.0, earlier.births.get(n))}
            remove_temporary(earlier.temporary, [pid for n, pid in earlier.pids.items() if n not in ids_of_others])

    def _free_port(self, what: str, host: str, asked: int | None, default: int) -> int:
        if asked is not None:
            if asked and not _is_free(host, asked):
                raise StackError(f"port {asked} is taken; choose another for {what}")
            return asked or _any_free_port(host)
        if _is_free(host, default):
            return default
        chosen = _any_free_port(host)
        self._say(f"port {default} is taken; {what} uses {chosen}")
        return chosen

    def _spawn(self, name: str, command: Sequence[str]) -> None:
        self._commands[name] = command
        with deferred_interrupts():  # `stop` must know of every child
            self._children[name] = self.children.run(command, self.log_file(name))
        self._remember()

    def _wait_for(self, name: str, ready: Callable[[], bool], trouble: str) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            self.check()
            if ready():
                return
            time.sleep(0.1)
        raise StackError(f"{trouble}; its log ends:\n{self._end_of_log(name)}")

    def _wait_for_answer(self, name: str, url: str) -> None:
        def answers() -> bool:
            try:
                with urlopen(url, timeout=5):
                    return True
            except (OSError, HTTPException):  # also of an answer that is an error
                return False

        self._wait_for(name, answers, f"{name} does not answer at {url}")

    def _remember(self) -> None:
        pids = {name: child.pid or 0 for name, child in self._children.items()}
        births = self.running.births | {name: born(pid) for name, pid in pids.items()}
        state = asdict(self.running) | {"pids": pids, "births": births}
        write_whole(self.data_dir / STATE, json.dumps(state, indent=1))

    def _end_of_log(self, name: str) -> str:
        lines = self.log_file(name).read_text(errors="replace").splitlines()
        return "\n".join(lines[-15:])


def child_environment(environ: Mapping[str, str], data_dir: Path, prefect_url: str) -> dict[str, str]:
    """Return the environment of a process of the stack: what `environ` says, which wins where it may, and ours."""
    may_differ = {
        "EO_STOP_GRACE_SECONDS": WORKER_GRACE_SECONDS,
        # Prefect lists all time zones each time it reads a schedule: from one file of `tzdata`, not from 1,800
        "PYTHONTZPATH": "",
        # steps in Prefect's pages come a second late; Prefect itself writes each change of one alone
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "50",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        "MALLOC_ARENA_MAX": "2",  # else glibc keeps what each thread has freed for that thread
        LOG_DATES: DAY_AND_TIME,
    }
    if not any(name.startswith("PREFECT_") and "_CSRF_PROTECTION_" in name for name in environ):
        may_differ["PREFECT_CLIENT_CSRF_SUPPORT_ENABLED"] = "false"  # else each client asks first whether it is needed
    ours = {
        "PREFECT_HOME": str(data_dir / "prefect"),
        "PREFECT_API_URL": prefect_url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        # never flow_runs: runs are jobs, and eo.retention says how long these are kept
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,orphans",
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P7D",
        "DO_NOT_TRACK": "1",
        "EO_DATA_DIR": str(data_dir),
        "PYGEOAPI_CONFIG": str(data_dir / CONFIG),
        "PYGEOAPI_OPENAPI": str(data_dir / OPENAPI),
        "PYTHONUNBUFFERED": "1",
        "OPENBLAS_NUM_THREADS": "1",  # threads do not survive a fork
    }
    return {**may_differ, **environ, **_whole_paths(environ), **ours}


def _whole_paths(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that name files or folders from here; processes of the stack run in its data folder."""
    return {
        name: str(Path(value).absolute())
        for name, value in environ.items()
        if _OF_PATHS.fullmatch(name) and value and "://" not in value
    }


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _any_free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
