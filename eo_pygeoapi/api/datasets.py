"""Datasets over HTTP: until when their values are right, and what there is for each unit and period."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from pygeoapi.api import API, APIRequest

from eo_pygeoapi.api.http.allowed import lacking
from eo_pygeoapi.api.http.answers import answer_either, answer_json, answer_page, executions_of, headers_of
from eo_pygeoapi.api.http.mistakes import Mistakes
from eo_pygeoapi.api.http.problems import Answer
from eo_pygeoapi.api.pages.coverage_picture import Picture
from eo_pygeoapi.contract.documents import Link
from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.operations import DatasetStatus
from eo_pygeoapi.contract.periods import Period, longest, periods_in
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.validate import named_dataset
from eo_pygeoapi.errors import QueryError
from eo_pygeoapi.jobs.documents import CSV, GEOJSON, HTML, JSON
from eo_pygeoapi.jobs.executions import Executions
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.store.boundaries import in_words
from eo_pygeoapi.store.coverage import PERIODS_SHOWN, CoverageTable
from eo_pygeoapi.store.coverage_csv import matrix_csv, reasons_csv
from eo_pygeoapi.store.history import History
from eo_pygeoapi.watch import freshness
from eo_pygeoapi.watch.problems import Book
from eo_pygeoapi.watch.survey import survey_or_store, while_prefect_is_away

MOST_CELLS = 5_000_000
MOST_REASONS = 10_000  # in a JSON document


def get_datasets(api: API, request: APIRequest) -> Answer:
    """Return all datasets, the worst first."""
    executions = executions_of(api)
    documents = freshness.worst_first(statuses(api, list(executions.datasets().values())))
    more = {"in_part": made_in_part(executions, documents)} if request.format == "html" else {}
    document = {
        "datasets": [document.to_json() for document in documents],
        "links": [_link(f"{api.base_url}/datasets", "self", "This document").model_dump()],
    }
    return answer_either(api, request, document, "datasets/index.html", **more)


def get_dataset(api: API, request: APIRequest, dataset_id: str) -> Answer:
    """Return one dataset; its page shows the coverage of the last periods."""
    executions = executions_of(api)
    dataset = dataset_of(executions, dataset_id)
    (document,) = statuses(api, [dataset])
    if request.format != "html":
        return answer_json(api, request, document.to_json())
    table = CoverageTable.of(executions.store, dataset)
    periods: list[Period] = []
    if (until := document.published_until) is not None:
        # up to the newest with values, and some beyond; none before the first
        days = longest(dataset.period_type)
        start = max(until - timedelta(days * PERIODS_SHOWN), table.summary()[0].start)
        today = datetime.now(UTC).date()
        interval = Interval(start=start, end=max(until, min(until + timedelta(days * 5), today)))
        periods = periods_in(interval, dataset.period_type)[-PERIODS_SHOWN - 5 :]
    coverage = table.matrix(periods, parse_level(request))
    levels = sorted({unit.level for unit in table.units() if unit.level is not None})
    picture = Picture.of(coverage)
    boundaries = in_words(document.boundaries or ())
    more = {
        "in_part": made_in_part(executions, [document]),
        "picture": picture,
        "levels": levels,
        "level": parse_level(request),
        "boundary_words": boundaries,
        "open": [problem for problem in Book(executions.store).open() if dataset.id in problem.datasets],
        "times": dataset.schedules,
        "refused": lacking(dataset.dhis2.connection),
    }
    return answer_either(api, request, document.to_json(), "datasets/dataset.html", **more)


def get_coverage(api: API, request: APIRequest, dataset_id: str) -> Answer:
    """Return what there is for each period and unit of a dataset, as JSON, CSV or a page; why not, as another CSV."""
    executions = executions_of(api)
    dataset = dataset_of(executions, dataset_id)
    if request.format == "html":
        return _coverage_page(api, request, dataset)
    table, level = CoverageTable.of(executions.store, dataset), parse_level(request)
    periods = _asked_periods(request, dataset, table)
    if len(periods) * max(1, len(table.units(level))) > MOST_CELLS:
        raise QueryError(f"start, end: {len(periods)} periods are too many at once; allowed: {MOST_CELLS} values")
    if request.format == "csv":
        coverage = table.matrix(periods, level)
        reasons = request.params.get("reasons") == "true"
        return headers_of(api, request, CSV), 200, reasons_csv(coverage) if reasons else matrix_csv(coverage)
    return answer_json(api, request, table.matrix(periods, level, MOST_REASONS).to_json())


def _coverage_page(api: API, request: APIRequest, dataset: Dataset) -> Answer:
    """Return the last of the periods that are asked for as a picture; with a mistake, the form as it was filled."""
    table = CoverageTable.of(executions_of(api).store, dataset)
    asked = {name: request.params.get(name, "") for name in ("start", "end", "level")}
    query = urlencode([("f", "csv"), *((name, text) for name, text in asked.items() if text)])
    shown: JsonObject = {
        "id": dataset.id,
        "title": dataset.title or dataset.id,
        "asked": asked,
        "levels": sorted({unit.level for unit in table.units() if unit.level is not None}),
        "csv": f"{api.base_url}/datasets/{dataset.id}/coverage?{query}",
        "mistakes": Mistakes(),
    }
    try:
        level, periods = parse_level(request), _asked_periods(request, dataset, table)
    except QueryError as error:
        shown["mistakes"] = Mistakes.of(error, list(asked))
        return answer_page(api, request, "datasets/coverage.html", shown, int(error.status))
    shown["before"] = max(0, len(periods) - PERIODS_SHOWN)
    shown["picture"] = Picture.of(table.matrix(periods[-PERIODS_SHOWN:], level))
    return answer_page(api, request, "datasets/coverage.html", shown)


def statuses(api: API, datasets: Sequence[Dataset], away: bool = False) -> list[DatasetStatus]:
    """Return until when the values of these datasets are right, also while Prefect does not answer.

    It is not asked where it is known to be `away`. Raises ResultsError.
    """
    executions = executions_of(api)
    today = datetime.now(UTC).date()
    problems = Book(executions.store).open()
    found = []
    known = (
        while_prefect_is_away(executions.store, datasets, problems)
        if away
        else survey_or_store(executions.gateway, executions.store, datasets, problems)
    )
    for facts in known:
        own = [problem.id for problem in problems if facts.dataset.id in problem.datasets]
        document = freshness.status(facts, today, own)
        id_ = facts.dataset.id
        url = f"{api.base_url}/datasets/{id_}"
        links = [
            _link(url, "self", "This document"),
            _link(f"{url}?f=html", "alternate", "This document as a page", HTML),
            _link(f"{url}/coverage", "coverage", "What there is for each period and unit"),
            _link(f"{url}/latest", "latest", "The newest values, for a map", GEOJSON),
            _link(f"{url}/history", "history", "Its imports, also those whose jobs are removed"),
            _link(f"{api.base_url}/collections/{id_}", "collection", "The published values"),
            _link(f"{api.base_url}/jobs?dataset={id_}", "jobs", "The jobs of the dataset"),
            _link(f"{api.base_url}/schedules?dataset={id_}", "schedules", "The schedules of the dataset"),
        ]
        found.append(document.model_copy(update={"links": links}))
    return found


def made_in_part(executions: Executions, documents: Sequence[DatasetStatus]) -> dict[str, int]:
    """Return how many values DHIS2 holds of datasets of which it holds no period as a whole, where it holds any.

    They come of jobs for some units, or with other settings than the dataset's. Raises ResultsError.
    """
    without = [document.id for document in documents if document.imported_until is None]
    made = {id_: History(executions.store, id_).values_made() for id_ in without}
    return {id_: count for id_, count in made.items() if count}


def dataset_of(executions: Executions, dataset_id: str) -> Dataset:
    """Return a dataset by its id, or raise NoSuchDatasetError."""
    return named_dataset(dataset_id, executions.datasets())


def _link(href: str, rel: str, title: str, media_type: str = JSON) -> Link:
    return Link(href=href, rel=rel, type=media_type, title=title)


def parse_level(request: APIRequest) -> int | None:
    """Return the level of units that a request asks for, None for all."""
    text = request.params.get("level")
    if text in (None, ""):
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 3):
        raise QueryError(f"level: {text!r} is not allowed; allowed: a number such as 2")
    return int(text)


def _asked_periods(request: APIRequest, dataset: Dataset, table: CoverageTable) -> list[Period]:
    """Return the periods between `start` and `end`; without these, the last of which something is known."""
    given: dict[str, date] = {}
    for name in ("start", "end"):
        if text := request.params.get(name):
            try:
                given[name] = date.fromisoformat(text)
            except ValueError as error:
                raise QueryError(f"{name}: {text!r} is not allowed; allowed: a date such as 2025-07-01") from error
    return table.periods(dataset.period_type, given.get("start"), given.get("end"))
