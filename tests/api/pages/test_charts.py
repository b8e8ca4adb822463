import re
import xml.etree.ElementTree as ET

import pytest

from eo_pygeoapi.api.pages.charts import COLOURS, NO_VALUE, Area, choropleth, class_edges, legend, line_chart, number
from tests.store.results_data import square


def test_a_number_has_the_decimals_of_its_dataset_where_it_says_some() -> None:
    assert [number(value, 1) for value in (23.0, 23.25, 1234.5)] == ["23.0", "23.2", "1,234.5"]
    assert number(23.0) == "23" and number(23.4, 0) == "23"


def test_classes_are_equal_steps_from_the_lowest_to_the_highest() -> None:
    assert class_edges([0.0, 7.0, 3.0]) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert class_edges([5.0, 5.0]) == [5, 5] and class_edges([]) == []
    assert [entry.label for entry in legend([0.0, 7.0])][::6] == ["0 to 1", "6 to 7"]
    assert len(legend([5.0])) == 1 and legend([]) == []


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([23.1, 24.9], ["23.0 to 23.5", "23.5 to 24.0", "24.0 to 24.5", "24.5 to 25.0"]),
        ([953_993.2, 953_994.8], ["953,993.0 to 953,993.5", "953,994.5 to 953,995.0"]),
        ([-3.0, 18.0], ["-5 to 0", "15 to 20"]),
        ([0.0, 0.0012], ["0.0000 to 0.0002", "0.0010 to 0.0012"]),
        ([8.0, 8.0], ["8"]),
    ],
)
def test_steps_are_round_and_told_apart(values: list[float], labels: list[str]) -> None:
    found = [entry.label for entry in legend(values)]
    assert found[0] == labels[0] and found[-1] == labels[-1] and len(found) <= len(COLOURS)
    assert len(set(found)) == len(found)


def test_areas_are_coloured_by_value_and_named() -> None:
    areas = [
        Area("a", "Low <&>", square(0, 0), 0.0),
        Area("b", "High", square(2, 0), 7.0),
        Area("c", "None", square(0, 3), None),
        Area("d", "Nowhere", None, 3.0),
    ]
    drawn = choropleth(areas, 'a "map"', "?unit=")
    root = ET.fromstring(drawn)
    fills = [path.get("fill") for path in root.iter("path")]
    assert fills == [COLOURS[0], COLOURS[-1], NO_VALUE]
    assert [title.text for title in root.iter("title")] == ["Low <&>: 0", "High: 7", "None: no value"]
    assert [a.get("href") for a in root.iter("a")] == ["?unit=a", "?unit=b", "?unit=c"]


def test_north_is_up_and_east_is_right() -> None:
    areas = [Area("south-west", "", square(0, 0), 1.0), Area("north-east", "", square(5, 5), 2.0)]
    paths = [path.get("d") or "" for path in ET.fromstring(choropleth(areas, "", "")).iter("path")]
    (x1, y1), (x2, y2) = ([float(n) for n in re.findall(r"[\d.]+", path)][:2] for path in paths)
    assert x1 < x2 and y1 > y2


def test_points_are_circles() -> None:
    point = {"type": "Point", "coordinates": [1, 1]}
    assert "a5 5" in choropleth([Area("a", "A", point, 1.0), Area("b", "B", square(3, 3), 2.0)], "", "")


POINT = {"type": "Point", "coordinates": [1, 1]}


@pytest.mark.parametrize("areas", [[], [Area("a", "A", None, 1.0)], [Area("a", "A", POINT, 1.0)]])
def test_without_geometry_or_of_a_single_point_there_is_no_map(areas: list[Area]) -> None:
    assert choropleth(areas, "", "") == ""


def test_a_line_breaks_where_there_is_no_value() -> None:
    drawn = ET.fromstring(line_chart(["1", "2", "3", "4", "5"], [1.0, 2.0, None, 4.0, 3.0], "Values of <A>"))
    lines = [line.get("points") or "" for line in drawn.iter("polyline")]
    assert [len(line.split()) for line in lines] == [2, 2]
    assert len(list(drawn.iter("circle"))) == 4 and drawn.get("aria-label") == "Values of <A>"


@pytest.mark.parametrize("values", [[5.0], [5.0, 5.0], [None, 0.0]])
def test_a_flat_line_is_drawn(values: list[float | None]) -> None:
    assert "nan" not in line_chart(["x"] * len(values), values, "")


def test_the_axis_of_one_value_tells_its_steps_apart() -> None:
    drawn = ET.fromstring(line_chart(["2026"], [126783.0], ""))
    ticks = [text.text for text in drawn.iter("text")][:-1]
    assert len(set(ticks)) == len(ticks) > 2 and all("." not in str(tick) for tick in ticks)


def test_without_values_there_is_no_chart() -> None:
    assert line_chart([], [], "") == line_chart(["1"], [None], "") == ""


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (12.345678, "12.35"), (1234567.0, "1,234,567")])
def test_numbers_are_written_for_people(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize("count", range(2, 60))
def test_the_last_two_dates_below_a_chart_do_not_meet(count: int) -> None:
    drawn = ET.fromstring(line_chart([f"{n} September 2025" for n in range(count)], [1.0] * count, ""))
    places = [float(text.get("x") or 0) for text in drawn.iter("text") if "September" in (text.text or "")]

    assert len(places) >= 2 and (len(places) == 2 or places[-1] - places[-2] > 1.4 * 105)
