"""An import of 50,000 values that is cut short while DHIS2 takes it: the worker is killed, or the job dismissed."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import xarray as xr

from tests.pipeline.dhis2.imports import BIG_METADATA, SUMMED, TODAY, big_cells, stored
from tests.stack import Stack, base_config, collection, up
from tests.standins.dhis2 import StandIn, running
from tests.standins.dhis2_metadata import DAILY, RAIN

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROWS, COLUMNS, DAYS, CELL = 25, 40, 50, 0.1
SLOW = {"path": "/api/dataValueSets", "method": "POST", "stall": 2}
VILLAGES: dict[str, Any] = {"datasetId": "villages", "start": "2025-01-01", "end": "2025-02-19", "dryRun": False}


@pytest.fixture(scope="module")
def dhis2() -> Iterator[StandIn]:
    with running("2.42", BIG_METADATA, TODAY) as server:
        yield server


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, dhis2: StandIn) -> Iterator[Stack]:
    """`eo-pygeoapi up` with a dataset of a thousand villages, each the square of one cell."""
    folder = tmp_path_factory.mktemp("cut-short")
    config = base_config()
    config["resources"]["villages"] = collection(
        "villages",
        source="file",
        options={"href": str(rain_of_villages(folder)), "variable": "rain"},
        periodType="daily",
        aggregation=SUMMED,
        decimals=None,
        orgUnits={"source": "geojson", "href": str(villages(folder)), "id": "id", "name": "name"},
        dhis2={"connection": "national", "dataElement": RAIN, "dataSet": DAILY},
    )
    environment = {"EO_DHIS2_NATIONAL_URL": dhis2.url, "EO_DHIS2_NATIONAL_TOKEN": dhis2.token}
    with up(folder, config, environment) as running_stack:
        yield running_stack


def rain_of_villages(folder: Path) -> Path:
    number, day = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS), np.arange(DAYS)[:, None, None]
    coords = {
        "time": np.datetime64("2025-01-01", "ns") + np.arange(DAYS).astype("m8[D]"),
        "latitude": (ROWS - np.arange(ROWS) - 0.5) * CELL,
        "longitude": (np.arange(COLUMNS) + 0.5) * CELL,
    }
    rain = xr.DataArray(number % 97 / 4 + day, dims=("time", "latitude", "longitude"), coords=coords, name="rain")
    rain.attrs["units"] = "mm"
    rain.to_dataset().to_netcdf(folder / "rain.nc")
    return folder / "rain.nc"


def villages(folder: Path) -> Path:
    features = []
    for number in range(ROWS * COLUMNS):
        row, column = divmod(number, COLUMNS)
        west, north = column * CELL, (ROWS - row) * CELL
        corners = [(west, north - CELL), (west + CELL, north - CELL), (west + CELL, north), (west, north)]
        ring = [[round(x, 6), round(y, 6)] for x, y in (*corners, corners[0])]
        name = f"V{number:010}"
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "id": name, "properties": {"name": name}, "geometry": geometry})
    (folder / "villages.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return folder / "villages.geojson"


def started(stack: Stack, dhis2: StandIn, batches: int) -> str:
    """Submit the import and wait until DHIS2 has taken so many batches of it."""
    dhis2.reset()
    dhis2.faults(SLOW)
    job = stack.submit(**VILLAGES)
    until = time.monotonic() + 200
    while dhis2.imports() < batches:
        assert time.monotonic() < until, stack.get(f"{job}?f=json").text + stack.log("worker")
        time.sleep(0.05)
    return job


def cells(entry: dict[str, Any]) -> set[tuple[str, str]]:
    return {(value["orgUnit"], value["period"]) for value in entry["body"]["dataValues"]}


def test_a_killed_worker_is_followed_by_one_that_sends_the_rest(stack: Stack, dhis2: StandIn) -> None:
    job = started(stack, dhis2, 2)
    os.kill(json.loads((stack.folder / "up.json").read_text())["pids"]["worker"], signal.SIGKILL)
    before = dhis2.log("POST")
    seen: list[dict[str, Any]] = []
    until = time.monotonic() + 200
    while not seen or seen[-1]["status"] not in ("successful", "failed", "dismissed"):
        assert time.monotonic() < until, seen[-1]
        seen.append(stack.get(f"{job}?f=json").json())
        time.sleep(0.3)
    status = seen[-1]
    assert (status["status"], status["attempts"]) == ("successful", 2), status
    assert not [seen_then for seen_then in seen[:-1] if seen_then["status"] not in ("running", "accepted")]
    after = dhis2.log("POST")[len(before) :]
    finished = [entry for entry in before if entry["status"] == 200]
    assert len(finished) >= 2 and not any(cells(entry) & cells(again) for entry in finished for again in after)
    assert stored(dhis2) == big_cells() and not dhis2.audit()
    summary = status["importSummary"]
    counted = sum(summary[name] for name in ("imported", "updated", "deleted", "ignored", "unchanged"))
    assert counted == 50_000, summary


def test_dismissed_it_sends_no_more_and_says_what_stays(stack: Stack, dhis2: StandIn) -> None:
    job = started(stack, dhis2, 1)
    assert stack.get(job, params={"f": "json"}).json()["status"] == "running"
    begun = time.monotonic()
    assert requests.delete(stack.url + job, timeout=30).status_code == 200
    status = stack.ended(job, 20)
    assert status["status"] == "dismissed" and time.monotonic() - begun < 6
    assert "what DHIS2 has taken until then stays there" in status["message"], status
    time.sleep(3)  # what was on its way has arrived
    there = len(stored(dhis2))
    time.sleep(5)
    assert len(stored(dhis2)) == there and there % 2_000 == 0 and 0 < there < 50_000
