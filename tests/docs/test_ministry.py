"""Each dataset of the file with the values that ministries use has the value that is computed by hand."""

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial
from math import atan2, degrees, exp, hypot
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml
from numpy.typing import NDArray
from scipy.stats import gamma, norm
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
from eo_pygeoapi.store.features import GROUPS
from eo_pygeoapi.store.reader import PublishedReader
from tests.pipeline import made
from tests.stack import CHECKOUT, CHIRPS_SHAPE, make_rain
from tests.standins import cds, chc, stac, worldpop
from tests.store.series import publish_series

FILE = CHECKOUT / "docs" / "ministry.yml"
IDS = list(yaml.safe_load(FILE.read_text())["resources"])
UNITS = made.units({"a": box(-12.0, 8.0, -11.5, 8.5)})
BOX = (-12.0, 8.0, -11.5, 8.5)
DAY = "2024-01-02"
YEARS = range(1991, 2021)
DRY = (*range(3, 10), *range(15, 20), 25, 26)  # days of February 2024 without rain: spells of 7, 5 and 2
MONTHS = [date(year, month, 1) for year in (2023, 2024) for month in range(1, 13)]
FEBRUARY = ("2024-02-01", "2024-02-29")
# of each dataset that is not of a day: its first and last day here
DAYS = {
    "hot-days-monthly": ("2024-01-01", "2024-01-31"),
    "growing-degree-days-monthly": ("2024-01-01", "2024-01-31"),
    "longest-dry-spell-monthly": FEBRUARY,
    "dry-spells-monthly": FEBRUARY,
    "longest-wet-spell-monthly": FEBRUARY,
    "rain-weekly": ("2024-01-01", "2024-01-07"),
    "rain-weekly-from-wednesday": ("2024-01-03", "2024-01-09"),
    "rain-weekly-from-thursday": ("2024-01-04", "2024-01-10"),
    "rain-weekly-from-friday": ("2024-01-05", "2024-01-11"),
    "rain-weekly-from-saturday": ("2024-01-06", "2024-01-12"),
    "rain-weekly-from-sunday": ("2024-01-07", "2024-01-13"),
    "rain-by-two-weeks": ("2024-01-01", "2024-01-14"),
    "rain-by-dekads": ("2024-01-21", "2024-01-31"),
    "rain-by-pentads": ("2024-01-26", "2024-01-31"),
    "rain-six-monthly": ("2024-01-01", "2024-06-30"),
    "rain-six-monthly-from-april": ("2023-10-01", "2024-03-31"),
    "rain-of-the-financial-year-from-april": ("2023-04-01", "2024-03-31"),
    "rain-of-the-financial-year-from-july": ("2023-07-01", "2024-06-30"),
    "rain-of-the-financial-year-from-october": ("2023-10-01", "2024-09-30"),
    "rain-monthly-nepali": ("2023-12-17", "2024-01-14"),
    "rain-monthly-ethiopian": ("2023-12-11", "2024-01-09"),
    "rain-monthly": ("2024-01-01", "2024-01-31"),
    "vegetation-monthly": ("2024-01-01", "2024-01-31"),
    **dict.fromkeys((id_ for id_ in IDS if id_.startswith("population-")), ("2024-01-01", "2024-12-31")),
}
PERIODS = {
    "rain-weekly": "2024W1",
    "rain-weekly-from-wednesday": "2024WedW1",
    "rain-weekly-from-thursday": "2024ThuW1",
    "rain-weekly-from-friday": "2024FriW2",
    "rain-weekly-from-saturday": "2024SatW2",
    "rain-weekly-from-sunday": "2024SunW2",
    "rain-by-two-weeks": "2024BiW1",
    "rain-by-dekads": "202401D3",
    "rain-by-pentads": "202401P6",
    "rain-six-monthly": "2024S1",
    "rain-six-monthly-from-april": "2023AprilS2",
    "rain-of-the-financial-year-from-april": "2023April",
    "rain-of-the-financial-year-from-july": "2023July",
    "rain-of-the-financial-year-from-october": "2023Oct",
    "rain-daily-nepali": "20800917",
    "rain-daily-ethiopian": "20160423",
    "rain-monthly-nepali": "208009",
    "rain-monthly-ethiopian": "201604",
    "hot-days-monthly": "202401",
}


