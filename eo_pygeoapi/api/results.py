"""What a job leaves behind, over HTTP: its results, one output, the payload preview and files."""

import csv
import io

from pygeoapi.api import API, APIRequest

from eo_pygeoapi.api.http.answers import (
    StoredFile,
    StreamedText,
    answer_json,
    answer_page,
    executions_of,
    headers_of,
    links_of,
    page_of,
    paging_links,
)
from eo_pygeoapi.api.http.problems import Answer
from eo_pygeoapi.api.http.relative_links import relative_asked
from eo_pygeoapi.api.pages.file_page import first_rows
from eo_pygeoapi.api.pages.job_page import names_of, values_page
from eo_pygeoapi.api.pages.job_title import title_of
from eo_pygeoapi.api.pages.result_page import named_periods, numbers_of, result_page
from eo_pygeoapi.api.value_info import MEMBER, describing_links, value_info
from eo_pygeoapi.contract.status import COMPANIONS, FINAL
from eo_pygeoapi.errors import QueryError, ResultNotAvailableError, ResultNotReadyError
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.jobs.documents import CSV, FILES, status_document
from eo_pygeoapi.jobs.executions import Executions
from eo_pygeoapi.jobs.results import RESULT, encode, read_output, read_outputs
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.store.item_filters import parse_simplify
from eo_pygeoapi.store.job_features import JobFeatures
from eo_pygeoapi.store.job_folder import FEATURES, PREVIEW, VALUES, JobFolder

CSV_COLUMNS = (
    "dataElement", "period", "orgUnit", "categoryOptionCombo", "attributeOptionCombo", "value",
)  # fmt: skip


def get_results(api: API, request: APIRequest, job_id: str) -> Answer:
    """Return the results of a job in the form that the execution asked for; as a page to those who prefer HTML."""
    executions, links = executions_of(api), links_of(api)
    job = executions.gateway.runs.get(job_id)
    executions.raise_unless_successful(job)
    outputs = read_outputs(executions.store, job)
    encoded = encode(outputs, job.request, lambda id_: links.output(job.id, id_), relative_asked(request))
    if request.format == "html":
        details = executions.details(job)
        dataset = executions.datasets().get(job.dataset)
        shown = result_page(executions.store, job, request.params, dataset.period_type if dataset else None)
        shown |= {"number": numbers_of(dataset)}
        values = {id_: output.value for id_, output in outputs.items() if not isinstance(output.value, bytes)}
        said = job.message if job.process_id in COMPANIONS else ""
        named = {"id": job.id, "title": title_of(job, executions.datasets()), "message": said}
        unit = dataset.unit if dataset else ""
        data = {"jobs": status_document(job, links, details), "job": named, "result": values, "unit_of_values": unit}
        data |= shown
        return answer_page(api, request, "jobs/results/index.html", data)
    return {**headers_of(api, request), **encoded.headers}, encoded.status, encoded.body


def get_output(api: API, request: APIRequest, job_id: str, output_id: str) -> Answer:
    """Return the bare value of one output."""
    executions = executions_of(api)
    job = executions.gateway.runs.get(job_id)
    executions.raise_unless_successful(job)
    output = read_output(executions.store, job, output_id)
    if request.format == "html":
        value = None if isinstance(output.value, bytes) else output.value
        title = "Result" if output_id == RESULT else f"Output {output_id}"
        shown = {"output": {"title": title, "value": value, "type": output.media_type}}
        return answer_page(api, request, "jobs/output.html", shown | _job_of_page(api, job))
    return headers_of(api, request, output.media_type), 200, output.body()


