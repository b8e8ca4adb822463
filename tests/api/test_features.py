"""The published values as a client of OGC API - Features sees them."""

import csv
from typing import Any

import jsonschema
import pytest

from eo_pygeoapi.contract.documents import json_schema
from tests.ogc.jobs import Jobs
from tests.ogc.uris import assert_problem, hrefs
from tests.stack import Stack

ITEMS = "/collections/sample-temperature/items"
# other tests publish areas of their own, which have no level
DAYS = "datetime=2025-07-01/2025-07-03&level=2"


@pytest.fixture(autouse=True)
def published(jobs: Jobs) -> None:
    assert jobs.ended("import")["status"] == "successful"


def items(stack: Stack, query: str = "") -> dict[str, Any]:
    answer = stack.get(f"{ITEMS}?f=json&{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_features_are_as_their_schema_says(stack: Stack) -> None:
    answer = stack.get(f"{ITEMS}?{DAYS}")
    assert answer.headers["Content-Type"].startswith("application/geo+json")
    says = jsonschema.Draft202012Validator(json_schema("feature"), format_checker=jsonschema.FormatChecker())
    for feature in answer.json()["features"]:
        says.validate(feature)


def test_pages_filters_and_sorting_work_together(stack: Stack) -> None:
    page = items(stack, f"{DAYS}&limit=4&sortby=-value")
    assert (page["numberMatched"], page["numberReturned"]) == (18, 4)
    values = [feature["properties"]["value"] for feature in page["features"]]
    assert values == sorted(values, reverse=True) and hrefs(page, "next")
    seen, url = 0, f"{ITEMS}?f=json&{DAYS}&limit=7"
    while url:
        page = stack.get(url).json()
        seen, url = seen + len(page["features"]), next(iter(hrefs(page, "next")), "").removeprefix(stack.url)
    assert seen == 18
    unit = page["features"][0]["properties"]["orgUnit"]
    assert {f["properties"]["period"] for f in items(stack, f"{DAYS}&orgUnit={unit}")["features"]} == {
        *("20250701", "20250702", "20250703"),
    }
    assert 0 < items(stack, f"{DAYS}&bbox=-1,-1,-0.5,0")["numberMatched"] < 18


def test_an_item_is_found_by_its_id(stack: Stack) -> None:
    feature = items(stack, "limit=1")["features"][0]
    assert stack.get(f"{ITEMS}/{feature['id']}?f=json").json()["properties"] == feature["properties"]
    assert_problem(stack.get(f"{ITEMS}/nope"), 404)
    assert_problem(stack.get(f"{ITEMS}?datetime=nope"), 400)


def test_queryables_name_every_property(stack: Stack) -> None:
    properties = stack.get("/collections/sample-temperature/queryables").json()["properties"]
    assert {"orgUnit", "name", "period", "start", "end", "value", "validFraction", "jobID"} <= set(properties)


def test_values_come_as_csv(stack: Stack) -> None:
    answer = stack.get(f"{ITEMS}?f=csv&{DAYS}")
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(answer.text.splitlines()))
    assert len(rows) == 18 and {"orgUnit", "period", "value"} <= set(rows[0])


def test_pages_for_people_show_the_values(stack: Stack) -> None:
    feature = items(stack, "limit=1")["features"][0]
    for path in ("/collections", "/collections/sample-temperature", ITEMS, f"{ITEMS}/{feature['id']}"):
        page = stack.get(f"{path}?f=html")
        assert page.status_code == 200 and "unpkg" not in page.text and "<html" in page.text
    assert feature["id"] in stack.get(f"{ITEMS}?f=html&limit=1").text
