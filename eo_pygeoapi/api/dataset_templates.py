"""The datasets as DHIS2's Climate app asks its providers for them: an array of templates.

The app knows days, months and years of the Gregorian calendar, and wants to know the first and the last day of each
dataset: those with other periods, and those whose days are not known, are left out.
"""

from datetime import date

from pygeoapi import l10n
from pygeoapi.api import API, APIRequest

from eo_pygeoapi.api.http.allowed import may_read
from eo_pygeoapi.api.http.answers import answer_json, answer_page, executions_of
from eo_pygeoapi.api.http.problems import Answer
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.source import source_info
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.newest_days import newest_day
from eo_pygeoapi.store.store import ResultStore

_PERIOD_TYPES = ("daily", "monthly", "yearly")


def get_dataset_templates(api: API, request: APIRequest) -> Answer:
    """Return a template for each dataset that the app can take and the viewer sees."""
    executions = executions_of(api)
    resources = api.config["resources"]
    templates = [
        template_of(dataset, _described(resources[id_]), _days(executions.store, dataset))
        for id_, dataset in executions.datasets().items()
        if id_ in resources
    ]
    known = [template for template in templates if template]
    if request.format == "html":
        return answer_page(api, request, "datasets/templates.html", {"templates": known})
    return answer_json(api, request, known)


def template_of(dataset: Dataset, description: str, days: tuple[date | None, date | None]) -> JsonObject | None:
    """Return the template of a dataset, None where the app cannot take it; `days` are the first and the last one."""
    begin, end = days
    if not (begin and end) or dataset.period_type not in _PERIOD_TYPES:
        return None
    info = source_info(dataset.source)
    return {
        "id": dataset.id,
        "name": dataset.title or dataset.id,
        "short_name": dataset.id,
        "description": description,
        "variable": dataset.options.variable_name() or dataset.id,
        "units": dataset.unit,
        "period_type": dataset.period_type,
        "resolution": info.resolution or "not stated",
        "source": info.title,
        "extents": {"temporal": {"begin": begin.isoformat(), "end": end.isoformat()}},
    }


def _described(resource: JsonObject) -> str:
    """Return the description of a resource, in English where it has several languages."""
    return str(l10n.translate(resource.get("description") or "", l10n.str2locale("en")))


def _days(store: ResultStore, dataset: Dataset) -> tuple[date | None, date | None]:
    """Return the first and the last day that can be asked for, as far as the provider or published values tell."""
    first, last = dataset.options.days()
    try:
        last = last or newest_day(store, dataset).day
        if (first and last) or not (dataset.public or may_read()):
            return first, last
        periods = [period for period in CoverageTable.of(store, dataset).summary() if period.present]
    except EoError:  # a description comes without the store, too
        return first, last
    if not periods:
        return first, last
    return first or periods[0].start, last or periods[-1].end
