"""A person who asks for backfills, beside a Prefect server and workers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from eo_pygeoapi.contract.status import BACKFILL_ID, RECONCILE_ID, UNDO_ID
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
from tests.stack import base_config
from tests.standins import dhis2
from tests.worker.farm import ENDED, Farm, patiently, until


class Backfills:
    """What a person has who asks for backfills, with a DHIS2 that `credentials` are for."""

    def __init__(self, work: Farm, credentials: Mapping[str, str], folder: Path, datasets: Mapping[str, Any]) -> None:
        self.work, self.data = work, folder / "data"
        config = base_config()
        config["resources"] |= datasets
        path = folder / "backfill.yml"
        path.write_text(yaml.safe_dump(config))
        for dataset in load_datasets(path).values():
            patiently(lambda dataset=dataset: work.gateway.deployments.put(import_spec(dataset, Settings())))  # type: ignore[misc]
        for process in (BACKFILL_ID, UNDO_ID, RECONCILE_ID):
            patiently(lambda process=process: work.gateway.deployments.put(process_spec(process)))  # type: ignore[misc]
        self.environment = {"PYGEOAPI_CONFIG": str(path), **credentials}
        settings = Settings().model_copy(update={"config": path, "data_dir": self.data})
        self.store = ResultStore(settings.results)
        self.executions = Executions(work.gateway, self.store, settings)

    def submit(self, process: str = BACKFILL_ID, **inputs: Any) -> str:
        description = describe_companion(process, self.executions.datasets())
        body = ExecuteBody(inputs)
        return patiently(lambda: self.executions.submit(process, description, body)).id

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


class BesideAStandIn(Backfills):
    """The same with a DHIS2 that stands in."""

    def __init__(self, work: Farm, server: dhis2.StandIn, folder: Path, datasets: Mapping[str, Any]) -> None:
        credentials = {"EO_DHIS2_NATIONAL_URL": server.url, "EO_DHIS2_NATIONAL_TOKEN": server.token}
        super().__init__(work, credentials, folder, datasets)
        self.server = server
