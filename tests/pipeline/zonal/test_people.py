"""Cells weighed by the people in them, by hand."""

from datetime import date
from typing import Any

import numpy as np
import pytest
import shapely

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.contract.periods import Period, period_with_id, periods_in
from eo_pygeoapi.pipeline.grids.people import People, nearest
from eo_pygeoapi.pipeline.zonal.step import Aggregated, Means, aggregate_to_org_units
from eo_pygeoapi.pipeline.zonal.weights_cache import WeightsCache
from tests.pipeline import made

# 20 24 in the north, 30 36 in the south
HEAT = np.array([[20.0, 24.0], [30.0, 36.0]])
# people in quarters of these cells: two villages in the first, one in the last, nobody in the second
VILLAGES = np.array([[100.0, 0, 0, 0], [300, 0, 0, 0], [0, 0, 0, 0], [0, 40, 0, 60]])
WEIGHED: dict[str, Any] = {"aggregation": {"spatial": "mean", "temporal": "mean", "weight": "population"}}


def people(values: Any = VILLAGES, cell: float = 0.5, years: tuple[int, ...] = (2025,), key: str = "") -> People:
    several = np.stack([np.asarray(values) * (1 + n) for n, _ in enumerate(years)])
    times = np.array([f"{year}-01-01" for year in years], "M8[ns]")
    return People(made.grid(several, cell=cell, step="year", times=times), "WorldPop global2 SLE", key)


def aggregated(
    units: dict[str, Any], values: Any = HEAT, of: People | None = None, means: Means | None = None, **eo: Any
) -> Aggregated:
    dataset = made.dataset(**(WEIGHED | eo))
    grid = made.grid(values)
    days = [date(2025, 7, 1), date(2025, 7, grid.sizes["time"])]
    periods = periods_in(Interval(start=days[0], end=days[1]), "daily")
    return aggregate_to_org_units(grid, made.units(units), periods, dataset, means=means, people=of or people())


def values_of(found: Aggregated) -> list[float]:
    return [float(value) for value in found.frame["value"]]


def period(id_: str, period_type: PeriodType) -> Period:
    found = period_with_id(id_, period_type)
    assert found is not None
    return found


def reasons(found: Aggregated) -> list[tuple[str, str]]:
    return [(entry.org_unit, entry.reason) for entry in found.left_out]


def test_a_mean_is_that_of_the_people() -> None:
    found = aggregated({"all": shapely.box(0, 0, 2, 2), "south": shapely.box(0, 0, 2, 1)})
    # 400 people at 20, 40 at 30, 60 at 36
    assert values_of(found) == pytest.approx([(400 * 20 + 40 * 30 + 60 * 36) / 500, (40 * 30 + 60 * 36) / 100])
    assert found.left_out == []


def test_a_unit_that_covers_a_part_of_a_cell_has_the_people_of_that_part() -> None:
    # the western quarter of the first column: half of both northern villages, and no part of the southern one
    narrow = aggregated({"narrow": shapely.box(0, 0, 0.25, 2), "with both": shapely.box(0, 0, 1, 2)})
    assert values_of(narrow) == pytest.approx([20.0, (400 * 20 + 40 * 30) / 440])


@pytest.mark.parametrize(
    ("statistic", "expected"),
    [
        ("std", np.sqrt((400 * 20**2 + 40 * 30**2 + 60 * 36**2) / 500 - ((8000 + 1200 + 2160) / 500) ** 2)),
        # three cells with people stand at 0, 40 + 2 * 400 and 2 * 60 + 2 * 440 of 2 * 500 (exactextract's definition)
        ("median", 20 + 10 * 500 / 840),
        ("p90", 30 + 6 * (900 - 840) / (1000 - 840)),
        ("mean", 22.72),
    ],
)
def test_other_statistics_weigh_people_too(statistic: str, expected: float) -> None:
    aggregation = {"spatial": statistic, "weight": "population"}
    (found,) = values_of(aggregated({"all": shapely.box(0, 0, 2, 2)}, aggregation=aggregation))
    assert found == pytest.approx(expected)


