"""The page of a process: what it takes, and a form to execute it, shown again where something is wrong in it."""

import json
from collections.abc import Mapping

import pygeoapi.api.processes as processes_api
from pygeoapi.api import API, APIRequest

from eo_pygeoapi.api.description import as_json
from eo_pygeoapi.api.http.allowed import lacking
from eo_pygeoapi.api.http.answers import (
    answer_page,
    executions_of,
    headers_of,
    links_of,
    manager_of,
    raise_unless_process,
)
from eo_pygeoapi.api.http.forms import members_of
from eo_pygeoapi.api.http.mistakes import Mistakes
from eo_pygeoapi.api.http.problems import Answer
from eo_pygeoapi.api.pages.process_form import fields_of, inputs_of
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.jobs.documents import HTML
from eo_pygeoapi.jobs.request import ExecuteBody


def get_process(api: API, request: APIRequest, process_id: str) -> Answer:
    """Return a process description."""
    raise_unless_process(api, process_id)
    if request.format == "html":
        return _page(api, request, process_id, request.params)
    answer: Answer = processes_api.describe_processes(api, request, process_id)
    return answer


def submit(api: API, request: APIRequest, process_id: str) -> Answer:
    """Make a job of a form, and send the browser to the job's page; to one that cannot be made, back to the form."""
    raise_unless_process(api, process_id)
    description = manager_of(api).get_processor(process_id).metadata
    given = members_of(api, request, [field.id for field in fields_of(description, {})])
    try:
        job = executions_of(api).submit(process_id, description, ExecuteBody(inputs_of(description, given)))
    except EoError as error:
        if request.format != "html":
            raise
        return _page(api, request, process_id, given, error)
    return headers_of(api, request, HTML, Location=f"{links_of(api).job(job.id)}?f=html"), 303, ""


def _page(
    api: API, request: APIRequest, process_id: str, filled: Mapping[str, str], error: EoError | None = None
) -> Answer:
    """Return the page with its form as it is filled, and with what is wrong in it."""
    _, _, content = processes_api.describe_processes(api, as_json(request), process_id)
    document = json.loads(content)
    inputs, datasets = document.get("inputs", {}), executions_of(api).datasets()
    given = {name: text for name, text in filled.items() if name in inputs}
    fields = fields_of(document, given)
    shown = {
        "fields": fields,
        "example": {"inputs": inputs_of(document, given)} if given else document.get("example") or {"inputs": {}},
        "datasets": datasets,
        "not_permitted": [id_ for id_, dataset in datasets.items() if lacking(dataset.dhis2.connection)],
        "mistakes": Mistakes.of(error, [field.id for field in fields]) if error else Mistakes(),
    }
    return answer_page(api, request, "processes/process.html", document | shown, int(error.status) if error else 200)
