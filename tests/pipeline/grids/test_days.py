"""Statistics over the days of a period: by hand, against numpy, and what they refuse."""

from datetime import date
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from eo_pygeoapi.contract.day_statistics import DayStatistic, day_statistic
from eo_pygeoapi.contract.models import Aggregation, Interval
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.grids.days import period_values
from eo_pygeoapi.pipeline.grids.temporal import complete_periods
from eo_pygeoapi.pipeline.zonal.step import Aggregated, aggregate_to_org_units
from tests.pipeline import made

CELL = {"a": shapely.box(0, 0, 1, 1)}
# the rain of July: 2 dry days, 3 wet, 5 dry, 1 wet, then 20 dry
RAIN = np.array([0.0, 0.9, 1.0, 5, 7, *[0.2] * 5, 3, *[0.0] * 20])


def aggregated(values: Any, start: str, end: str, step: str = "day", **eo: Any) -> Aggregated:
    """Aggregate the same series of all cells of a unit."""
    units, zone = eo.pop("attrs_units", ""), eo.get("timeZone", "UTC")
    dataset = made.dataset(**{"periodType": "monthly", "timeZone": zone} | eo)
    interval = Interval(start=date.fromisoformat(start), end=date.fromisoformat(end))
    series = np.broadcast_to(np.asarray(values, "float64")[:, None, None], (len(values), 2, 2))
    times = np.datetime64(start, "h").astype("M8[D]" if step == "day" else "M8[h]")
    grid = made.grid(series, step=step, units=units, times=times + np.arange(len(series)))
    return aggregate_to_org_units(grid, made.units(CELL), periods_in(interval, dataset.period_type), dataset)


def value(values: Any, temporal: str, start: str = "2025-07-01", end: str = "2025-07-31", **eo: Any) -> float:
    aggregation = {"spatial": "mean", "temporal": temporal} | eo.pop("aggregation", {})
    (found,) = aggregated(values, start, end, aggregation=aggregation, **eo).frame["value"]
    return float(found)


@pytest.mark.parametrize(
    ("temporal", "expected"),
    [
        ("days-above-1", 3),  # 1.0 is not above 1
        ("days-below-1", 27),
        ("longest-wet-spell-1", 3),
        ("longest-dry-spell-1", 20),
        ("dry-spells-1-1", 3),
        ("dry-spells-20-1", 1),
        ("dry-spells-21-1", 0),
        ("degree-days-1", 4 + 6 + 2),
        ("days-above-0", 10),
        ("days-below--5", 0),
    ],
)
def test_days_of_a_month_are_counted(temporal: str, expected: float) -> None:
    assert value(RAIN, temporal) == expected


