"""Jobs over HTTP: the list, one job, its log, and its dismissal."""

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from pygeoapi.api import API, APIRequest
from werkzeug.datastructures import MultiDict

from eo_pygeoapi.api.http.allowed import lacking
from eo_pygeoapi.api.http.answers import (
    answer_either,
    answer_json,
    answer_page,
    executions_of,
    headers_of,
    links_of,
    page_of,
    paging_links,
    pairs,
)
from eo_pygeoapi.api.http.forms import members_of
from eo_pygeoapi.api.http.mistakes import Mistakes
from eo_pygeoapi.api.http.problems import Answer
from eo_pygeoapi.api.pages.job_page import job_page
from eo_pygeoapi.api.pages.job_title import title_of
from eo_pygeoapi.contract.status import FINAL
from eo_pygeoapi.errors import QueryError
from eo_pygeoapi.gateway.details import LogLine
from eo_pygeoapi.gateway.job import Job, to_rfc3339
from eo_pygeoapi.gateway.job_filter import STATUSES, parse_job_filter
from eo_pygeoapi.gateway.runs import DURATIONS_LOOKED_AT
from eo_pygeoapi.jobs.documents import HTML, JSON, link, status_document
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.wording import lasting

FILTERS = ("status", "dataset", "processID", "from", "to", "limit")  # the fields of the page's form
LOG_LINES = 199  # Prefect answers 200 in one call


def get_jobs(api: API, request: APIRequest) -> Answer:
    """Return the job list."""
    html, executions = request.format == "html", executions_of(api)
    shown = {
        "asked": request.params,
        "statuses": STATUSES,
        "processes": list(api.manager.processes),
        "datasets": executions.datasets(),
        "mistakes": Mistakes(),
    }
    try:
        wanted = parse_job_filter(_with_days(request.params) if html else request.params)
        limit, offset = page_of(api, request)
    except QueryError as error:
        if not html:
            raise
        mistakes = Mistakes.of(error, FILTERS, {"datetime": "from"})
        return answer_page(api, request, "jobs/index.html", shown | {"jobs": [], "mistakes": mistakes}, 400)
    jobs, matched = executions.gateway.runs.list(limit, offset, wanted)
    links, url = links_of(api), f"{api.base_url}/jobs"
    asked, as_program = _query(request.params), _query(_with_days(request.params))
    document: JsonObject = {
        "jobs": [status_document(job, links) for job in jobs],
        "numberMatched": matched,
        "numberReturned": len(jobs),
        "timeStamp": to_rfc3339(datetime.now(UTC)),
        "links": [
            link(f"{url}?f=json{as_program}", "alternate" if html else "self", JSON, "This document"),
            link(f"{url}?f=html{asked}", "self" if html else "alternate", HTML, "This document as a page"),
            *paging_links(request, url, limit, offset, matched, HTML if html else JSON),
        ],
    }
    if wanted.by_duration:
        document["durationsLookedAt"] = DURATIONS_LOOKED_AT
    shown |= {
        "titles": {job.id: title_of(job, executions.datasets()) for job in jobs},
        "durations": {job.id: _duration(job) for job in jobs},
    }
    return answer_either(api, request, document, "jobs/index.html", **shown)


def get_job(api: API, request: APIRequest, job_id: str) -> Answer:
    """Return the status of a job."""
    executions = executions_of(api)
    job = executions.gateway.runs.get(job_id)
    document = status_document(job, links_of(api), executions.details(job))
    shown = {}
    if request.format == "html":
        shown = job_page(executions.store, job, executions.datasets())
        shown["refused"] = lacking(executions.connection_of(job))
        shown["took"] = _duration(job)
        # whoever goes through the page by keyboard, or has it read, would begin anew each time
        shown["renews"] = job.status not in FINAL and request.params.get("renew") != "no"
    return answer_either(api, request, document, "jobs/job.html", jobs=document, **shown)


def dismiss_job(api: API, request: APIRequest, job_id: str) -> Answer:
    """Stop a job that has not ended, or remove one that has."""
    job = executions_of(api).dismiss(job_id)
    return answer_json(api, request, status_document(job, links_of(api)))


def dismiss_by_post(api: API, request: APIRequest, job_id: str) -> Answer:
    """Stop or remove a job for those who cannot DELETE; a browser is shown the job, or the list where it is gone."""
    members_of(api, request)
    job, links = executions_of(api).dismiss(job_id), links_of(api)
    if request.format != "html":
        return answer_json(api, request, status_document(job, links))
    page = f"{api.base_url}/jobs" if job.removed else links.job(job.id)
    return headers_of(api, request, HTML, Location=f"{page}?f=html"), 303, ""


def get_job_log(api: API, request: APIRequest, job_id: str) -> Answer:
    """Return lines of a job's log, oldest first, redacted; a page leaves out what Prefect says of how it runs jobs."""
    executions = executions_of(api)
    gateway = executions.gateway
    job = gateway.runs.get(job_id)
    limit, offset = page_of(api, request)
    limit = min(limit, LOG_LINES)
    # one line more tells whether there is a next page
    lines = gateway.details.log(job.id, limit + 1, offset)
    url = f"{links_of(api).job(job.id)}/logs"
    document = {
        "jobID": job.id,
        "logs": [_log_line(line) for line in lines[:limit] if not (request.format == "html" and line.is_of_prefect)],
        "links": [
            link(f"{url}?f=json", "self", JSON, "This document"),
            link(f"{url}?f=html", "alternate", HTML, "This document as a page"),
            link(links_of(api).job(job.id), "up", JSON, "The job"),
            *paging_links(request, url, limit, offset, offset + len(lines)),
        ],
    }
    return answer_either(api, request, document, "jobs/logs.html", title=title_of(job, executions.datasets()))


def _log_line(line: LogLine) -> JsonObject:
    return {
        "timestamp": to_rfc3339(line.timestamp),
        "level": line.level,
        "logger": line.logger,
        "message": line.message,
    }


def _query(params: Mapping[str, str]) -> str:
    """Return parameters as the rest of an address that has a format."""
    return "".join(f"&{urlencode([(name, text)])}" for name, text in pairs(params) if name != "f" and text)


def _with_days(params: Mapping[str, str]) -> Mapping[str, str]:
    """Return the parameters with the two days of the page's form, each of which may be empty, as `datetime`."""
    first, last = params.get("from", ""), params.get("to", "")
    if not (first or last):
        return params
    days = f"{f'{first}T00:00:00Z' if first else '..'}/{f'{last}T23:59:59Z' if last else '..'}"
    kept = [(name, value) for name, value in pairs(params) if name not in ("from", "to", "datetime")]
    return MultiDict([*kept, ("datetime", days)])


def _duration(job: Job) -> str:
    """Return how long a job took; nothing where it has not ended."""
    if not (job.started and job.finished):
        return ""
    return lasting((job.finished - job.started).total_seconds())
