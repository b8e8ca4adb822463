"""A Prefect server, the API and workers as real processes, and what tests do to them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from eo_pygeoapi.commands.configuration.effective_config import write_effective
from eo_pygeoapi.commands.running import CONFIG, OPENAPI
from eo_pygeoapi.errors import EngineUnavailableError
from eo_pygeoapi.gateway.deployments import DeploymentSpec
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job_filter import JobFilter
from eo_pygeoapi.gateway.work_pool import ON_DEMAND
from eo_pygeoapi.worker.processes import Process, end_tree
from tests.servers import free_port, prefect_server, running, wait_for
from tests.stack import CHECKOUT, base_config
from tests.worker.policies import config_file

# the flows of tests, and what their deployments say of attempts and memory
FLOWS: dict[str, dict[str, str]] = {
    "empty": {},
    "sleepy": {"EO_RESUME": "0"},
    "again": {"EO_RESUME": "1"},
    "steps": {},
    "busy_in_c": {},
    "hungry": {"EO_MEMORY_LIMIT_MIB": "600"},
    "exits": {"EO_RESUME": "0"},
    "unsure": {},
    "warns": {},
}


@dataclass
class Worker:
    """A worker that a test started."""

    process: subprocess.Popen[bytes]
    log: Path
    data: Path

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in (self.data / "runs").glob("*-run.json")]

    def record(self, job: str) -> dict[str, Any]:
        return until(lambda: next((r for r in self.records() if r["run_id"] == job and r["launcher"]), None))

    def run_pid(self, job: str) -> int:
        """The process that executes the run."""
        self.record(job)
        found: Path = until(lambda: next((self.data / "runs").glob(f"{job}-*-run.process"), None))
        return int(found.read_text().split()[0])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self, number: int = signal.SIGTERM, seconds: float = 60) -> int:
        self.process.send_signal(number)
        return self.process.wait(seconds)


@dataclass
class Farm:
    """The servers, and a folder for a test's files."""

    prefect_api: str
    url: str
    folder: Path
    gateway: PrefectGateway
    environment: dict[str, str]
    workers: list[Worker] = field(default_factory=list)
    shared: Worker | None = None

    def submit(self, flow: str, queue: str = ON_DEMAND, **parameters: Any) -> str:
        return patiently(lambda: self.gateway.runs.submit(f"test-{flow}", parameters, queue)).id

    def job(self, job: str) -> dict[str, Any]:
        answer = requests.get(f"{self.url}/jobs/{job}?f=json", timeout=30)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def ended(self, job: str, seconds: float = 60) -> dict[str, Any]:
        return until(lambda: found if (found := self.job(job))["status"] in ENDED else None, seconds)

    def status(self, job: str, status: str, seconds: float = 60) -> dict[str, Any]:
        return until(lambda: found if (found := self.job(job))["status"] == status else None, seconds)

    def watched(self, job: str, seconds: float = 60) -> list[dict[str, Any]]:
        """Read the job as often as can be until it has ended."""
        seen = [self.job(job)]
        end = time.monotonic() + seconds
        while seen[-1]["status"] not in ENDED and time.monotonic() < end:
            seen.append(self.job(job))
        return seen

    def dismiss(self, job: str) -> None:
        assert requests.delete(f"{self.url}/jobs/{job}", timeout=30).status_code == 200

    def worker(
        self, data: Path, zygote: bool = False, before: str = "", prefix: Sequence[str] = (), **environment: str
    ) -> Worker:
        """Start a worker and wait until it takes runs; `prefix` is what its command is run by."""
        data.mkdir(parents=True, exist_ok=True)
        log = data / f"worker-{len(self.workers)}.log"
        own = {"EO_DATA_DIR": str(data), "EO_ZYGOTE_ENABLED": str(zygote).lower(), **environment}
        command = [sys.executable, "-m", "eo_pygeoapi", "worker"]
        if before:
            command = ["sh", "-c", f"{before} exec {' '.join(command)}"]
        with log.open("ab") as stream:
            process = subprocess.Popen(
                [*prefix, *command],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment, **own},
                start_new_session=True,
            )
        worker = Worker(process, log, data)
        self.workers.append(worker)
        ready = "is ready" if zygote else "started!"
        until(lambda: (ready in worker.text() and "started!" in worker.text()) or process.poll() is not None, 240)
        assert process.poll() is None, worker.text()
        return worker

    def shared_worker(self, folders: pytest.TempPathFactory) -> Worker:
        """The worker that tests share, the same one until a test has the servers for itself."""
        if self.shared is None:
            folder = folders.mktemp("shared")
            config = config_file(folder, retries=2, backoff="PT2S")
            self.shared = self.worker(folder / "data", zygote=True, PYGEOAPI_CONFIG=str(config))
        return self.shared

    def dismiss_waiting(self) -> None:
        """Dismiss the jobs that earlier tests have left for a worker: they would take its places."""
        waiting, _ = patiently(lambda: self.gateway.runs.list(1000, 0, JobFilter(statuses=("accepted",))))
        for job in waiting:
            patiently(partial(self.gateway.runs.cancel, job.id))

    def end_workers(self) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.process.send_signal(signal.SIGTERM)
                worker.process.send_signal(signal.SIGTERM)
                try:
                    worker.process.wait(30)
                except subprocess.TimeoutExpired:
                    end_tree(Process.of(worker.process.pid))
                    worker.process.wait()
        self.workers.clear()
        self.shared = None


