"""The months of CHIRPS v3 for sums over whole months: what is asked for, and how far they are from the sums of days."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from shapely.geometry import box

from eo_pygeoapi.contract.intervals import days
from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.datasets.cost import Needed
from eo_pygeoapi.pipeline.sources.chirps3 import months
from eo_pygeoapi.pipeline.sources.chirps3.source import Chirps3Source
from eo_pygeoapi.pipeline.sources.step import Extract, SourceRequest
from eo_pygeoapi.pipeline.zonal.step import aggregate_to_org_units
from tests.pipeline import made
from tests.pipeline.sources.test_chirps3 import BOX, NORTH, SHAPE, WEST, on, request_of
from tests.standins import chc

SUMMER = Interval(start=date(2025, 6, 1), end=date(2025, 7, 31))
UNITS = {
    "one": box(-12.0, 8.0, -11.8, 8.2),
    "large": box(-13.0, 7.2, -10.6, 9.8),
    "odd": box(-12.512, 8.013, -12.4, 8.1),
}


def showers(day: date) -> NDArray[np.float32]:
    """Rain as it falls: nothing in most places, and up to some hundred millimetres; the north-west corner is sea."""
    random = np.random.default_rng(day.toordinal())
    values = np.maximum(random.gamma(0.3, 30.0, SHAPE) - 4, 0).astype("float32")
    values[0, 0] = chc.NODATA
    return values


def month_of(first: date, day_of_month: int) -> NDArray[np.float32]:
    """The sum of the first days of a month, as a file holds it."""
    total = sum((showers(first.replace(day=n + 1)).astype("float64") for n in range(day_of_month)), np.zeros(SHAPE))
    total[0, 0] = chc.NODATA
    return total.astype("float32")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chc.StandIn]:
    """The days of July, and the months of June and July 2025."""
    root = tmp_path_factory.mktemp("chc")
    for day in days(Interval(start=date(2025, 7, 1), end=SUMMER.end)):
        chc.make_day(root, day, "final", "rnl", showers(day), west=WEST, north=NORTH)
    for first, count in ((SUMMER.start, 30), (date(2025, 7, 1), 31)):
        chc.make_day(root, first, "month", "", month_of(first, count), west=WEST, north=NORTH)
    with chc.running(root) as standin:
        yield standin


def asked(server: chc.StandIn, cache: Path, start: str, end: str, **eo: Any) -> SourceRequest:
    own = {"units": {"from": "mm", "to": "mm"}, "aggregation": {"spatial": "mean", "temporal": "sum"}, "decimals": 2}
    return request_of(server, cache, start, end, **{**own, "periodType": "monthly", **eo})


def values(source: Chirps3Source, request: SourceRequest, extract: Extract | None = None) -> list[float]:
    grid = source.open(request, extract or source.extract(request))
    periods = periods_in(request.interval, request.dataset.period_type)
    found = aggregate_to_org_units(grid, made.units(UNITS), periods, request.dataset)
    assert found.left_out == []
    return [float(value) for value in found.frame["value"]]


def test_months_are_a_thirtieth_of_the_download_and_differ_by_rounding(
    server: chc.StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, july = on(2025, 9, 1), asked(server, tmp_path / "months", "2025-07-01", "2025-07-31", decimals=None)
    server.clear_log()
    extract = source.extract(july)
    assert (extract.note, [Path(file).name for file in extract.files]) == (
        "CHIRPS v3 final (months)", ["precip_2025-07.nc"]
    )  # fmt: skip
    paths = {entry["path"] for entry in server.log() if entry["method"] == "GET"}
    assert paths == {f"/{chc.month_path(SUMMER.end)}"}
    assert source.held(july, days(SUMMER)) == set(days(july.interval))
    of_month = values(source, july, extract)
    server.clear_log()
    assert values(source, july) == of_month and server.log() == []

    daily = asked(server, tmp_path / "days", "2025-07-01", "2025-07-31", decimals=None, options={"product": "daily"})
    of_days = values(source, daily)
    assert len({entry["path"] for entry in server.log() if entry["method"] == "GET"}) == 31
    largest = max(abs(one - other) for one, other in zip(of_month, of_days, strict=True))
    with capsys.disabled():
        print(f"CHIRPS months beside sums of days: {of_month} mm, at most {largest:.2e} mm apart")
    assert 0 < largest < 0.0005  # half a unit of the last of two decimals is 0.005


def test_a_year_or_a_quarter_is_the_sum_of_months_and_a_cell_may_have_more_than_a_day_can(
    server: chc.StandIn, tmp_path: Path
) -> None:
    wet = np.full(SHAPE, 3000.0, "float32")  # a day has 2,500 mm at most
    for month in (1, 2, 3):
        chc.make_day(server.root, date(2024, month, 1), "month", "", wet, west=WEST, north=NORTH)
    request = asked(server, tmp_path, "2024-01-01", "2024-03-31", periodType="quarterly")
    assert values(on(2025, 9, 1), request) == [9000.0] * 3


@pytest.mark.parametrize(
    "eo",
    [
        {"periodType": "daily"},
        {"periodType": "weekly"},
        {"aggregation": {"spatial": "mean", "temporal": "max"}},
        {"aggregation": {"spatial": "mean", "temporal": "days-above-10"}},
        {"units": {"from": "mm/day", "to": "mm"}},
        {"options": {"stage": "latest"}},
        {"options": {"stage": "prelim"}},
        {"options": {"product": "daily"}},
    ],
)
def test_all_else_is_made_of_days(server: chc.StandIn, tmp_path: Path, eo: dict[str, Any]) -> None:
    assert not months.fits(asked(server, tmp_path, "2025-07-01", "2025-07-31", **eo))


def test_a_month_that_is_not_due_is_left_out_and_one_that_lacks_is_made_of_its_days(
    server: chc.StandIn, tmp_path: Path
) -> None:
    both = asked(server, tmp_path, "2025-06-01", "2025-07-31")
    path = f"*{chc.month_path(SUMMER.end)}"
    server.faults({"path": path, "status": 404})
    server.clear_log()
    extract = on(2025, 8, 10).extract(both)
    assert [(entry.period, entry.expected) for entry in extract.left_out] == [("202507", "2025-08-21")]
    assert [Path(file).name for file in extract.files] == ["precip_2025-06.nc"]
    assert not any("/daily/" in entry["path"] for entry in server.log())

    # a mirror may have the days alone
    july = replace(both, interval=Interval(start=date(2025, 7, 1), end=SUMMER.end))
    extract = on(2025, 9, 1).extract(july)
    assert extract.note == "CHIRPS v3 final (rnl)" and extract.left_out == []
    server.faults()
    again = on(2025, 9, 1).extract(july)
    assert again.note == "CHIRPS v3 final (months)"


def test_what_months_cost(server: chc.StandIn, tmp_path: Path) -> None:
    options = asked(server, tmp_path, "2025-07-01", "2025-07-31").dataset.options
    by_days, by_months = (
        options.cost(Needed(days(SUMMER), BOX, sums_of_months=sums_of_months)) for sums_of_months in (False, True)
    )
    assert by_days and by_months
    assert by_days.download / by_months.download == by_days.requests / by_months.requests == 61 / 2
