import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from dhis2eo.data.chc.chirps3 import daily
from shapely.geometry import box

from eo_pygeoapi.contract.intervals import days
from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import NoDataError, SourceError, SourceUnavailableError, StaleProviderError
from eo_pygeoapi.pipeline.grids.axis import Box
from eo_pygeoapi.pipeline.sources.chirps3.source import Chirps3Source
from eo_pygeoapi.pipeline.sources.step import Extract, SourceRequest
from eo_pygeoapi.pipeline.zonal.step import aggregate_to_org_units
from tests.pipeline import made
from tests.standins import chc

WEST, NORTH, SHAPE = -13.5, 10.2, (80, 72)
BOX = (-13.3035, 6.9176, -10.2658, 10.0004)  # Sierra Leone
JULY = Interval(start=date(2025, 7, 1), end=date(2025, 7, 31))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """July 2025, and the first ten days of August."""
    folder = tmp_path_factory.mktemp("chc")
    for day in days(Interval(start=JULY.start, end=date(2025, 8, 10))):
        chc.make_day(folder, day, "final", "rnl", chc.rain(day, SHAPE), west=WEST, north=NORTH)
    for day in days(Interval(start=date(2025, 8, 1), end=date(2025, 8, 5))):
        chc.make_day(folder, day, "prelim", "sat", chc.rain(day, SHAPE) + 50, west=WEST, north=NORTH)
    return folder


@pytest.fixture(scope="module")
def running(root: Path) -> Iterator[chc.StandIn]:
    with chc.running(root) as standin:
        yield standin


