"""Start and stop the real programs that tests talk to; each is ended by the id of the process that was started."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from eo_pygeoapi.commands.up.empty_database import make_empty


def patient() -> requests.Session:
    """A client of Prefect's server that asks again while SQLite is locked, as it is now and then on a busy machine."""
    session = requests.Session()
    again = Retry(total=12, backoff_factor=0.2, backoff_max=5, status_forcelist=[503], allowed_methods=None)
    session.mount("http://", HTTPAdapter(max_retries=again))
    return session


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None, stop: int = signal.SIGTERM
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command while the block runs, then stop it; its output goes to the file `log`."""
    with log.open("ab") as stream:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(stop)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 180) -> None:
    """Wait until the URL answers with success; fail with the end of the log."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer:\n{log.read_text(errors='replace')[-4000:]}")


@contextmanager
def prefect_server(
    folder: Path, port: int = 0, variables: Mapping[str, str] | None = None, host: str = "127.0.0.1"
) -> Iterator[str]:
    """Run a real Prefect server, on SQLite in the folder by default; yields the address of its API."""
    port, log = port or free_port(), folder / "prefect-server.log"
    command = [sys.executable, "-m", "eo_pygeoapi", "prefect-server", "--host", host, "--port", str(port)]
    environment = {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_API_URL": "",
        **(variables or {}),
    }
    (folder / "prefect").mkdir(exist_ok=True)
    make_empty(folder / "prefect", environment)  # as `up` does
    api = f"http://{host}:{port}/api"
    with running(command, log, environment) as process:
        wait_for(f"{api}/health", process, log, 300)
        yield api