def make_dust(root: Path) -> None:
    """Write PM2.5 of CAMS of a day, every three hours: 20 to 55 in millionths of a gram."""
    hours = np.datetime64(DAY, "h") + np.arange(0, 24, 3)
    cells = np.ones((8, 10, 10)) * 1e-9 * (20 + 5 * np.arange(8))[:, None, None]
    axes = {"time": hours.astype("M8[ns]"), "lat": 10.0 - 0.4 * np.arange(10), "lon": -13.0 + 0.4 * np.arange(10)}
    path = root / "cams/2024/01/pm2p5_20240102.nc"
    path.parent.mkdir(parents=True)
    xr.DataArray(cells, axes, ("time", "lat", "lon"), name="pm2p5").to_dataset().to_netcdf(path)


def make_utci(root: Path) -> None:
    """Write a file of hours a day for three days, as ERA5-HEAT is: 290 K and the hour, a tenth more each column."""
    for day in (date(2024, 1, n) for n in (1, 2, 3)):
        cells = 290 + np.arange(24.0)[:, None, None] + 0.1 * np.arange(12) + np.zeros((24, 12, 12))
        hours = (np.datetime64(day, "h") + np.arange(24)).astype("M8[ns]")
        axes = {"time": hours, "lat": 9.5 - 0.25 * np.arange(12), "lon": -13.0 + 0.25 * np.arange(12)}
        path = root / f"utci/2024/ECMWF_utci_{day:%Y%m%d}_v1.1_con.nc"
        path.parent.mkdir(parents=True, exist_ok=True)
        xr.DataArray(cells, axes, ("time", "lat", "lon"), name="utci").to_dataset().to_netcdf(path)


def make_chirps(root: Path) -> None:
    for month in ((2023, 12), (2024, 1), (2024, 2)):
        make_rain(root, month)
    for day in (date(2024, 2, n) for n in DRY):
        chc.make_day(root, day, "final", "rnl", np.zeros(CHIRPS_SHAPE, "float32"))
    for first in MONTHS:
        chc.make_day(root, first, "month", "rnl", np.asarray(chc.rain(first, CHIRPS_SHAPE)))


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Dataset]]:
    """The datasets of the file, with the addresses of stand-ins."""
    root = tmp_path_factory.mktemp("providers")
    make_chirps(root)
    make_dust(root)
    make_utci(root)
    worldpop.make_year(root, "SLE", 2024)
    for sex, age in itertools.product("fm", (0, 1, 5, *range(15, 50, 5))):
        worldpop.make_band(root, "SLE", 2024, sex, age)
    for first in (date(2024, 1, 1), date(2024, 1, 17)):
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
            options = resource["eo"].setdefault("options", {})
            if "stac" in options:
                search = {"stac": f"{rasters.url}/stac", "sign": f"{rasters.url}/sign"}
                options |= search | {"collection": "ndvi", "asset": "ndvi"}
            if "href" in options:
                options["href"] = options["href"].replace("https://example.org", rasters.url)
            if resource["eo"]["source"] in ("chirps3", "worldpop"):
                options["baseUrl"] = static.url
        found = inspect_datasets(config, root)
        assert found.problems == []
        yield found.right


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def compute(dataset: Dataset, cache: Path) -> Aggregated:
    """Compute one period, as a job does."""
    of_month = ("2024-01-01", "2024-01-31")
    first, last = DAYS.get(dataset.id, of_month if dataset.options.taken_from() else (DAY, DAY))
    interval = Interval(start=date.fromisoformat(first), end=date.fromisoformat(last))
    periods = periods_in(interval, dataset.period_type)
    if dataset.options.taken_from():
        return compare_with_normal(UNITS, periods, dataset, published(cache))
    asked = SourceRequest(dataset, interval, BOX, cache / "downloads")
    extract = extract_source_data(asked)
    assert extract.left_out == []
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
        for year in (*YEARS, 2023, 2024)
        for period in periods_in(Interval(start=date(year, 1, 1), end=date(year, 12, 31)), "monthly")
    ]
    values = month_by_month().tolist()
    rows = [("a", period, value) for period, value in zip(months, values, strict=True)]
    return publish_series(folder, "rain-monthly", rows)


# The same by hand, of the formulas by which the stand-ins make up their numbers (`tests/standins/cds.py` and others)