def hours(days: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hours whose daily maximum is at 12 and minimum at 0: the day's number, and 10 less."""
    return np.concatenate([day - 10 + 10 * np.sin(np.pi * np.arange(24) / 24) for day in days])


@pytest.mark.parametrize(
    ("daily", "temporal", "expected"),
    [
        ("max", "days-above-35", 2),
        ("min", "days-below-20", 14),  # the minimum of 25 is 15, that of 30 is 20
        ("max", "mean", (25 * 14 + 30 * 2 + 36 * 2 + 34 * 13) / 31),
        ("max", "min", 25),
        ("min", "sum", 25 * 14 + 30 * 2 + 36 * 2 + 34 * 13 - 310),
    ],
)
def test_days_are_made_of_hours_first(daily: str, temporal: str, expected: float) -> None:
    days = np.array([25.0] * 14 + [30.0] * 2 + [36.0] * 2 + [34.0] * 13)
    assert value(hours(days), temporal, step="hour", aggregation={"daily": daily}) == pytest.approx(expected)


def test_days_are_those_of_the_time_zone() -> None:
    # 23:00 UTC is 02:00 of the next day in Nairobi; July there begins at 21:00 UTC on 30 June
    series = np.zeros(24 * 32)
    series[23::24] = 40.0
    series[23] = 0.0
    series[23 + 24 * 31] = 40.0
    found = aggregated(
        series, "2025-06-30", "2025-07-31", "hour", timeZone="Africa/Nairobi",
        aggregation={"daily": "max", "temporal": "days-above-35"},
    )  # fmt: skip
    assert list(found.frame["value"]) == [30.0]


def test_a_day_that_clocks_skipped_is_none_of_the_days_of_its_month() -> None:
    found = aggregated(
        np.full(24 * 34, 40.0), "2011-11-30", "2012-01-02", "hour", timeZone="Pacific/Apia",
        aggregation={"daily": "max", "temporal": "days-above-35"},
    )  # fmt: skip
    assert list(found.frame["value"]) == [30.0]


def test_thresholds_are_in_the_units_of_the_values() -> None:
    kelvin = np.array([308.0, 309.0] * 15 + [308.0])
    units: dict[str, Any] = {"units": {"from": "K", "to": "degC"}, "attrs_units": "K"}
    assert value(kelvin, "days-above-35", **units) == 15
    assert value(kelvin, "degree-days-35", **units) == pytest.approx(15 * (309 - 273.15 - 35))


def test_a_cell_that_lacks_a_day_has_no_count_but_a_mean() -> None:
    lacking = RAIN.copy()
    lacking[4] = np.nan
    found = aggregated(lacking, "2025-07-01", "2025-07-31", aggregation={"temporal": "days-above-1"})
    assert np.isnan(found.frame["value"][0]) and found.frame["validFraction"][0] == 0
    days = aggregated(lacking, "2025-07-01", "2025-07-31", aggregation={"daily": "mean", "temporal": "mean"})
    assert days.frame["value"][0] == pytest.approx((RAIN.sum() - 7) / 30)
    assert days.frame["validFraction"][0] == pytest.approx(30 / 31)


def test_what_cannot_be_is_found_in_steps_and_not_in_counts() -> None:
    wrong = RAIN.copy()
    wrong[3] = 9000.0
    found = aggregated(wrong, "2025-07-01", "2025-07-31", plausible=[0, 500], aggregation={"temporal": "days-above-1"})
    assert np.isnan(found.frame["value"][0])
    assert "9000, which cannot be" in found.left_out[-1].reason
    assert value(RAIN, "longest-dry-spell-1", plausible=[0, 10]) == 20


@pytest.mark.parametrize(
    ("step", "aggregation", "message"),
    [
        ("month", {"temporal": "days-above-35"}, "one value a month; .*days-above-35} needs days or hours"),
        ("hour", {"temporal": "days-above-35"}, "of hours needs aggregation.daily; allowed: mean, sum, min, max"),
    ],
)
def test_days_that_the_source_does_not_have_are_refused(step: str, aggregation: Any, message: str) -> None:
    grid = made.grid(np.zeros((24, 1, 1)), step=step)
    with pytest.raises(SourceError, match=message):
        list(period_values(grid, [], Aggregation(**aggregation)))


@pytest.mark.parametrize(
    "name", ["days-above", "days-above-", "days-above-x", "hot-days-35", "days-above-35C", "p90", "dry-spells-1"]
)
def test_only_known_statistics_are_allowed(name: str) -> None:
    assert day_statistic(name) is None
    with pytest.raises(ValueError, match=r"is not allowed; allowed: mean, sum, min, max, and with a threshold days-"):
        Aggregation(temporal=name)


def test_names_hold_their_threshold() -> None:
    assert day_statistic("days-below--2.5") == DayStatistic("days-below", -2.5)
    assert day_statistic("dry-spells-5-0.5") == DayStatistic("dry-spells", 0.5, 5)
    assert made.dataset(aggregation={"temporal": "dry-spells-5-1"}, units={"to": "mm"}).unit == "spells"
    assert made.dataset(aggregation={"temporal": "longest-dry-spell-1"}, units={"to": "mm"}).unit == "days"
    assert made.dataset(aggregation={"temporal": "degree-days-10"}, units={"to": "degC"}).unit == "degC days"


def runs(flags: NDArray[np.bool_]) -> list[int]:
    return [len(run) for run in "".join("x" if flag else " " for flag in flags).split()]


def longest(flags: NDArray[np.bool_]) -> int:
    return max(runs(flags), default=0)


def spells(flags: NDArray[np.bool_], least: int) -> int:
    return sum(run >= least for run in runs(flags))


CELLS = st.lists(st.lists(st.integers(-3, 6), min_size=59, max_size=59), min_size=8, max_size=8)


@settings(max_examples=8, deadline=None)
@given(CELLS, st.integers(-1, 3), st.integers(1, 12), st.integers(1, 3))
def test_two_months_are_as_numpy_counts_them_however_they_are_chunked(
    cells: list[list[int]], threshold: int, chunk: int, least: int
) -> None:
    series = np.array(cells, "float64").T  # days by cells
    grid = made.grid(series[:, None, :], times=np.datetime64("2025-01-01") + np.arange(59)).chunk(time=chunk)
    months = [month for cell in series.T for month in (cell[:31], cell[31:])]
    periods = periods_in(Interval(start=date(2025, 1, 1), end=date(2025, 2, 28)), "monthly")
    complete, _ = complete_periods(grid, periods)

    def found(temporal: str) -> list[float]:
        """The statistic of each month of each cell."""
        blocks = list(period_values(grid, complete, Aggregation(temporal=temporal)))
        assert [block.first for block in blocks] == list(np.cumsum([0, *[len(b.values) for b in blocks]])[:-1])
        values = np.concatenate([np.asarray(block.values) for block in blocks])
        return [float(v) for v in values[:, 0, :].T.ravel()]

    assert found(f"days-above-{threshold}") == [(month > threshold).sum() for month in months]
    assert found(f"longest-dry-spell-{threshold}") == [longest(month < threshold) for month in months]
    assert found(f"longest-wet-spell-{threshold}") == [longest(month >= threshold) for month in months]
    assert found(f"dry-spells-{least}-{threshold}") == [spells(month < threshold, least) for month in months]
    assert found(f"wet-spells-{least}-{threshold}") == [spells(month >= threshold, least) for month in months]
    assert found(f"degree-days-{threshold}") == [np.clip(month - threshold, 0, None).sum() for month in months]
