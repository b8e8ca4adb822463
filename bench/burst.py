"""200 jobs at once, on SQLite and on PostgreSQL: `uv run python -m bench.burst [--jobs 200]`."""

import argparse
import json
import os
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import requests

from tests.postgres import postgres, url
from tests.worker.farm import Farm, farm

DATABASES = ("sqlite", "postgresql")


def burst(folder: Path, database: str, jobs: int, concurrency: int = 4) -> dict[str, Any]:
    """Submit so many empty jobs and wait for them; returns what became of them and how the API did meanwhile."""
    variables = {}
    with ExitStack() as stack:
        if database == "postgresql":
            variables = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": url(stack.enter_context(postgres(folder)))}
        work = stack.enter_context(farm(folder, variables))
        work.worker(folder / "data", zygote=True, EO_CONCURRENCY=str(concurrency))
        answers, ended = Answers(work), threading.Event()
        asking = threading.Thread(target=answers.ask, args=(ended,))
        asking.start()
        begun = time.monotonic()
        ids = [work.submit("empty") for _ in range(jobs)]
        submitted = time.monotonic() - begun
        states = wait(work, ids, begun + 30.0 * jobs)
        took = time.monotonic() - begun
        ended.set()
        asking.join()
    return {
        "database": database,
        "jobs": jobs,
        "ended": {status: states.count(status) for status in sorted(set(states))},
        "seconds to submit": round(submitted, 1),
        "seconds to the last end": round(took, 1),
        "jobs a second": round(jobs / took, 2),
        "API: answers": len(answers.seconds),
        "API: refusals": answers.refusals,
        "API: median and slowest answer, s": [round(answers.at(0.5), 2), round(answers.at(1.0), 2)],
        "load of the machine": round(os.getloadavg()[0], 1),
    }


def wait(work: Farm, ids: list[str], until: float) -> list[str]:
    """Wait until all have ended; returns their statuses."""
    while time.monotonic() < until:
        jobs, _ = work.gateway.runs.list(len(ids))
        found = {job.id: job.status for job in jobs}
        states = [str(found.get(id_, "")) for id_ in ids]
        if all(state in ("successful", "failed", "dismissed") for state in states):
            return states
        time.sleep(1)
    return states


class Answers:
    """How the API answers while it happens."""

    def __init__(self, work: Farm) -> None:
        self._url = f"{work.url}/jobs?f=json&limit=10"
        self.seconds: list[float] = []
        self.refusals = 0

    def ask(self, ended: threading.Event) -> None:
        while not ended.is_set():
            begun = time.monotonic()
            answer = requests.get(self._url, timeout=60)
            self.seconds.append(time.monotonic() - begun)
            self.refusals += answer.status_code != 200
            ended.wait(0.2)

    def at(self, share: float) -> float:
        return sorted(self.seconds)[max(0, round(share * len(self.seconds)) - 1)]


def main() -> None:
    """Measure on both, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    jobs = parser.parse_args().jobs
    for database in DATABASES:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(burst(Path(folder), database, jobs), indent=1), flush=True)


if __name__ == "__main__":
    main()
