"""How jobs have failed, as the error that ended each has left it."""

from eo_pygeoapi.datasets.operations import EVENTS, Event
from eo_pygeoapi.errors import AWAY, Away
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore


def failure_of(store: ResultStore, job: Job) -> tuple[Event, Away]:
    """Return what kind of problem a failed job is, and who was away; the usual kind of one that says nothing."""
    said = JobFolder(store, job.id).read_json(job_folder.ERROR, default={}) if job.status == "failed" else {}
    event = next((event for event in EVENTS if event == said.get("event")), EVENTS[0])
    return event, next((away for away in AWAY if away == said.get("away")), AWAY[0])
