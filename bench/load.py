"""Many clients at once: `uv run python -m bench.load [--clients 50] [--seconds 60] [--pause 1]`.

Starts `eo-pygeoapi up` with jobs and published values of the sample, and asks for values, for the status of a job and
for the list of jobs, each client by turns on a connection of its own, with so many seconds of rest between an answer
and its next request (0: as fast as it can). First with one web worker, then with four. Meanwhile one job after another
runs, whose time to the results is compared with that of the same jobs before, when nobody asks.

The clients are processes on the same machine; what they take of its processors is printed with the rest.
"""

import argparse
import multiprocessing
import os
import random
import signal
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from tests.stack import Stack, base_config, up

SAMPLE = {"datasetId": "sample-temperature", "start": "2025-07-01", "end": "2025-07-02"}
PROCESSES = 2  # that the clients are threads of
WORKERS = (1, 4)
JOBS = 5  # beside nothing, and at least as many beside the clients
Times = dict[str, list[float]]


def main() -> None:
    """Measure and print a line for each kind of request."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pause", type=float, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, up(Path(name), base_config(), {}) as stack:
        job = [stack.result(**SAMPLE) for _ in range(12)][-1]["jobID"]
        alone = [seconds_of_a_job(stack) for _ in range(JOBS)]
        print(f"a job beside nothing: {statistics.median(alone):.2f} s ({min(alone):.2f} to {max(alone):.2f})")
        calls = {
            "items": "/collections/sample-temperature/items?f=json&limit=100",
            "status": f"/jobs/{job}?f=json",
            "jobs": "/jobs?f=json&limit=10",
        }
        running = WORKERS[0]
        for workers in WORKERS:
            more_workers(stack, workers - running)
            running = workers
            report(workers, *under_load(stack, calls, asked), asked.seconds, alone)


def more_workers(stack: Stack, count: int) -> None:
    """Have gunicorn start so many more web workers."""
    for _ in range(count):
        os.kill(int((stack.folder / "web.pid").read_text()), signal.SIGTTIN)
        time.sleep(0.2)
    time.sleep(10 if count else 0)  # until they have imported the application


def under_load(stack: Stack, calls: Mapping[str, str], asked: argparse.Namespace) -> tuple[Times, list[float], float]:
    """Return the seconds of each kind of request, those of jobs meanwhile, and the processor time of the clients."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    share = asked.clients // PROCESSES
    arguments = (stack.url, dict(calls), share, asked.seconds, asked.pause, answers)
    processes = [context.Process(target=clients, args=arguments) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    jobs, until = [], time.monotonic() + asked.seconds
    while time.monotonic() < until:
        jobs.append(seconds_of_a_job(stack))
    times: Times = defaultdict(list)
    used = 0.0
    for _ in processes:
        found, cpu = answers.get(timeout=120)
        used += cpu
        for kind, seconds in found.items():
            times[kind] += seconds
    for process in processes:
        process.join()
    return times, jobs, used


def clients(
    url: str,
    calls: Mapping[str, str],
    count: int,
    seconds: float,
    pause: float,
    answers: "multiprocessing.Queue[object]",
) -> None:
    """Be so many clients for a while, and answer with the seconds of each kind of request."""
    times: Times = defaultdict(list)
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=one_client, args=(url, calls, until, pause, times)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers.put((dict(times), time.process_time()))


def one_client(url: str, calls: Mapping[str, str], until: float, pause: float, times: Times) -> None:
    """Ask by turns until the end; an answer that is not 200 ends the measurement with an error."""
    pool = urllib3.HTTPConnectionPool("127.0.0.1", urlsplit(url).port, maxsize=1, timeout=60, retries=False)
    time.sleep(random.uniform(0, pause))
    kinds = list(calls)
    random.shuffle(kinds)
    while True:
        for kind in kinds:
            if time.monotonic() >= until:
                return pool.close()
            began = time.perf_counter()
            answer = pool.request("GET", calls[kind])
            assert answer.status == 200, answer.data
            times[kind].append(time.perf_counter() - began)
            time.sleep(random.uniform(0.5, 1.5) * pause)


def seconds_of_a_job(stack: Stack) -> float:
    began = time.monotonic()
    stack.result(**SAMPLE)
    return time.monotonic() - began


def report(
    workers: int, times: Times, jobs: Sequence[float], used: float, seconds: float, alone: Sequence[float]
) -> None:
    """Print a line for each kind of request, and one for the jobs."""
    print(f"{workers} web workers, load {os.getloadavg()[0]:.1f}; the clients took {used / seconds:.2f} of a processor")
    for kind, found in sorted({**times, "all": list(chain.from_iterable(times.values()))}.items()):
        middle, p99 = statistics.median(found), statistics.quantiles(found, n=100)[-1]
        rate = len(found) / seconds
        print(f"  {kind:8}{rate:7.1f} a second, median {middle:.3f} s, p99 {p99:.3f}, max {max(found):.3f}")
    middle = statistics.median(jobs)
    delay = middle / statistics.median(alone)
    print(f"  a job meanwhile: {middle:.2f} s ({min(jobs):.2f} to {max(jobs):.2f}), {delay:.2f} times", flush=True)


if __name__ == "__main__":
    main()
