"""ERA5-Land of Destination Earth, from a Zarr store on this machine in place of the Earth Data Hub's."""

import socket
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import xarray as xr
from dhis2eo.data.destine.era5_land import hourly
from shapely.geometry import box
from zarr.errors import ZarrUserWarning

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import (
    EoError,
    NoDataError,
    NotPublishedYetError,
    SourceCredentialError,
    SourceError,
    SourceUnavailableError,
    StaleProviderError,
)
from eo_pygeoapi.pipeline.sources.era5_land.destine import EarthDataHub
from eo_pygeoapi.pipeline.sources.era5_land.source import Era5LandSource
from eo_pygeoapi.pipeline.sources.step import SourceRequest
from eo_pygeoapi.pipeline.zonal.step import aggregate_to_org_units
from tests.pipeline import made
from tests.standins import cds, chc

BOX = (-0.6, 6.9, 0.6, 8.0)  # on both sides of where the longitudes of the store begin


def make_store(path: Path, *, hole: bool = False, zarr_format: Literal[2, 3] = 2) -> Path:
    """Write hours of a week as the Earth Data Hub keeps them: longitudes 0 to 360, latitudes from north to south."""
    times = np.arange(np.datetime64("2026-03-28", "h"), np.datetime64("2026-04-04", "h"))
    latitudes, longitudes = 8.4 - 0.1 * np.arange(20), np.round(np.arange(0, 360, 0.1), 1)
    rain = np.array([cds.accumulated(moment) for moment in times], "float32")
    # a degree east has a metre less, to tell the columns
    columns = np.where(longitudes > 180, longitudes - 360, longitudes).astype("float32")
    dimensions = ("valid_time", "latitude", "longitude")
    shape = (times.size, latitudes.size, longitudes.size)
    data = xr.Dataset(
        {
            "tp": (dimensions, np.broadcast_to(rain[:, None, None], shape), {"units": "m"}),
            "t2m": (dimensions, np.broadcast_to(290 - columns, shape).copy(), {"units": "K"}),
        },
        coords={"valid_time": times.astype("M8[ns]"), "latitude": latitudes, "longitude": longitudes},
    )
    if hole:
        data["t2m"][30:33] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZarrUserWarning)  # of the metadata of version 3 in one file
        data.chunk(valid_time=24, longitude=900).to_zarr(path, zarr_format=zarr_format, consolidated=True)
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("destine") / "era5-land.zarr")


def ask(tmp_path: Path, place: object, start: str, end: str, variable: str = "total_precipitation") -> SourceRequest:
    options = {"provider": "destine", "variable": variable, "baseUrl": str(place)}
    block = {"id": "x", "source": "era5-land", "options": options}
    defaults = Dataset.model_validate(block).options.defaults()
    interval = Interval(start=date.fromisoformat(start), end=date.fromisoformat(end))
    return SourceRequest(Dataset.model_validate(block | defaults), interval, BOX, tmp_path / "cache")


def source() -> Era5LandSource:
    return Era5LandSource(lambda: date(2026, 5, 1))


def test_rain_is_that_of_the_other_provider(tmp_path: Path, store: Path) -> None:
    asked = ask(tmp_path, store, "2026-03-31", "2026-03-31")
    extract = source().extract(asked)
    grid = source().open(asked, extract)
    units = made.units({"a": box(-0.5, 7.0, 0.5, 7.9)})
    found = aggregate_to_org_units(grid, units, periods_in(asked.interval, "daily"), asked.dataset)
    assert found.frame["value"].tolist() == [77.16]
    assert extract.note == "ERA5-Land (Earth Data Hub)"
    # what is kept is not asked for again
    gone = source().extract(asked)
    assert gone == extract


def test_the_store_may_be_of_version_3(tmp_path: Path) -> None:
    store = make_store(tmp_path / "v3.zarr", zarr_format=3)
    assert (store / "zarr.json").exists()
    asked = ask(tmp_path, store, "2026-03-31", "2026-03-31", "2m_temperature")
    grid = source().open(asked, source().extract(asked))
    assert grid["x"].values[[0, -1]] == pytest.approx([-0.7, 0.7])
    assert grid.values[0, 0] == pytest.approx(290 - grid["x"].values)


def test_a_store_that_has_stopped_is_an_error_and_what_it_has_is_not(tmp_path: Path, store: Path) -> None:
    source = Era5LandSource(lambda: date(2026, 7, 1))  # 35 days is the usual delay, and the last day is 3 April
    message = (
        "stale provider: the newest day of ERA5-Land of the Earth Data Hub is 2026-04-03, 89 days ago; usually a day "
        "is there after 35 days. Ask for days until 2026-04-03, or set another provider or address"
    )
    for start, end in (("2026-04-02", "2026-04-05"), ("2026-06-01", "2026-06-02"), ("2026-06-30", "2026-06-30")):
        with pytest.raises(StaleProviderError) as caught:
            source.extract(ask(tmp_path, store, start, end, "2m_temperature"))
        assert str(caught.value) == message and not caught.value.transient
    assert source.extract(ask(tmp_path, store, "2026-04-02", "2026-04-03", "2m_temperature")).left_out == []
    lacking = ask(tmp_path, store, "2026-04-03", "2026-04-04", "2m_temperature")
    assert Era5LandSource(lambda: date(2026, 6, 12)).extract(lacking).left_out
    with pytest.raises(StaleProviderError):
        Era5LandSource(lambda: date(2026, 6, 13)).extract(lacking)


