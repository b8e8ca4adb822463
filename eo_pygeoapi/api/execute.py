"""Executions over HTTP: synchronous, asynchronous, or as long as the client is willing to wait."""

from collections.abc import Sequence

from pygeoapi.api import API, APIRequest

from eo_pygeoapi.api.http.accept import names_only_json
from eo_pygeoapi.api.http.answers import (
    answer_json,
    executions_of,
    header_of,
    headers_of,
    links_of,
    manager_of,
    raise_unless_process,
)
from eo_pygeoapi.api.http.prefer import parse_prefer
from eo_pygeoapi.api.http.problems import Answer, problem_of
from eo_pygeoapi.api.http.relative_links import relative_asked
from eo_pygeoapi.contract.status import FINAL
from eo_pygeoapi.errors import EoError, InputError, MediaTypeError, ResultNotAvailableError
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.jobs.documents import status_document
from eo_pygeoapi.jobs.request import read_body
from eo_pygeoapi.jobs.results import encode, read_outputs
from eo_pygeoapi.wording import shown

# a request holds a thread of the web process while it waits
LONGEST_WAIT_SECONDS = 30
# curl sends the first where nobody names a media type; other types pass
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def execute(api: API, request: APIRequest, process_id: str) -> Answer:
    """Make a job of an execute request; answer with its results, or with its status where that takes longer."""
    raise_unless_process(api, process_id)
    description = manager_of(api).get_processor(process_id).metadata
    given = header_of(request, "Content-Type").partition(";")[0].strip().lower()
    if given in _FORMS:
        raise MediaTypeError(f"Content-Type: {given!r} is not allowed; allowed: application/json")
    preferences = parse_prefer(header_of(request, "Prefer"))
    executions, body = executions_of(api), read_body(request.data)
    controls = description["jobControlOptions"]
    mode = _mode(body.mode if body.mode is not None else request.params.get("mode") or "auto", controls)
    job = executions.submit(process_id, description, body)
    asynchronous = mode == "async" or (mode == "auto" and preferences.respond_async and "async-execute" in controls)
    synchronous = "sync-execute" in controls and not asynchronous
    if seconds := preferences.held_seconds(synchronous, LONGEST_WAIT_SECONDS):
        job = executions.wait(job, seconds)
    if synchronous and job.status in FINAL:
        by_route = relative_asked(request) or body.mode is not None or "mode" in request.params
        return _results(api, request, job, by_route)
    headers = {"Preference-Applied": "respond-async"} if preferences.respond_async else {}
    links = links_of(api)
    return answer_json(api, request, status_document(job, links), 201, Location=links.job(job.id), **headers)


def _mode(named: object, controls: Sequence[str]) -> str:
    """Return how a request wants to be executed that cannot send `Prefer`; InputError for what is not offered."""
    allowed = ["auto", *(mode for mode in ("sync", "async") if f"{mode}-execute" in controls)]
    if named not in allowed:
        raise InputError(f"mode: {shown(named)} is not allowed; allowed: {', '.join(allowed)}")
    return str(named)


def _results(api: API, request: APIRequest, job: Job, in_body: bool) -> Answer:
    """Answer with the results of a job that has ended; where it can be found is in the header `Link`.

    With `in_body`, references stand in the body, for clients that are given no headers.
    """
    executions, links = executions_of(api), links_of(api)
    monitor = f'<{links.job(job.id)}>; rel="monitor"'
    try:
        executions.raise_unless_successful(job)
        outputs = read_outputs(executions.store, job)
        encoded = encode(outputs, job.request, lambda id_: links.output(job.id, id_), in_body)
    except ResultNotAvailableError as error:
        if job.status == "successful":  # the request asked for no outputs
            if in_body or names_only_json(header_of(request, "Accept")):
                return answer_json(api, request, {}, Link=monitor)
            return headers_of(api, request, Link=monitor), 204, ""
        return _with_link(problem_of(error, manager_of(api).secrets), monitor)
    except EoError as error:
        return _with_link(problem_of(error, manager_of(api).secrets), monitor)
    sent = dict(encoded.headers)
    sent["Link"] = ", ".join(value for value in (monitor, sent.get("Link")) if value)
    return {**headers_of(api, request), **sent}, encoded.status, encoded.body


def _with_link(answer: Answer, monitor: str) -> Answer:
    headers, status, content = answer
    return {**headers, "Link": monitor}, status, content
