"""The newest values of a dataset, for a map layer by address."""

import json
import os

from pygeoapi.api import API, APIRequest

from eo_pygeoapi.api.datasets import dataset_of, parse_level
from eo_pygeoapi.api.http.answers import answer_page, executions_of, headers_of, readable_dataset
from eo_pygeoapi.api.http.problems import Answer
from eo_pygeoapi.api.outlined import with_outlines
from eo_pygeoapi.api.pages.charts import Area
from eo_pygeoapi.api.pages.result_page import drawn, numbers_of, period_name
from eo_pygeoapi.api.value_info import value_info, with_info
from eo_pygeoapi.jobs.documents import GEOJSON
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.provider import REFERENCE, shared_reader
from eo_pygeoapi.settings import process_settings
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.features import feature_id, groups_of
from eo_pygeoapi.store.item_filters import parse_simplify
from eo_pygeoapi.store.reader import PROPERTIES, Condition, Order, OutlinedPage, PublishedReader, Wanted

MOST_UNITS = 1_000_000
HAS_VALUE = Condition("value IS NOT NULL")

_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str).encode


def get_latest(api: API, request: APIRequest, dataset_id: str) -> Answer:
    """Return every unit of the newest period with values as GeoJSON; no features where nothing is published yet."""
    dataset = readable_dataset(api, dataset_id) or dataset_of(executions_of(api), dataset_id)
    level, simplify = parse_level(request), parse_simplify(request.params.get("simplify", ""))
    reader = shared_reader(process_settings().results, os.getpid())
    conditions = [Condition("level = ?", (level,))] if level is not None else []
    page = newest_page(reader, dataset.id, conditions, simplify)
    if request.format != "html":
        common = {"unit": dataset.unit, "title": dataset.title}
        text = with_info(as_geojson(page, common), value_info(dataset))
        return with_outlines(api, request, (headers_of(api, request, GEOJSON), 200, text), page.outlines)
    period = page.rows[0]["period"] if page.rows else ""
    geometries = {key: json.loads(text) for key, text in page.outlines.items()}
    found = [row["level"] for row in page.rows]
    level = level if level is not None else max(found, key=found.count, default=None)  # levels lie over each other
    areas = [
        Area(row["orgUnit"], row["name"] or row["orgUnit"], geometries.get(row["geometry"]), row["value"])
        for row in page.rows
        if row["level"] == level
    ]
    shown = {"dataset": dataset, "period": period and period_name(period, dataset.period_type), "level": level}
    known = CoverageTable(executions_of(api).store, dataset.id).units()
    levels = sorted({each for each in (*found, *(unit.level for unit in known)) if each is not None})
    title = f"{dataset.title}, {shown['period']}"
    return answer_page(
        api,
        request,
        "datasets/latest.html",
        {**shown, "levels": levels, **drawn(areas, title, ""), "number": numbers_of(dataset)},
    )


def newest_page(reader: PublishedReader, dataset_id: str, conditions: list[Condition], simplify: float) -> OutlinedPage:
    """Return all rows of the newest period in which a row has a value."""
    wanted: list[Wanted] = [*conditions, HAS_VALUE]
    newest = reader.outlined_page(
        dataset_id, wanted, [Order("period", descending=True)], 0, 1, with_geometry=False
    ).rows
    if not newest:
        return OutlinedPage([], 0, {})
    of_period = Condition("period = ?", (newest[0]["period"],), on_key=True)
    return reader.outlined_page(dataset_id, [*conditions, of_period], [], 0, MOST_UNITS, simplify=simplify)


def as_geojson(page: OutlinedPage, common: JsonObject) -> str:
    """Write rows as features, with properties as of the items and these, and references in place of the outlines."""
    features = []
    for row in page.rows:
        outline = f'"{REFERENCE}{row["geometry"]}"' if row["geometry"] in page.outlines else "null"
        properties = _json({name: row[name] for name in PROPERTIES} | groups_of(row) | common)
        id_ = _json(feature_id(row["orgUnit"], row["period"]))
        features.append(f'{{"type":"Feature","id":{id_},"geometry":{outline},"properties":{properties}}}')
    counts = f'"numberMatched":{page.matched},"numberReturned":{len(features)}'
    return f'{{"type":"FeatureCollection",{counts},"features":[\n{",\n".join(features)}\n]}}'
