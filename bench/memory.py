"""Memory of the whole stack: `uv run python -m bench.memory [--jobs 500] [--at-once 4]`.

Starts `eo-pygeoapi up` and adds up the proportional set size (PSS: memory shared by several processes is divided among
them, also where some are of another stack on this machine) of all its processes: idle, after each fifth of so many jobs
of the sample, idle again, and at the peak of a national month of hours (744 steps of 200 x 200 cells from one
compressed file, 1,500 units of 385 points, to daily means), of which it prints the seconds from the POST to the
results, and the steps they went by in.
"""

import argparse
import json
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

import numpy as np
import psutil
import requests
import xarray as xr

from bench.sizes import country
from eo_pygeoapi.contract.status import FINAL
from tests.stack import Stack, base_config, collection, up

SHAPE, HOURS, UNITS = (200, 200), 744, 1500
DEGREES = 8.0  # of the country of `bench.sizes`
FIRST = np.datetime64("2025-01-01T00", "ns")
MONTH = {"datasetId": "hours", "start": "2025-01-01", "end": "2025-01-31"}
SAMPLE = {"datasetId": "sample-temperature", "start": "2025-07-01", "end": "2025-07-02"}
SETTLE_SECONDS = 20.0
LOOK_SECONDS = 0.25
# what tells a process from the others: the first of these that its command has
ROLES = {
    "eo-pygeoapi prefect-server": "Prefect server",
    "libraries of jobs": "zygote",
    "eo-pygeoapi worker": "worker",
    "eo-pygeoapi watch": "watch",
    "shared libraries": "shared libraries",
    "resource_tracker": "up",
    "eo_pygeoapi up": "up",
    "gunicorn": "web",
}
Sizes = dict[str, float]


def main() -> None:
    """Measure and print a line for each look."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--at-once", type=int, default=4)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = with_month_of_hours(folder)
        with up(folder, config, {"EO_CONCURRENCY": str(asked.at_once)}) as stack:
            time.sleep(SETTLE_SECONDS)
            say("idle, nothing asked", sizes(stack))
            for done in range(asked.jobs // 5, asked.jobs + 1, asked.jobs // 5):
                run_jobs(stack, asked.jobs // 5, asked.at_once)
                time.sleep(SETTLE_SECONDS)
                say(f"idle, after {done} jobs", sizes(stack))
            a_month(stack)


def with_month_of_hours(folder: Path) -> dict[str, object]:
    """Write the grid and the units of the national month; returns a configuration that has it beside the sample."""
    cell = DEGREES / SHAPE[0]
    centres = (np.arange(SHAPE[0]) + 0.5) * cell
    values = np.random.default_rng(1).normal(25, 4, (HOURS, *SHAPE)).astype("float32")
    times = FIRST + np.arange(HOURS) * np.timedelta64(1, "h")
    coords = {"time": times, "latitude": centres[::-1], "longitude": centres}
    grid = xr.Dataset({"t": (("time", "latitude", "longitude"), values, {"units": "degC"})}, coords)
    grid.to_netcdf(folder / "hours.nc", encoding={"t": {"zlib": True, "chunksizes": (24, *SHAPE)}})
    (folder / "units.geojson").write_text(json.dumps(country(UNITS)))
    given = {"source": "geojson", "href": str(folder / "units.geojson"), "id": "orgUnit", "name": "name"}
    options = {"href": str(folder / "hours.nc"), "variable": "t"}
    config = base_config()
    config["resources"]["hours"] = collection(
        "hours", source="file", options=options, periodType="daily", orgUnits=given, aggregation={"spatial": "mean"}
    )
    return config


def sizes(stack: Stack) -> Sizes:
    """MiB (PSS) of each kind of process of the stack."""
    found: Sizes = defaultdict(float)
    top = psutil.Process(stack.process.pid)
    for process in [top, *top.children(recursive=True)]:
        try:
            found[role(process)] += process.memory_full_info().pss / 2**20
        except psutil.Error:  # it has ended
            continue
    return found


def role(process: psutil.Process) -> str:
    """What the process is to the stack; a job where nothing else fits."""
    command = " ".join(process.cmdline())
    return next((name for sign, name in ROLES.items() if sign in command), "a job")


def say(label: str, found: Sizes) -> None:
    parts = ", ".join(f"{name} {size:.0f}" for name, size in sorted(found.items()))
    print(f"{label}: {sum(found.values()):.0f} MiB ({parts})", flush=True)


def run_jobs(stack: Stack, count: int, at_once: int) -> None:
    """Run so many jobs of the sample, a few at a time, and look at their pages as people do."""

    def one(_: int) -> None:
        job = answered(lambda: stack.execute({"inputs": SAMPLE})).json()["jobID"]
        while answered(lambda: stack.get(f"/jobs/{job}?f=json")).json()["status"] not in FINAL:
            time.sleep(0.5)
        answered(lambda: stack.get("/jobs?f=html"))

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(one, range(count)))


def answered(ask: Callable[[], requests.Response]) -> requests.Response:
    """Ask until the answer is not that Prefect is too busy, or was not there in time."""
    while (answer := ask()).status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        time.sleep(1)
    answer.raise_for_status()
    return answer


def a_month(stack: Stack) -> None:
    """Run the national month, first and again, and print its peak and its steps."""
    for which in ("first", "again"):
        began = time.monotonic()
        with highest(lambda: sizes(stack)) as looks:
            result = stack.result(**MONTH)
        took = time.monotonic() - began
        say(f"peak of a national month of hours, {which} ({took:.1f} s)", max(looks, key=lambda s: sum(s.values())))
        print("  ", ", ".join(f"{step} {seconds:.1f} s" for step, seconds in steps(stack, result["jobID"])), flush=True)


@contextmanager
def highest(look: Callable[[], Sizes]) -> Iterator[list[Sizes]]:
    """Look again and again while the block runs."""
    looks, ended = [look()], threading.Event()

    def watch() -> None:
        while not ended.wait(LOOK_SECONDS):
            looks.append(look())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield looks
    finally:
        ended.set()
        thread.join()


def steps(stack: Stack, job: str) -> Iterator[tuple[str, float]]:
    """Yield the steps of a job and the seconds that each took."""
    for step in stack.get(f"/jobs/{job}?f=json").json()["steps"]:
        began, ended = (datetime.fromisoformat(step[when]) for when in ("started", "finished"))
        yield step["name"], (ended - began).total_seconds()


if __name__ == "__main__":
    main()
