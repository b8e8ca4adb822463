"""The import history of a dataset over HTTP: who sent what to DHIS2, and when."""

import csv
import io
from collections.abc import Sequence

from pygeoapi.api import API, APIRequest

from eo_pygeoapi.api.datasets import dataset_of
from eo_pygeoapi.api.http.answers import answer_either, executions_of, headers_of, page_of, paging_links
from eo_pygeoapi.api.http.problems import Answer
from eo_pygeoapi.api.pages.job_title import dates_of
from eo_pygeoapi.contract.history import ImportHistory, ImportRecord
from eo_pygeoapi.jobs.documents import CSV, HTML, JSON, link
from eo_pygeoapi.store.history import History

COLUMNS = tuple(field.alias or name for name, field in ImportRecord.model_fields.items())


def get_history(api: API, request: APIRequest, dataset_id: str) -> Answer:
    """Return the imports of a dataset, the latest first; also those whose jobs are gone."""
    executions = executions_of(api)
    dataset = dataset_of(executions, dataset_id)
    limit, offset = page_of(api, request)
    records, matched = History(executions.store, dataset_id).page(limit, offset)
    if request.format == "csv":
        return headers_of(api, request, CSV), 200, as_csv(records)
    found = ImportHistory(
        dataset=dataset_id, number_matched=matched, number_returned=len(records), imports=list(records)
    )
    url = f"{api.base_url}/datasets/{dataset_id}/history"
    links = [
        link(f"{url}?f=json", "self", JSON, "This document"),
        link(f"{url}?f=html", "alternate", HTML, "This document as a page"),
        link(f"{url}?f=csv", "alternate", CSV, "This document as CSV"),
        *paging_links(request, url, limit, offset, matched, HTML if request.format == "html" else JSON),
    ]
    document = found.model_dump(mode="json", by_alias=True, exclude_none=True) | {"links": links}
    shown = {"title": dataset.title or dataset_id, "days": dates_of}
    return answer_either(api, request, document, "datasets/history.html", **shown)


def as_csv(records: Sequence[ImportRecord]) -> str:
    """Return lines of a history as CSV, with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(record.model_dump(mode="json", by_alias=True) for record in records)
    return text.getvalue()