ENDED = ("successful", "failed", "dismissed")


def until[T](ask: Callable[[], T | None], seconds: float = 90) -> T:
    """Ask until there is an answer, ever less often: each question to a server takes time from what is waited for."""
    end, pause = time.monotonic() + seconds, 0.05
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(pause)
        pause = min(0.25, 1.2 * pause)
    raise AssertionError(f"nothing after {seconds} s")


def patiently[T](ask: Callable[[], T]) -> T:
    """Ask until Prefect answers: on a busy machine SQLite is locked now and then."""
    end = time.monotonic() + 120
    while True:
        try:
            return ask()
        except EngineUnavailableError:
            if time.monotonic() > end:
                raise
            time.sleep(1)


def lines(path: Path) -> list[str]:
    """What a flow said, without the numbers of its processes."""
    return [line.rsplit(" ", 1)[0] for line in path.read_text().splitlines()] if path.exists() else []


def zygote_pid(worker: Worker) -> int:
    """The zygote that is ready."""
    ready = [line for line in worker.text().splitlines() if line.endswith("is ready")]
    return int(ready[-1].split("zygote ")[1].split()[0])


def launcher_pid(worker: Worker, job: str) -> int:
    return int(worker.record(job)["launcher"]["pid"])


@contextmanager
def web(folder: Path, prefect_api: str) -> Iterator[str]:
    """Run the API as `up` does."""
    port, config = free_port(), folder / "my-config.yml"
    config.write_text(yaml.safe_dump(base_config()))
    (folder / "results").mkdir()
    effective = write_effective(config, folder, port)
    environment = {
        "PYGEOAPI_CONFIG": str(effective),
        "PYGEOAPI_OPENAPI": str(folder / OPENAPI),
        "PREFECT_API_URL": prefect_api,
        "EO_DATA_DIR": str(folder),
    }
    command = [*(sys.executable, "-m", "gunicorn", "pygeoapi.flask_app:APP"), "--bind", f"127.0.0.1:{port}"]
    log = folder / "web.log"
    with running([*command, "--threads", "8", "--worker-class", "gthread"], log, environment) as process:
        wait_for(f"http://127.0.0.1:{port}/conformance?f=json", process, log)
        yield f"http://127.0.0.1:{port}"


def deploy(gateway: PrefectGateway) -> None:
    """Create a deployment for each flow of tests."""
    gateway.ensure_work_pool()
    for flow, limits in FLOWS.items():
        gateway.deployments.put(
            DeploymentSpec(
                name=f"test-{flow}",
                flow=flow,
                entrypoint=f"tests.worker.tiny:{flow}",
                description=flow,
                parameters={},
                parameter_schema={"type": "object", "properties": {}},
                fingerprint="1",
                environment=limits,
            )
        )


def worker_environment(folder: Path, api: str) -> dict[str, str]:
    """What workers of a farm have in their environment."""
    return {
        "PREFECT_API_URL": api,
        "PYTHONPATH": str(CHECKOUT),
        "PYGEOAPI_CONFIG": str(folder / CONFIG),
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def farm(folder: Path, variables: Mapping[str, str] | None = None, host: str = "127.0.0.1") -> Iterator[Farm]:
    """Run a Prefect server and the API, with the flows of tests deployed."""
    with prefect_server(folder, variables=variables, host=host) as api, web(folder, api) as url:
        gateway = PrefectGateway(api, read_timeout=30.0)
        patiently(lambda: deploy(gateway))
        made = Farm(api, url, folder, gateway, worker_environment(folder, api))
        try:
            yield made
        finally:
            made.end_workers()
            gateway.close()