HOURS = [np.datetime64(DAY, "h") + np.timedelta64(hour, "h") for hour in range(24)]
Hourly = Callable[[float, float], float]  # of temperature and dewpoint, in K


def vapour(kelvin: float) -> float:
    """Saturation vapour pressure over water in Pa: IFS documentation CY47R3, part IV, equation 12.13."""
    return 611.21 * exp(17.502 * (kelvin - 273.16) / (kelvin - 32.19))


def of_hours(formula: Hourly) -> list[float]:
    return [formula(cds.temperature(hour), cds.dewpoint(hour)) for hour in HOURS]


def specific_humidity(hour: np.datetime64) -> float:
    vapour_pressure, pressure = vapour(cds.dewpoint(hour)), cds.pressure(hour)
    return 1000 * 0.62198 * vapour_pressure / (pressure - (1 - 0.62198) * vapour_pressure)


def humidex(t: float, td: float) -> float:
    return t - 273.15 + 0.5555 * (6.11 * exp(5417.753 * (1 / 273.15 - 1 / td)) - 10)


def wet_bulb_globe(t: float, td: float) -> float:
    """ACSM (1984) as the Australian Bureau of Meteorology has it; e = rh / 100 * 6.105 exp(17.27 T / (237.7 + T))."""
    celsius, dew = t - 273.15, td - 273.15
    humidity = 10 ** (7.5 * dew / (237.3 + dew)) / 10 ** (7.5 * celsius / (237.3 + celsius))
    return 0.567 * celsius + 0.393 * humidity * 6.105 * exp(17.27 * celsius / (237.7 + celsius)) + 3.94


def heat_index(t: float, td: float) -> float:
    """Rothfusz' regression in degF, above 80 degF and at humidities that need no adjustment."""
    celsius, dew = t - 273.15, td - 273.15
    f = celsius * 9 / 5 + 32
    r = 100 * 10 ** (7.5 * dew / (237.3 + dew)) / 10 ** (7.5 * celsius / (237.3 + celsius))
    index = -42.379 + 2.04901523 * f + 10.14333127 * r - 0.22475541 * f * r - 0.00683783 * f * f - 0.05481717 * r * r
    index += 0.00122874 * f * f * r + 0.00085282 * f * r * r - 0.00000199 * f * f * r * r
    return (index - 32) * 5 / 9


def rain_of_days(first: str, last: str) -> float:
    """Rows 34 to 43 and columns 30 to 39 of what the stand-in of CHC makes up: 0.1 a row and 0.01 a column more."""
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    days = [start + timedelta(n) for n in range((end - start).days + 1)]
    return sum(day.day + 0.5 * day.month + 0.1 * 38.5 + 0.01 * 34.5 for day in days)


def rain_of_months(first: str, last: str) -> float:
    """The same of CHC's own months, which are made up as their first day is."""
    months = [month for month in MONTHS if first <= month.isoformat() <= last]
    return sum(1 + 0.5 * month.month + 0.1 * 38.5 + 0.01 * 34.5 for month in months)


def people(*, without_sea: bool = False) -> float:
    """The cells of WorldPop in the unit, rows 34 to 43 and columns 30 to 39, each 1 + 24 and 0.01 a row more …

    The sea of ERA5-Land is a cell around 11.8 W and 8.3 N: rows 37 and 38 and columns 33 and 34.
    """
    sea = {(row, column) for row in (37, 38) for column in (33, 34)} if without_sea else set()
    cells = itertools.product(range(34, 44), range(30, 40))
    return sum(1 + 24 + 0.01 * row + 0.001 * column for row, column in cells if (row, column) not in sea)


def rain_against_normal() -> dict[str, float]:
    januaries = month_by_month()[::12]
    reference, now = januaries[: len(YEARS)], januaries[-1]
    return {
        "rain-normal": reference.mean(),
        "rain-anomaly": now - reference.mean(),
        "rain-percent-of-normal": 100 * now / reference.mean(),
        "rain-percentile": 100 * np.mean(reference < now),
        "rain-rank": 1 + np.sum(reference > now),
        "rain-spi-3": index_of_three_months(),
    }


