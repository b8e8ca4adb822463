"""How fast a payload is built, compared and imported, and in how much memory, beside bare requests.

    uv run python -m bench.imports                 # all of PLAN, about a quarter of an hour on an idle machine
    uv run python -m bench.imports --values 10000 100000 --version 2.43 --cost 1 --rounds 5

Everything runs against the stand-in of the tests, in processes of their own, one after the other. `bare` is httpx with
one kept connection, which reads what DHIS2 holds of each 2,000 values, posts them and does nothing else; `bare again`
only reads, from a DHIS2 that holds all. `import` is the whole step against an empty DHIS2, `again` the same against one
that holds all, which only reads and compares. A ratio is of one round, to the bare requests beside it. Memory is what
the process had at its peak, less what it had before. With `--cost 1` the stand-in takes the time for its values that
was measured of DHIS2. `--millions 22` computes from those figures alone how long so many new values take.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

import httpx

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.dhis2.addresses import addressable
from eo_pygeoapi.pipeline.dhis2.batch_size import START, BatchSizes
from eo_pygeoapi.pipeline.dhis2.batching import batches
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue, Row, build_dhis2_payload, data_value_set
from eo_pygeoapi.pipeline.dhis2.import_files import ImportFiles
from eo_pygeoapi.pipeline.dhis2.importing import import_to_dhis2
from eo_pygeoapi.pipeline.intermediates import rows_by_period, save_table
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from tests.pipeline.dhis2.imports import SUMMED, TARGET, big_metadata, connector
from tests.pipeline.made import dataset
from tests.standins.dhis2 import StandIn, running
from tests.standins.dhis2.cost import NEW, at

VILLAGES = 1000
TODAY = date(2026, 1, 1)


class Plan(NamedTuple):
    """What is measured: a version, the share of a real server's time, the number of values, and the rounds."""

    version: str
    cost: float
    values: int
    rounds: int


PLAN = (
    Plan("2.42", 1, 10_000, 3),
    Plan("2.43", 1, 10_000, 3),
    Plan("2.42", 1, 100_000, 1),
    Plan("2.42", 0, 10_000, 5),
    Plan("2.42", 0, 100_000, 3),
    Plan("2.42", 0, 1_000_000, 1),
)