def test_a_unit_without_people_has_the_value_of_its_area_and_is_listed() -> None:
    found = aggregated({"empty": shapely.box(1, 0.5, 2, 2), "all": shapely.box(0, 0, 2, 2)})
    assert values_of(found) == pytest.approx([(24 + 36 / 2) / 1.5, 22.72])
    assert reasons(found) == [
        ("empty", "nobody lives in it in 2025 (WorldPop global2 SLE); its value is that of its area")
    ]


def test_cells_without_data_leave_their_people_out_and_the_valid_fraction_says_how_many() -> None:
    found = aggregated({"all": shapely.box(0, 0, 2, 2)}, [[np.nan, 24.0], [30.0, 36.0]])
    assert values_of(found) == pytest.approx([(40 * 30 + 60 * 36) / 100])
    assert found.frame["validFraction"][0] == pytest.approx(100 / 500)


def test_points_have_the_value_of_their_cell() -> None:
    assert values_of(aggregated({"clinic": shapely.Point(1.5, 1.5)})) == [24.0]


def test_points_have_no_people_to_count() -> None:
    units = {"clinic": shapely.Point(0.5, 1.5), "all": shapely.box(0, 0, 2, 2), "far": shapely.Point(5, 5)}
    found = aggregated(units, exposure={"above": 19}, aggregation={})
    assert values_of(found) == pytest.approx([np.nan, 500.0, np.nan], nan_ok=True)
    assert reasons(found) == [
        ("clinic", "is a point, and has no area in which people live"),
        ("far", "lies outside the grid of the data"),
    ]


# of the coast's 400 people all live in its northern cell, which is sea
COAST = np.array([[100.0, 0, 0, 0], [300, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 60]])
WITH_SEA = [[np.nan, 24.0], [30.0, 36.0]]


@pytest.mark.parametrize("statistic", ["mean", "median", "p90"])
def test_a_unit_whose_people_live_in_cells_without_data_has_the_value_of_its_area(statistic: str) -> None:
    aggregation = {"spatial": statistic, "weight": "population"}
    units = {"coast": shapely.box(0, 0, 1, 2), "sea": shapely.box(0, 1, 1, 2), "all": shapely.box(0, 0, 2, 2)}
    found = aggregated(units, WITH_SEA, people(COAST), aggregation=aggregation)
    assert values_of(found) == pytest.approx([30.0, np.nan, 36.0], nan_ok=True)
    assert found.frame["validFraction"].tolist() == pytest.approx([0.5, 0.0, 60 / 460])
    assert reasons(found) == [
        ("coast", "all its people live in cells without data; its value is that of its area"),
        ("sea", "no cell of it has data"),
    ]


def test_such_a_unit_has_it_in_those_periods_only_in_which_cells_lack() -> None:
    days = np.stack([WITH_SEA, [[20.0, 24.0], [30.0, 36.0]]])
    found = aggregated({"coast": shapely.box(0, 0, 1, 2)}, days, people(COAST))
    assert values_of(found) == [30.0, 20.0]
    assert [(entry.period, entry.reason) for entry in found.left_out] == [
        ("20250701", "all its people live in cells without data; its value is that of its area")
    ]


def test_people_in_cells_without_data_are_not_counted_unsaid() -> None:
    units = {
        "all": shapely.box(0, 0, 2, 2),
        "coast": shapely.box(0, 0, 1, 2),
        "north": shapely.box(0, 1, 2, 2),
        "south": shapely.box(0, 0, 2, 1),
        "nobody": shapely.box(0, 0.5, 0.5, 1),
    }
    found = aggregated(units, WITH_SEA, people(COAST), exposure={"above": 29}, aggregation={})
    assert values_of(found) == pytest.approx([60.0, np.nan, np.nan, 60.0, 0.0], nan_ok=True)
    assert reasons(found) == [
        ("nobody", "nobody lives in it in 2025 (WorldPop global2 SLE); its value is 0"),
        ("coast", "all its people live in cells without data"),
        ("north", "all its people live in cells without data"),
        ("all", "its value counts only those 13 % of its people who live in cells with data"),
    ]


