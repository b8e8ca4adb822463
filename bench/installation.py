"""What benchmarks of jobs share: the servers of `up`, the states of runs, processor seconds."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import requests
from prefect.client.schemas.objects import StateType

from eo_pygeoapi.commands.up.stack import child_environment
from tests.worker.farm import Farm

BODY = {"inputs": {"name": "bench"}}
States = Callable[[], dict[str, StateType]]


def variables() -> dict[str, str]:
    """Return the variables that `up` sets for all its processes, but for places and the level of logs."""
    ours = child_environment({}, Path(), "")
    named = ("PREFECT_SERVER_", "PREFECT_CLIENT_", "PYTHONTZPATH")
    return {name: value for name, value in ours.items() if name.startswith(named) and "LOGGING" not in name}


def states_of(api: str, runs: Sequence[str]) -> dict[str, StateType]:
    """Return the state of each run, asked of Prefect in one request, however many runs there are."""
    # the query tells it from requests of the processes that are measured
    where = {"flow_runs": {"id": {"any_": list(runs)}}, "limit": 200}
    answer = requests.post(f"{api}/flow_runs/filter?bench", json=where, timeout=60)
    return {run["id"]: StateType(run["state_type"]) for run in answer.json()} if answer.ok else {}


def processes(work: Farm) -> Iterator[tuple[str, int]]:
    """Yield the processes of the servers, and of the workers, that this process has started."""
    for child in psutil.Process().children():
        command = " ".join(child.cmdline())
        if "prefect-server" in command:
            yield "Prefect server", child.pid
        elif "gunicorn" in command:
            yield "API", child.pid
    for worker in work.workers:
        yield "worker and jobs", worker.process.pid


def used(pid: int) -> float:
    """Return the processor seconds of a process and its children, also of those that have ended."""
    total = 0.0
    process = psutil.Process(pid)
    for one in [process, *process.children(recursive=True)]:
        times = one.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total
