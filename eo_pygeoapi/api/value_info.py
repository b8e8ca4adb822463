"""What the values of a dataset are, wherever they are given: collection, schema, items and map layer."""

import csv
import io
import json
import re
from typing import Any

import pygeoapi.api as core_api
from pygeoapi.api import API, APIRequest, itemtypes

from eo_pygeoapi.api.description import as_json
from eo_pygeoapi.api.http.answers import answer_page, readable_dataset
from eo_pygeoapi.api.http.problems import Answer
from eo_pygeoapi.contract.ucum import ucum
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.source import source_info
from eo_pygeoapi.jobs.documents import JSON
from eo_pygeoapi.json_types import JsonObject

MEMBER = "valueInfo"
_TYPE = re.compile(r'"type"\s*:\s*"FeatureCollection"\s*,')  # clients look for it at the beginning
_LICENCES = {"CC BY 4.0": "https://creativecommons.org/licenses/by/4.0/"}
_TITLES = {
    "orgUnit": ("Organisation unit", "its UID in DHIS2"),
    "name": ("Name", "of the organisation unit"),
    "level": ("Level", "of the organisation unit"),
    "period": ("Period", "as DHIS2 writes it: 20250701, 202507, 2025W27"),
    "start": ("First day", "of the period"),
    "end": ("Last day", "of the period"),
    "validFraction": ("Area with data", "the part of the unit for which there were data, from 0 to 1"),
    "jobID": ("Job", "that made the value"),
}


def value_info(dataset: Dataset) -> JsonObject:
    """Return what the values of a dataset are, where they come from, and how to cite them."""
    info = source_info(dataset.source)
    told: JsonObject = {
        "title": dataset.title or dataset.id,
        "unit": dataset.unit,
        "ucum": ucum(dataset.unit),
        "periodType": dataset.period_type,
        "timeZone": dataset.time_zone,
        "aggregation": {"spatial": dataset.aggregation.spatial, "temporal": dataset.aggregation.temporal},
        "decimals": dataset.decimals,
        "groups": {group: dict(options) for group, options in dataset.options.divided_by().items()} or None,
        "source": info.title,
        "resolution": info.resolution,
        "licence": info.licence,
        "citation": info.citation,
        "method": dataset.options.method(),
    }
    return {name: value for name, value in told.items() if value not in ("", None)}


def describing_links(api: API, dataset: Dataset) -> dict[str, str]:
    """Return the header that leads to what values are and who may use them, for answers that cannot hold it."""
    links = [f'<{api.base_url}/collections/{dataset.id}?f=json>; rel="describedby"; type="application/json"']
    licence = source_info(dataset.source).licence
    if (address := _LICENCES.get(licence, licence)).startswith("https://"):
        links.append(f'<{address}>; rel="license"')
    return {"Link": ", ".join(links)}


def info_of(api: API, collection_id: str) -> JsonObject | None:
    """Return what the values of a collection are; None for one that is no dataset, or is not seen."""
    dataset = readable_dataset(api, collection_id)
    return value_info(dataset) if dataset else None


def get_schema(api: API, request: APIRequest, collection_id: str) -> Answer:
    """Return pygeoapi's schema of a collection with titles and the unit of the values."""
    return _described(api, request, collection_id, core_api.get_collection_schema, with_groups=True)


def get_queryables(api: API, request: APIRequest, collection_id: str) -> Answer:
    """Return pygeoapi's queryables of a collection with titles and the unit of the values.

    Groups are no properties of it, for items cannot be filtered by them.
    """
    return _described(api, request, collection_id, itemtypes.get_collection_queryables)


def with_info(text: str, info: JsonObject) -> str:
    """Return the text of a GeoJSON collection with what its values are at its top level."""
    written = json.dumps(info, ensure_ascii=False)
    return _TYPE.sub(lambda found: f'{found[0]} "{MEMBER}": {written},', text, count=1)


def with_unit_column(text: str, unit: str) -> str:
    """Return a table of items, as CSV, with the unit of the values as its last column."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if not rows or "value" not in rows[0]:
        return text
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows(
        [*row, unit if number else "unit"] for number, row in enumerate(rows)
    )
    return written.getvalue()


def _described(api: API, request: APIRequest, collection_id: str, core: Any, with_groups: bool = False) -> Answer:
    info = info_of(api, collection_id)
    if info is None and collection_id in api.config["resources"]:
        answer: Answer = core(api, request, collection_id)
        return answer
    headers, status, content = core(api, as_json(request), collection_id)
    if status != 200 or info is None:
        return {**headers, "Content-Type": JSON}, status, content
    document: JsonObject = json.loads(content)
    _describe(document["properties"], info, with_groups)
    document[MEMBER] = info
    if request.format == "html":
        return answer_page(
            api, request, "collections/properties.html", document | {"id": collection_id, "schema": with_groups}
        )
    return headers, status, json.dumps(document, ensure_ascii=False, indent=4 if api.pretty_print else None)


def _describe(properties: JsonObject, info: JsonObject, with_groups: bool) -> None:
    """Give properties titles and units; with groups, add these as properties."""
    for name, (title, description) in _TITLES.items():
        if name in properties:
            properties[name] |= {"title": title, "description": description}
    if (value := properties.get("value")) is not None:
        value |= {"title": info["title"], "description": _in_words(info)}
        if info.get("ucum"):
            value |= {"x-ogc-unit": info["ucum"], "x-ogc-unitLang": "UCUM"}
        if with_groups:
            properties |= {
                group: value | {"title": ", ".join(options.values()), "description": f"of a group: {_in_words(info)}"}
                for group, options in info.get("groups", {}).items()
            }


def _in_words(info: JsonObject) -> str:
    aggregation = info["aggregation"]
    made = f"{info['periodType']}, {aggregation['temporal']} in time and {aggregation['spatial']} in space"
    return f"{made}, in {info['unit']}" if info.get("unit") else made
