"""What a whole job takes of a processor, and which of its steps: `uv run python -m bench.jobs [--rounds 5]`.

Each job runs in a process of its own beside a Prefect server, from a configuration and files that are made first:

    month      744 hours of 200 x 200 cells to daily means of 1,500 units of 385 points
    districts  a month of days for 13 districts with real outlines, where `../shared/data` has them (else made ones)
    many       a week of days for 20,000 units of 97 points

Nothing is downloaded, and nothing sent. The seconds are those of the processor that the job's process used, for they
depend less than a clock on what else the machine does; the steps are those of the log, and `around` is the rest: its
imports, and what it tells Prefect. With `--before CHECKOUT` the jobs of another checkout take turns with ours.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import yaml

from bench.memory import MONTH, with_month_of_hours
from bench.published import outlines
from bench.sizes import FIRST, country, write_grid
from tests.servers import prefect_server
from tests.stack import CHECKOUT, base_config, collection

DAYS, WEEK = 31, 7
RUN = """
import json, resource, sys, time
from contextlib import contextmanager

from prefect import get_client
from prefect.flow_engine import run_flow
from prefect.states import Pending

from eo_pygeoapi.gateway.progress import RunProgress
from flows.eo_aggregate_import import eo_aggregate_import_v1 as flow

found, step = {}, RunProgress.step

@contextmanager
def timed(self, name):
    began = time.process_time()
    with step(self, name) as report:
        yield report
    found[name] = time.process_time() - began

RunProgress.step = timed
parameters = json.loads(sys.argv[1])
with get_client(sync_client=True) as client:
    run = client.create_flow_run(flow, parameters=parameters, state=Pending())
state = run_flow(flow, flow_run=run, parameters=parameters, return_type="state")
assert state.is_completed(), state
used = resource.getrusage(resource.RUSAGE_SELF)
found["around"] = used.ru_utime + used.ru_stime - sum(found.values())
found |= {"all": used.ru_utime + used.ru_stime, "MiB": used.ru_maxrss / 1024}
print("\\n" + json.dumps(found))
"""
Inputs = Mapping[str, str]


def month(folder: Path) -> Inputs:
    (folder / "config.yml").write_text(yaml.safe_dump(with_month_of_hours(folder)))
    return MONTH


def districts(folder: Path) -> Inputs:
    features = [
        {"type": "Feature", "geometry": geometry, "properties": {"orgUnit": name, "name": name, "level": 2}}
        for name, geometry in outlines()
    ]
    return days_of(folder, {"type": "FeatureCollection", "features": features}, DAYS, west=-14, south=5)


def many(folder: Path) -> Inputs:
    return days_of(folder, country(20_000, corners=24), WEEK)


def days_of(folder: Path, units: Mapping[str, object], days: int, **corner: float) -> Inputs:
    """Write the grid, the units and the configuration of so many days of rain."""
    write_grid(folder / "rain.nc", days, **corner)
    (folder / "units.geojson").write_text(json.dumps(units))
    options = {"href": str(folder / "rain.nc"), "variable": "rain"}
    given = {"source": "geojson", "href": str(folder / "units.geojson"), "id": "orgUnit", "name": "name"}
    config = base_config()
    config["resources"]["rain"] = collection("rain", source="file", options=options, periodType="daily", orgUnits=given)
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    return {"datasetId": "rain", "start": str(FIRST), "end": str(FIRST + timedelta(days - 1))}


JOBS: Mapping[str, Callable[[Path], Inputs]] = {"month": month, "districts": districts, "many": many}


def main() -> None:
    """Measure and print a table for each job."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", nargs="*", choices=JOBS, default=list(JOBS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="another checkout to compare with")
    asked = parser.parse_args()
    checkouts = {"before": asked.before.resolve(), "now": CHECKOUT} if asked.before else {"now": CHECKOUT}
    with tempfile.TemporaryDirectory() as name, prefect_server(Path(name)) as api:
        for job in asked.jobs:
            (folder := Path(name, job)).mkdir()
            inputs = JOBS[job](folder)
            looks: dict[str, list[dict[str, float]]] = {which: [] for which in checkouts}
            for number in range(asked.rounds):
                for which, checkout in checkouts.items():
                    looks[which].append(of_a_job(checkout, folder, f"{which}-{number}", api, inputs))
            show(job, looks)


def of_a_job(checkout: Path, folder: Path, results: str, api: str, inputs: Inputs) -> dict[str, float]:
    """Run a job of a checkout, with an empty results store; returns its processor seconds by step, and its memory."""
    environment = {
        "PREFECT_API_URL": api,
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(folder / results),
        "PYGEOAPI_CONFIG": str(folder / "config.yml"),
        "EO_DATA_DIR": str(folder / results),
    }
    ended = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps({"inputs": dict(inputs)})],
        cwd=checkout, env=os.environ | environment, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-4000:]
    found: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return found


def show(job: str, looks: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Print the medians of each step, and least to most of the whole; with `before`, the ratio of each round."""
    print(f"\n{job}")
    for name in next(iter(looks.values()))[0]:
        line = f"  {name:24}"
        for which, found in looks.items():
            figures = [look[name] for look in found]
            line += f"  {which} {statistics.median(figures):8.2f} ({min(figures):.2f} to {max(figures):.2f})"
        if "before" in looks:
            pairs = zip(looks["now"], looks["before"], strict=True)
            line += f"  ratio {statistics.median(now[name] / max(before[name], 1e-6) for now, before in pairs):.2f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
