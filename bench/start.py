"""How soon a job runs, side by side with Prefect's stock process worker; `uv run python -m bench.start`.

Both workers are up all the time and asked in turns; the other one is stopped meanwhile (SIGSTOP), so that neither
pays for the polls of the other. Ours is asked as clients do, by a POST to the API; the stock one by a POST to Prefect,
which spares it the API, and with the shortest poll that makes sense. Prefect is asked for the states of all runs in one
request every 100 ms, the same for either worker: more, or one for each run, would measure how it answers that.
"""

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType

from bench.installation import BODY, states_of, variables
from eo_pygeoapi.gateway.deployments import PROCESS_FLOW, entrypoint_of
from eo_pygeoapi.gateway.specs import process_spec
from tests.servers import running
from tests.worker.farm import Farm, farm, until, zygote_pid

STOCK = "stock"
LOOK_SECONDS = 0.1
BURSTS = 5
Times = tuple[float, float, float]


def ours(work: Farm) -> str:
    """Execute a process through the API; returns its run."""
    return str(posted(f"{work.url}/processes/hello-world/execution", BODY)["jobID"])


def stock(work: Farm, deployment: str) -> str:
    """Create a run of the same flow for the stock worker; returns it."""
    body = {"state": {"type": "SCHEDULED"}, "parameters": {"process_id": "hello-world", **BODY}}
    return str(posted(f"{work.prefect_api}/deployments/{deployment}/create_flow_run", body)["id"])


def posted(url: str, body: Any) -> dict[str, Any]:
    """Post once, and return the answer."""
    answer = requests.post(url, json=body, headers={"Prefer": "respond-async"}, timeout=60)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def measure(api: str, start: Callable[[], str], at_once: int = 1) -> list[Times]:
    """Start so many runs; returns for each the seconds of the POST, until it ran and until it had succeeded."""
    begun, took = dict[str, float](), dict[str, float]()
    ran, ended = dict[str, float](), dict[str, float]()
    for _ in range(at_once):
        begin = time.monotonic()
        run = start()
        begun[run], took[run] = begin, time.monotonic() - begin
    while len(ended) < at_once:
        states, now = states_of(api, list(begun)), time.monotonic()
        for run, state in states.items():
            assert state not in (StateType.FAILED, StateType.CRASHED), state
            if state in (StateType.RUNNING, StateType.COMPLETED):
                ran.setdefault(run, now - begun[run])
            if state == StateType.COMPLETED:
                ended.setdefault(run, now - begun[run])
        time.sleep(LOOK_SECONDS)
    return [(took[run], ran[run], ended[run]) for run in begun]


def summary(times: list[Times]) -> dict[str, float]:
    """Median and slowest of the POST, to running and to successful."""
    took, ran, ended = (sorted(column) for column in zip(*times, strict=True))
    return {
        "POST, median": round(statistics.median(took), 2),
        "POST, slowest": round(took[-1], 2),
        "running, median": round(statistics.median(ran), 2),
        "running, slowest": round(ran[-1], 2),
        "successful, median": round(statistics.median(ended), 2),
        "successful, slowest": round(ended[-1], 2),
    }


def idle_cost(pid: int, seconds: float = 10.0) -> dict[str, float]:
    """Memory of a process that is not shared with others, and its use of a core while nothing happens."""
    private = sum(
        int(line.split()[1])
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        if line.startswith(("Private_Clean", "Private_Dirty"))
    )
    before = cpu_seconds(pid)
    time.sleep(seconds)
    return {"MiB": round(private / 1024), "% of a core": round((cpu_seconds(pid) - before) / seconds * 100, 2)}


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def stock_worker(work: Farm, folder: Path) -> Iterator[tuple[str, int]]:
    """Run `prefect worker start` on a pool of its own; yields the id of its deployment, and its process."""
    with SyncPrefectClient(work.prefect_api) as client:
        client.create_work_pool(WorkPoolCreate(name=STOCK, type="process"))
        flow = client.create_flow_from_name(PROCESS_FLOW)
        deployment = client.create_deployment(
            flow_id=flow,
            name="stock",
            entrypoint=entrypoint_of("hello-world"),
            work_pool_name=STOCK,
            pull_steps=[],
            enforce_parameter_schema=False,
        )
    environment = {
        **work.environment,
        "PREFECT_WORKER_QUERY_SECONDS": "0.5",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "EO_DATA_DIR": str(folder),
    }
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", STOCK, "--type", "process"]
    log = folder / "stock.log"
    with running(command, log, environment) as process:
        until(lambda: "started!" in log.read_text(), 120)
        yield str(deployment), process.pid


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """Stop a process while the block runs."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    runs = parser.parse_args().runs
    os.environ |= variables() | {"PREFECT_SERVER_LOGGING_LEVEL": "WARNING"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with farm(folder) as work, stock_worker(work, folder) as (deployment, stock_pid):
            work.gateway.deployments.put(process_spec("hello-world"))
            worker = work.worker(folder / "data", zygote=True, EO_CONCURRENCY="20", EO_RESULTS_URL=str(folder))

            def of_ours(at_once: int = 1) -> list[Times]:
                with paused(stock_pid):
                    return measure(work.prefect_api, lambda: ours(work), at_once)

            def of_stock(at_once: int = 1) -> list[Times]:
                with paused(worker.process.pid):
                    return measure(work.prefect_api, lambda: stock(work, deployment), at_once)

            of_ours()  # the first of each is not like the others
            of_stock()
            one: dict[str, list[Times]] = {"ours": [], "stock": []}
            five: dict[str, list[Times]] = {"ours": [], "stock": []}
            for _ in range(runs):
                one["ours"] += of_ours()
                one["stock"] += of_stock()
            for _ in range(BURSTS):
                five["ours"] += of_ours(5)
                five["stock"] += of_stock(5)
            figures = {f"{who}, one at a time": summary(times) for who, times in one.items()}
            figures |= {f"{who}, 5 at once": summary(times) for who, times in five.items()}
            figures["ours, 20 at once"] = summary(of_ours(20))
            figures["idle zygote"] = idle_cost(zygote_pid(worker))
            figures["idle worker"] = idle_cost(worker.process.pid)
    load = os.getloadavg()[0]
    print(json.dumps({"load of the machine": load, **figures}, indent=1))


if __name__ == "__main__":
    main()
