import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pygeofilter import ast  # type: ignore[import-untyped]
from pygeofilter.parsers.cql2_json import parse as parse_json  # type: ignore[import-untyped]
from pygeofilter.parsers.cql2_text import parse as parse_text  # type: ignore[import-untyped]

from eo_pygeoapi.errors import InputError
from eo_pygeoapi.store.item_filters import (
    FIELDS,
    bbox_condition,
    cql_condition,
    datetime_condition,
    property_condition,
    text_condition,
)
from eo_pygeoapi.store.reader import DEFAULT_ORDER, PROPERTIES, PublishedReader, Wanted
from eo_pygeoapi.store.store import ResultStore
from tests.store.results_data import publish, square, table, units


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> PublishedReader:
    """Two units, three days, 0 to 5; one unit lies across the 180th meridian's east, one has no geometry."""
    store = ResultStore(str(tmp_path_factory.mktemp("results")))
    rows = [
        (unit, f"2025070{day}", value)
        for value, (day, unit) in enumerate([(d, u) for d in (1, 2, 3) for u in ("OuA", "OuB")])
    ]
    publish(store, "job-1", table([(u, p, float("nan") if v == 5 else float(v)) for u, p, v in rows]))
    publish(
        store,
        "job-2",
        table([("Fiji", "20250704", 6.0), ("None", "20250704", 7.0)]),
        of=units({"Fiji": square(178.5, -17), "None": None}, level=None),
    )
    return PublishedReader(store)


def values(reader: PublishedReader, *conditions: Wanted) -> list[float | None]:
    page = reader.page("rain", conditions, DEFAULT_ORDER, 0, 100)
    assert page.matched == len(page.rows) == reader.count("rain", conditions)
    return [row["value"] for row in page.rows]


def test_fields_are_the_properties_of_a_row() -> None:
    assert tuple(FIELDS) == PROPERTIES


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2025", date(2025, 1, 1), date(2025, 12, 31)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2025-07-01", date(2025, 7, 1), date(2025, 7, 1)),
        ("2025-07-01T06:00:00Z", date(2025, 7, 1), date(2025, 7, 1)),
        ("2025-07-01t06:00:00.25z", date(2025, 7, 1), date(2025, 7, 1)),
        ("2025-07-01T23:30:00-05:00", date(2025, 7, 2), date(2025, 7, 2)),
        ("2025-07-01/2025-07", date(2025, 7, 1), date(2025, 7, 31)),
        ("2024/2025-07-01T00:00:00Z", date(2024, 1, 1), date(2025, 7, 1)),
        ("2025-07-01/..", date(2025, 7, 1), date.max),
        ("2025-07-01/", date(2025, 7, 1), date.max),
        ("../2025-07-01", date.min, date(2025, 7, 1)),
        ("/2025-07-01", date.min, date(2025, 7, 1)),
        ("2025-07-01T/..", date(2025, 7, 1), date.max),  # of GDAL 3.6
        ("2025-07-01T/2025-07-02T", date(2025, 7, 1), date(2025, 7, 2)),
    ],
)
def test_datetime_means_days(text: str, start: date, end: date) -> None:
    assert datetime_condition(text).parameters == (end, start)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "..",
        "x",
        "2025-13",
        "2025-02-30",
        "0000",
        "20250701",
        "2025-07-02/2025-07-01",
        "2025/2026/2027",
        "2025-07-01T25:00:00Z",
        "2025-07-01 06:00",
    ],
)
def test_any_other_datetime_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=f"^datetime: '{text}' is not allowed; allowed: "):
        datetime_condition(text)


def test_datetime_finds_what_overlaps(reader: PublishedReader) -> None:
    assert values(reader, datetime_condition("2025-07-02")) == [2, 3]
    assert values(reader, datetime_condition("2025-07-02/..")) == [2, 3, 4, None, 6, 7]
    assert values(reader, datetime_condition("../2025-07-01T23:59:59Z")) == [0, 1]
    assert values(reader, datetime_condition("2026")) == []


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("orgUnit", "OuA", [0, 2, 4]),
        ("name", "Unit OuB", [1, 3, None]),
        ("level", "2", [0, 1, 2, 3, 4, None]),
        ("period", "20250702", [2, 3]),
        ("start", "2025-07-03", [4, None]),
        ("end", "2025-07-04", [6, 7]),
        ("value", "3", [3]),
        ("value", "3.0e0", [3]),
        ("validFraction", "1", [0, 1, 2, 3, 4, None, 6, 7]),
        ("jobID", "job-2", [6, 7]),
        ("jobID", "job-3", []),
        ("orgUnit", "x' OR '1'='1", []),
        ("name", "nul\0", []),
    ],
)
def test_properties_are_compared_by_their_type(
    reader: PublishedReader, name: str, text: str, expected: list[float | None]
) -> None:
    assert values(reader, property_condition(name, text)) == expected


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("level", "abc", "an integer"),
        ("level", "2.5", "an integer"),
        ("level", "99999999999999999999", "an integer"),
        ("value", "much", "a number"),
        ("value", "nan", "a number"),
        ("value", "1e999", "a number"),
        ("start", "20250701", "a date as YYYY-MM-DD"),
        ("end", "yesterday", "a date as YYYY-MM-DD"),
    ],
)
def test_a_wrong_type_is_refused(name: str, text: str, allowed: str) -> None:
    with pytest.raises(InputError, match=f"^{name}: '{text}' is not allowed; allowed: {allowed}$"):
        property_condition(name, text)


def test_an_unknown_property_is_refused() -> None:
    with pytest.raises(InputError, match="unknown property 'geometry'; allowed: orgUnit, name, level"):
        property_condition("geometry", "x")


