"""What a job costs: processor seconds of each process, and what Prefect's server is asked; `python -m bench.cost`.

    uv run python -m bench.cost [--jobs 10] [--all VARIABLE=VALUE …] [--server VARIABLE=VALUE …]

The processes of a small installation (Prefect server on SQLite, API, worker with a zygote) and empty jobs: one after
the other, then all at once. Processor seconds say more than a clock on a machine that others use. `--all` sets a
variable for each process, `--server` for the Prefect server alone, to compare settings.
"""

import argparse
import json
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
import requests

from eo_pygeoapi.gateway.specs import process_spec
from tests.worker.farm import ENDED, Farm, farm, until

_ASKED = re.compile(r'"(?P<method>[A-Z]+) (?P<path>[^ ?"]+)[^"]*"')
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
_BODY = {"inputs": {"name": "bench"}}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10)
    parser.add_argument("--all", nargs="*", default=[], metavar="VARIABLE=VALUE")
    parser.add_argument("--server", nargs="*", default=[], metavar="VARIABLE=VALUE")
    given = parser.parse_args()
    os.environ |= dict(text.split("=", 1) for text in given.all)
    # its log then has a line for each request
    variables = {"PREFECT_SERVER_LOGGING_LEVEL": "INFO"} | dict(text.split("=", 1) for text in given.server)
    with tempfile.TemporaryDirectory() as name, farm(Path(name), variables) as work:
        work.gateway.deployments.put(process_spec("hello-world"))
        worker = work.worker(Path(name, "data"), zygote=True, EO_CONCURRENCY="4", EO_RESULTS_URL=name)
        run(work, 3, at_once=1)  # what is imported once
        pids = {"worker and jobs": worker.process.pid} | dict(servers(work))
        for title, at_once in (("one after the other", 1), ("all at once", given.jobs)):
            with measured(title, pids, Path(name, "prefect-server.log"), given.jobs):
                run(work, given.jobs, at_once)


def run(work: Farm, jobs: int, at_once: int) -> None:
    """Execute so many jobs, so many at a time, until all have ended."""
    for _ in range(jobs // at_once):
        ids = [execute(work) for _ in range(at_once)]
        for id_ in ids:
            until(partial(has_ended, work, id_), 300)


def has_ended(work: Farm, id_: str) -> bool:
    """Return whether a job has ended; where SQLite was locked, that is not known yet."""
    return requests.get(f"{work.url}/jobs/{id_}?f=json", timeout=60).json().get("status") in ENDED


def execute(work: Farm) -> str:
    """Submit a job; again where SQLite was locked."""
    while True:
        answer = requests.post(
            f"{work.url}/processes/hello-world/execution",
            json=_BODY,
            headers={"Prefer": "respond-async"},
            timeout=60,
        )
        if answer.status_code == 201:
            return str(answer.json()["jobID"])
        assert answer.status_code == 503, answer.text
        time.sleep(0.5)


def servers(work: Farm) -> Iterator[tuple[str, int]]:
    """Yield the processes of the servers that this process has started."""
    for child in psutil.Process().children():
        command = " ".join(child.cmdline())
        if "prefect server" in command:
            yield "Prefect server", child.pid
        elif "gunicorn" in command:
            yield "API", child.pid


@contextmanager
def measured(title: str, pids: Mapping[str, int], log: Path, jobs: int) -> Iterator[None]:
    """Print what the block took of each process, and what the server was asked."""
    before, size, began = {name: used(pid) for name, pid in pids.items()}, log.stat().st_size, time.monotonic()
    yield
    time.sleep(3)  # for what is written later, such as logs and events
    cost = {name: round((used(pid) - before[name]) / jobs, 3) for name, pid in pids.items()}
    asked: Counter[str] = Counter()
    for line in log.read_text(errors="replace")[size:].splitlines():
        if found := _ASKED.search(line):
            asked[f"{found['method']} {_ID.sub('{id}', found['path'])}"] += 1
    print(f"{title}: {jobs} jobs in {time.monotonic() - began - 3:.1f} s, load {os.getloadavg()[0]:.1f}")
    print("  processor seconds a job:", json.dumps(cost))
    print(f"  requests a job: {sum(asked.values()) / jobs:.1f}")
    for what, count in asked.most_common(25):
        print(f"  {count / jobs:7.1f}  {what}")


def used(pid: int) -> float:
    """Return the processor seconds of a process and its children, also of those that have ended."""
    total = 0.0
    process = psutil.Process(pid)
    for one in [process, *process.children(recursive=True)]:
        times = one.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


if __name__ == "__main__":
    main()
