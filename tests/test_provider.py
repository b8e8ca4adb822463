import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from owslib.ogcapi.features import Features
from pygeoapi.provider.base import (
    ProviderConnectionError,
    ProviderInvalidQueryError,
    ProviderItemNotFoundError,
)
from pygeofilter.parsers.cql2_text import parse  # type: ignore[import-untyped]

from eo_pygeoapi.provider import ResultsProvider
from eo_pygeoapi.store.reader import PublishedReader
from eo_pygeoapi.store.store import ResultStore
from tests.servers import free_port, running, wait_for
from tests.store.results_data import daily, publish, square, table, units

DEFINITION = {
    "type": "feature",
    "name": "eo_pygeoapi.provider.ResultsProvider",
    "data": "rain",
    "id_field": "id",
}
NAMES = ["orgUnit", "name", "level", "period", "start", "end", "value", "validFraction", "jobID"]
HEAVY = ("xarray", "pandas", "rasterio", "rioxarray", "geopandas", "exactextract", "dhis2eo", "pyarrow")


def fill(store: ResultStore) -> None:
    """Three units, ten days from 1 July 2025, values 0 to 29; the last day of the first unit said again."""
    publish(store, "job-1", daily(["OuA", "OuB", "OuC"], date(2025, 7, 1), 10, value=0))
    publish(store, "job-2", daily(["OuA"], date(2025, 7, 10), 1, value=100), hours=1)


def provider(store: ResultStore, **definition: Any) -> ResultsProvider:
    return ResultsProvider({**DEFINITION, **definition}, PublishedReader(store))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> ResultsProvider:
    store = ResultStore(str(tmp_path_factory.mktemp("results")))
    fill(store)
    return provider(store)


def ids(answer: Mapping[str, Any]) -> list[str]:
    return [feature["id"] for feature in answer["features"]]


def test_a_page_of_features(filled: ResultsProvider) -> None:
    answer = filled.query(offset=1, limit=2)

    assert (answer["type"], answer["numberMatched"], answer["numberReturned"]) == ("FeatureCollection", 30, 2)
    assert ids(answer) == ["OuB-20250701", "OuC-20250701"]
    assert answer["features"][0] == {
        "type": "Feature",
        "id": "OuB-20250701",
        "geometry": square(2, 0),
        "properties": {
            "orgUnit": "OuB",
            "name": "Unit OuB",
            "level": 2,
            "period": "20250701",
            "start": "2025-07-01",
            "end": "2025-07-01",
            "value": 1.0,
            "validFraction": 1.0,
            "jobID": "job-1",
        },
    }


def test_the_latest_is_shown(filled: ResultsProvider) -> None:
    properties = filled.get("OuA-20250710")["properties"]
    assert (properties["value"], properties["jobID"]) == (100.0, "job-2")


def test_hits_are_a_number(filled: ResultsProvider) -> None:
    assert filled.query(resulttype="hits", datetime_="2025-07-03") == {
        "type": "FeatureCollection",
        "features": [],
        "numberMatched": 3,
        "numberReturned": 0,
    }


def test_filters_sorting_and_selection_together(filled: ResultsProvider) -> None:
    answer = filled.query(
        limit=2,
        bbox=[0.0, 0.0, 3.0, 1.0],
        datetime_="2025-07-02/2025-07-03",
        properties=[("level", "2")],
        sortby=[{"property": "value", "order": "-"}],
        select_properties=["value", "orgUnit"],
        skip_geometry=True,
        filterq=parse("value > 3"),
    )

    assert answer["numberMatched"] == 3
    assert [(f["id"], f["properties"], f["geometry"]) for f in answer["features"]] == [
        ("OuB-20250703", {"orgUnit": "OuB", "value": 7.0}, None),
        ("OuA-20250703", {"orgUnit": "OuA", "value": 6.0}, None),
    ]


