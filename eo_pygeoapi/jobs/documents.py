"""A job as clients see it: the statusInfo of OGC API - Processes 1.0 and of the draft 2.0, and more.

Documents leave unknown members out; no member is null.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from eo_pygeoapi.contract.operations import LastRun
from eo_pygeoapi.contract.status import PROCESS_ID
from eo_pygeoapi.gateway.job import Job, to_rfc3339
from eo_pygeoapi.gateway.steps import Step
from eo_pygeoapi.json_types import JsonMapping, JsonObject
from eo_pygeoapi.store import job_folder

JSON, HTML, CSV, GEOJSON = "application/json", "text/html", "text/csv", "application/geo+json"
RELATION = "http://www.opengis.net/def/rel/ogc/1.0/"

# the files of a job that the API serves: name -> (media type, title)
FILES: Mapping[str, tuple[str, str]] = {
    job_folder.FEATURES: (GEOJSON, "The values as GeoJSON features"),
    job_folder.VALUES_CSV: (CSV, "The values as a table"),
    job_folder.PAYLOAD_JSON: (JSON, "All data values for DHIS2, as JSON"),
    job_folder.PAYLOAD_CSV: (CSV, "All data values for DHIS2, as CSV"),
    job_folder.CHANGES: (CSV, "Every value beside what DHIS2 held, and what that made of it"),
    job_folder.REJECTED: (JSON, "The values that DHIS2 did not take"),
    job_folder.KEPT: (JSON, "The values that somebody else changed in DHIS2 and that were kept"),
    job_folder.DIFFERENCES: (CSV, "Every value that DHIS2 does not hold as it was sent"),
    job_folder.CHAP_CSV: (CSV, "The values as CHAP takes them"),
}


@dataclass(frozen=True)
class Details:
    """What the document of one job has beyond its entry in the list of jobs."""

    message: str = ""
    steps: Sequence[Step] = ()
    import_summary: JsonMapping | None = None
    files: Sequence[str] = ()
    results_type: str = JSON
    more: JsonMapping = field(default_factory=dict)


@dataclass(frozen=True)
class JobLinks:
    """Makes the links of jobs, from the addresses of the API and of the Prefect UI."""

    base_url: str
    ui_url: str = ""

    def job(self, job_id: str) -> str:
        """Return the address of a job."""
        return f"{self.base_url}/jobs/{job_id}"

    def output(self, job_id: str, output_id: str) -> str:
        """Return the address of one output of a job."""
        return f"{self.job(job_id)}/results/{output_id}"

    def of(self, job: Job, details: Details | None) -> list[dict[str, str]]:
        """Return the links of a job's document; without details, only those that every job has."""
        up = link(f"{self.base_url}/jobs", "up", JSON, "All jobs")
        if job.removed:
            return [up]
        here = self.job(job.id)
        results_type = details.results_type if details else JSON
        links = [
            link(f"{here}?f=json", "self", JSON, "This document"),
            link(f"{here}?f=html", "alternate", HTML, "This document as a page"),
            link(here, "monitor", JSON, "The job's status"),
            up,
        ]
        if job.status == "successful":
            links.append(link(f"{here}/results", f"{RELATION}results", results_type, "The results"))
        if job.status == "failed":
            links.append(link(f"{here}/results", f"{RELATION}exceptions", "application/problem+json", "Why it failed"))
        if job.parent:
            links.append(link(self.job(job.parent), "via", JSON, "The job that started this one"))
        links.append(link(f"{here}/logs", f"{RELATION}log", JSON, "The log"))
        if details:
            links += self._of_files(job, details.files)
        if self.ui_url:
            links.append(link(f"{self.ui_url}/runs/flow-run/{job.id}", "related", HTML, "The run in Prefect"))
        return links

    def _of_files(self, job: Job, files: Iterable[str]) -> list[dict[str, str]]:
        here, found = self.job(job.id), set(files)
        links = []
        if job_folder.PREVIEW in found:
            preview = f"{here}/payload-preview"
            links.append(link(preview, "preview", JSON, "What DHIS2 is, or would be, sent"))
            links.append(link(f"{preview}?f=csv", "preview", CSV, "What DHIS2 is, or would be, sent, as CSV"))
        for name, (media_type, title) in FILES.items():
            if name in found:
                rel = "items" if media_type == GEOJSON else "enclosure"
                links.append(link(f"{here}/files/{name}", rel, media_type, title))
        if job.process_id == PROCESS_ID and job.deployment and job.status == "successful":
            items = f"{self.base_url}/collections/{job.deployment}/items"
            links.append(link(items, "collection", GEOJSON, "All published values of the dataset"))
        return links


def link(href: str, rel: str, media_type: str, title: str) -> dict[str, str]:
    """Return a link object."""
    return {"href": href, "rel": rel, "type": media_type, "title": title}


def last_run(job: Job) -> LastRun:
    """Return what documents of datasets and schedules tell of their last job."""
    finished = {"finished": job.finished} if job.finished else {}
    return LastRun(job_id=job.id, status=job.status, **finished)


def status_document(job: Job, links: JobLinks, details: Details | None = None) -> dict[str, object]:
    """Return the statusInfo of a job, with details where there are any."""
    times = {
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "updated": job.updated,
    }
    document: JsonObject = {
        "jobID": job.id,
        "id": job.id,
        "type": "process",
        "processingEntityType": "ogc-api-processes",
        "processID": job.process_id,
        "status": job.status,
        "message": (details.message if details else "") or job.message,
        "progress": job.progress,
        "attempts": job.attempts,
        **_in_rfc3339(times),
        **_known(
            flowName=job.flow_name,
            prefectState=job.state_name,
            dataset=job.dataset,
            parentJobID=job.parent,
        ),
    }
    if details:
        steps = [
            {"name": s.name, "status": s.status} | _in_rfc3339({"started": s.started, "finished": s.finished})
            for s in details.steps
        ]
        document |= _known(inputs=job.visible_inputs(), steps=steps, importSummary=details.import_summary)
        document |= _known(**details.more)
    return {**document, "links": links.of(job, details)}


def _known(**members: object) -> dict[str, object]:
    return {name: value for name, value in members.items() if value}


def _in_rfc3339(times: Mapping[str, datetime | None]) -> dict[str, object]:
    return {name: to_rfc3339(moment) for name, moment in times.items() if moment}
