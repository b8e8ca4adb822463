"""The file with the values that ministries use is right, and each of its datasets has values, beside stand-ins."""

import itertools
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from shapely.geometry import box

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.read import inspect_datasets
from eo_pygeoapi.pipeline.climatology.step import compare_with_normal
from eo_pygeoapi.pipeline.sources.step import (
    SourceRequest,
    extract_source_data,
    open_group,
    open_people_of,
    open_source_data,
)
from eo_pygeoapi.pipeline.zonal.groups import aggregate_groups
from eo_pygeoapi.pipeline.zonal.step import Aggregated, aggregate_to_org_units
from eo_pygeoapi.store.reader import PublishedReader
from tests.pipeline import made
from tests.stack import CHECKOUT, RAINY_MONTH, make_rain
from tests.standins import cds, chc, stac, worldpop
from tests.store.series import publish_series

FILE = CHECKOUT / "docs" / "ministry.yml"
UNITS = made.units({"a": box(-12.0, 8.0, -11.5, 8.5)})
BOX = (-12.0, 8.0, -11.5, 8.5)
MONTH = date(*RAINY_MONTH, 1)
YEARS = range(1991, 2021)
DAYS = {
    "monthly": (MONTH, date(MONTH.year, MONTH.month, 31)),
    "biWeekly": (MONTH, MONTH.replace(day=14)),
    "dekadal": (MONTH, MONTH.replace(day=10)),
    "weekly": (MONTH, MONTH.replace(day=7)),
    "monthlyNepali": (date(MONTH.year - 1, 12, 17), MONTH.replace(day=14)),
    "monthlyEthiopian": (date(MONTH.year - 1, 12, 11), MONTH.replace(day=9)),
    "yearly": (date(MONTH.year, 1, 1), date(MONTH.year, 12, 31)),
}


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Dataset]]:
    """The datasets of the file, with the addresses of stand-ins."""
    root = tmp_path_factory.mktemp("providers")
    make_rain(root)
    make_rain(root, (MONTH.year - 1, 12))  # where the Nepali month of January begins
    worldpop.make_year(root, "SLE", MONTH.year)
    for sex, age in itertools.product("fm", (0, 1, 5, *range(15, 50, 5))):
        worldpop.make_band(root, "SLE", MONTH.year, sex, age)
    for first in (MONTH, MONTH.replace(day=17)):
        stac.make_composite(root, first, 16, below="signed")
    with (
        chc.running(root) as static,
        stac.running(root) as rasters,
        cds.running() as store,
        pytest.MonkeyPatch.context() as environment,
    ):
        for name, value in store.environment.items():
            environment.setenv(name, value)
        config: dict[str, Any] = yaml.safe_load(FILE.read_text())
        config["eo"]["defaults"]["population"]["options"]["baseUrl"] = static.url
        for resource in config["resources"].values():
            if resource["eo"]["source"] == "cog":
                search = {"stac": f"{rasters.url}/stac", "sign": f"{rasters.url}/sign"}
                resource["eo"]["options"] |= search | {"collection": "ndvi", "asset": "ndvi"}
            if resource["eo"]["source"] in ("chirps3", "worldpop"):
                resource["eo"]["options"] = {**resource["eo"].get("options", {}), "baseUrl": static.url}
        found = inspect_datasets(config, CHECKOUT)
        assert found.problems == []
        yield found.right


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def compute(dataset: Dataset, cache: Path) -> Aggregated:
    """Compute a day or the month, as a job does."""
    first, last = DAYS.get(dataset.period_type, (MONTH.replace(day=2),) * 2)
    interval = Interval(start=first, end=last)
    periods = periods_in(interval, dataset.period_type)
    if dataset.options.taken_from():
        return compare_with_normal(UNITS, periods, dataset, published(cache))
    asked = SourceRequest(dataset, interval, BOX, cache / "downloads")
    extract = extract_source_data(asked)
    if dataset.options.divided_by():
        return aggregate_groups(partial(open_group, asked, extract), UNITS, periods, dataset)
    grid, people = open_source_data(asked, extract), open_people_of(asked, extract)
    return aggregate_to_org_units(grid, UNITS, periods, dataset, people=people)


def month_by_month() -> NDArray[np.float64]:
    """The rain of the months of the reference years, of last year and of this."""
    return 100 + 10 * np.sin(np.arange(12.0 * (len(YEARS) + 2)))


def published(folder: Path) -> PublishedReader:
    """Thirty years of months and those of this year, as `rain-monthly` would have published them."""
    months = [
        period
        for year in (*YEARS, MONTH.year - 1, MONTH.year)
        for period in periods_in(Interval(start=date(year, 1, 1), end=date(year, 12, 31)), "monthly")
    ]
    values = month_by_month().tolist()
    rows = [("a", period, value) for period, value in zip(months, values, strict=True)]
    return publish_series(folder, "rain-monthly", rows)


@pytest.mark.parametrize("id_", yaml.safe_load(FILE.read_text())["resources"])
def test_a_dataset_has_values(datasets: dict[str, Dataset], cache: Path, id_: str) -> None:
    found = compute(datasets[id_], cache)
    said = "its value counts only those 96 % of its people who live in cells with data"  # the stand-in has a coast
    assert [entry.reason for entry in found.left_out] == [said] * (id_ == "people-in-heat-daily")
    assert np.isfinite(found.frame["value"]).all() and len(found.frame) == 1


def test_rain_against_what_is_normal_by_hand(datasets: dict[str, Dataset], cache: Path) -> None:
    januaries = month_by_month()[::12]
    reference, now = januaries[: len(YEARS)], januaries[-1]
    expected = {
        "rain-anomaly": now - reference.mean(),
        "rain-percent-of-normal": 100 * now / reference.mean(),
        "rain-percentile": 100 * np.mean(reference < now),
        "rain-rank": 1 + np.sum(reference > now),
    }
    found = {id_: compute(datasets[id_], cache).frame["value"].item() for id_ in expected}
    assert found == pytest.approx(expected, abs=5e-3)  # as it is rounded


@pytest.mark.parametrize(
    ("id_", "first", "last"),
    [
        ("rain-weekly", "2024-01-01", "2024-01-07"),
        ("rain-by-two-weeks", "2024-01-01", "2024-01-14"),
        ("rain-by-dekads", "2024-01-01", "2024-01-10"),
        ("rain-monthly-ethiopian", "2023-12-11", "2024-01-09"),
        ("rain-monthly-nepali", "2023-12-17", "2024-01-14"),
    ],
)
def test_rain_of_a_period_is_the_sum_of_its_days(
    datasets: dict[str, Dataset], cache: Path, id_: str, first: str, last: str
) -> None:
    days = [date.fromisoformat(first) + timedelta(n) for n in range(31)]
    # rows 34 to 43 and columns 30 to 39 of what the stand-in makes up for a day
    rain = [day.day + day.month / 2 + 3.85 + 0.345 for day in days if day <= date.fromisoformat(last)]
    assert compute(datasets[id_], cache).frame["value"].item() == pytest.approx(sum(rain), abs=0.1)


def test_vegetation_is_that_of_the_composites(datasets: dict[str, Dataset], cache: Path) -> None:
    assert compute(datasets["vegetation-monthly"], cache).frame["value"].item() == pytest.approx(stac.GREENNESS / 1e4)
