"""Gather what the store and Prefect know of each dataset."""

from collections.abc import Iterable
from datetime import datetime

from eo_pygeoapi.contract.status import PROCESS_ID, JobStatus
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.gateway.job_filter import JobFilter
from eo_pygeoapi.gateway.standings import standings_of
from eo_pygeoapi.gateway.work_pool import of_feeds
from eo_pygeoapi.settings import process_settings
from eo_pygeoapi.store.boundaries import boundary_changes
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.newest_days import newest_day
from eo_pygeoapi.store.pauses import Pauses
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.freshness import Facts


def survey(gateway: PrefectGateway, store: ResultStore, datasets: Iterable[Dataset]) -> list[Facts]:
    """Return the facts of these datasets, in their order.

    Raises EngineUnavailableError and ResultsError. It asks Prefect for the last job of each dataset that is no
    part of a backfill, and where that failed for the last success and the first failure after it; DHIS2 nothing.
    """
    deployments = {deployment.name: deployment for deployment in gateway.deployments.recent().values()}
    found, pauses, settings = [], Pauses(store).all(), process_settings()
    for dataset in datasets:
        standings = standings_of(dataset, deployments.get(dataset.id), pauses, settings)
        last = _newest(gateway, dataset, "successful", "failed")
        success, failing_since = last, None
        if last and last.status == "failed":
            success = _newest(gateway, dataset, "successful")
            # people need to know how long a problem has lasted: since the first job failed after the last success
            after = success.created if success else None
            wanted = _imports(dataset, "failed", after=after)
            _, total = gateway.runs.list(0, 0, wanted)
            jobs, _ = gateway.runs.list(1, max(total - 1, 0), wanted)
            failing_since = jobs[0].updated if jobs else None
        found.append(
            Facts(
                dataset=dataset,
                periods=CoverageTable(store, dataset.id).summary(),
                last_run=last,
                last_success=success.finished if success else None,
                failing_since=failing_since,
                paused=bool(standings) and all(standing.paused_by for standing in standings),
                standings=standings,
                newest_day=newest_day(store, dataset).day,
                boundaries=boundary_changes(store, dataset.id),
            )
        )
    return found


def _newest(gateway: PrefectGateway, dataset: Dataset, *statuses: JobStatus) -> Job | None:
    jobs, _ = gateway.runs.list(1, 0, _imports(dataset, *statuses))
    return jobs[0] if jobs else None


def _imports(dataset: Dataset, *statuses: JobStatus, after: datetime | None = None) -> JobFilter:
    """Return the filter for the imports of a dataset that are no part of a backfill."""
    return JobFilter(
        datasets=(dataset.id,),
        process_ids=(PROCESS_ID,),
        queues=of_feeds(dataset.tenant),
        statuses=statuses,
        created_from=after,
    )
