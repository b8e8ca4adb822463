"""Many clients at once: `uv run python -m bench.load [--clients 50] [--seconds 20] [--pause 1] [--rounds 5]`.

Starts `eo-pygeoapi up` with jobs and published values of the sample, and asks for values, for the status of a job and
for the list of jobs, each client by turns on a connection of its own, with so many seconds of rest between an answer
and its next request (0: as fast as it can). First with one web worker, then with four. Meanwhile one job after another
runs; its time to the results is compared with that of the same jobs when nobody asks.

The clients are processes on the same machine. What they cost by themselves is measured too: the same clients ask nginx,
which answers the same bytes at once from files. Each round has all three in turn: nobody asks, nginx is asked, we are.

`--cost CALLS` only says what one call takes of the processor in the web process and in Prefect's server: so many calls
of each kind, one after the other, in so many rounds. That holds on a busy machine, too. One of the kinds is the status
of a job whose processes are stopped in the middle of a step; Prefect takes it for lost after eight minutes.
"""

import argparse
import json
import multiprocessing
import os
import random
import signal
import statistics
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import requests
import urllib3

from bench.installation import used
from tests.servers import free_port, running, wait_for
from tests.stack import Stack, base_config, up

SAMPLE = {"datasetId": "sample-temperature", "start": "2025-07-01", "end": "2025-07-02"}
PROCESSES = 2  # that the clients are threads of
WORKERS = (1, 4)
SERVERS = ("web", "prefect-server")
APART = 0.3  # seconds of rest after a call whose cost is measured: longer than ours makes the same question wait
ALONE = 3  # jobs of a round while nobody asks
Times = dict[str, list[float]]


def main() -> None:
    """Measure and print a line for each kind of request."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--pause", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cost", type=int, default=0, metavar="CALLS")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, up(Path(name), base_config(), {}) as stack:
        job = [stack.result(**SAMPLE) for _ in range(12)][-1]["jobID"]
        calls = {
            "items": "/collections/sample-temperature/items?f=json&limit=100",
            "status": f"/jobs/{job}?f=json",
            "jobs": "/jobs?f=json&limit=10",
        }
        if asked.cost:
            with held_job(stack) as held:
                cost(stack, calls | {"running": f"{held}?f=json"}, asked.cost, asked.rounds)
            return
        with same_bytes(stack, calls, Path(name)) as (url, of_files):
            asking = 1
            for workers in WORKERS:
                more_workers(stack, workers - asking)
                asking = workers
                print(f"{workers} web workers", flush=True)
                in_turns(stack, {"nginx": (url, of_files), "ours": (stack.url, calls)}, asked)


def cost(stack: Stack, calls: Mapping[str, str], count: int, rounds: int) -> None:
    """Print the milliseconds of processor time that a call of each kind takes: least, median and most of the rounds."""
    pids = json.loads((stack.folder / "up.json").read_text())["pids"]
    found = {(kind, who): list[float]() for kind in calls for who in SERVERS}
    idle = {who: list[float]() for who in SERVERS}
    with requests.Session() as session:
        for _ in range(rounds):
            for kind, path in [("", ""), *calls.items()]:
                before, began = {who: used(pids[who]) for who in idle}, time.monotonic()
                for _ in range(count if kind else 0):
                    assert session.get(stack.url + path, timeout=60).ok
                    time.sleep(APART)
                if not kind:
                    time.sleep(5)
                seconds = time.monotonic() - began
                for who in idle:
                    took = used(pids[who]) - before[who]
                    if kind:
                        beside = statistics.median(idle[who]) * seconds  # what they do while nobody asks
                        found[kind, who].append((took - beside) / count * 1000)
                    else:
                        idle[who].append(took / seconds)
    for (kind, who), values in found.items():
        print(f"  {kind:8}{who:16}{min(values):6.1f} {statistics.median(values):6.1f} {max(values):6.1f} ms")


@contextmanager
def held_job(stack: Stack) -> Iterator[str]:
    """Yield the path of a job whose processes are stopped after its first step; they are ended afterwards."""
    up = psutil.Process(stack.process.pid)
    while True:
        before = set(up.children(recursive=True))
        job, status = stack.submit(**SAMPLE), {"status": "accepted", "progress": 0}
        while status["status"] in ("accepted", "running") and not status["progress"]:
            status = stack.get(f"{job}?f=json").json()
        own = [process for process in up.children(recursive=True) if process not in before]
        with suppress(psutil.NoSuchProcess):
            for process in own:
                process.suspend()
            break
    time.sleep(1)  # until Prefect has all that was said
    assert stack.get(f"{job}?f=json").json()["status"] == "running"
    try:
        yield job
    finally:
        for process in own:
            process.kill()


@contextmanager
def same_bytes(stack: Stack, calls: Mapping[str, str], folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Run nginx, which answers what we answer to these calls; yields its address, and the calls there."""
    port, of_files = free_port(), {}
    for kind, path in calls.items():
        (folder / f"{kind}.json").write_bytes(stack.get(path).content)
        of_files[kind] = f"/{kind}.json"
    config = folder / "nginx.conf"
    config.write_text(
        f"{'user root;' if os.geteuid() == 0 else ''} daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;"
        f" events {{}} http {{ access_log off; types {{ application/json json; }}"
        f" server {{ listen 127.0.0.1:{port}; root {folder}; }} }}"
    )
    url, log = f"http://127.0.0.1:{port}", folder / "nginx.out"
    with running(["nginx", "-c", str(config)], log) as process:
        wait_for(f"{url}/status.json", process, log)
        yield url, of_files


