"""All that a job fetches goes through the proxy that the environment names, with its password."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from pydantic import SecretStr

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.dhis2.client import connect
from eo_pygeoapi.pipeline.formats.contents import contents
from eo_pygeoapi.pipeline.formats.opening import open_variable
from eo_pygeoapi.pipeline.org_units.geojson import read_geojson
from eo_pygeoapi.pipeline.sources.chirps3.chc import Served, download_day, newest_day, served_by
from eo_pygeoapi.pipeline.sources.download import exists
from eo_pygeoapi.pipeline.sources.era5_land.destine import EarthDataHub
from eo_pygeoapi.pipeline.sources.era5_land.provider import Wanted
from eo_pygeoapi.settings import Dhis2Connection
from tests.pipeline.sources.test_destine import BOX, make_store
from tests.stack import CHIRPS_SHAPE
from tests.standins import chc, dhis2, proxy

DAY = date(2024, 1, 1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chc.StandIn]:
    root = tmp_path_factory.mktemp("files")
    make_store(root / "hours.zarr")
    (root / "units.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": []}))
    chc.make_day(root, DAY, "final", "rnl", np.asarray(chc.rain(DAY, CHIRPS_SHAPE)))
    with chc.running(root) as server:
        yield server


@pytest.fixture
def outside(
    files: chc.StandIn, dhis2_server: dhis2.StandIn, monkeypatch: pytest.MonkeyPatch
) -> Iterator[proxy.StandIn]:
    """The proxy; names that end in `.test` are known to it alone."""
    ports = {"files.test": urlsplit(files.url).port or 0, "dhis2.test": urlsplit(dhis2_server.url).port or 0}
    with proxy.running(ports) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server
        assert set(server.log) <= {*ports, "407"} and server.log, "nobody has asked the proxy"


def test_files_come_through_it(outside: proxy.StandIn) -> None:
    assert exists("http://files.test/units.geojson")
    assert read_geojson("http://files.test/units.geojson", "units") == {"type": "FeatureCollection", "features": []}


def test_a_wrong_password_is_said(outside: proxy.StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", outside.environment["http_proxy"].replace(proxy.PASSWORD, "wrong"))
    with pytest.raises(SourceError, match="answers 407 Proxy Authentication Required"):
        exists("http://files.test/units.geojson")
    assert "407" in outside.log


def test_chirps_comes_through_it(outside: proxy.StandIn, tmp_path: Path) -> None:
    served = Served("final", "rnl", "http://files.test", (-13.0, 7.0, -12.0, 8.0))
    assert newest_day(served, DAY) == DAY
    with served_by(served.base_url):
        assert download_day(served, DAY, tmp_path / "day.nc").stat().st_size > 1000


def test_a_zarr_store_comes_through_it(outside: proxy.StandIn) -> None:
    place = "http://files.test/hours.zarr"
    assert {"t2m", "tp"} <= set(contents(place, "hours"))
    assert float(open_variable(place, "t2m", "hours").isel(time=0, y=0, x=0)) == 290


def test_destination_earth_comes_through_it(outside: proxy.StandIn, tmp_path: Path) -> None:
    wanted = Wanted(variables=("t2m",), days=(date(2026, 3, 29),), box=BOX)
    (file,) = EarthDataHub("http://files.test/hours.zarr").fetch(wanted, tmp_path, lambda _words: None)
    assert file.stat().st_size > 1000


def test_dhis2_is_reached_through_it(outside: proxy.StandIn, dhis2_server: dhis2.StandIn) -> None:
    connection = Dhis2Connection(url="http://dhis2.test", token=SecretStr(dhis2_server.token))
    with connect(connection) as client:
        assert client.me()
    assert outside.log == ["dhis2.test"]
