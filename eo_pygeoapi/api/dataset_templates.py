"""The datasets as DHIS2's Climate app asks its providers for them: an array of templates."""

from datetime import date

from pygeoapi.api import API, APIRequest

from eo_pygeoapi.api.access import may_read
from eo_pygeoapi.api.answers import answer_json, executions_of
from eo_pygeoapi.api.problems import Answer
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.source import source_info
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.newest_days import newest_day
from eo_pygeoapi.store.store import ResultStore


def get_dataset_templates(api: API, request: APIRequest) -> Answer:
    """Return a template for each dataset that the viewer sees."""
    executions = executions_of(api)
    resources = api.config["resources"]
    templates = [
        template_of(dataset, str(resources[id_].get("description") or ""), _days(executions.store, dataset))
        for id_, dataset in executions.datasets().items()
        if id_ in resources
    ]
    return answer_json(api, request, templates)


def template_of(dataset: Dataset, description: str, days: tuple[date | None, date | None]) -> JsonObject:
    """Return the template of a dataset; `days` are the first and the last that there are values for."""
    info = source_info(dataset.source)
    named = {name: day.isoformat() for name, day in zip(("begin", "end"), days, strict=True) if day}
    return {
        "id": dataset.id,
        "name": dataset.title or dataset.id,
        "short_name": dataset.id,
        "description": description,
        "variable": dataset.options.variable_name(),
        "units": dataset.unit,
        "period_type": "weekly" if dataset.period_type.startswith("weekly") else dataset.period_type,
        "resolution": info.resolution,
        "source": info.title,
        "extents": {"temporal": named},
    }


def _days(store: ResultStore, dataset: Dataset) -> tuple[date | None, date | None]:
    """Return the first and the last day that can be asked for, as far as the provider or published values tell."""
    first, last = dataset.options.days()
    try:
        last = last or newest_day(store, dataset).day
        if (first and last) or not (dataset.public or may_read()):
            return first, last
        periods = [period for period in CoverageTable(store, dataset.id).summary() if period.present]
    except EoError:  # a description comes without the store, too
        return first, last
    if not periods:
        return first, last
    return first or periods[0].start, last or periods[-1].end
