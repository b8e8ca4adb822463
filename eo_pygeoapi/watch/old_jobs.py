"""Which jobs and results are older than `eo.retention` keeps them, and removing them.

Never removed are jobs that have not ended, the newest ones of each dataset and schedule, and those that an open problem
names: what people are told of a feed is read from these. A job is in the import history before it goes. Where only its
results go, what the job list says of it stays.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from eo_pygeoapi.contract.status import FINAL
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.operations import Retention
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.gateway.job_filter import JobFilter
from eo_pygeoapi.jobs.import_record import note_import
from eo_pygeoapi.jobs.removal import remove_job
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.history import History
from eo_pygeoapi.store.store import ResultStore, StoredEntry

# what is left of a job's folder when its results go: small, and what its document and the watch read
STAYS = frozenset(
    {
        job_folder.BACKFILL,
        job_folder.CHILDREN,
        job_folder.SUMMARY,
        job_folder.ERROR,
        job_folder.PUBLISHED,
        job_folder.AFTER,
        job_folder.WRITTEN_AS,
    }
)
MOST_JOBS, MOST_RECENT = 100_000, 1_000
_LOG = logging.getLogger(__name__)


@dataclass
class Removed:
    """How much of one kind was removed, or in a dry run would be."""

    what: str
    count: int = 0
    size: int = 0

    def add(self, size: int) -> None:
        """Count one more, of so many bytes."""
        self.count, self.size = self.count + 1, self.size + size


@dataclass
class OldJobs:
    """Finds and removes the old jobs of one Prefect server and results store, until `stopped` says so."""

    gateway: PrefectGateway
    store: ResultStore
    datasets: Mapping[str, Dataset]
    retention: Retention
    needed: Collection[str]  # ids of jobs that open problems name
    dry_run: bool = False
    stopped: Callable[[], bool] = lambda: False
    _noted: dict[str, set[str]] = field(default_factory=dict)

    def remove(self, now: datetime) -> list[Removed]:
        """Remove what is too old; returns how many jobs and how many jobs' results. Raises EoError."""
        jobs, results = Removed("jobs"), Removed("results")
        keep = [period for period in (self.retention.jobs, self.retention.results) if period]
        if not keep:
            return [jobs, results]
        before = now - min(keep)
        folders: dict[str, list[StoredEntry]] = {}
        for entry in self.store.stored("jobs"):
            folders.setdefault(entry.key.split("/")[1], []).append(entry)
        found, _ = self.gateway.runs.list(MOST_JOBS, 0, JobFilter(statuses=tuple(FINAL), created_until=before))
        ended = [job for job in found if _ended_at(job) < before]  # newest first
        protected = self._protected(ended, before)
        for job in [job for job in ended if job.id not in protected]:
            if self.stopped():
                return [jobs, results]
            files = folders.get(job.id, [])
            if self.retention.jobs and _ended_at(job) < now - self.retention.jobs:
                if not self.dry_run:
                    self._note(job, now)
                    remove_job(self.gateway, self.store, job)
                jobs.add(sum(entry.size for entry in files))
            elif self.retention.results and (large := [entry for entry in files if _name(entry) not in STAYS]):
                if not self.dry_run:
                    self._note(job, now)
                    for name in sorted({_name(entry) for entry in large}):
                        self.store.delete(f"jobs/{job.id}/{name}")
                results.add(sum(entry.size for entry in large))
        self._remove_orphans(folders, {job.id for job in ended}, before, results)
        self._remove_steps_of_prefect(before, results)
        return [jobs, results]

    def _protected(self, newest_first: Iterable[Job], before: datetime) -> set[str]:
        """Return the ids of those of these jobs that stay: needed ones, and what has no newer of its kind."""
        recent, _ = self.gateway.runs.list(MOST_RECENT, 0, JobFilter(statuses=tuple(FINAL), created_from=before))
        newest: dict[tuple[str, str, str], str] = {_kind(job): "" for job in recent}
        for job in newest_first:
            newest.setdefault(_kind(job), job.id)
        return {*newest.values(), *self.needed}

    def _note(self, job: Job, now: datetime) -> None:
        """Write the job into the import history, where it is not there yet."""
        noted = self._noted.setdefault(job.deployment, set())
        if not noted:
            noted |= History(self.store, job.deployment).job_ids()
        if job.id not in noted:
            note_import(self.store, job, self.datasets.get(job.dataset), now)

    def _remove_orphans(
        self, folders: Mapping[str, Sequence[StoredEntry]], known: Collection[str], before: datetime, results: Removed
    ) -> None:
        """Remove old folders of jobs that Prefect does not know any more: somebody deleted them there."""
        old = [id_ for id_, files in folders.items() if id_ not in known and max(e.written for e in files) < before]
        for id_ in set(old) - self.gateway.runs.known(old):
            results.add(sum(entry.size for entry in folders[id_]))
            if not self.dry_run:
                self.store.delete(f"jobs/{id_}")

    def _remove_steps_of_prefect(self, before: datetime, results: Removed) -> None:
        """Remove what Prefect has kept of finished steps, but for steps of jobs that may go on."""
        waiting, _ = self.gateway.runs.list(MOST_JOBS, 0, JobFilter(statuses=("accepted", "running")))
        before = min([before, *(job.created for job in waiting)])
        old = [entry for entry in self.store.stored("prefect") if entry.written < before]
        results.size += sum(entry.size for entry in old)
        for entry in old:
            if not self.dry_run:
                self.store.delete(entry.key)


def _kind(job: Job) -> tuple[str, str, str]:
    """Return what the newest is shown of: the outcomes of each dataset and schedule."""
    return job.deployment, job.status, job.by


def _ended_at(job: Job) -> datetime:
    return (job.finished or job.updated).astimezone(UTC)


def _name(entry: StoredEntry) -> str:
    """Return the name of a file or folder in the job's folder that an entry is, or is in."""
    return entry.key.split("/")[2]


def running_sources(gateway: PrefectGateway, datasets: Mapping[str, Dataset]) -> set[str]:
    """Return the sources whose data running jobs may be reading."""

    def sources(jobs: Iterable[Job]) -> Iterator[str]:
        for job in jobs:
            if job.deployment in datasets:
                yield datasets[job.deployment].source

    running, _ = gateway.runs.list(MOST_JOBS, 0, JobFilter(statuses=("running",)))
    return set(sources(running))
