"""The numbers behind `GET /metrics`: the watch counts at each look, so that a scrape reads one file and asks nobody.

watch/numbers.json   what the last look has counted
"""

import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from pydantic import BaseModel

from eo_pygeoapi.contract.history import ImportTotals
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job_filter import JobFilter
from eo_pygeoapi.store.history import History
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch import freshness
from eo_pygeoapi.watch.freshness import Facts

NUMBERS = "watch/numbers.json"
MOST_ACTIVE = 1_000


class DatasetNumbers(BaseModel):
    """What was counted of one dataset."""

    id: str
    tenant: str = ""
    published_until: date | None = None
    imported_until: date | None = None
    late: bool = False
    last_success: datetime | None = None
    gaps: int = 0
    active: dict[str, int] = {}  # jobs that have not ended, by status
    totals: ImportTotals = ImportTotals(jobs={})


class Numbers(BaseModel):
    """What a look of the watch has counted; `prefect` tells whether Prefect answered, so that the rest is of now."""

    at: datetime
    prefect: bool = False
    datasets: list[DatasetNumbers] = []
    waiting: int = 0  # jobs of all processes
    workers: int = 0
    worker_seen: datetime | None = None
    disk_free: int = 0
    disk_total: int = 0


@dataclass
class Counting:
    """Counts for one store."""

    gateway: PrefectGateway
    store: ResultStore

    def keep(self, found: Iterable[Facts] | None, worker_seen: datetime | None, folder: Path, now: datetime) -> None:
        """Count, and keep it for `/metrics`; `found` is None where Prefect did not answer. Raises EoError."""
        numbers = last_numbers(self.store) or Numbers(at=now)
        if found is not None:
            numbers = self._counted(found, now).model_copy(update={"worker_seen": worker_seen})
        usage = shutil.disk_usage(folder) if folder.exists() else None
        update = {
            "at": now,
            "prefect": found is not None,
            "disk_free": usage.free if usage else 0,
            "disk_total": usage.total if usage else 0,
        }
        self.store.write_json(NUMBERS, numbers.model_copy(update=update).model_dump(mode="json"))

    def _counted(self, found: Iterable[Facts], now: datetime) -> Numbers:
        jobs, _ = self.gateway.runs.list(MOST_ACTIVE, 0, JobFilter(statuses=("accepted", "running")))
        active = Counter((job.deployment, job.status) for job in jobs)
        datasets = []
        for facts in found:
            published, held = freshness.newest(facts), freshness.newest_imported(facts)
            id_ = facts.dataset.id
            datasets.append(
                DatasetNumbers(
                    id=id_,
                    tenant=facts.dataset.tenant,
                    published_until=published.end if published else None,
                    imported_until=held.end if held else None,
                    late=freshness.is_late(facts, now.date()),
                    last_success=facts.last_success,
                    gaps=len(freshness.gaps(facts)),
                    active={status: count for (of, status), count in active.items() if of == id_},
                    totals=History(self.store, id_).totals(),
                )
            )
        waiting = sum(count for (_, status), count in active.items() if status == "accepted")
        return Numbers(at=now, datasets=datasets, waiting=waiting, workers=len(self.gateway.details.workers()))


def last_numbers(store: ResultStore) -> Numbers | None:
    """Return what the last look has counted; None where no watch has looked yet. Raises ResultsError."""
    kept = store.read_json(NUMBERS, default=None)
    return Numbers.model_validate(kept) if kept else None
