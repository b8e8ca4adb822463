"""What the page of an import's results shows: a map of one period, and the values of one unit in time."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial

from eo_pygeoapi.api.pages.charts import Area, choropleth, legend, line_chart, number
from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.contract.periods import period_in_words, period_with_id
from eo_pygeoapi.contract.status import PROCESS_ID
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.store.job_features import JobFeatures, KeptUnit
from eo_pygeoapi.store.job_folder import VALUES, JobFolder
from eo_pygeoapi.store.store import ResultStore

# more areas than this would make a page that no browser likes
LARGEST_MAP = 3000


def result_page(
    store: ResultStore, job: Job, asked: Mapping[str, str], period_type: PeriodType | None
) -> dict[str, object]:
    """Return what the template shows of the values; nothing where the job has none.

    `asked` may name a `period`, a `level` and a `unit`; by default the last period that has values, the level with
    the most units, and its first unit.
    """
    folder = JobFolder(store, job.id)
    if job.process_id != PROCESS_ID or not folder.exists(VALUES):
        return {}
    with closing(JobFeatures(folder)) as features:
        return _shown(features, asked, period_type)


def _shown(features: JobFeatures, asked: Mapping[str, str], period_type: PeriodType | None) -> JsonObject:
    counts, units = features.counts_by_period(), features.units
    periods = [period for period, _ in counts]
    if not periods:
        return {}
    filled = [period for period, count in counts if count]
    period = asked["period"] if asked.get("period") in periods else (filled or periods)[-1]
    areas = [area_of(units[org_unit], value) for org_unit, value in features.values_of_period(period)]
    levels = [units[area.org_unit].level for area in areas]
    level = next(
        (each for each in levels if str(each) == asked.get("level")), max(levels, key=levels.count, default=None)
    )
    areas = sorted(
        (area for area, each in zip(areas, levels, strict=True) if each == level), key=lambda area: area.name.casefold()
    )
    names = {area.org_unit: area.name for area in areas}
    unit = asked["unit"] if asked.get("unit") in names else next(iter(names), "")
    series = features.values_of_unit(unit)
    named = {each: period_name(each, period_type) for each in periods}
    place = periods.index(period)
    return {
        "periods": named,
        "period": period,
        "before": periods[place - 1] if place else "",
        "after": periods[place + 1] if place + 1 < len(periods) else "",
        "levels": sorted({each for each in levels if each is not None}),
        "level": level,
        "unit": unit,
        "unit_name": names.get(unit, unit),
        "chart": line_chart(
            [named[p] for p, _ in series], [v for _, v in series], f"Values of {names.get(unit, unit)}"
        ),
        **drawn(areas, f"Map of {named[period]}", f"?f=html&period={period}&level={level or ''}&unit="),
    }


def drawn(areas: Sequence[Area], title: str, href: str) -> dict[str, object]:
    """Return the map of one period, its legend, and the values with as many digits as tell them apart."""
    return {
        "areas": areas,
        "map": choropleth(areas if len(areas) <= LARGEST_MAP else (), title, href),
        "legend": legend([area.value for area in areas if area.value is not None]),
        "number": number,
    }


def period_name(id_: str, period_type: PeriodType | None) -> str:
    """Return what people call a period; its id where its kind is not known."""
    period = period_with_id(id_, period_type) if period_type else None
    return period_in_words(period) if period else id_


def numbers_of(dataset: Dataset | None) -> Callable[[float], str]:
    """Return what writes the values of a dataset."""
    return partial(number, decimals=dataset.decimals if dataset else None)


def named_periods(dataset: Dataset | None) -> Callable[[object], str]:
    """Return what names the periods of a dataset by their ids."""
    return lambda id_: period_name(str(id_), dataset.period_type if dataset else None)


def area_of(unit: KeptUnit, value: float | None) -> Area:
    """Return a unit as an area of the map."""
    geometry = json.loads(unit.geometry) if unit.geometry else None
    return Area(unit.org_unit, unit.name or unit.org_unit, geometry, value)