def get_payload_preview(api: API, request: APIRequest, job_id: str) -> Answer:
    """Return what DHIS2 was, or would have been, sent: the first values, as JSON, CSV or a page."""
    executions = executions_of(api)
    job = executions.gateway.runs.get(job_id)
    key = _key_of(executions, job, PREVIEW)
    preview: JsonObject = executions.store.read_json(key)
    accepted = next((str(v) for k, v in request.headers.items() if k.lower() == "accept"), "").strip()
    if request.format == "csv" or (not request.params.get("f") and accepted.startswith(CSV)):
        name = f'attachment; filename="payload-preview-{job.id}.csv"'
        return headers_of(api, request, f"{CSV}; charset=utf-8", **{"Content-Disposition": name}), 200, to_csv(preview)
    if request.format != "html":
        return answer_json(api, request, preview)
    folder, differing = JobFolder(executions.store, job.id), request.params.get("only") == "differing"
    limit, offset = page_of(api, request)
    values = values_page(folder, preview, differing, limit, offset)
    here = f"{links_of(api).job(job.id)}/payload-preview"
    shown = {
        **_job_of_page(api, job),
        "period_name": named_periods(executions.datasets().get(job.dataset)),
        "values": values,
        "names": names_of(folder, job.dataset),
        "differing": differing,
        "links": paging_links(request, here, limit, offset, values.matched),
        "files": executions.details(job).files,
    }
    return answer_page(api, request, "jobs/preview.html", {**preview, **shown})


def get_file(api: API, request: APIRequest, job_id: str, name: str) -> Answer:
    """Return a file that a job left in the results store."""
    executions = executions_of(api)
    job = executions.gateway.runs.get(job_id)
    if name not in FILES:
        raise ResultNotAvailableError(f"{name!r} is no file of a job; there may be: {', '.join(FILES)}")
    media_type = FILES[name][0]
    if request.params.get("f") == "csv" and media_type != CSV:
        raise QueryError(f"f: 'csv' is not allowed; {name} is {media_type}")
    if request.format == "html":
        return _file_page(api, request, job, name)
    headers, folder = headers_of(api, request, media_type), JobFolder(executions.store, job.id)
    headers["Content-Disposition"] = f'attachment; filename="{job.dataset or job.id}-{name}"'
    dataset = executions.datasets().get(job.dataset)
    if media_type == CSV and dataset:
        headers |= describing_links(api, dataset)
    # jobs of earlier versions have left the text itself
    if name == FEATURES and folder.exists(VALUES):
        simplify = parse_simplify(request.params.get("simplify", ""))
        features = JobFeatures(folder, {MEMBER: value_info(dataset)} if dataset else {})
        try:
            units = features.coarser_units(simplify) if simplify else features.units
            return headers, 200, StreamedText(features.text(units), features.size(units), features.close)
        except BaseException:
            features.close()
            raise
    return headers, 200, StoredFile(_key_of(executions, job, name))


def _file_page(api: API, request: APIRequest, job: Job, name: str) -> Answer:
    """Return the first rows of a file that is a table, and what leads to the file itself."""
    executions, (media_type, title) = executions_of(api), FILES[name]
    kept = VALUES if name == FEATURES and JobFolder(executions.store, job.id).exists(VALUES) else name
    shown = {
        "file": {"name": name, "title": title, "format": "csv" if media_type == CSV else "json"},
        "first": first_rows(executions.store, _key_of(executions, job, kept), media_type),
    }
    return answer_page(api, request, "jobs/file.html", shown | _job_of_page(api, job))


def to_csv(preview: JsonObject) -> str:
    """Write the data values of a preview as DHIS2 takes them in CSV: one column per dimension."""
    common = {name: preview.get(name, "") for name in CSV_COLUMNS}
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({**common, **value} for value in preview.get("dataValues", []))
    return text.getvalue()


def _job_of_page(api: API, job: Job) -> JsonObject:
    """Return what the pages below that of a job say of it."""
    title = title_of(job, executions_of(api).datasets())
    return {"job": {"id": job.id, "href": links_of(api).job(job.id), "title": title}}


def _key_of(executions: Executions, job: Job, name: str) -> str:
    folder = JobFolder(executions.store, job.id)
    if job.is_ours and folder.exists(name):
        return folder.key(name)
    if job.status not in FINAL:
        raise ResultNotReadyError(f"job {job.id} is {job.status}; {name} is not ready")
    raise ResultNotAvailableError(f"job {job.id} has no {name}")
