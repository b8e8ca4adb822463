"""Values that cannot be: null or left out of their unit, listed, never passed on."""

from datetime import date
from typing import Any

import numpy as np
import pytest
import shapely

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.pipeline.zonal.step import Aggregated, aggregate_to_org_units
from tests.pipeline import made

UNITS = {"left": shapely.box(0, 0, 1, 2), "right": shapely.box(1, 0, 2, 2), "both": shapely.box(0, 0, 2, 2)}


def aggregated(values: Any, end: str = "2025-07-01", **eo: Any) -> Aggregated:
    """Aggregate grids of two by two cells to the left, the right and both columns."""
    start, last = date(2025, 7, 1), date.fromisoformat(end)
    attrs = eo.pop("attrs", {})
    dataset = made.dataset(**eo)
    wanted = periods_in(Interval(start=start, end=last), dataset.period_type)
    return aggregate_to_org_units(made.grid(values, **attrs), made.units(UNITS), wanted, dataset)


def of(found: Aggregated) -> list[float]:
    return [float(value) for value in found.frame["value"]]


def reasons(found: Aggregated) -> list[tuple[str, str, str]]:
    return [(entry.org_unit, entry.period, entry.reason) for entry in found.left_out]


MARKED = [[-9999.0, 4.0], [-9999.0, 8.0]]


@pytest.mark.parametrize("mark", [-9999.0, -999.0, -99999.0, -32768.0, 1e20, -3.4028234663852886e38, np.inf])
@pytest.mark.parametrize("statistic", ["mean", "sum", "min", "max", "median"])
def test_a_mark_that_nobody_declared_is_no_value(mark: float, statistic: str) -> None:
    values = np.array([[mark, 4.0], [mark, 8.0]], "float32")
    expected = {"mean": 6.0, "sum": 12.0, "min": 4.0, "max": 8.0}
    found = aggregated(values, aggregation={"spatial": statistic})
    right = expected.get(statistic, of(found)[1])
    assert of(found) == pytest.approx([np.nan, right, right], nan_ok=True)
    assert 4 <= right <= 12
    text = f"{mark:g}"
    assert reasons(found) == [
        ("left", "", f"no cell of it has a value that can be; there are cells of {text}, which cannot be"),
        ("both", "", f"its value is that of the other cells: 50 % of its area has cells of {text}, which cannot be"),
    ]


def test_it_is_the_same_when_several_steps_are_put_together() -> None:
    month = np.broadcast_to(np.array(MARKED), (31, 2, 2))
    found = aggregated(
        month, "2025-07-31", periodType="monthly", aggregation={"spatial": "mean", "temporal": "sum"}, units={"to": ""}
    )
    assert of(found) == pytest.approx([np.nan, 186.0, 186.0], nan_ok=True)


def test_it_is_the_same_where_cells_are_converted() -> None:
    found = aggregated(MARKED, units={"from": "K", "to": "degC"}, aggregation={"spatial": "sum"}, attrs={"units": "K"})
    assert of(found)[1] == pytest.approx(12 - 2 * 273.15)
    assert np.isnan(of(found)[0])


def test_cells_that_are_not_plausible_are_left_out_of_their_unit_and_listed() -> None:
    found = aggregated([[5000.0, 4.0], [6.0, 8.0]], plausible=[0, 500])
    assert of(found) == [6.0, 6.0, 6.0]
    assert reasons(found) == [
        (
            "",
            "",
            "25 % of the cells are not plausible: they hold 5000, which cannot be; look at the data and their units",
        ),
        ("left", "", "its value is that of the other cells: 50 % of its area has cells of 5000, which cannot be"),
        ("both", "", "its value is that of the other cells: 25 % of its area has cells of 5000, which cannot be"),
    ]


def test_a_value_that_is_not_plausible_is_null_listed_and_a_finding() -> None:
    found = aggregated([[1.0, 400.0], [1.0, 400.0]], plausible=[0, 500], aggregation={"spatial": "sum"})
    assert of(found) == pytest.approx([2.0, np.nan, np.nan], nan_ok=True)
    assert reasons(found) == [
        ("", "", "2 of 3 values are not plausible (allowed: at least 0 at most 500); look at the data and their units"),
        ("right", "", "800 is not plausible (allowed: at least 0 at most 500)"),
        ("both", "", "802 is not plausible (allowed: at least 0 at most 500)"),
    ]


@pytest.mark.parametrize("low", [-5.0, -0.5])
def test_limits_are_in_the_units_of_the_values(low: float) -> None:
    found = aggregated(
        [[268.0, 300.0], [268.0, 300.0]], units={"from": "K", "to": "degC"}, plausible=[low, None], attrs={"units": "K"}
    )
    assert np.isnan(of(found)[0])
    assert of(found)[1] == pytest.approx(26.85)


def test_what_is_only_rounded_below_nothing_is_nothing() -> None:
    found = aggregated([[-1e-6, 4.0], [-1e-6, 8.0]], plausible=[0, None])
    assert of(found)[0] == 0.0
    assert not found.left_out


def test_a_deviation_and_a_count_are_not_values_of_the_quantity() -> None:
    values = [[20.0, 20.0], [21.0, 24.0]]
    assert of(aggregated(values, plausible=[10, 45], aggregation={"spatial": "std"}))[0] == pytest.approx(0.5)
    assert of(aggregated(values, plausible=[10, 45], aggregation={"spatial": "count"}))[0] == 2
    assert of(aggregated([[99.0, 20.0], [21.0, 24.0]], plausible=[10, 45], aggregation={"spatial": "count"}))[0] == 1


def test_the_limits_of_the_source_are_there_by_default() -> None:
    rain: dict[str, Any] = {"source": "chirps3", "options": {}, "aggregation": {"spatial": "mean", "temporal": "sum"}}
    found = aggregated([[-5.0, 4.0], [-5.0, 3000.0]], **rain)
    assert of(found) == pytest.approx([np.nan, 4.0, 4.0], nan_ok=True)
    assert [entry.org_unit for entry in found.left_out] == ["", "left", "right", "both"]
    assert found.left_out[0].is_doubt


def test_one_value_in_a_hundred_that_cannot_be_is_no_problem_yet() -> None:
    def doubts(wrong: int) -> list[str]:
        month = np.full((100, 2, 2), 20.0)
        month[:wrong, :, 0] = -300.0
        found = aggregated(month, "2025-10-08", plausible=[-60, 60])
        return [entry.reason for entry in found.left_out if entry.is_doubt]

    assert doubts(2) == []  # 2 of 100 days of the left unit, half of those of both: 3 of 300
    assert doubts(3) == [
        "1.5 % of the cells are not plausible: they hold -300, which cannot be; look at the data and their units"
    ]


def test_marks_for_missing_data_are_no_problem_however_many() -> None:
    assert not any(entry.is_doubt for entry in aggregated(MARKED).left_out)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([500, 0], "holds nothing; allowed: "),
        ([0], "is no range; allowed: "),
        (5, "is no range; allowed: "),
        (["a", 5], "is no range; allowed: "),
        ([True, 5], "is no range; allowed: "),
    ],
)
def test_a_range_that_is_none_is_refused(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made.dataset(plausible=given)
