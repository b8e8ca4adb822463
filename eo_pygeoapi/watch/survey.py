"""Gather what the store and Prefect know of each dataset."""

from collections.abc import Iterable
from datetime import datetime

from prefect.client.schemas.responses import DeploymentResponse

from eo_pygeoapi.contract.status import JobStatus
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.gateway.job_filter import JobFilter
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.freshness import Facts


def survey(gateway: PrefectGateway, store: ResultStore, datasets: Iterable[Dataset]) -> list[Facts]:
    """Return the facts of these datasets, in their order.

    Raises EngineUnavailableError and ResultsError. It asks Prefect twice for each dataset, and DHIS2 nothing.
    """
    deployments = {deployment.name: deployment for deployment in gateway.deployments.recent().values()}
    return [
        Facts(
            dataset=dataset,
            periods=CoverageTable(store, dataset.id).summary(),
            last_run=_newest(gateway, dataset, "successful", "failed"),
            last_success=_finished(_newest(gateway, dataset, "successful")),
            paused=_is_paused(deployments.get(dataset.id)),
        )
        for dataset in datasets
    ]


def _newest(gateway: PrefectGateway, dataset: Dataset, *statuses: JobStatus) -> Job | None:
    jobs, _ = gateway.runs.list(1, 0, JobFilter(datasets=(dataset.id,), statuses=statuses))
    return jobs[0] if jobs else None


def _finished(job: Job | None) -> datetime | None:
    return job.finished if job else None


def _is_paused(deployment: DeploymentResponse | None) -> bool:
    """Tell whether a dataset has schedules, and none of them runs."""
    if deployment is None or not deployment.schedules:
        return False
    return not any(schedule.active for schedule in deployment.schedules)