def test_the_default_address_is_that_of_the_store_that_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy, ThreadPoolExecutor() as pool:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        asked_for = pool.submit(refuse_once, proxy)
        with pytest.raises(SourceError, match="Earth Data Hub: "):
            source().extract(ask(tmp_path, "", "2026-03-31", "2026-03-31"))
        assert asked_for.result(30) == "CONNECT api.earthdatahub.destine.eu:443 HTTP/1.1"


def refuse_once(proxy: socket.socket) -> str:
    """Answer one request to a proxy with 403, and return its first line."""
    connection, _ = proxy.accept()
    with connection:
        line = connection.recv(4096).decode().splitlines()[0]
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    return line


def test_both_sides_of_the_meridian_are_there_and_in_their_place(tmp_path: Path, store: Path) -> None:
    asked = ask(tmp_path, store, "2026-03-31", "2026-03-31", "2m_temperature")
    grid = source().open(asked, source().extract(asked))
    assert grid["x"].values[[0, -1]] == pytest.approx([-0.7, 0.7])
    assert grid.values[0, 0] == pytest.approx(290 - grid["x"].values)


def test_days_beyond_the_end_of_the_store_are_left_out(tmp_path: Path, store: Path) -> None:
    extract = source().extract(ask(tmp_path, store, "2026-04-02", "2026-04-04", "2m_temperature"))
    assert [(e.period, e.reason, e.expected) for e in extract.left_out] == [
        ("20260404", "not published: 2026-04-04 (UTC)", "2026-05-09")
    ]
    with pytest.raises(
        NoDataError, match=r"ERA5-Land of the Earth Data Hub: nothing is published for .*; expected 2026-05-19"
    ):
        source().extract(ask(tmp_path, store, "2026-04-20", "2026-04-21"))


def test_hours_that_the_store_lacks_are_not_taken_for_sea(tmp_path: Path) -> None:
    holed = make_store(tmp_path / "holed.zarr", hole=True)
    with pytest.raises(SourceUnavailableError, match="Earth Data Hub: lacks 2026-03-29T06 of ERA5-Land"):
        source().extract(ask(tmp_path, holed, "2026-03-29", "2026-03-29", "2m_temperature"))


def test_a_variable_that_the_store_lacks(tmp_path: Path, store: Path) -> None:
    with pytest.raises(SourceError, match=r"has no variable .*sp"):
        source().extract(ask(tmp_path, store, "2026-03-29", "2026-03-29", "surface_pressure"))


@pytest.fixture(scope="module")
def running(store: Path) -> Iterator[chc.StandIn]:
    with chc.running(store.parent) as standin:
        yield standin


@pytest.fixture
def server(running: chc.StandIn) -> Iterator[chc.StandIn]:
    yield running
    running.faults()


CHUNK = "*/t2m/1.0.*"  # the hours of the day that is asked for


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ({"path": "*", "status": 401}, SourceCredentialError, "answers 401 .*netrc"),
        ({"path": "*", "status": 403}, SourceCredentialError, "answers 403 .*netrc"),
        ({"path": "*", "status": 503}, SourceUnavailableError, "answers 503 .*try again later"),
        ({"path": "*", "status": 404}, SourceUnavailableError, "cannot read .*try again later"),
        ({"path": CHUNK, "status": 403}, SourceCredentialError, "answers 403 .*netrc"),
        ({"path": CHUNK, "status": 429}, SourceUnavailableError, "answers 429 .*try again later"),
        ({"path": CHUNK, "status": 503}, SourceUnavailableError, "answers 503 .*try again later"),
        (
            {"path": CHUNK, "status": 404},
            NotPublishedYetError,
            r"nothing is published for .* \(it lacks 2026-03-29 \(UTC\)\)",
        ),
        ({"path": CHUNK, "drop": 300}, SourceUnavailableError, "cannot read .*try again later"),
        ({"path": CHUNK, "truncate": 300}, SourceUnavailableError, "cannot read .*try again later"),
        ({"path": CHUNK, "truncate": 0}, SourceUnavailableError, "cannot read .*try again later"),
        ({"path": CHUNK, "content": "<html>Welcome</html>"}, SourceUnavailableError, "cannot read .*try again later"),
        ({"path": CHUNK, "stall": 30}, SourceUnavailableError, "does not answer in time .*try again later"),
        ({"path": CHUNK, "slow": 30}, SourceUnavailableError, "does not answer in time .*try again later"),
    ],
)
def test_what_goes_wrong_is_said_is_not_kept_and_heals(
    tmp_path: Path, server: chc.StandIn, fault: dict[str, object], error: type[Exception], message: str
) -> None:
    asked = ask(tmp_path, f"{server.url}/era5-land.zarr", "2026-03-29", "2026-03-29", "2m_temperature")
    server.faults(fault)
    began = time.monotonic()
    quick = partial(EarthDataHub, timeouts=(5.0, 0.5 if fault.keys() & {"stall", "slow"} else 5.0))
    with pytest.raises(EoError, match=f"^(ERA5-Land of the )?Earth Data Hub: .*{message}") as caught:
        Era5LandSource(lambda: date(2026, 5, 1), {"destine": quick}).extract(asked)
    assert type(caught.value) is error
    assert time.monotonic() - began < 15
    assert list(tmp_path.rglob("*.nc")) == []
    assert hourly.xr is xr
    server.faults()
    grid = source().open(asked, source().extract(asked))
    assert grid.sizes["time"] == 24
    assert grid.values[0, 0] == pytest.approx(290 - grid["x"].values)