@pytest.mark.parametrize("wrong", [-9999.0, -99999.0, -0.5, np.inf, -np.inf, 3.4e38, 1e20])
def test_what_is_no_number_of_people_is_nobody_and_listed(wrong: float) -> None:
    villages = VILLAGES.copy()
    villages[2, 0] = wrong
    units = {"all": shapely.box(0, 0, 2, 2), "south": shapely.box(0, 0, 2, 1), "north": shapely.box(0, 1, 2, 2)}
    found = aggregated(units, of=people(villages))
    assert values_of(found) == pytest.approx([22.72, 33.6, 20.0])
    reason = "1 cells of its people in 2025 (WorldPop global2 SLE) hold less than 0 or a mark for missing data; nobody "
    assert reasons(found) == [("all", f"{reason}is counted there"), ("south", f"{reason}is counted there")]
    counted = aggregated(units, of=people(villages), exposure={"above": 10}, aggregation={})
    assert values_of(counted) == [500.0, 100.0, 400.0]
    assert reasons(counted) == reasons(found)


def test_cells_without_a_number_of_people_are_nobody_and_not_listed() -> None:
    villages = np.where(VILLAGES == 0, np.nan, VILLAGES)
    assert aggregated({"all": shapely.box(0, 0, 2, 2)}, of=people(villages)).left_out == []


@pytest.mark.parametrize(
    ("exposure", "expected"),
    [({"above": 29}, [100.0, 0.0, 60.0]), ({"below": 30}, [400.0, 0.0, 0.0]), ({"above": 36}, [0.0, 0.0, 0.0])],
)
def test_people_are_counted_where_the_value_is_beyond_a_threshold(exposure: Any, expected: list[float]) -> None:
    units = {"all": shapely.box(0, 0, 2, 2), "empty": shapely.box(1, 1, 2, 2), "east": shapely.box(1, 0, 2, 2)}
    found = aggregated(units, exposure=exposure, decimals=0, aggregation={"spatial": "mean"})
    assert values_of(found) == expected
    assert reasons(found) == [("empty", "nobody lives in it in 2025 (WorldPop global2 SLE); its value is 0")]
    assert made.dataset(exposure=exposure).unit == "people"


def test_thresholds_of_exposure_are_in_the_units_of_the_values() -> None:
    units = {"all": shapely.box(0, 0, 2, 2)}
    kelvin = made.grid(HEAT + 273.15, units="K")
    dataset = made.dataset(exposure={"above": 29}, units={"from": "K", "to": "degC"}, plausible=[-50, 60])
    period = periods_in(Interval(start=date(2025, 7, 1), end=date(2025, 7, 1)), "daily")
    found = aggregate_to_org_units(kelvin, made.units(units), period, dataset, people=people())
    assert values_of(found) == [100.0]


def test_every_year_has_its_own_people() -> None:
    both = people(years=(2024, 2026))
    asked: list[tuple[str, PeriodType]] = [
        ("20231231", "daily"), ("202412", "monthly"), ("2025W5", "weekly"), ("2026", "yearly"), ("20300101", "daily"),
    ]  # fmt: skip
    assert [both.year_for(period(*each)) for each in asked] == [2024, 2024, 2024, 2026, 2026]
    assert nearest(2010, range(2015, 2031)) == 2015
    dataset = made.dataset(exposure={"above": 29}, periodType="yearly")
    years = periods_in(Interval(start=date(2024, 1, 1), end=date(2026, 12, 31)), "yearly")
    times = np.array(["2024-01-01", "2025-01-01", "2026-01-01"], "M8[ns]")
    grid = made.grid(np.broadcast_to(HEAT, (3, 2, 2)), step="year", times=times)
    found = aggregate_to_org_units(grid, made.units({"all": shapely.box(0, 0, 2, 2)}), years, dataset, people=both)
    assert values_of(found) == [100.0, 100.0, 200.0]