def rows(count: int) -> Iterator[Row]:
    """Yield so many values of 1,000 units, ordered by period."""
    for day in range(count // VILLAGES):
        period = f"{TODAY - timedelta(days=count // VILLAGES - day):%Y%m%d}"
        for n in range(VILLAGES):
            yield f"V{n:010}", period, (n * 7 + day) % 1000 / 10, ""


def values_file(folder: Path, count: int) -> None:
    import pandas as pd

    save_table(
        pd.DataFrame(rows(count), columns=["orgUnit", "period", "value", "none"]).drop(columns="none"),
        folder / "values.parquet",
    )


def build_payload(folder: Path, server: StandIn) -> None:
    files = ImportFiles(JobFolder(ResultStore(str(folder)), "job"))
    kept = files.folder
    with kept.new_file(job_folder.PAYLOAD_JSON) as as_json, kept.new_file(job_folder.PAYLOAD_CSV) as csv:
        files.write_payload(
            build_dhis2_payload(rows_by_period(folder / "values.parquet", folder), TARGET, as_json, csv)
        )


def bare(folder: Path, server: StandIn, *, posts: bool = True) -> None:
    files = ImportFiles(JobFolder(ResultStore(str(folder)), "job"))
    with (
        httpx.Client(base_url=server.url, auth=(server.username, server.password), timeout=300) as client,
        files.data_values() as values,
    ):
        for batch in batches(values, BatchSizes(fixed=START)):
            _read(client, batch)
            if posts:
                params = {"dryRun": "false", "strictPeriods": "true"}
                client.post("/api/dataValueSets", params=params, json=data_value_set(batch, TARGET)).raise_for_status()


def bare_again(folder: Path, server: StandIn) -> None:
    bare(folder, server, posts=False)


def _read(client: httpx.Client, batch: Sequence[DataValue]) -> None:
    """Read what DHIS2 holds of a batch, as many units a request as fit into an address."""
    days = sorted({value.period for value in batch})
    first, last = (f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in (days[0], days[-1]))
    for units in addressable(sorted({value.org_unit for value in batch}), "&orgUnit="):
        params = {"dataSet": TARGET.data_set, "startDate": first, "endDate": last, "orgUnit": units}
        client.get("/api/dataValueSets", params=params).raise_for_status().json()


def do_import(folder: Path, server: StandIn) -> None:
    files = ImportFiles(JobFolder(ResultStore(str(folder)), "job"))
    summary = import_to_dhis2(files, _dataset(), False, connector(server, read_timeout=300))
    assert summary.imported + summary.unchanged == files.payload().count, summary


@cache
def _dataset() -> Dataset:
    return dataset(dhis2=TARGET.to_json(), aggregation=SUMMED)


def _prepare(folder: Path) -> None:
    """Have what a job has before this step: its dataset, and no batches of an import before it."""
    _dataset()
    files = ImportFiles(JobFolder(ResultStore(str(folder)), "job"))
    for key in files.folder.store.keys(files.folder.key("steps/import")):
        files.folder.store.delete(key)


STEPS: dict[str, Callable[[Path, StandIn], None]] = {
    "payload": build_payload,
    "bare": bare,
    "bare again": bare_again,
    "import": do_import,
    "again": do_import,
}


def measured(step: str, folder: Path, server: StandIn) -> tuple[float, float]:
    """Run a step in a process of its own; returns seconds and megabytes."""
    command = [sys.executable, "-m", "bench.imports", "--step", step, str(folder), json.dumps(vars(server))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, megabytes = json.loads(done.stdout)
    return seconds, megabytes


def run_step(step: str, folder: Path, server: StandIn) -> None:
    _prepare(folder)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before, begun = _megabytes("VmRSS"), time.perf_counter()
    STEPS[step](folder, server)
    print(json.dumps([time.perf_counter() - begun, _megabytes("VmHWM") - before]))


def _megabytes(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def compare(plan: Plan) -> None:
    """Run the rounds of a plan, and print a row for each step: median, and least to most of all rounds."""
    found: dict[str, list[tuple[float, float]]] = {step: [] for step in STEPS}
    for _ in range(plan.rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            values_file(folder, plan.values)
            # two servers: the bare requests must find an empty one too
            for steps in (("payload", "bare", "bare again"), ("import", "again")):
                metadata = big_metadata(VILLAGES)
                with running(plan.version, metadata, TODAY, forget_bodies=True, cost=plan.cost) as server:
                    for step in steps:
                        found[step].append(measured(step, folder, server))
    for step, results in found.items():
        beside = found["bare again" if step.endswith("again") else "bare"]
        ratios = [seconds / bare for (seconds, _), (bare, _) in zip(results, beside, strict=True)]
        megabytes = max(megabytes for _, megabytes in results)
        print(
            f"| {plan.version} | {plan.cost:4g} | {plan.values:>9,} | {step:10} "
            f"| {_spread([seconds for seconds, _ in results]):>20} | {_spread(ratios):>18} | {megabytes:6.0f} |",
            flush=True,
        )


def _spread(figures: Sequence[float]) -> str:
    """Return the median, and where there are several the least and the most."""
    middle = f"{statistics.median(figures):.2f}"
    return middle if len(figures) == 1 else f"{middle} ({min(figures):.2f} to {max(figures):.2f})"


def expected(values: int) -> None:
    """Print how long so many new values take DHIS2, in batches of the size that an import comes to, and of others."""
    for version, is_new in (("2.42", False), ("2.43", True)):
        sizes = BatchSizes()
        for _ in range(20):
            size = sizes.next().values
            sizes.learn(size, at(NEW[is_new], size))
        for some in (sizes.next().values, 2_500, 10_000):
            # the readings before and after go on beside it
            hours = values / some * at(NEW[is_new], some) / 3600
            print(f"| DHIS2 {version} | {some:>6,} in a POST | {hours:5.1f} hours |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--values", type=int, nargs="+", help="instead of the plan")
    parser.add_argument("--version", default="2.42")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cost", type=float, default=0.0, help="share of the time that a real server takes")
    parser.add_argument("--millions", type=float, help="compute how long so many values take, and measure nothing")
    parser.add_argument("--step", nargs=3)
    options = parser.parse_args()
    if options.step:
        step, folder, server = options.step
        return run_step(step, Path(folder), StandIn(**json.loads(server)))
    if options.millions:
        return expected(round(options.millions * 1e6))
    print("| DHIS2 | cost |   values  | step       | seconds              | ratio              | MB more |")
    print("|-------|-----:|----------:|------------|---------------------:|-------------------:|--------:|")
    asked = [Plan(options.version, options.cost, values, options.rounds) for values in options.values or []]
    for plan in asked or PLAN:
        compare(plan)


if __name__ == "__main__":
    main()
