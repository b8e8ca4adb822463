"""Gather what the store and Prefect know of each dataset."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from prefect.client.schemas.responses import DeploymentResponse

from eo_pygeoapi.contract.status import PROCESS_ID, JobStatus
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.operations import Event
from eo_pygeoapi.errors import EngineUnavailableError
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
from eo_pygeoapi.watch.problems import KeptProblem

_OF_JOBS: tuple[Event, ...] = ("failed", "credential")  # problems that failed jobs open


def survey(gateway: PrefectGateway, store: ResultStore, datasets: Iterable[Dataset]) -> list[Facts]:
    """Return the facts of these datasets, in their order.

    Raises EngineUnavailableError and ResultsError. It asks Prefect for the last job of each dataset that is no
    part of a backfill, and where that failed for the last success and the first failure after it; DHIS2 nothing.
    """
    deployments = {deployment.name: deployment for deployment in gateway.deployments.recent().values()}
    found = []
    for facts in of_store(store, datasets, deployments):
        last = _newest(gateway, facts.dataset, "successful", "failed")
        success, failing_since = last, None
        if last and last.status == "failed":
            success = _newest(gateway, facts.dataset, "successful")
            # people need to know how long a problem has lasted: since the first job failed after the last success
            after = success.created if success else None
            wanted = _imports(facts.dataset, "failed", after=after)
            _, total = gateway.runs.list(0, 0, wanted)
            jobs, _ = gateway.runs.list(1, max(total - 1, 0), wanted)
            failing_since = jobs[0].updated if jobs else None
        last_success = success.finished if success else None
        found.append(replace(facts, last_run=last, last_success=last_success, failing_since=failing_since))
    return found


def survey_or_store(
    gateway: PrefectGateway, store: ResultStore, datasets: Sequence[Dataset], problems: Iterable[KeptProblem]
) -> list[Facts]:
    """Return the same also while Prefect does not answer, but for what it alone knows. Raises ResultsError.

    Which datasets fail is then taken from the open problems.
    """
    try:
        return survey(gateway, store, datasets)
    except EngineUnavailableError:
        return while_prefect_is_away(store, datasets, problems)


def while_prefect_is_away(
    store: ResultStore, datasets: Iterable[Dataset], problems: Iterable[KeptProblem]
) -> list[Facts]:
    """Return the facts of these datasets that the store knows, in their order. Raises ResultsError."""
    failing: dict[str, datetime] = {}
    for problem in problems:
        if problem.kind in _OF_JOBS and problem.job_id:
            failing |= {id_: min(problem.since, failing.get(id_, problem.since)) for id_ in problem.datasets}
    return [
        replace(facts, prefect_away=True, failing_since=failing.get(facts.dataset.id))
        for facts in of_store(store, datasets, {})
    ]


def of_store(
    store: ResultStore, datasets: Iterable[Dataset], deployments: Mapping[str, DeploymentResponse]
) -> Iterator[Facts]:
    """Yield what the store knows of each dataset, and how its schedules stand; `deployments` are by dataset."""
    pauses, settings = Pauses(store).all(), process_settings()
    for dataset in datasets:
        standings = standings_of(dataset, deployments.get(dataset.id), pauses, settings)
        yield Facts(
            dataset=dataset,
            periods=CoverageTable(store, dataset.id).summary(),
            paused=bool(standings) and all(standing.paused_by for standing in standings),
            standings=standings,
            newest_day=newest_day(store, dataset).day,
            boundaries=boundary_changes(store, dataset.id),
        )


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
