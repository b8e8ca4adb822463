"""Published values against their reference period: by hand, and as climate_indices computes them."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import shapely
import yaml
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.read import inspect_datasets
from eo_pygeoapi.datasets.source import source_info
from eo_pygeoapi.pipeline.climatology.statistics import spi, statistic
from eo_pygeoapi.pipeline.climatology.step import compare_with_normal
from eo_pygeoapi.pipeline.sources.derived.options import DerivedOptions
from eo_pygeoapi.pipeline.zonal.step import Aggregated
from eo_pygeoapi.store.reader import PublishedReader
from tests.pipeline import made
from tests.store.series import publish_series

NAN = float("nan")


def published(
    folder: Path, series: Mapping[str, Sequence[float]], first: int, period_type: PeriodType = "monthly"
) -> PublishedReader:
    """Publish series of units that begin with a year as the values of `rain`."""
    count = len(next(iter(series.values())))
    last = first + -(-count // {"monthly": 12, "yearly": 1, "daily": 365}[period_type])
    periods = periods_in(Interval(start=date(first, 1, 1), end=date(last, 12, 31)), period_type)[:count]
    rows = [(unit, period, values[n]) for n, period in enumerate(periods) for unit, values in series.items()]
    return publish_series(folder, "rain", rows, 0.9)


def dataset(statistic: str, **given: Any) -> Dataset:
    options = {"of": "rain", "statistic": statistic} | given.pop("options", {})
    block: dict[str, Any] = {"id": "rain-compared", "source": "derived", "options": options}
    defaults = source_info("derived").options.model_validate(options).defaults()
    return Dataset.model_validate(block | defaults | given)


def compared(
    reader: PublishedReader, asked: Dataset, start: str, end: str, names: Sequence[str] = ("a",)
) -> Aggregated:
    interval = Interval(start=date.fromisoformat(start), end=date.fromisoformat(end))
    shapes = made.units({name: shapely.box(n, 0, n + 1, 1) for n, name in enumerate(names)})
    return compare_with_normal(shapes, periods_in(interval, asked.period_type), asked, reader)


def values(found: Aggregated) -> list[float]:
    return [float(value) for value in found.frame["value"]]


# By hand: 1 to 5 in the reference period 2001 to 2005, and then 10


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("normal", 3.0),
        ("anomaly", 7.0),
        ("percent-of-normal", 333.33),
        ("percentile", 100.0),
        ("rank", 1.0),
    ],
)
def test_a_year_against_five(tmp_path: Path, name: str, expected: float) -> None:
    reader = published(tmp_path, {"a": [1, 2, 3, 4, 5, 10]}, 2001, "yearly")
    asked = dataset(name, periodType="yearly", options={"reference": "2001-2005", "minYears": 5})
    found = compared(reader, asked, "2006-01-01", "2006-12-31")
    assert values(found) == [expected]
    assert list(found.frame["validFraction"]) == [1.0 if name == "normal" else 0.9]
    assert found.left_out == []


@pytest.mark.parametrize(("name", "expected"), [("percentile", [10.0, 50.0, 90.0]), ("rank", [5.0, 3.0, 1.0])])
def test_a_year_of_the_reference_period_itself(tmp_path: Path, name: str, expected: list[float]) -> None:
    reader = published(tmp_path, {"a": [1, 2, 3, 4, 5]}, 2001, "yearly")
    asked = dataset(name, periodType="yearly", options={"reference": "2001-2005", "minYears": 5})
    assert values(compared(reader, asked, "2001-01-01", "2005-12-31"))[::2] == expected


def test_each_month_has_its_own_normal_and_each_unit_its_own(tmp_path: Path) -> None:
    months = np.arange(12 * 3, dtype="float64")
    reader = published(tmp_path, {"a": months.tolist(), "b": (10 * months).tolist()}, 2001)
    asked = dataset("normal", options={"reference": "2001-2003", "minYears": 3})
    found = compared(reader, asked, "2003-07-01", "2003-08-31", ("b", "a"))
    assert values(found) == [180.0, 18.0, 190.0, 19.0]


def test_a_reference_period_with_too_few_years_gives_null_and_says_so(tmp_path: Path) -> None:
    reader = published(tmp_path, {"a": [1, NAN, 3, 4, 5, 10], "b": [1, 2, 3, 4, 5, NAN]}, 2001, "yearly")
    asked = dataset("anomaly", periodType="yearly", options={"reference": "2001-2005", "minYears": 5})
    found = compared(reader, asked, "2006-01-01", "2006-12-31", ("a", "b", "c"))
    assert np.isnan(values(found)).all() and list(found.frame["validFraction"]) == [0.0, 0.0, 0.0]
    assert [(entry.org_unit, entry.reason) for entry in found.left_out] == [
        ("a", "4 of the 5 years 2001 to 2005 have a value in rain; minYears is 5"),
        ("b", "rain has no value"),
        ("c", "0 of the 5 years 2001 to 2005 have a value in rain; minYears is 5"),
    ]
    fewer = dataset("anomaly", periodType="yearly", options={"reference": "2001-2005", "minYears": 4})
    assert values(compared(reader, fewer, "2006-01-01", "2006-12-31")) == [10 - 13 / 4]


def test_a_percentage_of_nothing_is_null(tmp_path: Path) -> None:
    reader = published(tmp_path, {"a": [0, 0, 0, 0, 7]}, 2001, "yearly")
    asked = dataset("percent-of-normal", periodType="yearly", options={"reference": "2001-2004", "minYears": 4})
    found = compared(reader, asked, "2005-01-01", "2005-12-31")
    assert np.isnan(values(found)[0])
    assert found.left_out[0].reason == "percent-of-normal is not defined: the normal is 0; leastNormal is 1"


@pytest.mark.parametrize(
    ("normals", "value", "least", "expected"),
    [
        ([0] * 29 + [0.03], 30.0, 1.0, "the normal is 0.001; leastNormal is 1"),
        ([-2] * 30, 1.0, 0.0, "the normal is -2; leastNormal is 0"),
        ([0] * 30, 1.0, 0.0, "the normal is 0; leastNormal is 0"),
        ([0.5] * 30, 2.0, 1.0, "the normal is 0.5; leastNormal is 1"),
        ([0.5] * 30, 2.0, 0.1, 400.0),
        ([1] * 30, 4.0, 1.0, 400.0),
    ],
)
def test_a_percentage_needs_a_normal_that_is_something(
    tmp_path: Path, normals: list[float], value: float, least: float, expected: float | str
) -> None:
    reader = published(tmp_path, {"a": [*normals, value]}, 1991, "yearly")
    asked = dataset("percent-of-normal", periodType="yearly", options={"leastNormal": least})
    found = compared(reader, asked, "2021-01-01", "2021-12-31")
    if isinstance(expected, str):
        assert np.isnan(values(found)[0])
        assert [entry.reason for entry in found.left_out] == [f"percent-of-normal is not defined: {expected}"]
    else:
        assert values(found) == [expected] and found.left_out == []


@pytest.mark.parametrize(
    ("reference", "value", "reason"),
    [
        # 0 is usual in a dry season: the index of none would be 1.28, which reads as wet
        ([0] * 27 + [5, 12, 1], 0, "27 of 30 years of the reference period have 0"),
        ([0] * 16 + [5, 12, 1, 3, 4, 6, 2] * 2, 0, "16 of 30 years of the reference period have 0"),
        ([-1, 0, 1, 2, 3] * 6, 0, "rain has values below 0, and the index is one of amounts"),
        ([1, 2, 3, 4, 5] * 6, -1, "rain has values below 0, and the index is one of amounts"),
        ([7] * 30, 7, "the same value each year"),
    ],
)
def test_an_index_that_would_mislead_is_null(tmp_path: Path, reference: list[float], value: float, reason: str) -> None:
    januaries = np.zeros((31, 12))
    januaries[:, 0] = [*reference, value]
    found = compared(
        published(tmp_path, {"a": januaries.ravel().tolist()}, 1991), dataset("spi-1"), "2021-01-01", "2021-01-31"
    )
    assert np.isnan(values(found)[0])
    assert [entry.reason for entry in found.left_out] == [f"spi-1 is not defined: {reason}"]


def test_half_of_the_years_may_be_dry(tmp_path: Path) -> None:
    januaries = np.zeros((31, 12))
    januaries[15:30, 0] = np.arange(1, 16)
    found = compared(
        published(tmp_path, {"a": januaries.ravel().tolist()}, 1991), dataset("spi-1"), "2021-01-01", "2021-01-31"
    )
    assert values(found) == [0.0]  # none, as in half of the years


def test_four_wet_years_are_the_least(tmp_path: Path) -> None:
    januaries = np.zeros((6, 12))
    januaries[:, 0] = [0, 0, 1, 2, 3, 2]
    asked = dataset("spi-1", options={"reference": "2001-2005", "minYears": 5})
    found = compared(published(tmp_path, {"a": januaries.ravel().tolist()}, 2001), asked, "2006-01-01", "2006-01-31")
    assert np.isnan(values(found)[0])
    assert found.left_out[0].reason == "spi-1 is not defined: 2 of 5 years of the reference period have 0"


def test_what_is_not_plausible_is_null_and_listed(tmp_path: Path) -> None:
    reader = published(tmp_path, {"a": [1, 2, 3, 4, 5, 10], "b": [1, 2, 3, 4, 5, 4]}, 2001, "yearly")
    options = {"reference": "2001-2005", "minYears": 5}
    asked = dataset("anomaly", periodType="yearly", options=options, plausible=[-2, 2], units={"to": "mm"})
    found = compared(reader, asked, "2006-01-01", "2006-12-31", ("a", "b"))
    assert np.isnan(values(found)[0]) and values(found)[1] == 1.0
    assert [(entry.org_unit, entry.reason) for entry in found.left_out] == [
        ("", "1 of 2 values are not plausible (allowed: at least -2 at most 2 mm); look at the data and their units"),
        ("a", "7 is not plausible (allowed: at least -2 at most 2 mm)"),
    ]
    assert found.left_out[0].is_doubt


def test_a_value_of_too_small_a_part_of_the_unit_is_null_and_listed(tmp_path: Path) -> None:
    reader = published(tmp_path, {"a": [1, 2, 3, 4, 5, 10]}, 2001, "yearly")  # with valid fractions of 0.9
    options = {"reference": "2001-2005", "minYears": 5}
    asked = dataset("anomaly", periodType="yearly", options=options, minValidFraction=0.95)
    found = compared(reader, asked, "2006-01-01", "2006-12-31", ("a", "b"))
    assert np.isnan(values(found)).all()
    assert [(entry.org_unit, entry.reason) for entry in found.left_out] == [
        ("a", "valid fraction 0.9 is below minValidFraction 0.95"),
        ("b", "0 of the 5 years 2001 to 2005 have a value in rain; minYears is 5"),
    ]


@pytest.mark.parametrize(
    ("reference", "needed"), [("1991-2020", 24), ("2001-2010", 8), ("2016-2020", 4), ("2019-2020", 2)]
)
def test_four_fifths_of_the_years_are_needed(reference: str, needed: int) -> None:
    options = source_info("derived").options.model_validate({"of": "rain", "statistic": "rank", "reference": reference})
    assert isinstance(options, DerivedOptions) and options.needed_years == needed


# As others compute it


def rain() -> NDArray[np.float64]:
    """Forty years of months, from 1985 on, with a dry season of some months without rain."""
    month, year = np.arange(12), np.arange(40)[:, None]
    wet = np.array([0.3, 1, 8, 40, 110, 180, 260, 300, 210, 90, 20, 2.0])
    wave = 1 + 0.6 * np.sin(1.7 * year + 0.9 * month) + 0.35 * np.sin(0.61 * year * month + 2)
    return np.where(wave < 0.28, 0, np.round(wet * np.abs(wave), 1))


# what climate_indices 3.1.0 says of it: `indices.spi(rain().ravel(), N, Distribution.gamma, 1985, 1991, 2020, monthly)`
YEARS, MONTHS = (1985, 1990, 2005, 2020, 2024), (1, 4, 8, 12)
CLIMATE_INDICES = {
    1: [
        [0.1474, 1.1973, 0.7245, 0.0894],
        [0.7661, -1.8339, 0.3442, -1.0581],
        [0.7661, -0.451, 0.326, -0.8101],
        [0.1474, -0.8518, 0.7024, -0.3838],
        [-0.5853, -0.8587, -1.1309, 0.7679],
    ],
    3: [
        [NAN, 1.3159, 0.2047, 1.2168],
        [0.5961, -2.9271, 0.9222, -1.8746],
        [-0.8536, -0.3722, 0.9165, -3.09],
        [0.0362, -0.8398, 1.0226, -1.5887],
        [-0.099, -1.1357, 0.5239, -0.0107],
    ],
    12: [
        [NAN, NAN, NAN, 1.3577],
        [0.1857, -0.0002, 1.1245, 0.9718],
        [1.0266, 0.9661, 1.1461, 0.3497],
        [0.889, 0.764, 0.9262, 0.5769],
        [1.0987, 0.9886, 0.4194, -0.2083],
    ],
}


@pytest.mark.parametrize("months", CLIMATE_INDICES)
def test_the_standardised_precipitation_index_is_that_of_climate_indices(tmp_path: Path, months: int) -> None:
    reader = published(tmp_path, {"a": rain().ravel().tolist()}, 1985)
    asked = dataset(f"spi-{months}", decimals=None)
    for year, expected in zip(YEARS, CLIMATE_INDICES[months], strict=True):
        found = values(compared(reader, asked, f"{year}-01-01", f"{year}-12-31"))
        assert [found[month - 1] for month in MONTHS] == pytest.approx(expected, abs=1e-3, nan_ok=True)


def test_a_month_that_lacks_one_before_has_no_index_of_three(tmp_path: Path) -> None:
    series = rain().ravel()
    series[12 * 39 + 4] = np.nan  # May 2024
    found = compared(published(tmp_path, {"a": series.tolist()}, 1985), dataset("spi-3"), "2024-04-01", "2024-08-31")
    assert np.isnan(values(found)).tolist() == [False, True, True, True, False]
    assert [(entry.period, entry.reason) for entry in found.left_out] == [
        (period, "rain has no value in one of 3 months") for period in ("202405", "202406", "202407")
    ]


series_of_years = st.lists(st.floats(0.1, 500.0), min_size=10, max_size=30)


@given(series_of_years, st.floats(0.1, 500.0))
def test_percentiles_and_ranks_are_those_of_scipy_and_numpy(years: list[float], value: float) -> None:
    reference = np.array(years)[:, None]
    (percentile,) = statistic("percentile", np.array([value]), reference)
    assert percentile == pytest.approx(scipy.stats.percentileofscore(years, value, kind="mean"))
    (rank,) = statistic("rank", np.array([value]), reference)
    assert rank == 1 + np.sum(np.array(years) > value)


@given(series_of_years)
def test_the_index_grows_with_the_rain_and_stays_within_its_limits(years: list[float]) -> None:
    reference = np.array(years)[:, None]
    found = [float(spi(np.array([value]), reference)[0]) for value in (0.0, 1.0, 50.0, 400.0, 1e6)]
    if not np.isnan(found[0]):
        assert found == sorted(found) and -3.09 <= found[0] and found[-1] <= 3.09


# The file

BLOCKS = {
    "rain": "{source: chirps3, periodType: monthly}",
    "heat": "{source: era5-land, periodType: monthly}",
    "wind": "{source: era5-land, periodType: monthly, options: {variable: 10m_wind_direction}}",
    "era-rain": "{source: era5-land, periodType: monthly, options: {variable: total_precipitation}}",
    "own-rain": "{source: file, periodType: monthly, options: {href: rain.nc}}",
    "own-rain-from-0": "{source: file, periodType: monthly, options: {href: rain.nc}, plausible: [0, null]}",
    "anomaly": "{source: derived, options: {of: rain, statistic: anomaly}}",
}


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("{source: derived, options: {of: rain, statistic: spi-3}}", []),
        (
            "{source: derived, options: {of: rian, statistic: anomaly}}",
            [f"options.of: 'rian' is not allowed; allowed: {', '.join(BLOCKS)}"],
        ),
        (
            "{source: derived, options: {of: rain, statistic: spi-99}}",
            [
                "options.statistic: 'spi-99' is not allowed; allowed: normal, anomaly, percent-of-normal, percentile, "
                "rank, and spi-1 to spi-24"
            ],
        ),
        (
            "{source: derived, options: {of: rain, statistic: rank, reference: 2020-1991}}",
            [
                "options.reference: '2020-1991' is no period of years; allowed: the first and the last, such as "
                "1991-2020"
            ],
        ),
        (
            "{source: derived, periodType: daily, options: {of: rain, statistic: anomaly}}",
            ["periodType: 'daily' is not allowed; allowed: monthly, that of rain"],
        ),
        (
            "{source: derived, options: {of: rain, statistic: rank, reference: 2001-2010, minYears: 11}}",
            ["options.minYears: 11 of the 10 years 2001-2010 cannot be; allowed: 2 to 10"],
        ),
        ("{source: derived, options: {of: rain, statistic: rank, reference: 2001-2010}}", []),
        ("{source: derived, options: {of: heat, statistic: anomaly}}", []),
        (
            "{source: derived, options: {of: heat, statistic: percent-of-normal}}",
            ["options: heat is in degC, whose 0 is not nothing, so there is no percentage; allowed: anomaly"],
        ),
        *(
            (
                f"{{source: derived, options: {{of: {of}, statistic: spi-3}}}}",
                [
                    f"options: spi-3 is of amounts, and {of} may be below 0; allowed: a dataset of rain, or one with "
                    "plausible: [0, null]"
                ],
            )
            for of in ("heat", "own-rain", "anomaly")
        ),
        ("{source: derived, options: {of: own-rain-from-0, statistic: spi-3}}", []),
        ("{source: derived, options: {of: era-rain, statistic: spi-3}}", []),
        *(
            (
                f"{{source: derived, options: {{of: wind, statistic: {statistic}}}}}",
                [
                    "options: wind is a direction, and 350 and 10 degrees have no mean of numbers; allowed: other "
                    "datasets"
                ],
            )
            for statistic in ("anomaly", "normal", "percentile")
        ),
        (
            "{source: derived, periodType: yearly, options: {of: rain, statistic: spi-3}}",
            [
                "periodType: 'yearly' is not allowed here; allowed: monthly, monthlyEthiopian, monthlyNepali",
                "periodType: 'yearly' is not allowed; allowed: monthly, that of rain",
            ],
        ),
        (
            "{source: derived, aggregation: {temporal: max}, options: {of: rain, statistic: anomaly}}",
            ["aggregation: the values of rain are aggregated already; leave it out"],
        ),
    ],
)
def test_a_mistake_is_said_with_its_path(block: str, expected: list[str]) -> None:
    blocks = ", ".join(f"{id_}: {{type: collection, eo: {own}}}" for id_, own in (BLOCKS | {"x": block}).items())
    config = yaml.safe_load(f"resources: {{{blocks}}}")
    found = [each.removeprefix("resources.x.eo.") for each in inspect_datasets(config, Path("/")).problems]
    assert found == expected