@pytest.mark.parametrize(
    ("bbox", "expected"),
    [
        ([0.5, 0.5, 0.6, 0.6], [0, 2, 4]),
        ([0.5, 0.5, -10, 2.5, 0.6, 10], [0, 1, 2, 3, 4, None]),
        ([1, 1, 2, 2], [0, 1, 2, 3, 4, None]),
        ([-180, -90, 180, 90], [0, 1, 2, 3, 4, None, 6]),
        ([179, -20, -179, -10], [6]),
        ([170, 40, 175, 50], []),
    ],
)
def test_bbox_finds_the_geometries_whose_boxes_meet(
    reader: PublishedReader, bbox: list[float], expected: list[float | None]
) -> None:
    assert values(reader, bbox_condition(bbox)) == expected


@pytest.mark.parametrize("bbox", [[1, 2, 3], [float("nan"), 0, 1, 1], [0, 0, float("inf"), 1]])
def test_any_other_bbox_is_refused(bbox: list[float]) -> None:
    with pytest.raises(InputError, match=r"^bbox: .* allowed: west,south,east,north"):
        bbox_condition(bbox)


def test_text_is_looked_for_in_names(reader: PublishedReader) -> None:
    assert values(reader, text_condition("oub")) == [1, 3, None]
    assert values(reader, text_condition("%")) == []


def test_filters_combine(reader: PublishedReader) -> None:
    conditions = (
        datetime_condition("2025-07-02/.."),
        property_condition("orgUnit", "OuA"),
        bbox_condition([0, 0, 9, 9]),
    )
    assert values(reader, *conditions, cql_condition(parse_text("value < 4"))) == [2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("value > 2", [3, 4, 6, 7]),
        ("2 >= value", [0, 1, 2]),
        ("value <> 3", [0, 1, 2, 4, 6, 7]),
        ("value BETWEEN 2 AND 4", [2, 3, 4]),
        ("value NOT BETWEEN 1 AND 6", [0, 7]),
        ("value IS NULL", [None]),
        ("level IS NULL AND value IS NOT NULL", [6, 7]),
        ("orgUnit IN ('OuB', 'Fiji')", [1, 3, None, 6]),
        ("level NOT IN (2)", []),
        ("name LIKE 'Unit Ou%'", [0, 1, 2, 3, 4, None]),
        ("name LIKE '___t Fiji'", [6]),
        ("name LIKE 'Unit.Fiji'", []),
        ("NOT (orgUnit = 'OuA') AND (value = 1 OR value > 3)", [1, 6, 7]),
        ("start > DATE('2025-07-02') AND value < 7", [4, 6]),
        ("end = '2025-07-01'", [0, 1]),
    ],
)
def test_cql_selects(reader: PublishedReader, text: str, expected: list[float | None]) -> None:
    assert values(reader, cql_condition(parse_text(text))) == expected


def test_cql_as_json_selects(reader: PublishedReader) -> None:
    equal = {"op": "=", "args": [{"property": "orgUnit"}, "OuA"]}
    greater = {"op": ">", "args": [{"property": "value"}, 1]}

    assert values(reader, cql_condition(parse_json({"op": "and", "args": [equal, greater]}))) == [2, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 'red'", "unknown property 'colour'"),
        ("level = 'abc'", "level: 'abc' is not allowed; allowed: an integer"),
        ("name = 3", "name: 3 is not allowed; allowed: text"),
        ("start = 'soon'", "start: 'soon' is not allowed; allowed: a date"),
        ("value = level", "filter: not supported; allowed: comparisons"),
        ("value + 1 > 2", "filter: not supported"),
        ("3 = 3", "filter: not supported"),
        ("start LIKE '2025%'", "filter: not supported"),
        ("CASEI(name) = 'x'", "filter: not supported"),
        ("S_INTERSECTS(geometry, POINT(0 0))", "filter: not supported"),
        ("name LIKE 'x\\'", "filter: 'x\\\\' is not allowed"),
    ],
)
def test_any_other_cql_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        cql_condition(parse_text(text))
    assert str(caught.value).startswith(message)


def test_a_long_cql_is_answered_and_a_very_long_one_refused(reader: PublishedReader) -> None:
    def nested(times: int) -> Any:
        node = parse_text("value > 6")
        for number in range(times):
            node = ast.Or(node, parse_text(f"value = {number % 3}"))
        return node

    assert values(reader, cql_condition(nested(300))) == [0, 1, 2, 7]
    with pytest.raises(InputError, match="filter: nested too deeply"):
        cql_condition(nested(5000))


def test_districts_of_a_real_country(tmp_path: Path) -> None:
    data = Path(__file__).parents[2] / "../shared/data/sierra-leone-districts.geojson"
    if not data.exists():
        pytest.skip("the shared data are not beside the checkout")
    districts = json.loads(data.read_text())["features"]
    shapes = units({feature["id"]: feature["geometry"] for feature in districts})
    store = ResultStore(str(tmp_path))
    publish(store, "job-1", table([(feature["id"], "20250701", 1.0) for feature in districts]), of=shapes)
    reader = PublishedReader(store)

    page = reader.page("rain", [bbox_condition([-13.3, 8.4, -13.1, 8.5])], DEFAULT_ORDER, 0, 100)

    # Freetown lies in the Western Area; the box of Port Loko and others may meet it, Kailahun's in the east cannot
    names = {feature["id"]: feature["properties"]["name"] for feature in districts}
    found = {names[row["orgUnit"]] for row in page.rows}
    assert "Western Area" in found and "Kailahun" not in found
    assert reader.count("rain", []) == 13