@pytest.mark.parametrize(
    ("id_", "period_type", "year"),
    [
        ("208010", "monthlyNepali", 2024),  # 15 January to 12 February 2024
        ("208009", "monthlyNepali", 2023),  # 17 December 2023 to 14 January 2024: its middle is 31 December
        ("2081", "yearlyNepali", 2024),  # 13 April 2024 to 13 April 2025
        ("20800917", "dailyNepali", 2024),  # 1 January 2024
        ("201605", "monthlyEthiopian", 2024),  # 10 January to 8 February 2024
        ("201604", "monthlyEthiopian", 2023),  # 11 December 2023 to 9 January 2024
        ("20160422", "dailyEthiopian", 2024),  # 1 January 2024
        ("2024Nov", "financialNov", 2024),  # November 2023 to October 2024
        ("2025NovQ1", "quarterlyNov", 2025),  # November 2024 to January 2025
        ("2025Sep", "financialSep", 2025),  # September 2025 to August 2026
        ("2025W1", "weekly", 2025),  # 30 December 2024 to 5 January 2025
        ("2020W53", "weekly", 2020),  # 28 December 2020 to 3 January 2021
    ],
)
def test_the_people_of_a_local_period_are_those_of_its_gregorian_year(
    id_: str, period_type: PeriodType, year: int
) -> None:
    assert people(years=tuple(range(2015, 2031))).year_for(period(id_, period_type)) == year


def test_people_in_a_nepali_month_are_those_of_its_gregorian_year() -> None:
    dataset = made.dataset(exposure={"above": 29}, periodType="monthlyNepali")
    month = period("208010", "monthlyNepali")
    times = np.arange(np.datetime64(month.start), np.datetime64(month.end) + 1)
    grid = made.grid(np.broadcast_to(HEAT, (times.size, 2, 2)), times=times)
    shapes, years = made.units({"all": shapely.box(0, 0, 2, 2)}), people(years=(2023, 2024, 2025))
    found = aggregate_to_org_units(grid, shapes, [month], dataset, people=years)
    assert values_of(found) == [200.0]  # 100 in 2023, 200 in 2024, 300 in 2025


def test_people_are_counted_once_and_kept() -> None:
    class Kept(dict[str, bytes]):
        def read_bytes(self, key: str) -> bytes:
            from eo_pygeoapi.errors import ResultsError

            if key not in self:
                raise ResultsError(f"there is no {key}")
            return self[key]

        def write_bytes(self, key: str, value: bytes) -> None:
            self[key] = value

    store, units = Kept(), {"all": shapely.box(0, 0, 2, 2)}
    first = aggregated(units, of=people(key="a"), means=Means(cache=WeightsCache(store)))
    assert len(store) == 1
    # the same key finds what was kept, whatever the grid holds now; another key counts anew
    others = [people(VILLAGES[::-1], key=key) for key in ("a", "b")]
    again = [aggregated(units, of=each, means=Means(cache=WeightsCache(store))) for each in others]
    assert values_of(again[0]) == values_of(first) != values_of(again[1])
    # and what the counted cells held is said again
    marked = VILLAGES.copy()
    marked[2, 0] = -9999.0
    of_marked = [
        aggregated(units, of=people(each, key="marked"), means=Means(cache=WeightsCache(store)))
        for each in (marked, VILLAGES)
    ]
    assert len(reasons(of_marked[0])) == 1 and reasons(of_marked[0]) == reasons(of_marked[1])
    store.update(dict.fromkeys(store, b"damaged"))
    damaged = aggregated(units, of=people(key="a"), means=Means(cache=WeightsCache(store)))
    assert values_of(damaged) == values_of(first)