def test_the_configuration_may_name_the_properties_to_show(filled: ResultsProvider) -> None:
    limited = ResultsProvider({**DEFINITION, "properties": ["period", "value"]}, filled._given_reader)

    assert limited.query(limit=1)["features"][0]["properties"] == {"period": "20250701", "value": 0.0}
    assert limited.get("OuA-20250701")["properties"] == {"period": "20250701", "value": 0.0}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"properties": [("level", "abc")]}, "level: 'abc' is not allowed; allowed: an integer"),
        ({"datetime_": "yesterday"}, "datetime: 'yesterday' is not allowed"),
        ({"filterq": parse("value = level")}, "filter: not supported"),
        ({"sortby": [{"property": "colour", "order": "+"}]}, "sortby: unknown property 'colour'; allowed: orgUnit"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_a_bad_request(
    filled: ResultsProvider, query: dict[str, Any], message: str
) -> None:
    with pytest.raises(ProviderInvalidQueryError) as caught:
        filled.query(**query)
    assert (caught.value.http_status_code, caught.value.message[: len(message)]) == (400, message)


@pytest.mark.parametrize("identifier", ["OuA-20260101", "OuX-20250701", "OuA", "", "-", "' OR 1=1 --"])
def test_an_unknown_item_is_not_found(filled: ResultsProvider, identifier: str) -> None:
    with pytest.raises(ProviderItemNotFoundError, match="there is no item"):
        filled.get(identifier)


def test_a_unit_id_may_hold_a_hyphen(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    publish(store, "job-1", table([("my-area-1", "20250701", 1.0)]), of=units({"my-area-1": square(0, 0)}))

    assert provider(store).get("my-area-1-20250701")["properties"]["orgUnit"] == "my-area-1"


def test_nothing_published_is_an_empty_collection_with_fields(tmp_path: Path) -> None:
    empty = provider(ResultStore(str(tmp_path)))

    assert empty.query() == {"type": "FeatureCollection", "features": [], "numberMatched": 0, "numberReturned": 0}
    assert list(empty.fields) == NAMES
    assert empty.fields["start"] == {"type": "string", "format": "date"}
    assert {empty.fields[name]["type"] for name in ("value", "validFraction")} == {"number"}
    assert not list(tmp_path.iterdir())


def test_a_store_that_is_away_is_a_connection_error(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("not a folder")
    away = provider(ResultStore(str(tmp_path / "results")))

    with pytest.raises(ProviderConnectionError) as caught:
        away.query()
    assert caught.value.message == "the results store cannot be read"
    with pytest.raises(ProviderConnectionError):
        away.get("OuA-20250701")


def test_pygeoapi_may_change_the_fields_of_one_request(filled: ResultsProvider) -> None:
    provider(ResultStore("unused")).fields["start"]["x-ogc-role"] = "primary-instant"

    assert provider(ResultStore("unused")).fields["start"] == {"type": "string", "format": "date"}


def test_a_query_loads_no_science(tmp_path: Path) -> None:
    fill(ResultStore(str(tmp_path)))
    code = f"""
import sys
from eo_pygeoapi.provider import ResultsProvider
provider = ResultsProvider({DEFINITION!r})
assert "prefect" not in sys.modules
answer = provider.query(limit=100, bbox=[0, 0, 9, 9], properties=[("level", "2")], datetime_="2025-07")
assert answer["numberMatched"] == 30, answer
provider.get("OuA-20250701")
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    environment = {**os.environ, "EO_RESULTS_URL": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)

    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


# Through a real pygeoapi


def collection(data: str) -> dict[str, Any]:
    return {
        "type": "collection",
        "title": f"Values of {data}",
        "description": "for tests",
        "keywords": ["test"],
        "extents": {"spatial": {"bbox": [-180, -90, 180, 90]}},
        "providers": [{**DEFINITION, "data": data}],
    }


def write_config(path: Path, port: int) -> None:
    config = {
        "server": {
            "bind": {"host": "127.0.0.1", "port": port},
            "url": f"http://127.0.0.1:{port}",
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "languages": ["en-US"],
            "pretty_print": False,
            "limits": {"default_items": 100, "max_items": 10000},
            "map": {"url": "https://tile.example.org/{z}/{x}/{y}.png", "attribution": "none"},
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": {
                "title": "Test",
                "description": "Test",
                "keywords": ["test"],
                "keywords_type": "theme",
                "terms_of_service": "https://example.org",
                "url": "https://example.org",
            },
            "license": {"name": "CC-BY 4.0", "url": "https://example.org"},
            "provider": {"name": "Test", "url": "https://example.org"},
            "contact": {"name": "Test"},
        },
        "resources": {"rain": collection("rain"), "snow": collection("snow"), "hail": collection("hail")},
    }
    path.write_text(yaml.safe_dump(config))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> ResultStore:
    return ResultStore(str(tmp_path_factory.mktemp("results")))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, results: ResultStore) -> Iterator[str]:
    """The address of a pygeoapi that serves datasets, of which `rain` has values."""
    fill(results)
    folder, port = tmp_path_factory.mktemp("pygeoapi"), free_port()
    config, openapi, log = folder / "config.yml", folder / "openapi.yml", folder / "log.txt"
    write_config(config, port)
    environment = {
        "PYGEOAPI_CONFIG": str(config),
        "PYGEOAPI_OPENAPI": str(openapi),
        "EO_RESULTS_URL": results.url("x").removesuffix("/x"),
    }
    pygeoapi = str(Path(sys.executable).with_name("pygeoapi"))
    generate = [pygeoapi, "openapi", "generate", str(config), "--output-file", str(openapi)]
    subprocess.run(generate, env={**os.environ, **environment}, check=True, capture_output=True)
    # not `pygeoapi serve`, which starts again whenever somebody edits a source file
    serve = [sys.executable, "-m", "flask", "--app", "pygeoapi.flask_app:APP", "run", "--port", str(port)]
    with running(serve, log, environment) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/conformance", process, log)
        yield url


def get(url: str, **parameters: Any) -> Any:
    answer = requests.get(url, params=parameters, timeout=30)
    assert answer.ok, answer.text
    return answer.json()


def test_owslib_reads_the_collections(served: str) -> None:
    client = Features(served)

    assert sorted(client.feature_collections()) == ["hail", "rain", "snow"]
    assert list(client.collection_queryables("rain")["properties"]) == ["geometry", *NAMES]
    items = client.collection_items("rain", limit=5, datetime_="2025-07-02/..", bbox=[0, 0, 1, 1])
    assert (items["numberMatched"], items["numberReturned"]) == (9, 5)
    assert items["features"][0]["geometry"] == square(0, 0)
    assert client.collection_item("rain", "OuC-20250701")["properties"]["value"] == 2.0
    assert client.collection_items("snow")["features"] == []


def test_following_next_reaches_every_feature_once(served: str) -> None:
    url, found = f"{served}/collections/rain/items?limit=7&f=json", []
    for _ in range(6):
        page = get(url)
        found += ids(page)
        url = next((link["href"] for link in page["links"] if link["rel"] == "next"), "")
        if not url:
            break

    assert len(found) == len(set(found)) == 30
    assert found == sorted(found, key=lambda id_: tuple(reversed(id_.split("-"))))


@pytest.mark.parametrize(
    ("parameters", "matched"),
    [
        ({}, 30),
        ({"orgUnit": "OuA"}, 10),
        ({"orgUnit": "OuA", "datetime": "2025-07-03T00:00:00Z/.."}, 8),
        ({"datetime": "2025-07"}, 30),
        ({"bbox": "0,0,1,1"}, 10),
        ({"resulttype": "hits", "level": "2"}, 30),
        ({"filter": "value > 20 AND orgUnit = 'OuB'"}, 3),
        ({"q": "oua"}, 10),
    ],
)
def test_number_matched_counts_all_that_match(served: str, parameters: dict[str, str], matched: int) -> None:
    answer = get(f"{served}/collections/rain/items", f="json", limit=2, **parameters)

    assert answer["numberMatched"] == matched
    assert answer["numberReturned"] == len(answer["features"])


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"level": "abc"}, "level: 'abc' is not allowed; allowed: an integer"),
        ({"datetime": "soon"}, "datetime: 'soon' is not allowed"),
        ({"filter": "value + 1 > 2"}, "filter: not supported"),
        ({"sortby": "colour"}, "bad sortby property"),
    ],
)
def test_mistakes_are_answered_with_400_and_the_reason(served: str, parameters: dict[str, str], words: str) -> None:
    answer = requests.get(f"{served}/collections/rain/items", params={"f": "json", **parameters}, timeout=30)

    assert answer.status_code == 400
    assert words in answer.json()["description"].replace("&#x27;", "'").replace("&#39;", "'")


def test_an_unknown_item_is_answered_with_404(served: str) -> None:
    answer = requests.get(f"{served}/collections/rain/items/OuA-19990101", params={"f": "json"}, timeout=30)

    assert (answer.status_code, answer.json()["code"]) == (404, "NotFound")


def test_csv_holds_the_properties(served: str) -> None:
    answer = requests.get(f"{served}/collections/rain/items?f=csv&limit=2", timeout=30)

    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert list(rows[0]) == NAMES
    assert [(row["orgUnit"], row["value"]) for row in rows] == [("OuA", "0.0"), ("OuB", "1.0")]


@pytest.mark.parametrize("dataset", ["rain", "snow"])
@pytest.mark.parametrize("page", ["", "/schema", "/queryables", "/items"])
def test_pages_for_people(served: str, dataset: str, page: str) -> None:
    answer = requests.get(f"{served}/collections/{dataset}{page}", params={"f": "html"}, timeout=30)

    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (200, "text/html")
    assert f"Values of {dataset}" in answer.text
    assert page not in ("/schema", "/queryables") or "validFraction" in answer.text


def test_an_item_has_a_page_too(served: str) -> None:
    answer = requests.get(f"{served}/collections/rain/items/OuB-20250703", params={"f": "html"}, timeout=30)
    assert answer.status_code == 200
    assert "OuB-20250703" in answer.text


def test_schema_and_openapi_describe_the_properties(served: str) -> None:
    schema = get(f"{served}/collections/rain/schema", f="json")["properties"]
    assert {name: schema[name]["type"] for name in ("orgUnit", "level", "value")} == {
        "orgUnit": "string",
        "level": "integer",
        "value": "number",
    }
    assert schema["start"]["format"] == "date"

    openapi = get(f"{served}/openapi", f="json")
    parameters = openapi["paths"]["/collections/rain/items"]["get"]["parameters"]
    assert set(NAMES) <= {parameter.get("name") for parameter in parameters}
    assert any("parameters/datetime" in parameter.get("$ref", "") for parameter in parameters)


def test_what_is_published_appears_without_a_restart(served: str, results: ResultStore) -> None:
    before = get(f"{served}/collections/hail/items", f="json")["numberMatched"]

    publish(results, "job-9", daily(["OuA"], date(2026, 1, 1), 4), dataset="hail")

    after = get(f"{served}/collections/hail/items", f="json")["numberMatched"]
    assert (before, after) == (0, 4)


def test_geojson_is_what_it_says(served: str) -> None:
    answer = requests.get(f"{served}/collections/rain/items", headers={"Accept": "application/geo+json"}, timeout=30)
    assert json.loads(answer.text)["type"] == "FeatureCollection"
