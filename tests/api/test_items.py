"""The items of a collection, and their outlines: real districts where they are, through HTTP."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import requests
import shapely

from eo_pygeoapi.store.store import ResultStore
from tests.ogc.uris import assert_problem
from tests.stack import SHARED, base_config, collection
from tests.store.results_data import daily, publish, square, units
from tests.web import web

DAYS = 77
NOWHERE = "http://127.0.0.1:9/api"  # items need no Prefect
# the last is called as an answer refers to an outline before it is put in
NAMES = {"OuA": "Côte d'Ivoire", "OuB": 'Unit "B"', "OuC": "outline:0abc"}


@pytest.fixture(scope="module")
def districts() -> dict[str, Any]:
    """The shapes of the real districts by their ids, or two squares where the shared data are not."""
    file = SHARED / "sierra-leone-districts.geojson"
    if not file.exists():
        pytest.skip("the shared data are not beside the checkout")
    features = json.loads(file.read_text())["features"]
    return {feature["id"]: feature["geometry"] for feature in features}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("items")
    config = base_config()
    config["server"] |= {"pretty_print": True, "gzip": True}
    for name in ("districts", "named", "shapes"):
        config["resources"][name] = collection(name, source="chirps3", options={"stage": "final", "flavor": "rnl"})
    _publish_shapes(ResultStore(str(folder / "results")))
    with web(folder, config, NOWHERE) as address:
        yield f"{address}/collections"


def _publish_shapes(store: ResultStore) -> None:
    file = SHARED / "sierra-leone-districts.geojson"
    if file.exists():
        real = {feature["id"]: feature["geometry"] for feature in json.loads(file.read_text())["features"]}
        publish(store, "job-1", daily(list(real), date(2025, 1, 1), DAYS), of=units(real), dataset="districts")
    named = units({org_unit: square(0, 0) for org_unit in NAMES})
    named = {org_unit: replace(unit, name=NAMES[org_unit]) for org_unit, unit in named.items()}
    publish(store, "job-1", daily(list(NAMES), date(2025, 1, 1), 1), of=named, dataset="named")
    shapes = units({"L": L_SHAPED, "Fiji": FIJI})
    publish(store, "job-1", daily(["L", "Fiji"], date(2025, 1, 1), 1), of=shapes, dataset="shapes")


L_SHAPED = {"type": "Polygon", "coordinates": [[[0, 0], [10, 0], [10, 1], [1, 1], [1, 10], [0, 10], [0, 0]]]}
FIJI = {
    "type": "MultiPolygon",
    "coordinates": [square(177, -18)["coordinates"], square(-180, -17)["coordinates"]],
}


def answer(url: str, **parameters: Any) -> requests.Response:
    return requests.get(f"{url}/items", params=parameters, timeout=60)


def timed(url: str, **parameters: Any) -> tuple[float, requests.Response]:
    """The quickest of some answers, for the machine does other things too."""
    seconds = []
    for _ in range(4):
        begun = time.perf_counter()
        found = answer(url, **parameters)
        seconds.append(time.perf_counter() - begun)
    return min(seconds), found


def test_a_thousand_values_of_real_districts_are_one_quick_page(url: str, districts: dict[str, Any]) -> None:
    with_outlines, found = timed(f"{url}/districts", limit=1000)
    without, bare = timed(f"{url}/districts", limit=1000, skipGeometry="true")

    outlines = {unit: len(json.dumps(shape, separators=(",", ":"))) for unit, shape in districts.items()}
    features = found.json()["features"]
    assert len(features) == 1000 and found.headers["Content-Type"].startswith("application/geo+json")
    # nothing but the outlines themselves, compact, and the values
    assert len(found.content) < sum(outlines[f["properties"]["orgUnit"]] for f in features) + len(bare.content)
    assert all(f["geometry"] == districts[f["properties"]["orgUnit"]] for f in features)
    assert [f | {"geometry": None} for f in features] == bare.json()["features"]
    print(f"{with_outlines:.2f} s, {len(found.content) / 1e6:.1f} MB; without geometry {without:.2f} s")
    assert with_outlines < 3.0 and without < 1.0  # 0.2 s and 0.06 s on an idle machine, 11 s before


def test_the_newest_values_are_the_same_compressed(url: str, districts: dict[str, Any]) -> None:
    address = f"{url.removesuffix('/collections')}/datasets/districts/latest"
    plain, packed = (requests.get(address, headers={"Accept-Encoding": e}, timeout=60) for e in ("identity", "gzip"))

    assert packed.headers["Content-Encoding"] == "gzip" and "Content-Encoding" not in plain.headers
    assert packed.headers["Vary"] == "Accept, Accept-Language, Origin, Accept-Encoding"
    assert packed.content == plain.content
    assert {f["properties"]["orgUnit"]: f["geometry"] for f in plain.json()["features"]} == districts
    assert int(packed.headers["Content-Length"]) < len(plain.content) / 3


def test_coarser_districts_are_smaller_and_touch(url: str, districts: dict[str, Any]) -> None:
    coarse = answer(f"{url}/districts", limit=13, simplify=500)

    shapes = np.array([shapely.from_geojson(json.dumps(f["geometry"])) for f in coarse.json()["features"]])
    assert len(shapes) == 13 and shapely.coverage_is_valid(shapes)
    assert len(coarse.content) < len(answer(f"{url}/districts", limit=13).content) / 4
    page_by_page = [answer(f"{url}/districts", limit=1, offset=n, simplify=500).json()["features"] for n in range(13)]
    assert [feature for (feature,) in page_by_page] == coarse.json()["features"]
    assert "simplify=500" in next(link["href"] for link in coarse.json()["links"] if link["rel"] == "next")


@pytest.mark.parametrize("metres", ["much", "-1", "nan", "1e9"])
def test_any_other_simplify_is_refused(url: str, metres: str) -> None:
    problem = answer(f"{url}/shapes", simplify=metres)
    assert_problem(problem, 400)
    assert f"simplify: '{metres}' is not allowed; allowed: metres, from 0 to 100000" in problem.json()["detail"]


@pytest.mark.parametrize(
    ("bbox", "expected"),
    [
        ("0.5,0.5,0.6,0.6", {"L"}),
        ("5,5,6,6", set()),  # in the box of the L, but not in the L
        ("-1,5,2,6", {"L"}),
        ("178,-19,179,-16", {"Fiji"}),  # east of it
        ("-10,-18,10,-16", set()),  # in the box of Fiji, which is the whole band around the earth
        ("179,-20,-179,-10", {"Fiji"}),
        ("179,-20,-179,0.5", {"Fiji"}),
        ("-180,-90,180,90", {"L", "Fiji"}),
    ],
)
def test_bbox_finds_what_the_geometry_touches(url: str, bbox: str, expected: set[str]) -> None:
    found = answer(f"{url}/shapes", bbox=bbox).json()
    assert {f["properties"]["orgUnit"] for f in found["features"]} == expected
    assert found["numberMatched"] == len(expected)


@pytest.mark.parametrize("name", NAMES.values())
def test_names_are_compared_whatever_stands_in_them(url: str, name: str) -> None:
    text = name.replace("'", "''")
    for condition in (f"name = '{text}'", f"name LIKE '{text[:-1]}%'", f"name IN ('x', '{text}')"):
        found = answer(f"{url}/named", filter=condition)
        assert [f["properties"]["name"] for f in found.json()["features"]] == [name], condition
        (link,) = (link["href"] for link in found.json()["links"] if link["rel"] == "self")
        assert parse_qs(urlsplit(link).query)["filter"] == [condition]


def test_other_formats_and_single_items_have_their_outlines(url: str) -> None:
    item = requests.get(f"{url}/shapes/items/L-20250101", timeout=30).json()
    assert item["geometry"] == L_SHAPED
    linked = answer(f"{url}/shapes", f="jsonld", orgUnit="L")
    assert linked.status_code == 200 and '"outline:' not in linked.text
    assert '"outline:' not in answer(f"{url}/shapes", f="html").text


def test_compressed_items_are_the_same(url: str) -> None:
    address = f"{url}/shapes/items?f=json&limit=50"
    plain, small = (requests.get(address, headers={"Accept-Encoding": e}, timeout=60) for e in ("identity", "gzip"))

    assert (small.status_code, small.headers["Content-Encoding"], small.headers["Vary"]) == (
        200,
        "gzip",
        "Accept, Accept-Language, Origin, Accept-Encoding",
    )
    assert "Content-Encoding" not in plain.headers and int(small.headers["Content-Length"]) < len(plain.content)
    without_time = [{k: v for k, v in answer.json().items() if k != "timeStamp"} for answer in (plain, small)]
    assert without_time[0] == without_time[1] and without_time[0]["features"]


def test_a_filter_in_a_body_gives_items_as_one_in_the_address_does(url: str) -> None:
    body = {"op": "=", "args": [{"property": "name"}, "Côte d'Ivoire"]}
    posted = requests.post(f"{url}/named/items", json=body, params={"limit": 1}, timeout=60)
    asked = answer(f"{url}/named", filter="name = 'Côte d''Ivoire'", limit=1).json()

    found = posted.json()
    assert posted.headers["Content-Type"] == "application/geo+json" and found["numberMatched"] == 1
    assert {key: found[key] for key in ("features", "valueInfo")} == {
        key: asked[key] for key in ("features", "valueInfo")
    }


def test_an_answer_to_a_filter_in_a_body_has_no_address_that_lacks_the_filter(url: str) -> None:
    body = {"op": "like", "args": [{"property": "orgUnit"}, "Ou%"]}
    pages = [
        requests.post(f"{url}/named/items", json=body, params={"limit": 2, "offset": offset}, timeout=60).json()
        for offset in (0, 2)
    ]

    assert [[link["rel"] for link in page["links"]] for page in pages] == [["collection"], ["collection"]]
    assert [page["numberMatched"] for page in pages] == [3, 3]
    assert [feature["properties"]["orgUnit"] for page in pages for feature in page["features"]] == ["OuA", "OuB", "OuC"]
    browser = requests.post(f"{url}/named/items", json=body, headers={"Accept": "text/html"}, timeout=60)
    assert browser.json()["numberMatched"] == 3


def test_the_openapi_document_names_every_parameter_that_items_take(url: str) -> None:
    document = requests.get(f"{url.removesuffix('/collections')}/openapi?f=json", timeout=60).json()
    given = document["paths"]["/collections/named/items"]["get"]["parameters"]
    local = document["components"]["parameters"]
    described = {(local[p["$ref"].rpartition("/")[2]] if "$ref" in p else p)["name"] for p in given}
    refused = requests.get(f"{url}/named/items?f=json&nope=1", timeout=60)
    allowed = set(re.sub(r".*allowed: ", "", refused.json()["detail"]).split(", "))
    assert refused.status_code == 400
    # what pygeoapi takes and describes nowhere, and our own that pages alone use
    assert allowed - described == {"filter-crs", "q", "l", "links"} and described <= allowed
