"""Gather what the store and Prefect know of each dataset."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import duckdb
from prefect.client.schemas.responses import DeploymentResponse
from pydantic import ValidationError

from eo_pygeoapi.contract.status import PROCESS_ID, JobStatus
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.operations import Event
from eo_pygeoapi.errors import EngineUnavailableError, ResultsError
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.gateway.job_filter import JobFilter
from eo_pygeoapi.gateway.standings import standings_of
from eo_pygeoapi.gateway.work_pool import of_feeds
from eo_pygeoapi.settings import process_settings
from eo_pygeoapi.store.boundaries import boundary_changes, unit_count
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.newest_days import newest_day
from eo_pygeoapi.store.pauses import Pauses
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.feed_jobs import FeedJobs
from eo_pygeoapi.watch.freshness import Facts
from eo_pygeoapi.watch.problems import KeptProblem

_OF_JOBS: tuple[Event, ...] = ("failed", "credential")  # problems that failed jobs open

# of the jobs that have ended, so many of the newest; and where these do not tell all, so many
FEW, MANY = 10, 200


def survey(gateway: PrefectGateway, store: ResultStore, datasets: Iterable[Dataset]) -> list[Facts]:
    """Return the facts of these datasets, in their order.

    Raises EngineUnavailableError and ResultsError. It asks Prefect for the last jobs of each dataset that are no part
    of a backfill; DHIS2 nothing. A dataset whose files cannot be read is `unreadable`, and no other for that.
    """
    deployments = {deployment.name: deployment for deployment in gateway.deployments.recent().values()}
    return [_with_jobs(gateway, facts) for facts in of_store(store, datasets, deployments)]


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
        paused = bool(standings) and all(standing.paused_by for standing in standings)
        facts = Facts(dataset, (), standings=standings, paused=paused)
        try:
            facts = _with_files(store, facts)
        except (ResultsError, ValidationError, duckdb.Error) as error:
            facts = replace(facts, unreadable=str(error).splitlines()[0])
        yield facts


def _with_files(store: ResultStore, facts: Facts) -> Facts:
    """Return the facts with what the store has of a dataset."""
    dataset = facts.dataset
    newest = newest_day(store, dataset)
    return replace(
        facts,
        periods=CoverageTable.of(store, dataset).summary(),
        newest_day=newest.day,
        newest_final=newest.final,
        boundaries=boundary_changes(store, dataset.id),
        unit_count=unit_count(store, dataset.id),
    )


def _with_jobs(gateway: PrefectGateway, facts: Facts) -> Facts:
    """Return the facts with what Prefect has of a dataset's jobs that have ended."""
    jobs, total = gateway.runs.list(FEW, 0, _imports(facts.dataset, "successful", "failed"))
    feed = FeedJobs.among(jobs, facts.dataset)
    has_feed = feed.last is not None or any(schedule.active for schedule in facts.dataset.schedules)
    if total > len(jobs) and has_feed and feed.last_good is None:
        jobs, _ = gateway.runs.list(MANY, 0, _imports(facts.dataset, "successful", "failed"))
        feed = FeedJobs.among(jobs, facts.dataset)
    done = next((job for job in jobs if job.status == "successful"), None) or _last_done(gateway, facts.dataset, jobs)
    return replace(
        facts,
        shown_run=next(iter(jobs), None),
        last_run=feed.last,
        last_good=feed.last_good,
        last_import=feed.last_import,
        last_done=done,
        failing_since=feed.failing_since,
    )


def _last_done(gateway: PrefectGateway, dataset: Dataset, newer: list[Job]) -> Job | None:
    """Return the last job that succeeded, before so many that did not."""
    jobs, _ = gateway.runs.list(1, 0, _imports(dataset, "successful")) if len(newer) >= MANY else ([], 0)
    return next(iter(jobs), None)


def _imports(dataset: Dataset, *statuses: JobStatus) -> JobFilter:
    """Return the filter for the imports of a dataset that are no part of a backfill."""
    return JobFilter(
        datasets=(dataset.id,), process_ids=(PROCESS_ID,), queues=of_feeds(dataset.tenant), statuses=statuses
    )
