"""Remove a job that has ended: its files, what was held of its request, and its run in Prefect."""

from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.jobs.held_parts import delete_held
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore


def remove_job(gateway: PrefectGateway, store: ResultStore, job: Job) -> None:
    """Remove an ended job with all that belongs to it; its log goes with the run.

    The files go first: where the store is away the job stays listed, and can be removed again.
    """
    delete_held(job.request, store)
    JobFolder(store, job.id).delete()
    gateway.runs.delete(job.id)
