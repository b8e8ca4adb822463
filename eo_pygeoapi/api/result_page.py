"""What the page of an import's results shows: a map of one period, and the values of one unit in time."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing

from eo_pygeoapi.api.charts import Area, choropleth, legend, line_chart
from eo_pygeoapi.contract.status import PROCESS_ID
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.store.job_features import JobFeatures, KeptUnit
from eo_pygeoapi.store.job_folder import VALUES, JobFolder
from eo_pygeoapi.store.store import ResultStore

# more areas than this would make a page that no browser likes
LARGEST_MAP = 3000


def result_page(store: ResultStore, job: Job, asked: Mapping[str, str]) -> dict[str, object]:
    """Return what the template shows of the values; nothing where the job has none.

    `asked` may name a `period` and a `unit`; by default the last period that has values, and the first unit.
    """
    folder = JobFolder(store, job.id)
    if job.process_id != PROCESS_ID or not folder.exists(VALUES):
        return {}
    with closing(JobFeatures(folder)) as features:
        return _shown(features, asked)


def _shown(features: JobFeatures, asked: Mapping[str, str]) -> JsonObject:
    counts, units = features.counts_by_period(), features.units
    periods = [period for period, _ in counts]
    if not periods:
        return {}
    filled = [period for period, count in counts if count]
    period = asked["period"] if asked.get("period") in periods else (filled or periods)[-1]
    areas = [_area(units[org_unit], value) for org_unit, value in features.values_of_period(period)]
    unit = asked["unit"] if asked.get("unit") in units else areas[0].org_unit if areas else ""
    return _drawn(areas, periods, period, unit, features.values_of_unit(unit))


def _drawn(
    areas: Sequence[Area], periods: list[str], period: str, unit: str, series: Sequence[tuple[str, float | None]]
) -> dict[str, object]:
    names = {area.org_unit: area.name for area in areas}
    on_map = areas if len(areas) <= LARGEST_MAP else ()
    return {
        "periods": periods,
        "period": period,
        "areas": areas,
        "unit": unit,
        "unit_name": names.get(unit, unit),
        "map": choropleth(on_map, f"Map of period {period}", f"?f=html&period={period}&unit="),
        "legend": legend([area.value for area in areas if area.value is not None]),
        "chart": line_chart([p for p, _ in series], [v for _, v in series], f"Values of {names.get(unit, unit)}"),
    }


def _area(unit: KeptUnit, value: float | None) -> Area:
    geometry = json.loads(unit.geometry) if unit.geometry else None
    return Area(unit.org_unit, unit.name or unit.org_unit, geometry, value)
