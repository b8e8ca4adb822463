"""Backfills, undos and comparisons that failed: the last one of its kind of each dataset."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from eo_pygeoapi.contract.backfill import FailedPart
from eo_pygeoapi.contract.status import BACKFILL_ID, RECONCILE_ID, UNDO_ID
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.operations import Event
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.gateway.job_filter import JobFilter
from eo_pygeoapi.store.backfills import Backfill
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.failed_jobs import failure_of
from eo_pygeoapi.watch.problems import Condition
from eo_pygeoapi.wording import some

LOOKED_AT = 200  # of each process, the newest that have ended: no more than one call to Prefect
NAMES: Mapping[str, str] = {BACKFILL_ID: "backfill", UNDO_ID: "undo", RECONCILE_ID: "comparison"}
_WHAT_TO_DO: Mapping[str, str] = {
    BACKFILL_ID: "The job lists the parts that failed. When the cause is mended, the same backfill again does what is "
    "missing; this is over, too, when the job is removed.",
    UNDO_ID: "When the cause is mended, the same undo again goes on; this is over, too, when the job is removed.",
    RECONCILE_ID: "When the cause is mended, compare again; this is over, too, when the job is removed.",
}


@dataclass(frozen=True)
class Companion:
    """The last backfill, undo or comparison of its kind of a dataset, and what kind of problem it is if it failed."""

    dataset: Dataset
    job: Job
    event: Event = "failed"
    failed_parts: Sequence[FailedPart] = ()

    @property
    def cause(self) -> str:
        """Return what is the same for a repetition: the process, the dataset, and of an undo the job."""
        return " ".join(filter(None, (self.job.process_id, self.dataset.id, str(self.job.inputs.get("jobId", "")))))

    @property
    def said(self) -> str:
        """Return what went wrong; empty where nothing did."""
        what = f"The {NAMES[self.job.process_id]} of {self.dataset.title}"
        if self.job.status == "failed":
            return f"{what} failed: {self.job.message}"
        if not self.failed_parts:
            return ""
        listed = some([part.part for part in self.failed_parts])
        return f"{what} has ended without {listed}: {self.failed_parts[0].reason}"


def last_companions(
    gateway: PrefectGateway, store: ResultStore, datasets: Mapping[str, Dataset]
) -> Iterator[Companion]:
    """Yield the last one of each kind that has ended, of each dataset; estimates and other dry runs do not count.

    Raises EngineUnavailableError. Prefect is asked once for each process.
    """
    for process in NAMES:
        jobs, _ = gateway.runs.list(LOOKED_AT, 0, JobFilter(process_ids=(process,), statuses=("successful", "failed")))
        seen = set[str]()
        for job in jobs:
            dataset = datasets.get(job.dataset)
            if dataset is None or (process != RECONCILE_ID and job.inputs.get("dryRun") is not False):
                continue
            found = Companion(dataset, job, failure_of(store, job)[0], _failed_parts(store, job))
            if found.cause not in seen:
                yield found
            seen.add(found.cause)


def conditions(found: Iterable[Companion]) -> Iterator[Condition]:
    """Yield a condition for each that failed, and for each backfill of which parts did."""
    for one in found:
        if not one.said:
            continue
        yield Condition(
            event=one.event,
            cause=one.cause,
            since=one.job.updated,
            message=one.said,
            what_to_do=_WHAT_TO_DO[one.job.process_id],
            datasets=(one.dataset.id,),
            tenant=one.dataset.tenant,
            job_id=one.job.id,
            weight=max(len(one.failed_parts), 1),
        )


def _failed_parts(store: ResultStore, job: Job) -> Sequence[FailedPart]:
    if job.process_id != BACKFILL_ID or (backfill := Backfill.of(JobFolder(store, job.id))) is None:
        return ()
    return backfill.failed
