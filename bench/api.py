"""How long the job calls take, beside the same Prefect calls made directly, with few and with many flow runs.

    uv run python bench/api.py [--runs 10,1000,10000] [--repeat 40]

Starts a Prefect server (SQLite) and the application, fills Prefect with finished flow runs straight through its
database, and times, interleaved in one loop, each call of ours, the raw Prefect calls that it stands for, made with
a kept client in this process, and `GET /processes/echo`, which is pygeoapi's own cost. Prints a table of medians and

- ratio: ours / (raw Prefect calls + `GET /processes/echo`), at most 1.5;
- flat: (ours / raw) with the most runs over that with the fewest, at most 1.2.

`GET /jobs/{id}, 200 MB` is the same call for a job that has left an output of 200 MB.
"""

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import requests
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import PrefectHTTPStatusError

sys.path.insert(0, str(Path(__file__).parents[1]))

from eo_pygeoapi.commands.configuration.applying import apply_to_prefect
from eo_pygeoapi.gateway.filters import ANY_JOB, flow_run_filter
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job_filter import JobFilter
from eo_pygeoapi.jobs.results import Output, keep_outputs
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from tests.servers import prefect_server
from tests.stack import base_config
from tests.web import web

LIST = 10
LARGE_BYTES = 200_000_000
BODY = {"inputs": {"text": "hello"}}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", default="10,1000,10000")
    parser.add_argument("--repeat", type=int, default=40)
    arguments = parser.parse_args()
    config = base_config()
    del config["resources"]["two-outputs"]
    measured = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with prefect_server(folder) as api, web(folder / "web", config, api) as url:
            settings = Settings().model_copy(update={"prefect_api_url": api})
            results = ResultStore(str(folder / "web" / "results"))
            apply_to_prefect(folder / "web" / "my-config.yml", settings)
            for count in map(int, arguments.runs.split(",")):
                fill(folder / "prefect" / "prefect.db", api, url, count)
                measured[count] = measure(api, url, arguments.repeat, results)
                report(count, measured[count])
    report_flatness(measured)


def fill(database: Path, api: str, url: str, count: int) -> None:
    """Have Prefect hold `count` runs of ours: copies of one that the API made, finished."""
    requests.post(f"{url}/processes/echo/execution", json=BODY, headers={"Prefer": "respond-async"}, timeout=60)
    gateway = PrefectGateway(api)
    job, total = gateway.runs.list(1)
    gateway.close()
    with sqlite3.connect(database, timeout=60) as connection:
        run, state = (
            row_of(connection, "flow_run", "id", job[0].id),
            row_of(connection, "flow_run_state", "flow_run_id", job[0].id),
        )
        for _ in range(max(0, count - total)):
            ids = {"run": str(uuid4()), "state": str(uuid4())}
            done = {"state_id": ids["state"], "state_type": "COMPLETED", "state_name": "Completed"}
            times = {"start_time": run["expected_start_time"], "end_time": run["expected_start_time"]}
            insert(connection, "flow_run", run | done | times | {"id": ids["run"], "idempotency_key": ids["run"]})
            ended = {"id": ids["state"], "flow_run_id": ids["run"], "type": "COMPLETED", "name": "Completed"}
            insert(connection, "flow_run_state", state | ended)


def row_of(connection: sqlite3.Connection, table: str, column: str, value: str) -> dict[str, object]:
    """Return a row by the names of its columns."""
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    found = connection.execute(f"SELECT {', '.join(names)} FROM {table} WHERE {column} = ?", (value,)).fetchone()
    return dict(zip(names, found, strict=True))


def insert(connection: sqlite3.Connection, table: str, row: Mapping[str, object]) -> None:
    """Add a row."""
    places = ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", tuple(row.values()))


