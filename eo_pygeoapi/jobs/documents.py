"""A job as clients see it: the statusInfo of OGC API - Processes 1.0 and of the draft 2.0, and more.

What is not known is left out; nothing is null.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from eo_pygeoapi.contract.status import PROCESS_ID
from eo_pygeoapi.gateway.details import Step
from eo_pygeoapi.gateway.job import Job, to_rfc3339
from eo_pygeoapi.json_types import JsonMapping, JsonObject
from eo_pygeoapi.store import job_folder

JSON, HTML, CSV, GEOJSON = "application/json", "text/html", "text/csv", "application/geo+json"
RELATION = "http://www.opengis.net/def/rel/ogc/1.0/"

# files of a job that are served: name -> (media type, what it is)
FILES: Mapping[str, tuple[str, str]] = {
    job_folder.FEATURES: (GEOJSON, "The values as GeoJSON features"),
    job_folder.VALUES_CSV: (CSV, "The values as a table"),
    job_folder.PAYLOAD_JSON: (JSON, "All data values for DHIS2, as JSON"),
    job_folder.PAYLOAD_CSV: (CSV, "All data values for DHIS2, as CSV"),
    job_folder.CHANGES: (CSV, "Every value beside what DHIS2 held, and what that made of it"),
    job_folder.REJECTED: (JSON, "The values that DHIS2 did not take"),
    job_folder.KEPT: (JSON, "The values that somebody else changed in DHIS2 and that were kept"),
    job_folder.CHAP_CSV: (CSV, "The values as CHAP takes them"),
}


@dataclass(frozen=True)
class Details:
    """What is told of a job only where it is asked for alone."""

    message: str = ""
    steps: Sequence[Step] = ()
    import_summary: JsonMapping | None = None
    files: Sequence[str] = ()
    results_type: str = JSON
    more: JsonMapping = field(default_factory=dict)


@dataclass(frozen=True)
class JobLinks:
    """Where things are: the address of the API, and that of the Prefect UI."""

    base_url: str
    ui_url: str = ""

    def job(self, job_id: str) -> str:
        """Return the address of a job."""
        return f"{self.base_url}/jobs/{job_id}"

    def output(self, job_id: str, output_id: str) -> str:
        """Return the address of one output of a job."""
        return f"{self.job(job_id)}/results/{output_id}"

    def of(self, job: Job, details: Details | None) -> list[dict[str, str]]:
        """Return the links of a job's document; without details those that are known of any job."""
        here = self.job(job.id)
        results_type = details.results_type if details else JSON
        links = [
            link(f"{here}?f=json", "self", JSON, "This document"),
            link(f"{here}?f=html", "alternate", HTML, "This document as a page"),
            link(here, "monitor", JSON, "The job's status"),
            link(f"{self.base_url}/jobs", "up", JSON, "All jobs"),
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
        **{name: to_rfc3339(moment) for name, moment in times.items() if moment},
        **_known(flowName=job.flow_name, prefectState=job.state_name, dataset=_dataset(job), parentJobID=job.parent),
    }
    if details:
        document |= _known(inputs=job.visible_inputs(), steps=[_step(step) for step in details.steps])
        document |= _known(importSummary=details.import_summary, **details.more)
    return {**document, "links": links.of(job, details)}


def _dataset(job: Job) -> str:
    return job.deployment if job.process_id == PROCESS_ID else ""


def _known(**members: object) -> dict[str, object]:
    return {name: value for name, value in members.items() if value}


def _step(step: Step) -> dict[str, object]:
    times = {"started": step.started, "finished": step.finished}
    return {"name": step.name, "status": step.status, **{n: to_rfc3339(t) for n, t in times.items() if t}}
