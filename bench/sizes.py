"""What a daily dataset of 10, 150 and 1,500 units takes: `uv run python -m bench.sizes [--days 40] [--growth 4]`.

One job of `--days` days for a made-up country of 8 by 8 degrees on cells of 0.05 degrees (the size of CHIRPS'), in a
fresh process beside a Prefect server: its seconds with those of its imports, by the clock and of a processor, and its
memory. Nothing is downloaded, and nothing sent. Then the results store after `--growth` days of one job each, as
`bench.growth` writes them, from which a year is computed. What DHIS2 takes for a value stands in docs/backfill.md.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import yaml

from bench.growth import job, merge
from eo_pygeoapi.store.store import ResultStore
from tests.servers import prefect_server
from tests.stack import base_config, collection
from tests.store.results_data import units

COUNTRY, CELL = 8.0, 0.05  # degrees
CORNERS = 96  # on each side of a unit, if nothing else is said: 385 points in all, as districts have
FIRST = date(2025, 1, 1)
KEPT = ("published", "coverage", "history", "sent")  # that no retention removes
RUN = """
import json, resource, sys
from prefect import get_client
from prefect.flow_engine import run_flow
from prefect.states import Pending
from flows.eo_aggregate_import import eo_aggregate_import_v1 as flow

parameters = json.loads(sys.argv[1])
with get_client(sync_client=True) as client:
    run = client.create_flow_run(flow, parameters=parameters, state=Pending())
state = run_flow(flow, flow_run=run, parameters=parameters, return_type="state")
used = resource.getrusage(resource.RUSAGE_SELF)
said = {"state": state.name, "message": state.message, "memory": used.ru_maxrss / 1024}
print("\\n" + json.dumps(said | {"processor": used.ru_utime + used.ru_stime}))
"""


def main() -> None:
    """Measure and print a row for each number of units."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, nargs="*", default=[10, 150, 1500])
    parser.add_argument("--days", type=int, default=40)
    parser.add_argument("--growth", type=int, default=4)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, prefect_server(Path(name)) as api:
        write_grid(Path(name, "rain.nc"), asked.days)
        for count in asked.units:
            (folder := Path(name, str(count))).mkdir()
            figures = of_a_job(folder, api, country(count), asked.days) | of_a_year(folder, count, asked.growth)
            print(count, json.dumps({what: round(value, 1) for what, value in figures.items()}), flush=True)


def write_grid(path: Path, days: int, west: float = 0, south: float = 0) -> None:
    """Write days of made-up rain for the country, compressed as providers do."""
    centres = (np.arange(round(COUNTRY / CELL)) + 0.5) * CELL
    rain = np.random.default_rng(1).gamma(0.5, 8, (days, len(centres), len(centres))).astype("float32")
    times = np.datetime64(FIRST, "ns") + np.arange(days).astype("m8[D]")
    coords = {"time": times, "latitude": south + centres[::-1], "longitude": west + centres}
    grid = xr.Dataset({"rain": (("time", "latitude", "longitude"), rain, {"units": "mm"})}, coords)
    grid.to_netcdf(path, encoding={"rain": {"zlib": True}})


def country(count: int, corners: int = CORNERS) -> dict[str, Any]:
    """Return the country, divided into so many rectangles with so many corners on each side."""
    rows = max(row for row in range(1, math.isqrt(count) + 1) if count % row == 0)
    height, width = COUNTRY / rows, COUNTRY * rows / count
    along, nothing = np.arange(corners) / corners, np.zeros(corners)
    x = np.concatenate([along, nothing + 1, 1 - along, nothing, [0]]) * width
    y = np.concatenate([nothing, along, nothing + 1, 1 - along, [0]]) * height
    features = []
    for number in range(count):
        column, row = divmod(number, rows)
        ring = np.column_stack([x + column * width, y + row * height]).round(6).tolist()
        names = {"orgUnit": f"U{number:010}", "name": f"District {number}", "level": 2}
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "id": names["orgUnit"], "properties": names, "geometry": geometry})
    return {"type": "FeatureCollection", "features": features}


def of_a_job(folder: Path, api: str, units: dict[str, object], days: int) -> dict[str, float]:
    """Run a job in a process of its own, and return what it took."""
    (folder / "units.geojson").write_text(json.dumps(units))
    config = base_config()
    options = {"href": str(folder.parent / "rain.nc"), "variable": "rain"}
    given = {"source": "geojson", "href": str(folder / "units.geojson"), "id": "orgUnit", "name": "name"}
    config["resources"]["rain"] = collection("rain", source="file", options=options, periodType="daily", orgUnits=given)
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    inputs = {"datasetId": "rain", "start": str(FIRST), "end": str(FIRST + timedelta(days - 1))}
    environment = {
        "PREFECT_API_URL": api,
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(folder / "results"),
        "PYGEOAPI_CONFIG": str(folder / "config.yml"),
        "EO_DATA_DIR": str(folder),
    }
    begun = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps({"inputs": inputs})],
        env=os.environ | environment, capture_output=True, text=True,
    )  # fmt: skip
    took = time.monotonic() - begun
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout.splitlines()[-1])
    assert said["state"] == "Completed", said
    return {"a job, s": took, "processor s": said["processor"], "its memory, MiB": said["memory"]}


def of_a_year(folder: Path, count: int, days: int) -> dict[str, float]:
    """Let the results store grow for some days, and return what a year adds to it."""
    store = ResultStore(str(folder / "growth"))
    of = units({feature["id"]: feature["geometry"] for feature in country(count)["features"]})
    sizes = []
    for number in range(days):
        job(store, "rain-0", of, date(2026, 1, 1) + timedelta(number))
        merge(store, 1)
        sizes.append((size(folder / "growth", ("jobs",)), size(folder / "growth", KEPT)))
    a_year = 365 / (days - 1) / 2**20
    jobs, kept = ((last - first) * a_year for first, last in zip(sizes[0], sizes[-1], strict=True))
    return {"files of jobs, MiB a year": jobs, "kept for ever, MiB a year": kept}


def size(root: Path, kinds: tuple[str, ...]) -> int:
    """Return the bytes of some kinds of files of a results store."""
    return sum(path.stat().st_size for kind in kinds for path in (root / kind).rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