@contextmanager
def quick_gdal() -> Iterator[None]:
    """Let GDAL give up sooner than in earnest."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GDAL_HTTP_MAX_RETRY", "1")
        environment.setenv("GDAL_HTTP_RETRY_DELAY", "0.1")
        environment.setenv("GDAL_HTTP_TIMEOUT", "4")
        yield


@pytest.fixture
def server(running: chc.StandIn) -> Iterator[chc.StandIn]:
    """The stand-in without faults, and a GDAL that gives up sooner than in earnest."""
    running.clear_log()
    with quick_gdal():
        yield running
    running.faults()


Ask = Callable[..., SourceRequest]


@pytest.fixture
def ask(server: chc.StandIn, tmp_path: Path) -> Ask:
    return partial(request_of, server, tmp_path)


def request_of(server: chc.StandIn, cache: Path, start: str, end: str, bbox: Box = BOX, **eo: Any) -> SourceRequest:
    options = {"baseUrl": server.url} | eo.pop("options", {})
    dataset = Dataset.model_validate({"id": "rain", "source": "chirps3", "options": options} | eo)
    interval = Interval(start=date.fromisoformat(start), end=date.fromisoformat(end))
    return SourceRequest(dataset, interval, bbox, cache)


def on(year: int, month: int, day: int) -> Chirps3Source:
    return Chirps3Source(today=lambda: date(year, month, day))


def served(interval: Interval, plus: float = 0) -> np.ndarray[Any, Any]:
    """What the stand-in serves of these days in the box: the cells that cover it and one more on each side."""
    arrays = np.stack([chc.rain(day, SHAPE) for day in days(interval)])
    arrays = np.where(arrays == chc.NODATA, np.nan, arrays + np.float32(plus))
    return arrays[:, 2:67, 2:66]


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.nc"))


@dataclass(frozen=True)
class Month:
    """July in a cache that tests share, for dhis2eo takes nine seconds a month however fast the provider is.

    It was asked for while the provider was down: `failure` is what was said then, and `kept` what was kept.
    """

    cache: Path
    failure: str
    kept: list[str]


@pytest.fixture(scope="module")
def july(running: chc.StandIn, tmp_path_factory: pytest.TempPathFactory) -> Month:
    cache = tmp_path_factory.mktemp("cache")
    asked = request_of(running, cache, "2025-07-01", "2025-07-31")
    running.faults({"path": "*2025.07.03*", "status": 503})
    with quick_gdal(), pytest.raises(SourceUnavailableError) as caught:
        on(2025, 9, 1).extract(asked)
    running.faults()
    return Month(cache, str(caught.value), kept(cache))


@pytest.fixture(scope="module")
def cache(july: Month) -> Path:
    return july.cache


def test_a_provider_that_is_down_is_worth_another_try(july: Month) -> None:
    assert re.fullmatch(
        r"CHIRPS v3 final \(rnl\): cannot read 2025-07 from http://127.*HTTP response code: 503.*; try again later",
        july.failure,
    )
    assert july.kept == []


def test_a_whole_month_has_the_values_that_were_served_though_the_provider_was_down_before(
    server: chc.StandIn, ask: Ask, cache: Path
) -> None:
    asked, source = replace(ask("2025-07-01", "2025-07-31"), cache=cache), on(2025, 9, 1)
    extract = source.extract(asked)
    assert extract.left_out == []
    assert extract.note == "CHIRPS v3 final (rnl)"
    assert kept(cache) == ["precip_2025-07.nc"]
    grid = source.open(asked, extract)
    assert np.array_equal(grid.values, served(JULY), equal_nan=True)
    assert grid["y"].values[[0, -1]] == pytest.approx([10.075, 6.875])
    assert grid["x"].values[[0, -1]] == pytest.approx([-13.375, -10.225])
    assert {name: grid.attrs[name] for name in ("step", "units")} == {"step": "day", "units": "mm/day"}


def test_what_is_kept_is_not_asked_for_again(server: chc.StandIn, ask: Ask, cache: Path) -> None:
    asked, source = replace(ask("2025-07-01", "2025-07-31"), cache=cache), on(2025, 9, 1)
    extract = source.extract(asked)
    server.clear_log()
    assert source.extract(asked) == extract
    assert server.log() == []


def test_a_unit_has_the_mean_of_the_days_and_the_sum_of_the_month(ask: Ask, cache: Path) -> None:
    eo = {"units": {"from": "mm", "to": "mm"}, "aggregation": {"spatial": "mean", "temporal": "sum"}, "decimals": 2}
    asked = replace(ask("2025-07-01", "2025-07-31", **eo, periodType="monthly"), cache=cache)
    source = on(2025, 9, 1)
    units = made.units({"a": box(-12.0, 8.0, -11.8, 8.2)})
    found = aggregate_to_org_units(
        source.open(asked, source.extract(asked)), units, periods_in(JULY, "monthly"), asked.dataset
    )
    expected = np.stack([chc.rain(day, SHAPE)[40:44, 30:34] for day in days(JULY)]).mean((1, 2), "float64").sum()
    assert found.frame["value"].tolist() == [round(expected, 2)]


def test_a_day_that_is_not_there_is_left_out_and_the_others_are_kept(server: chc.StandIn, ask: Ask) -> None:
    server.faults({"path": "*2025.07.17*", "status": 404})
    asked, source = ask("2025-07-10", "2025-07-20"), on(2025, 9, 1)
    extract = source.extract(asked)
    assert [(e.period, e.reason, e.expected) for e in extract.left_out] == [
        ("20250717", "not published: 2025-07-17", "")
    ]
    present = [day for day in days(asked.interval) if day != date(2025, 7, 17)]
    grid = source.open(asked, extract)
    assert grid["time"].values.astype("M8[D]").tolist() == present
    # once it is there it is all that is asked for
    server.faults()
    server.clear_log()
    whole = source.extract(asked)
    assert whole.left_out == []
    assert {entry["path"] for entry in server.log()} == {"/" + chc.day_path(date(2025, 7, 17))}
    assert np.array_equal(source.open(asked, whole).values, served(asked.interval), equal_nan=True)


def test_a_provider_that_stumbles_once_is_asked_again_by_gdal(server: chc.StandIn, ask: Ask) -> None:
    server.faults({"path": "*2025.08.02*", "status": 503, "times": 1})
    asked, source = ask("2025-08-01", "2025-08-03"), on(2025, 8, 15)
    assert len(source.extract(asked).files) == 3


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        ({"truncate": 9000}, SourceUnavailableError),
        ({"truncate": 0}, SourceUnavailableError),
        ({"content": "<html>Welcome</html>"}, SourceUnavailableError),
        ({"drop": 5000}, SourceUnavailableError),
        ({"stall": 3}, SourceUnavailableError),
        ({"slow": 3}, SourceUnavailableError),
        ({"truncate": 500}, SourceUnavailableError),
        ({"status": 429}, SourceUnavailableError),
        ({"status": 401}, SourceError),
        ({"status": 403}, SourceError),
    ],
)
def test_what_goes_wrong_is_said_is_not_kept_and_heals(
    server: chc.StandIn,
    ask: Ask,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: dict[str, object],
    error: type[Exception],
) -> None:
    asked, source = ask("2025-08-01", "2025-08-03"), on(2025, 8, 15)
    server.faults({"path": "*2025.08.02*"} | damage)
    if damage.keys() & {"stall", "slow"}:
        assert len(source.extract(ask("2025-08-01", "2025-08-01")).files) == 1
        monkeypatch.setenv("GDAL_HTTP_TIMEOUT", "1")
    with pytest.raises(SourceError, match=r"^CHIRPS v3 final \(rnl\): .*(cannot read|refuses) 2025-08-02") as caught:
        source.extract(asked)
    assert type(caught.value) is error
    assert kept(tmp_path) == ["precip_2025-08-01.nc"]
    server.faults()
    monkeypatch.setenv("GDAL_HTTP_TIMEOUT", "4")
    grid = source.open(asked, source.extract(asked))
    assert np.array_equal(grid.values, served(asked.interval), equal_nan=True)


def test_days_that_are_not_published_yet_are_expected_and_not_asked_for_one_by_one(
    server: chc.StandIn, ask: Ask
) -> None:
    asked, source = ask("2025-08-09", "2025-08-31"), on(2025, 8, 20)
    extract = source.extract(asked)
    assert [entry.period for entry in extract.left_out] == [f"202508{day}" for day in range(11, 32)]
    assert {entry.expected for entry in extract.left_out} == {"2025-09-21"}
    not_there = {entry["path"] for entry in server.log() if entry["status"] == 404}
    assert not_there == {"/" + chc.day_path(date(2025, 8, 11))}
    assert source.open(asked, extract).sizes["time"] == 2


def test_a_period_is_left_out_once_with_its_days(ask: Ask) -> None:
    extract = on(2025, 8, 20).extract(ask("2025-07-28", "2025-08-17", periodType="weekly"))
    assert [(e.period, e.reason, e.expected) for e in extract.left_out] == [
        ("2025W33", "not published: 2025-08-11 to 2025-08-17", "2025-09-21")
    ]


def test_nothing_published_is_an_error_that_says_when_to_come_back(ask: Ask) -> None:
    with pytest.raises(NoDataError, match="nothing is published for 2025-09-01 to 2025-09-03; expected 2025-10-21"):
        on(2025, 9, 4).extract(ask("2025-09-01", "2025-09-03"))


def test_preliminary_days_come_by_the_pentad(ask: Ask, tmp_path: Path) -> None:
    asked, source = ask("2025-08-04", "2025-08-07", options={"stage": "prelim"}), on(2025, 8, 8)
    extract = source.extract(asked)
    assert extract.note == "CHIRPS v3 prelim (sat)"
    assert [(e.period, e.expected) for e in extract.left_out] == [
        ("20250806", "2025-08-12"),
        ("20250807", "2025-08-12"),
    ]
    grid = source.open(asked, extract)
    expected = served(Interval(start=date(2025, 8, 4), end=date(2025, 8, 5)), plus=50)
    assert np.array_equal(grid.values, expected, equal_nan=True)


def test_the_latest_days_are_preliminary_until_the_final_ones_are_published(
    server: chc.StandIn, ask: Ask, tmp_path: Path
) -> None:
    asked, source = ask("2025-08-01", "2025-08-03", options={"stage": "latest"}), on(2025, 9, 1)
    server.faults({"path": "*/final/*", "status": 404})
    extract = source.extract(asked)
    assert extract.note == "CHIRPS v3 prelim (sat)"
    assert np.array_equal(source.open(asked, extract).values, served(asked.interval, plus=50), equal_nan=True)
    # a part is final, each day once
    server.faults({"path": "*/final/*2025.08.03*", "status": 404})
    extract = source.extract(asked)
    assert extract.note == (
        "CHIRPS v3 final (rnl) 2025-08-01 to 2025-08-02, CHIRPS v3 prelim (sat) 2025-08-03 to 2025-08-03"
    )
    mixed = source.open(asked, extract).values
    assert np.array_equal(mixed[:2], served(asked.interval)[:2], equal_nan=True)
    assert np.array_equal(mixed[2:], served(asked.interval, plus=50)[2:], equal_nan=True)
    server.faults()
    extract = source.extract(asked)
    assert extract.note == "CHIRPS v3 final (rnl)"
    assert np.array_equal(source.open(asked, extract).values, served(asked.interval), equal_nan=True)


def test_what_is_kept_is_kept_apart_by_stage_flavor_and_box(ask: Ask, tmp_path: Path) -> None:
    source = on(2025, 8, 8)
    source.extract(ask("2025-08-01", "2025-08-01"))
    source.extract(ask("2025-08-01", "2025-08-01", options={"stage": "prelim"}))
    source.extract(ask("2025-08-01", "2025-08-01", (-12.0, 8.0, -11.0, 9.0)))
    # within the same cells: the same file
    source.extract(ask("2025-08-01", "2025-08-01", (-12.0 + 0.001, 8.001, -11.0 - 0.001, 9.0 - 0.001)))
    assert kept(tmp_path) == ["precip_2025-08-01.nc"] * 2 + ["precip_2025-08-01.provisional.nc"]


def test_a_single_point_has_its_cell_and_the_neighbours(ask: Ask) -> None:
    asked, source = ask("2025-08-01", "2025-08-01", (-12.01, 8.01, -12.01, 8.01)), on(2025, 8, 15)
    assert source.open(asked, source.extract(asked)).sizes == {"time": 1, "y": 3, "x": 3}


@pytest.mark.parametrize("bbox", [(0.0, 58.0, 10.0, 60.5), (0.0, -61.0, 10.0, -50.0)])
def test_beyond_60_degrees_there_is_no_chirps(ask: Ask, bbox: tuple[float, float, float, float]) -> None:
    with pytest.raises(SourceError, match=r"CHIRPS v3 covers 60°S to 60°N; the organisation units reach from"):
        on(2025, 9, 1).extract(ask("2025-07-01", "2025-07-31", bbox))


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")  # a job only logs what tests fail for
def test_a_file_whose_header_breaks_off_is_not_taken_for_one_from_0_degrees_on(server: chc.StandIn, ask: Ask) -> None:
    day, shape = date(2025, 9, 10), (80, 72)
    chc.make_day(server.root, day, "final", "rnl", chc.rain(day, shape), west=1.0, north=-1.0)
    asked, source = ask("2025-09-10", "2025-09-10", (2.0, -3.0, 3.0, -2.0)), on(2025, 9, 15)
    server.faults({"path": "*2025.09.10*", "truncate": 500})
    with pytest.raises(SourceUnavailableError, match=r"2025-09-10 .* no geotransform.*try again"):
        source.extract(asked)
    assert kept(asked.cache) == []
    server.faults()
    grid = source.open(asked, source.extract(asked))
    assert np.array_equal(grid.values[0], chc.rain(day, shape)[19:41, 19:41].astype(grid.dtype))


def test_units_that_the_provider_has_no_cells_for_are_an_error(ask: Ask) -> None:
    with pytest.raises(SourceUnavailableError, match="cannot be cut to"):
        on(2025, 8, 15).extract(ask("2025-08-01", "2025-08-01", (30.0, 8.0, 31.0, 9.0)))


def test_the_seam_is_closed_again_and_the_loggers_say_everything_once(ask: Ask) -> None:
    with pytest.raises(NoDataError):
        on(2025, 9, 4).extract(ask("2025-09-01", "2025-09-03"))
    assert daily.url_for_day("2025-07-01").startswith("https://data.chc.ucsb.edu/")
    assert logging.getLogger(daily.__name__).handlers == []


def test_an_extract_survives_json(ask: Ask) -> None:
    extract = on(2025, 8, 20).extract(ask("2025-08-09", "2025-08-12"))
    assert Extract.model_validate(extract.to_json()) == extract


def test_what_is_kept_can_be_read_by_everybody(ask: Ask, tmp_path: Path) -> None:
    on(2025, 8, 15).extract(ask("2025-08-01", "2025-08-01"))
    (path,) = tmp_path.rglob("*.nc")
    with xr.open_dataset(path, engine=xr.backends.NetCDF4BackendEntrypoint) as dataset:
        assert dataset.attrs["stage"] == "final"


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2025-02-01", "2025-02-07"),
        ("2025-02-05", "2025-02-07"),
        ("2025-02-26", "2025-03-02"),
        ("2025-07-31", "2025-08-02"),
    ],
)
def test_the_last_pentad_ends_with_the_month(ask: Ask, day: str, expected: str) -> None:
    asked = ask(day, day, options={"stage": "prelim"}, bbox=(-12.0, 8.0, -11.0, 9.0))
    with pytest.raises(
        NoDataError, match=f"CHIRPS v3 prelim .* nothing is published for {day} to {day}; expected {expected}"
    ):
        Chirps3Source(today=lambda: date.fromisoformat(day)).extract(asked)


def test_a_mirror_that_has_stopped_is_an_error_and_a_day_that_it_lacks_is_not(tmp_path: Path) -> None:
    for day in (date(2025, 2, 23), date(2025, 2, 28), date(2025, 3, 1), date(2025, 3, 3), date(2025, 3, 4)):
        chc.make_day(tmp_path / "served", day, "prelim", "sat", chc.rain(day, SHAPE))
    with chc.running(tmp_path / "served") as mirror:
        ask = partial(request_of, mirror, tmp_path / "cache", options={"stage": "prelim", "baseUrl": mirror.url})
        message = "stale provider: the newest day of CHIRPS v3 prelim .sat. is 2025-03-04, {} days ago"
        with pytest.raises(StaleProviderError, match=message.format(28)):
            on(2025, 4, 1).extract(ask("2025-03-03", "2025-03-06"))
        with pytest.raises(StaleProviderError, match=message.format(119)):
            on(2025, 7, 1).extract(ask("2025-06-20", "2025-06-21"))
        hole = on(2025, 4, 1).extract(ask("2025-03-01", "2025-03-02"))
        assert [entry.period for entry in hole.left_out] == ["20250302"]
        late = on(2025, 3, 8).extract(ask("2025-03-04", "2025-03-06"))
        assert [entry.period for entry in late.left_out] == ["20250305", "20250306"]


def test_datasets_of_one_block_are_downloaded_once(server: chc.StandIn, tmp_path: Path) -> None:
    west, south, east, north = BOX
    middle, source = (west + east) / 2, on(2025, 8, 12)
    boxes: list[Box] = [BOX, (west, south, middle, north), (middle, south, east, north)]
    found, requests = [], []
    for bbox in boxes:
        asked = request_of(server, tmp_path, "2025-08-05", "2025-08-06", bbox, shared_bbox=list(BOX))
        found.append(source.open(asked, source.extract(asked)).load())
        requests.append(len(server.log()))
    assert requests[0] > 0 and requests == [requests[0]] * 3
    whole, *parts = found
    for part in parts:
        assert 0 < part.sizes["x"] < whole.sizes["x"]
        assert part.equals(whole.sel(x=part.x, y=part.y))


def test_units_outside_of_the_shared_box_have_their_own(server: chc.StandIn, tmp_path: Path) -> None:
    west, south, east, north = BOX
    asked = request_of(server, tmp_path, "2025-08-05", "2025-08-05", BOX, shared_bbox=[west + 1, south, east, north])
    assert asked.download_box == BOX