def measure(api: str, url: str, repeat: int, results: ResultStore) -> dict[str, dict[str, float]]:
    """Time every call, ours and raw in turn; returns medians in milliseconds."""
    gateway, session = PrefectGateway(api, deployments_ttl=3.0), requests.Session()
    jobs = gateway.runs.list(2, wanted=JobFilter(statuses=("successful",)))[0] or gateway.runs.list(2)[0]
    job_id, large_id = jobs[0].id, jobs[-1].id
    keep_outputs(JobFolder(results, large_id), {"echo": Output("application/json", "x" * LARGE_BYTES)})
    deployments = gateway.deployments.read()
    gateway.close()

    def get(path: str) -> Callable[[], object]:
        return lambda: session.get(url + path, timeout=60)

    def post() -> object:
        headers = {"Prefer": "respond-async"}
        return session.post(f"{url}/processes/echo/execution", json=BODY, headers=headers, timeout=60)

    with SyncPrefectClient(api) as prefect:
        raw = RawCalls(prefect, UUID(job_id), [found.id for found in deployments.values()], deployments["echo"].id)
        calls: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "GET /jobs/{id}": (get(f"/jobs/{job_id}"), raw.read),
            "GET /jobs/{id}, 200 MB": (get(f"/jobs/{large_id}"), raw.read),
            f"GET /jobs?limit={LIST}": (get(f"/jobs?limit={LIST}"), raw.list),
            "POST execution": (post, raw.create),
        }
        return {name: in_turn(ours, theirs, get("/processes/echo"), repeat) for name, (ours, theirs) in calls.items()}


class RawCalls:
    """The Prefect calls that ours stand for; one that SQLite refused, being locked, is a slow call and not the end."""

    def __init__(self, prefect: SyncPrefectClient, run: UUID, deployments: Sequence[UUID], echo: UUID) -> None:
        self._prefect, self._run, self._echo = prefect, run, echo
        self._where = flow_run_filter(ANY_JOB, list(deployments), datetime.now(UTC))

    def read(self) -> None:
        """Read one run."""
        with suppress(httpx.HTTPError, PrefectHTTPStatusError):
            self._prefect.read_flow_run(self._run)

    def list(self) -> None:
        """Count the runs, and read the newest."""
        with suppress(httpx.HTTPError, PrefectHTTPStatusError):
            self._prefect.count_flow_runs(flow_run_filter=self._where)
            self._prefect.read_flow_runs(
                flow_run_filter=self._where, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=LIST
            )

    def create(self) -> None:
        """Create a run of the echo process."""
        body = {"state": {"type": "SCHEDULED"}, "parameters": {"process_id": "echo", "inputs": BODY["inputs"]}}
        path = {"id": self._echo}
        with suppress(httpx.HTTPError, PrefectHTTPStatusError):
            self._prefect.request("POST", "/deployments/{id}/create_flow_run", path_params=path, json=body)


def in_turn(
    ours: Callable[[], object], raw: Callable[[], object], process: Callable[[], object], repeat: int
) -> dict[str, float]:
    """Time three calls in turn, so that what else the machine does slows all of them; returns medians."""
    times: dict[str, list[float]] = {"ours": [], "raw": [], "process": []}
    for _ in range(repeat):
        for kind, call in (("ours", ours), ("raw", raw), ("process", process)):
            times[kind].append(timed(call))
    return {kind: statistics.median(values) for kind, values in times.items()}


def timed(call: Callable[[], object]) -> float:
    """Milliseconds that a call takes."""
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) * 1000


def report(count: int, found: Mapping[str, Mapping[str, float]]) -> None:
    """Print the medians and the ratio."""
    print(f"\n{count} flow runs{'ours':>26}{'raw':>9}{'process':>9}{'ratio':>9}")
    for name, ms in found.items():
        ratio = ms["ours"] / (ms["raw"] + ms["process"])
        print(f"  {name:28}{ms['ours']:9.1f}{ms['raw']:9.1f}{ms['process']:9.1f}{ratio:9.2f}")


def report_flatness(measured: Mapping[int, Mapping[str, Mapping[str, float]]]) -> None:
    """Print how the ratio to the raw calls moves from the fewest runs to the most."""
    counts: Sequence[int] = sorted(measured)
    print(f"\nours / raw, {counts[-1]} over {counts[0]} flow runs")
    for name in measured[counts[0]]:
        few, many = (measured[c][name]["ours"] / measured[c][name]["raw"] for c in (counts[0], counts[-1]))
        print(f"  {name:28}{few:9.2f} ->{many:6.2f}   flat: {many / few:.2f}")


if __name__ == "__main__":
    main()
