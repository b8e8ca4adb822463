"""Reference periods in local calendars, and times of the year that not every year has: by hand."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.contract.periods import Period, period_with_id, periods_in
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.zonal.step import Aggregated
from eo_pygeoapi.store.reader import PublishedReader
from tests.pipeline.climatology.test_climatology import compared, dataset, values
from tests.store.series import publish_series


def published(
    folder: Path, period_type: PeriodType, value: Callable[[Period], float], first: int = 1981, last: int = 2025
) -> PublishedReader:
    """Publish a value of each period of these Gregorian years as those of `rain` in the unit `a`."""
    periods = periods_in(Interval(start=date(first, 1, 1), end=date(last, 12, 31)), period_type)
    return publish_series(folder, "rain", [("a", period, value(period)) for period in periods])


def of_period(reader: PublishedReader, asked: Dataset, id_: str) -> Aggregated:
    period = period_with_id(id_, asked.period_type)
    assert period is not None
    return compared(reader, asked, period.start.isoformat(), period.end.isoformat())


@pytest.mark.parametrize(
    ("period_type", "id_"),
    [
        ("monthlyEthiopian", "201705"),  # from 9 January 2025: of the reference period those of 1991 to 2020
        ("monthlyEthiopian", "201701"),  # from 11 September 2024
        ("monthlyNepali", "208110"),  # from 14 January 2025
        ("monthlyNepali", "208101"),  # from 13 April 2024
        ("yearlyNepali", "2081"),
        ("monthly", "202501"),
        ("weekly", "2025W1"),
    ],
)
def test_the_reference_period_is_of_gregorian_years_in_every_calendar(
    tmp_path: Path, period_type: PeriodType, id_: str
) -> None:
    reader = published(tmp_path, period_type, lambda period: period.year)
    asked = dataset("normal", periodType=period_type, options={"minYears": 30})
    found = of_period(reader, asked, id_)
    assert (values(found), found.left_out) == ([(1991 + 2020) / 2], [])


def test_a_day_beside_the_turn_of_the_year_has_about_thirty_years(tmp_path: Path) -> None:
    reader = published(tmp_path, "dailyNepali", lambda period: period.year, 1989, 2025)
    asked = dataset("normal", periodType="dailyNepali", options={"minYears": 29})
    # 17 Poush 2080 is 1 January 2024; in other years this is 31 December
    (found,) = values(of_period(reader, asked, "20800917"))
    assert found == pytest.approx(2005.5, abs=0.5)


def test_the_index_of_a_local_month_is_of_its_own_month_in_the_reference_period(tmp_path: Path) -> None:
    wet = {month: 10.0 * month for month in range(1, 13)}

    def rain(period: Period) -> float:
        return wet[int(period.id[4:])] * (1 + (period.year * 7 % 10) / 10)

    def index(period_type: PeriodType, id_: str) -> list[float]:
        reader = published(tmp_path / period_type, period_type, rain)
        return values(of_period(reader, dataset("spi-3", periodType=period_type), id_))

    gregorian = index("monthly", "202408")
    nepali, ethiopian = index("monthlyNepali", "208108"), index("monthlyEthiopian", "201608")
    # month 8 and the two before lie in the same Gregorian year in all three calendars
    assert np.isfinite(gregorian).all() and gregorian == nepali == ethiopian


@pytest.mark.parametrize(
    ("period_type", "id_", "before", "leaps"),
    [
        ("daily", "20240229", "0228", 8),  # 1992, 1996, …, 2020
        ("weekly", "2020W53", "W52", 6),  # 1992, 1998, 2004, 2009, 2015, 2020
    ],
)
def test_what_comes_before_stands_for_a_time_that_a_year_has_not(
    tmp_path: Path, period_type: PeriodType, id_: str, before: str, leaps: int
) -> None:
    def value(period: Period) -> float:
        return {id_[4:]: 100.0, before: 40.0}.get(period.id[4:], 0.0)

    reader = published(tmp_path, period_type, value, 1990)
    found = of_period(reader, dataset("normal", periodType=period_type), id_)
    assert values(found) == [round((leaps * 100 + (30 - leaps) * 40) / 30, 2)] and found.left_out == []
    # and it is not counted twice at its own time
    own = of_period(reader, dataset("normal", periodType=period_type), f"2020{before}")
    assert values(own) == [40.0]