def index_of_three_months() -> float:
    """Thom's (1958) estimate of a gamma distribution of the sums of November to January, as a normal quantile."""
    sums = month_by_month()
    of_three = sums + np.roll(sums, 1) + np.roll(sums, 2)
    januaries = of_three[12::12]  # the first January has no November before it
    reference, now = januaries[: len(YEARS) - 1], januaries[-1]
    a = np.log(reference.mean()) - np.log(reference).mean()
    shape = (1 + np.sqrt(1 + 4 * a / 3)) / (4 * a)
    return float(norm.ppf(gamma.cdf(now, shape, scale=reference.mean() / shape)))


def by_hand() -> dict[str, float]:
    """The value of each dataset of the file."""
    rainy = [
        id_ for id_ in IDS if id_.startswith("rain-") and id_ in {*DAYS, "rain-daily-nepali", "rain-daily-ethiopian"}
    ]
    rain = {
        id_: (rain_of_months if "six" in id_ or "financial" in id_ or id_ == "rain-monthly" else rain_of_days)(
            *DAYS.get(id_, (DAY, DAY))
        )
        for id_ in rainy
    }
    return {
        "humidity-daily": np.mean(of_hours(lambda t, td: 100 * vapour(td) / vapour(t))),
        "specific-humidity-daily": np.mean([specific_humidity(hour) for hour in HOURS]),
        "vapour-pressure-deficit-daily": np.mean(of_hours(lambda t, td: (vapour(t) - vapour(td)) / 1000)),
        "heat-index-daily-maximum": max(of_hours(heat_index)[12:]),
        "humidex-daily-maximum": max(of_hours(humidex)),
        "wet-bulb-globe-daily-maximum": max(of_hours(wet_bulb_globe)),
        "wind-speed-daily": (12 * hypot(3, -4) + 12 * hypot(4, 3)) / 24,
        "wind-direction-daily": degrees(atan2(-(3 + 4) / 2, -(-4 + 3) / 2)) % 360,
        # columns 4 to 6 lie in the unit, 4 and 6 by halves: 290 + 23 + 0.5 K
        "utci-daily-maximum": 290 + 23 + 0.5 - 273.15,
        "temperature-daily-maximum": 290 + 23 - 0.2 - 273.15,
        # each day's maximum is 39.85 degC less a tenth of the day, so above 35 on all; its mean is 28.35 less that
        "hot-days-monthly": 31,
        "growing-degree-days-monthly": sum(28.35 - 0.1 * day - 10 for day in range(1, 32)),
        "longest-dry-spell-monthly": 7,
        "dry-spells-monthly": 2,
        "longest-wet-spell-monthly": 5,
        "vegetation-monthly": stac.GREENNESS / 1e4,
        "fine-dust-daily": np.mean([20 + 5 * n for n in range(8)]),
        # all cells are as warm, so people weigh nothing; those in the cell of the sea do not count
        "temperature-of-people-daily": 290 + 11.5 - 0.2 - 273.15,
        "people-in-heat-daily": people(without_sea=True),
        # WorldPop's bands are made up as the people times (age + 1), and twice that of men
        "population-by-age-and-sex": people() * (1 + 2 + 6) * (1 + 2),
        "population-at-risk": people() * ((1 + 2) * (1 + 2) + (16 + 21 + 26 + 31 + 36 + 41 + 46)),
        **rain,
        **rain_against_normal(),
    }


@pytest.mark.parametrize("id_", IDS)
def test_a_dataset_has_the_value_by_hand(datasets: dict[str, Dataset], cache: Path, id_: str) -> None:
    found, dataset = compute(datasets[id_], cache), datasets[id_]
    said = "its value counts only those 96 % of its people who live in cells with data"  # the stand-in has a coast
    assert [entry.reason for entry in found.left_out] == [said] * (id_ == "people-in-heat-daily")
    assert len(found.frame) == 1
    assert found.frame["period"][0] == PERIODS.get(id_, found.frame["period"][0])
    expected = by_hand()[id_]
    rounded = 0.5 * 10.0 ** -(15 if dataset.decimals is None else dataset.decimals)
    assert found.frame["value"].item() == pytest.approx(expected, rel=2e-6, abs=rounded * 1.001)


def test_groups_are_the_parts_of_the_value(datasets: dict[str, Dataset], cache: Path) -> None:
    (groups,) = compute(datasets["population-at-risk"], cache).frame[GROUPS]
    assert json.loads(groups) == {"under5": round(people() * 9), "women15to49": round(people() * 217)}
