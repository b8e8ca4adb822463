"""What a job costs: processor seconds of each process, and what Prefect's server is asked; `python -m bench.cost`.

    uv run python -m bench.cost [--jobs 10] [--rounds 5] [--all VARIABLE=VALUE …] [--server VARIABLE=VALUE …]

The processes of a small installation (Prefect server on SQLite as `up` starts it, API, worker with a zygote) and empty
jobs: one after the other, then all at once in several rounds. Processor seconds say more than a clock on a machine that
others use. `--all` sets a variable for each process, `--server` for the Prefect server alone, to compare settings. All
states are looked at in one request, twice a second; what that costs the server is in its seconds.
"""

import argparse
import json
import os
import re
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

from prefect.client.schemas.objects import StateType

from bench.installation import processes, states_of, used, variables
from bench.start import ours
from eo_pygeoapi.gateway.specs import process_spec
from tests.worker.farm import Farm, farm

_ASKED = re.compile(r'"(?P<method>[A-Z]+) (?P<path>[^ ?"]+)(?P<query>[^ "]*)|(?P<websocket>WebSocket) (?P<to>[^ ?"]+)')
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
LOOK_SECONDS = 0.5
Cost = dict[str, float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--all", nargs="*", default=[], metavar="VARIABLE=VALUE")
    parser.add_argument("--server", nargs="*", default=[], metavar="VARIABLE=VALUE")
    given = parser.parse_args()
    os.environ |= variables() | dict(text.split("=", 1) for text in given.all)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # its log then has a line for each request
        of_server = {"PREFECT_SERVER_LOGGING_LEVEL": "INFO"} | dict(text.split("=", 1) for text in given.server)
        with farm(folder, of_server) as work:
            work.gateway.deployments.put(process_spec("hello-world"))
            work.worker(folder / "data", zygote=True, EO_CONCURRENCY="20", EO_RESULTS_URL=name)
            run(work, 3)  # what is imported once
            log = folder / "prefect-server.log"
            measure("one after the other", work, log, [1] * given.jobs, at_once=given.jobs)
            measure("all at once", work, log, [given.jobs] * given.rounds)


def measure(title: str, work: Farm, log: Path, rounds: list[int], at_once: int = 1) -> None:
    """Run so many jobs in each round; print what a job took of each process, and what the server was asked for it.

    `at_once` rounds in a row are one figure.
    """
    costs, begun = defaultdict[str, list[float]](list), log.stat().st_size
    for first in range(0, len(rounds), at_once):
        batch = rounds[first : first + at_once]
        before = {name: used(pid) for name, pid in processes(work)}
        for jobs in batch:
            run(work, jobs)
        time.sleep(3)  # for what is written later, such as logs and events
        for name, pid in processes(work):
            costs[name].append((used(pid) - before[name]) / sum(batch))
    asked = requests_in(log.read_text(errors="replace")[begun:])
    print(f"{title}: {sum(rounds)} jobs, load {os.getloadavg()[0]:.1f}")
    print("  processor seconds a job, median, least, most:", json.dumps({n: spread(c) for n, c in costs.items()}))
    print(f"  requests a job: {sum(asked.values()) / sum(rounds):.1f}")
    for what, count in asked.most_common(25):
        print(f"  {count / sum(rounds):7.1f}  {what}")


def spread(values: list[float]) -> list[float]:
    """Return the median, the least and the most."""
    return [round(value, 3) for value in (statistics.median(values), min(values), max(values))]


def requests_in(log: str) -> Counter[str]:
    """Count the requests in the server's log, without this script's own looks at states."""
    asked: Counter[str] = Counter()
    for line in log.splitlines():
        found = _ASKED.search(line)
        if found and found["query"] != "?bench":
            what = f"{found['method'] or found['websocket']} {found['path'] or found['to']}"
            asked[_ID.sub("{id}", what)] += 1
    return asked


def run(work: Farm, jobs: int) -> None:
    """Execute so many jobs at once, until all have succeeded."""
    ids = [ours(work) for _ in range(jobs)]
    while list(states_of(work.prefect_api, ids).values()).count(StateType.COMPLETED) < jobs:
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
