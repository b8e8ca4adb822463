"""A worker whose configuration file is not the one that a job was submitted with: an edit that has not reached it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from eo_pygeoapi.commands.up.sample import make_sample
from eo_pygeoapi.datasets.read import load_configuration
from eo_pygeoapi.gateway.apply import apply_deployments
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.jobs.executions import Executions
from eo_pygeoapi.jobs.request import ExecuteBody
from eo_pygeoapi.process import describe
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.pauses import Pauses
from eo_pygeoapi.store.store import ResultStore
from tests.stack import base_config, collection
from tests.worker.farm import ENDED, Farm, deploy, patiently, until

MISTAKEN, RIGHT = {"from": "K", "to": "K"}, {"from": "K", "to": "degC"}


class Host:
    """A host's own copy of the configuration, as a mounted file or a synchronised folder gives it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "config.yml"
        folder.mkdir()
        make_sample(folder)

    def edit(self, **block: Any) -> None:
        config = base_config()
        del config["resources"]["two-outputs"], config["resources"]["echo"]
        block["orgUnits"] = {"source": "geojson", "href": "districts.geojson"}
        options = {"href": "temperature.nc", "variable": "t2m"}
        config["resources"]["heat"] = collection("heat", source="file", options=options, **block)
        self.path.write_text(yaml.safe_dump(config))


class Office:
    """Who edits the file, applies it and executes."""

    def __init__(self, work: Farm, host: Host, results: Path) -> None:
        self.work, self.host = work, host
        self.settings = Settings().model_copy(update={"config": host.path, "results_url": str(results)})
        self.store = ResultStore(str(results))
        self.executions = Executions(work.gateway, self.store, self.settings)

    def apply(self) -> None:
        datasets, _ = load_configuration(self.host.path)
        pauses = Pauses(self.store)
        patiently(lambda: apply_deployments(self.work.gateway, datasets, {}, self.settings, pauses))

    def execute(self) -> str:
        body = ExecuteBody({"datasetId": "heat", "start": "2025-07-01", "end": "2025-07-02"})
        described = describe(self.executions.datasets())
        return patiently(lambda: self.executions.submit("eo-aggregate-import", described, body)).id

    def ended(self, job: str) -> Job:
        return until(lambda: found if (found := self.work.gateway.runs.get(job)).status in ENDED else None, 240)


@pytest.fixture
def work(work: Farm) -> Iterator[Farm]:
    """The servers, which have the flows of tests again after a test that has applied a file."""
    yield work
    patiently(lambda: deploy(work.gateway))


@pytest.mark.slow
def test_a_worker_with_the_old_file_refuses_and_takes_up_the_new_one(work: Farm, tmp_path: Path) -> None:
    here, there = Host(tmp_path / "here"), Host(tmp_path / "there")
    office = Office(work, here, tmp_path / "results")
    here.edit(units=MISTAKEN, decimals=1)
    office.apply()
    early = office.execute()
    here.edit(units=MISTAKEN)
    there.edit(units=MISTAKEN)
    office.apply()
    worker = work.worker(
        tmp_path / "data", PYGEOAPI_CONFIG=str(there.path), EO_RESULTS_URL=str(tmp_path / "results"), EO_CONCURRENCY="1"
    )
    # an edit that was applied after a job was submitted counts for this job, too
    assert office.ended(early).status == "successful", worker.text()
    here.edit(units=RIGHT)
    office.apply()
    refused = office.ended(office.execute())
    assert refused.status == "failed", worker.text()
    assert "says something else of dataset 'heat' than when the job was submitted" in refused.message
    assert "run `eo-pygeoapi apply`" in refused.message and str(tmp_path) not in refused.message
    # the edit reaches the worker within the time that a run gives it
    job = office.execute()
    until(lambda: office.work.gateway.runs.get(job).status == "running", 120)
    shutil.copy(here.path, there.path)
    assert office.ended(job).status == "successful", office.ended(job)