def in_turns(stack: Stack, asked_of: Mapping[str, tuple[str, Mapping[str, str]]], asked: argparse.Namespace) -> None:
    """Print for each of those who are asked what clients and jobs find, and how many times as long jobs take for it."""
    times = {who: defaultdict[str, list[float]](list) for who in asked_of}
    delays, took = {who: list[float]() for who in asked_of}, {who: Counter[str]() for who in asked_of}
    alone = list[float]()
    for _ in range(asked.rounds):
        usual = statistics.median(seconds_of_a_job(stack) for _ in range(ALONE))
        alone.append(usual)
        for who, (url, calls) in asked_of.items():
            found, jobs, used_by = under_load(stack, url, calls, asked)
            delays[who].append(statistics.median(jobs) / usual)
            took[who].update(used_by)
            for kind, seconds in found.items():
                times[who][kind] += seconds
    print(f"  a job while nobody asks: {spread(alone)} s; load {os.getloadavg()[0]:.1f}")
    for who in asked_of:
        report(who, times[who], delays[who], took[who], asked.seconds * asked.rounds)


def spread(values: Sequence[float]) -> str:
    """Return the median, the least and the most, in words."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def more_workers(stack: Stack, count: int) -> None:
    """Have gunicorn start so many more web workers."""
    for _ in range(count):
        os.kill(int((stack.folder / "web.pid").read_text()), signal.SIGTTIN)
        time.sleep(0.2)
    time.sleep(10 if count else 0)  # until they have imported the application


def under_load(
    stack: Stack, url: str, calls: Mapping[str, str], asked: argparse.Namespace
) -> tuple[Times, list[float], Counter[str]]:
    """Return the seconds of each kind of request, those of jobs meanwhile, and processor seconds by process."""
    pids = json.loads((stack.folder / "up.json").read_text())["pids"]
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    share = asked.clients // PROCESSES
    ready = context.Barrier(PROCESSES + 1)  # what they import is no part of the measurement
    arguments = (url, dict(calls), share, asked.seconds, asked.pause, ready, answers)
    processes = [context.Process(target=clients, args=arguments) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    ready.wait(60)
    before = {who: used(pids[who]) for who in SERVERS}
    jobs, until = [], time.monotonic() + asked.seconds
    while time.monotonic() < until:
        jobs.append(seconds_of_a_job(stack))
    took = Counter({who: used(pids[who]) - before[who] for who in SERVERS})
    times: Times = defaultdict(list)
    for _ in processes:
        found, cpu = answers.get(timeout=120)
        took["clients"] += cpu
        for kind, seconds in found.items():
            times[kind] += seconds
    for process in processes:
        process.join()
    return times, jobs, took


def clients(
    url: str,
    calls: Mapping[str, str],
    count: int,
    seconds: float,
    pause: float,
    ready: threading.Barrier,
    answers: "multiprocessing.Queue[object]",
) -> None:
    """Be so many clients for a while; answer with the seconds of each kind of request and those of the processor."""
    ready.wait(60)
    times: Times = defaultdict(list)
    begun = time.process_time()
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=one_client, args=(url, calls, until, pause, times)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers.put((dict(times), time.process_time() - begun))


def one_client(url: str, calls: Mapping[str, str], until: float, pause: float, times: Times) -> None:
    """Ask by turns until the end; an answer that is not 200 ends the client with an error.

    What is asked again over a new connection, as browsers do, is noted as `again` too.
    """
    pool = urllib3.HTTPConnectionPool("127.0.0.1", urlsplit(url).port, maxsize=1, timeout=60, retries=False)
    time.sleep(random.uniform(0, pause))
    kinds = list(calls)
    random.shuffle(kinds)
    while True:
        for kind in kinds:
            if time.monotonic() >= until:
                return pool.close()
            began = time.perf_counter()
            try:
                answer = pool.request("GET", calls[kind])
            except urllib3.exceptions.ProtocolError:  # the server closed the connection after a long rest, as it may
                times["again"].append(time.perf_counter() - began)
                answer = pool.request("GET", calls[kind])
            assert answer.status == 200, answer.data
            times[kind].append(time.perf_counter() - began)
            time.sleep(random.uniform(0.5, 1.5) * pause)


def seconds_of_a_job(stack: Stack) -> float:
    began = time.monotonic()
    stack.result(**SAMPLE)
    return time.monotonic() - began


def report(who: str, times: Times, delays: Sequence[float], took: Mapping[str, float], seconds: float) -> None:
    """Print a line for each kind of request, and one for the jobs."""
    again = len(times.pop("again", ()))
    of_a_processor = ", ".join(f"{name} {used_by / seconds:.2f}" for name, used_by in took.items())
    print(f"  {who}: of a processor took {of_a_processor}; {again} requests were sent again")
    for kind, found in sorted({**times, "all": list(chain.from_iterable(times.values()))}.items()):
        middle, p99 = statistics.median(found), statistics.quantiles(found, n=100)[-1]
        rate = len(found) / seconds
        print(f"    {kind:8}{rate:7.1f} a second, median {middle:.3f} s, p99 {p99:.3f}, max {max(found):.3f}")
    print(f"    a job meanwhile takes {spread(delays)} times as long as while nobody asks", flush=True)


if __name__ == "__main__":
    main()
