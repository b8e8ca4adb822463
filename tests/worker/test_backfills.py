"""A backfill beside a real Prefect server and a worker: an estimate, its jobs, its window, and its end."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import yaml

from eo_pygeoapi.contract.status import BACKFILL_ID
from eo_pygeoapi.datasets.read import load_datasets
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.gateway.specs import import_spec, process_spec
from eo_pygeoapi.jobs.documents import JobLinks, status_document
from eo_pygeoapi.jobs.executions import Executions
from eo_pygeoapi.jobs.request import ExecuteBody
from eo_pygeoapi.process import describe_companion
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from tests.stack import base_config, collection
from tests.standins import dhis2
from tests.worker.farm import ENDED, Farm, patiently, until

TARGET = {"connection": "national", "dataElement": "CHIRPS_PRECIPITATION", "dataSet": "CLIMATE_DAILY"}
FIRST = "2020-01-01"


def make_rain(path: Path, days: int) -> None:
    """Write days of made-up rain around Sierra Leone, other every day."""
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("time", days), ("latitude", 20), ("longitude", 20)):
            file.createDimension(name, size)
        times = file.createVariable("time", "i4", ("time",))
        times.units, times.calendar, times[:] = f"days since {FIRST}", "standard", np.arange(days)
        latitude = file.createVariable("latitude", "f8", ("latitude",))
        latitude.units, latitude[:] = "degrees_north", np.linspace(10.5, 6.5, 20)
        longitude = file.createVariable("longitude", "f8", ("longitude",))
        longitude.units, longitude[:] = "degrees_east", np.linspace(-14, -10, 20)
        rain = file.createVariable("rain", "f4", ("time", "latitude", "longitude"), zlib=True)
        rain.units = "mm"
        rain[:] = (1 + np.arange(days) % 50)[:, None, None] + np.linspace(0, 1, 20)[None, None, :]


class Backfills:
    """What a person has who asks for backfills."""

    def __init__(self, work: Farm, server: dhis2.StandIn, folder: Path) -> None:
        self.work, self.server, self.data = work, server, folder / "data"
        make_rain(folder / "rain.nc", 366)
        config = base_config()
        config["resources"]["filled"] = collection(
            "filled",
            source="file",
            options={"href": "rain.nc", "variable": "rain"},
            units={"from": "mm", "to": "mm"},
            aggregation={"spatial": "mean", "temporal": "sum"},
            decimals=2,
            orgUnits={"source": "dhis2", "level": 2},
            dhis2=TARGET,
        )
        path = folder / "backfill.yml"
        path.write_text(yaml.safe_dump(config))
        for dataset in load_datasets(path).values():
            patiently(lambda dataset=dataset: work.gateway.deployments.put(import_spec(dataset, Settings())))  # type: ignore[misc]
        patiently(lambda: work.gateway.deployments.put(process_spec(BACKFILL_ID)))
        self.environment = {
            "PYGEOAPI_CONFIG": str(path),
            "EO_DHIS2_NATIONAL_URL": server.url,
            "EO_DHIS2_NATIONAL_TOKEN": server.token,
        }
        settings = Settings().model_copy(update={"config": path, "data_dir": self.data})
        self.store = ResultStore(settings.results)
        self.executions = Executions(work.gateway, self.store, settings)

    def submit(self, **inputs: Any) -> str:
        description = describe_companion(BACKFILL_ID, self.executions.datasets())
        body = ExecuteBody({"datasetId": "filled", **inputs})
        return patiently(lambda: self.executions.submit(BACKFILL_ID, description, body)).id

    def job(self, job_id: str) -> Job:
        return patiently(lambda: self.work.gateway.runs.get(job_id))

    def ended(self, job_id: str, seconds: float = 600) -> Job:
        return until(lambda: found if (found := self.job(job_id)).status in ENDED else None, seconds)

    def result(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = JobFolder(self.store, job_id).read_json("result.json")
        return found

    def document(self, job_id: str) -> dict[str, Any]:
        job = self.job(job_id)
        return status_document(job, JobLinks("http://eo"), patiently(lambda: self.executions.details(job)))


@pytest.fixture
def backfills(work: Farm, tmp_path: Path) -> Iterator[Backfills]:
    with dhis2.running() as server:
        yield Backfills(work, server, tmp_path)


def test_a_backfill_is_estimated_and_done_in_parts(backfills: Backfills) -> None:
    backfills.work.worker(backfills.data, zygote=True, **backfills.environment)
    begun = time.monotonic()
    estimate = backfills.submit(start="2020-01", end="2020-03")
    said = backfills.ended(estimate)
    assert said.status == "successful", said.message
    assert time.monotonic() - begun < 60
    found = backfills.result(estimate)
    print(json.dumps(found, indent=1))
    assert found["chunks"]["total"] == 1 and found["values"] == 91 * 13 == found["periods"] * found["orgUnits"]
    assert found["downloadMiB"] == 0 and not backfills.server.imports()

    job = backfills.submit(start="2020-01", end="2020-03", dryRun=False)
    done = backfills.ended(job)
    print(done.message)
    assert done.status == "successful", done.message
    print(backfills.result(job), backfills.document(job))
    assert len(backfills.server.values()) == 91 * 13
