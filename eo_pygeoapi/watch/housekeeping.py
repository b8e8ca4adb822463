"""Housekeeping: what `eo.retention` does not keep goes, and files of published values are merged.

What is published, what was sent to DHIS2, the coverage and the import history stay for ever.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.operations import Retention
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store import published
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.history import History
from eo_pygeoapi.store.recounting import count_again
from eo_pygeoapi.store.shared_cache import shared_store
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.old_files import (
    remove_closed_problems,
    remove_dead_letters,
    remove_downloads,
    remove_logs,
    remove_lost_errors,
)
from eo_pygeoapi.watch.old_jobs import OldJobs, Removed, running_sources
from eo_pygeoapi.watch.problems import Book


@dataclass
class Housekeeping:
    """Keeps one house in order; `stop` ends it early."""

    settings: Settings
    gateway: PrefectGateway
    store: ResultStore
    stop: threading.Event = field(default_factory=threading.Event)

    def run(
        self, datasets: Mapping[str, Dataset], retention: Retention, now: datetime, *, dry_run: bool = False
    ) -> list[Removed]:
        """Remove what is too old; returns what was removed, or in a dry run would be. Raises EoError."""
        needed = {problem.job_id for problem in Book(self.store).open()}
        old_jobs = OldJobs(self.gateway, self.store, datasets, retention, needed, dry_run, self.stop.is_set)
        removed = [*old_jobs.remove(now), remove_lost_errors(self.store, dry_run=dry_run)]
        if retention.jobs:
            removed.append(remove_closed_problems(self.store, retention.jobs, now, dry_run=dry_run))
        if retention.logs:
            folder = Path(self.settings.data_dir).absolute()
            removed.append(remove_logs(folder / "logs", retention.logs, now, dry_run=dry_run))
            removed.append(remove_dead_letters(folder / "prefect/dlq", retention.logs, now, dry_run=dry_run))
        if retention.downloads:
            cache, busy = self.settings.cache_folder(), running_sources(self.gateway, datasets)
            shared = shared_store(self.settings.shared_cache)
            removed.append(
                remove_downloads(cache, retention.downloads, now, datasets, busy, dry_run=dry_run, shared=shared)
            )
        return removed

    def remarks(self) -> list[str]:
        """Return what keeps `eo.retention` from being the only one that decides. Raises EoError."""
        after = self.gateway.deletes_runs_after()
        if after is None:
            return []
        return [
            f"this Prefect server deletes runs, and so jobs, by itself after {after.days} days; "
            "set PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED=events,orphans where it runs"
        ]

    def merge(self, datasets: Mapping[str, Dataset]) -> None:
        """Merge the files that jobs have added to what is published, to the coverage and to the history.

        What is asked of these at every look is counted again. Raises EoError.
        """
        for dataset_id, dataset in datasets.items():
            published.compact(self.store, dataset_id)
            CoverageTable(self.store, dataset_id).compact()
            History(self.store, dataset_id).compact()
            count_again(self.store, dataset)
