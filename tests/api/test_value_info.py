"""What the values are is said wherever they are given."""

import csv
import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import requests

from eo_pygeoapi.api.value_info import with_info, with_unit_column
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.publish import JobResults, publish_results
from eo_pygeoapi.store.store import ResultStore
from tests.api.test_job_pages import PREVIEW, SUMMARY
from tests.stack import base_config, collection
from tests.store.results_data import daily, square, units
from tests.web import web

UNITS = {"source": "dhis2", "level": 2}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API with published rain, beside a Prefect server that is away."""
    folder: Path = tmp_path_factory.mktemp("values")
    config = base_config()
    config["resources"]["rain"] = collection("rain", source="chirps3", orgUnits=UNITS)
    config["resources"]["people"] = collection(
        "people", source="worldpop", options={"country": "SLE", "groups": ["f_0", "m_0"]}, orgUnits=UNITS
    )
    shapes = {"bo": square(-12, 8), "ken": square(-11, 8)}
    values = daily(list(shapes), date(2025, 7, 1), 3)
    results = JobResults(units=units(shapes), values=values, summary=SUMMARY, left_out=[], preview=PREVIEW)
    publish_results(JobFolder(ResultStore(str(folder / "results")), "a-job"), "rain", results)
    with web(folder, config, "http://127.0.0.1:9/api") as address:
        yield address


def test_a_collection_says_what_its_values_are_and_whom_to_cite(url: str) -> None:
    one = requests.get(f"{url}/collections/rain?f=json", timeout=60).json()
    (listed,) = [
        c for c in requests.get(f"{url}/collections?f=json", timeout=60).json()["collections"] if c["id"] == "rain"
    ]

    assert one["valueInfo"] == listed["valueInfo"] == {
        "title": "rain", "unit": "mm", "ucum": "mm", "periodType": "daily", "timeZone": "UTC",
        "aggregation": {"spatial": "mean", "temporal": "sum"}, "decimals": 2, "source": "CHIRPS v3 daily rainfall",
        "resolution": "0.05°", "licence": "CC BY 4.0", "citation": one["attribution"],
    }  # fmt: skip
    assert "Climate Hazards Center" in one["attribution"]
    assert one["attribution"] in requests.get(f"{url}/collections/rain?f=html", timeout=60).text


@pytest.mark.parametrize("document", ["schema", "queryables"])
def test_a_schema_has_titles_and_the_unit(url: str, document: str) -> None:
    answer = requests.get(f"{url}/collections/rain/{document}?f=json", timeout=60)
    properties = answer.json()["properties"]

    assert answer.headers["Content-Type"] == "application/schema+json"
    assert (properties["value"]["x-ogc-unit"], properties["value"]["x-ogc-unitLang"]) == ("mm", "UCUM")
    assert all(properties[name]["title"] != name for name in ("orgUnit", "period", "validFraction"))
    assert properties["start"]["x-ogc-role"] == "primary-instant" and "geometry" in properties
    page = requests.get(f"{url}/collections/rain/{document}?f=html", timeout=60)
    assert page.headers["Content-Type"].startswith("text/html")
    assert "Organisation unit: its UID in DHIS2" in page.text and ">mm<" in page.text
    assert requests.get(f"{url}/collections/nope/{document}?f=json", timeout=60).status_code == 404


@pytest.mark.parametrize("path", ["collections/rain/items?f=json", "datasets/rain/latest"])
def test_geojson_says_it_at_its_top(url: str, path: str) -> None:
    answer = requests.get(f"{url}/{path}", timeout=60)

    assert answer.json()["type"] == "FeatureCollection" and answer.json()["valueInfo"]["ucum"] == "mm"
    assert len(answer.json()["features"]) > 0 and answer.text.index("FeatureCollection") < 40


def test_the_last_column_of_a_table_is_the_unit(url: str) -> None:
    text = requests.get(f"{url}/collections/rain/items?f=csv", timeout=60).text
    rows = list(csv.DictReader(io.StringIO(text)))

    assert len(rows) == 6 and {row["unit"] for row in rows} == {"mm"} and list(rows[0])[-1] == "unit"
    assert with_unit_column("", "mm") == "" and with_unit_column("a,b\n", "mm") == "a,b\n"
    assert with_unit_column('name,value\n"a, ""b""\nc",1\n', "mm").splitlines()[0] == "name,value,unit"


def test_a_table_names_its_columns_where_there_are_no_rows(url: str) -> None:
    full = requests.get(f"{url}/collections/rain/items?f=csv", timeout=60).text.splitlines()
    empty = requests.get(f"{url}/collections/rain/items?f=csv&datetime=1999", timeout=60)
    some = requests.get(f"{url}/collections/rain/items?f=csv&datetime=1999&properties=period,value", timeout=60)

    assert empty.status_code == 200 and empty.text.splitlines() == full[:1]
    assert some.text.splitlines() == ["period,value,unit"]


@pytest.mark.parametrize("path", ["items?f=csv", "items?f=csv&datetime=1999", "items?f=jsonld"])
def test_an_answer_without_value_info_links_to_licence_and_description(url: str, path: str) -> None:
    answer = requests.get(f"{url}/collections/rain/{path}", timeout=60)

    assert answer.links["describedby"]["url"] == f"{url}/collections/rain?f=json"
    assert answer.links["license"]["url"] == "https://creativecommons.org/licenses/by/4.0/"


def test_a_series_comes_without_outlines(url: str) -> None:
    features = requests.get(f"{url}/collections/rain/items?f=json&skipGeometry=true", timeout=60).json()["features"]
    outlines = requests.get(f"{url}/datasets/rain/latest", timeout=60).json()["features"]

    assert [f["geometry"] for f in features] == [None] * 6
    assert {f["properties"]["orgUnit"] for f in features} == {f["properties"]["orgUnit"] for f in outlines}
    assert all(f["geometry"] for f in outlines) and len(outlines) == 2


def test_text_that_is_no_collection_stays_as_it_is() -> None:
    assert with_info('{"a": 1}', {"unit": "mm"}) == '{"a": 1}'


def test_a_schema_has_the_groups_that_values_are_divided_by(url: str) -> None:
    schema, queryables = (
        requests.get(f"{url}/collections/people/{name}?f=json", timeout=60).json() for name in ("schema", "queryables")
    )

    girls = schema["properties"]["f_0"]
    assert (girls["type"], girls["title"], girls["x-ogc-unit"]) == ("number", "Female, under 1 year", "1")
    assert "m_0" in schema["properties"] and "f_0" not in queryables["properties"]
    assert schema["valueInfo"]["groups"]["m_0"] == {"Sex": "Male", "Age": "under 1 year"}
