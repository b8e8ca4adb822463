"""What the page of an import's results shows: a map of one period, and the values of one unit in time."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from eo_pygeoapi.api.charts import Area, choropleth, legend, line_chart
from eo_pygeoapi.contract.status import PROCESS_ID
from eo_pygeoapi.errors import ResultsError
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.json_types import JsonMapping, JsonObject
from eo_pygeoapi.store.job_folder import STEP_UNITS, STEP_VALUES, JobFolder
from eo_pygeoapi.store.store import ResultStore

# more areas than this would make a page that no browser likes
LARGEST_MAP = 3000


def result_page(store: ResultStore, job: Job, asked: Mapping[str, str]) -> dict[str, object]:
    """Return what the template shows of the values; nothing where the job has none.

    `asked` may name a `period` and a `unit`; by default the last period that has values, and the first unit.
    """
    folder = JobFolder(store, job.id)
    if job.process_id != PROCESS_ID or not (folder.exists(STEP_VALUES) and folder.exists(STEP_UNITS)):
        return {}
    with tempfile.TemporaryDirectory() as copies, duckdb.connect() as connection:
        path = folder.local_path(STEP_VALUES)
        if path is None:
            path = Path(copies, "values.parquet")
            folder.copy_to(STEP_VALUES, path)
        try:
            return _shown(connection, str(path), folder.read_json(STEP_UNITS), asked)
        except duckdb.Error as error:
            raise ResultsError(f"cannot read the values of job {job.id}") from error


def _shown(
    connection: duckdb.DuckDBPyConnection, path: str, collection: JsonMapping, asked: Mapping[str, str]
) -> JsonObject:
    features = {f["properties"]["orgUnit"]: f for f in collection["features"]}
    query = "SELECT period, count(value) FROM read_parquet(?) GROUP BY ALL ORDER BY period"
    counts = connection.execute(query, [path]).fetchall()
    periods = [period for period, _ in counts]
    if not periods:
        return {}
    filled = [period for period, count in counts if count]
    period = asked["period"] if asked.get("period") in periods else (filled or periods)[-1]
    query = 'SELECT "orgUnit", value FROM read_parquet(?) WHERE period = ? ORDER BY "orgUnit"'
    areas = [_area(features[u], v) for u, v in connection.execute(query, [path, period]).fetchall() if u in features]
    unit = asked["unit"] if asked.get("unit") in features else areas[0].org_unit if areas else ""
    query = 'SELECT period, value FROM read_parquet(?) WHERE "orgUnit" = ? ORDER BY period'
    series = connection.execute(query, [path, unit]).fetchall()
    return _drawn(areas, periods, period, unit, [(p, _finite(v)) for p, v in series])


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


def _area(feature: JsonMapping, value: float | None) -> Area:
    properties = feature["properties"]
    return Area(
        properties["orgUnit"], properties.get("name") or properties["orgUnit"], feature.get("geometry"), _finite(value)
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and value == value else None
