"""The newest day that providers have: asked by the watch, at most once an hour, and kept in the store."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from eo_pygeoapi.datasets.read import load_datasets
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.pipeline.sources.chirps3.options import Chirps3Options
from eo_pygeoapi.pipeline.sources.era5_land.options import Era5LandOptions
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.newest_days import NewestDay, newest_day
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.loop import Watch
from tests.stack import make_rain
from tests.standins import cds, chc

TODAY = date(2024, 2, 10)
NOW = datetime(2024, 2, 10, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def chc_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chc.StandIn]:
    """A server of this module's own: it has January and nothing else, whatever other tests publish."""
    root = tmp_path_factory.mktemp("chc")
    make_rain(root)
    with chc.running(root) as server:
        yield server


def nothing(variable: str) -> str:
    return ""


@pytest.mark.parametrize(("today", "newest"), [(TODAY, date(2024, 1, 31)), (date(2025, 1, 3), date(2024, 1, 31))])
def test_the_listing_of_the_server_says_it(chc_server: chc.StandIn, today: date, newest: date) -> None:
    assert Chirps3Options(base_url=chc_server.url).newest(today, nothing) == newest
    assert Chirps3Options(base_url=chc_server.url, stage="prelim").newest(today, nothing) is None


def test_final_data_are_asked_for_too_where_the_newest_ones_are_preliminary(chc_server: chc.StandIn) -> None:
    assert Chirps3Options(base_url=chc_server.url, stage="latest").newest(TODAY, nothing) is None
    assert Chirps3Options(base_url=chc_server.url, stage="latest").newest_final(TODAY, nothing) == date(2024, 1, 31)
    assert Chirps3Options(base_url=chc_server.url).newest_final(TODAY, nothing) is None


def test_the_catalogue_says_it_without_a_key(cds_server: cds.StandIn) -> None:
    cds_server.state(latest="2024-02-04")
    settings = {"ECMWF_DATASTORES_URL": cds_server.url}
    try:
        assert Era5LandOptions().newest(TODAY, lambda name: settings.get(name, "")) == date(2024, 2, 4)
        assert Era5LandOptions(base_url=cds_server.url).newest(TODAY, nothing) == date(2024, 2, 4)
    finally:
        cds_server.state()
    assert Era5LandOptions(provider="destine").newest(TODAY, nothing) is None


def test_a_provider_is_asked_at_most_once_an_hour(tmp_path: Path, chc_server: chc.StandIn) -> None:
    options = {"baseUrl": chc_server.url}
    block = {"source": "chirps3", "options": options}
    resources = {name: {"type": "collection", "title": name, "eo": block} for name in ("rain", "rain-again")}
    config = tmp_path / "pygeoapi-config.yml"
    config.write_text(yaml.safe_dump({"server": {"url": "http://eo.example/"}, "resources": resources}))
    settings = Settings().model_copy(update={"config": config, "data_dir": tmp_path})
    store = ResultStore(str(tmp_path / "results"))
    watch = Watch(settings, PrefectGateway("http://127.0.0.1:9/api"), store, NOW)
    rain = load_datasets(config)["rain"]
    chc_server.clear_log()

    for minutes in (0, 10, 59):
        watch.look(NOW + timedelta(minutes=minutes))
    assert newest_day(store, rain) == NewestDay(day=date(2024, 1, 31), asked=NOW)
    assert len(listings(chc_server)) == 1
    chc_server.faults({"path": "/products/*", "status": 503})
    later = NOW + timedelta(minutes=61)
    watch.look(later)
    chc_server.faults()
    assert newest_day(store, rain) == NewestDay(day=date(2024, 1, 31), asked=later)
    assert len(listings(chc_server)) == 2


def listings(server: chc.StandIn) -> list[str]:
    return [entry["path"] for entry in server.log() if entry["path"].endswith("/2024/")]
