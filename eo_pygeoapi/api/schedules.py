"""Schedules over HTTP: when they run next, what came of the last run, and what a person does with them."""

from datetime import UTC, datetime

from pygeoapi.api import API, APIRequest

from eo_pygeoapi.api.datasets import dataset_of
from eo_pygeoapi.api.http.allowed import lacking
from eo_pygeoapi.api.http.answers import answer_either, answer_json, executions_of, headers_of, links_of
from eo_pygeoapi.api.http.forms import members_of
from eo_pygeoapi.api.http.problems import Answer
from eo_pygeoapi.contract.documents import Link
from eo_pygeoapi.datasets.viewer import viewer
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.gateway.standings import Standing
from eo_pygeoapi.jobs.documents import HTML, JSON, link, status_document
from eo_pygeoapi.jobs.schedules import schedule_document
from eo_pygeoapi.json_types import JsonObject


def get_schedules(api: API, request: APIRequest) -> Answer:
    """Return the schedules of all datasets, or of the one that `dataset` names."""
    schedules, wanted = executions_of(api).schedules, request.params.get("dataset")
    if wanted:
        dataset_of(executions_of(api), wanted)
    standings = [one for one in schedules.standings() if not wanted or one.dataset.id == wanted]
    datasets = {standing.dataset.id: standing.dataset for standing in standings}
    last = {f"{id_}/{name}": job for id_, d in datasets.items() for name, job in schedules.last_runs(d).items()}
    url = f"{api.base_url}/schedules"
    document: JsonObject = {
        "schedules": [_document(api, standing, last.get(standing.name)) for standing in standings],
        "links": [
            link(f"{url}?f=json", "self", JSON, "This document"),
            link(f"{url}?f=html", "alternate", HTML, "This document as a page"),
        ],
    }
    messages = {name: job.message for name, job in last.items()}
    titles = {id_: dataset.title or id_ for id_, dataset in datasets.items()}
    refused = {one.name: lacking(schedules.connection(one.dataset.id, one.schedule.name)) for one in standings}
    return answer_either(
        api, request, document, "schedules/index.html", messages=messages, refused=refused, titles=titles
    )


def get_schedule(api: API, request: APIRequest, dataset_id: str, name: str) -> Answer:
    """Return one schedule."""
    schedules = executions_of(api).schedules
    standing = schedules.standing(dataset_id, name)
    last = schedules.last_runs(standing.dataset).get(name)
    document = _document(api, standing, last)
    message = last.message if last else ""
    shown = {"title": standing.dataset.title or dataset_id, "message": message}
    shown["typed"] = request.params.get("reason", "")  # in a pause that went wrong
    shown["refused"] = lacking(schedules.connection(dataset_id, name))
    return answer_either(api, request, document, "schedules/schedule.html", **shown)


def pause(api: API, request: APIRequest, dataset_id: str, name: str) -> Answer:
    """Pause a schedule until a person resumes it."""
    schedules = executions_of(api).schedules
    given = members_of(api, request, ["reason"])
    viewer().permit(schedules.connection(dataset_id, name))
    return _shown(api, request, schedules.pause(dataset_id, name, given.get("reason", ""), viewer().name))


def resume(api: API, request: APIRequest, dataset_id: str, name: str) -> Answer:
    """End the pause of a person."""
    schedules = executions_of(api).schedules
    members_of(api, request)
    viewer().permit(schedules.connection(dataset_id, name))
    return _shown(api, request, schedules.resume(dataset_id, name))


def run(api: API, request: APIRequest, dataset_id: str, name: str) -> Answer:
    """Make a job of a schedule now."""
    schedules = executions_of(api).schedules
    members_of(api, request)
    viewer().permit(schedules.connection(dataset_id, name))
    job, links = schedules.run(dataset_id, name), links_of(api)
    if request.format == "html":
        return headers_of(api, request, HTML, Location=f"{links.job(job.id)}?f=html"), 303, ""
    return answer_json(api, request, status_document(job, links), 201, Location=links.job(job.id))


def _shown(api: API, request: APIRequest, standing: Standing) -> Answer:
    """Answer with the schedule as it stands now; a browser is sent to its page, which it may then reload."""
    if request.format == "html":
        page = f"{api.base_url}/schedules/{standing.name}?f=html"
        return headers_of(api, request, HTML, Location=page), 303, ""
    last = executions_of(api).schedules.last_runs(standing.dataset)
    return answer_json(api, request, _document(api, standing, last.get(standing.schedule.name)))


def _document(api: API, standing: Standing, last: Job | None) -> JsonObject:
    url = f"{api.base_url}/schedules/{standing.name}"
    links = [
        Link(href=f"{url}?f=json", rel="self", type=JSON, title="This document"),
        Link(href=f"{url}?f=html", rel="alternate", type=HTML, title="This document as a page"),
        Link(href=f"{api.base_url}/datasets/{standing.dataset.id}", rel="up", type=JSON, title="The dataset"),
    ]
    document = schedule_document(standing, last, datetime.now(UTC), links)
    return document.to_json()
