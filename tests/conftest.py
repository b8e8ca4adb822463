# before anything that loads eccodes: with the two in the other order the interpreter dies at exit
import pyproj  # noqa: F401, I001

import signal
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from xdist.remote import Producer

from eo_pygeoapi.settings import process_settings
from eo_pygeoapi.worker.environment import one_authority
from tests import canaries
from tests.ogc.jobs import called, jobs  # noqa: F401
from tests.scheduling import SharedServersScheduling, StopOfServers, place_of
from tests.servers import prefect_server
from tests.stack import (
    ERA5_DATASETS,
    FAR,
    SHARED,
    YEARLY,
    Stack,
    base_config,
    collection,
    documented_datasets,
    make_rain,
    up,
)
from tests.standins import cds, chc, dhis2, rivers, stac, worldpop

LOCAL_CALLBACKS = {"EO_ALLOW_PRIVATE_CALLBACKS": "true"}


def pytest_configure(config: pytest.Config) -> None:
    """Have the programs that tests start end on SIGINT, also where a shell has started pytest in its background."""
    config.pluginmanager.register(StopOfServers())
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run what takes minutes in one process, for it is measured."""
    if config.option.markexpr == "slow":
        config.option.numprocesses = 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: the tests that share servers, of which each group is one process's.

    Those that share a worker, too, come one after the other, so that it is started once.
    """
    items.sort(key=lambda item: "shared" not in getattr(item, "fixturenames", ()))
    items.sort(key=lambda item: place_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SharedServersScheduling:
    """Keep tests that share servers in one process."""
    return SharedServersScheduling(config, log)


@pytest.fixture(scope="session", autouse=True)
def _trust(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have all clients trust one authority: each reads those that it trusts, and for all there are that takes 30 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(one_authority(tmp_path_factory.mktemp("trust"))))
        yield


@pytest.fixture(autouse=True)
def _settings_of_this_test() -> None:
    """Have a test's process read its settings anew: a process makes them once, from its environment."""
    process_settings.cache_clear()


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prefect server without a worker: runs stay as they are."""
    with prefect_server(tmp_path_factory.mktemp("prefect")) as api:
        yield api


@pytest.fixture(scope="session")
def dhis2_server() -> Iterator[dhis2.StandIn]:
    with dhis2.running(metadata=canaries.metadata()) as server:
        yield server


@pytest.fixture(scope="session")
def chc_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chc.StandIn]:
    root = tmp_path_factory.mktemp("chc")
    make_rain(root)
    worldpop.make_year(root, "SLE", 2026)
    rivers.make_levels(root / "rivers")
    with chc.running(root) as server:
        yield server


@pytest.fixture(scope="session")
def scheduled(tmp_path_factory: pytest.TempPathFactory, chc_server: chc.StandIn) -> Iterator[Stack]:
    """Another `eo-pygeoapi up`, with schedules and a source of another package; tests change and end parts of it."""
    folder = tmp_path_factory.mktemp("scheduled")
    config = base_config()
    config["resources"]["sample-temperature"]["eo"]["schedules"] = [YEARLY]
    config["resources"]["rain"] = collection(
        "rain",
        source="chirps3",
        options={"stage": "final"},
        orgUnits={"source": "dhis2", "level": 2},
        dhis2={"connection": "far"},
        schedules=[YEARLY],
    )
    config["resources"]["levels"] = collection("levels", **rivers.block(folder, f"{chc_server.url}/rivers"))
    with up(folder, config, FAR | {"PYTHONPATH": str(rivers.install(folder / "site"))}) as running:
        yield running


@pytest.fixture(scope="session")
def cds_server() -> Iterator[cds.StandIn]:
    with cds.running() as server:
        yield server


@pytest.fixture(scope="session")
def raster_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chc.StandIn]:
    """Two composites of vegetation behind a token, and a STAC API that finds them."""
    root = tmp_path_factory.mktemp("rasters-served")
    stac.make_composite(root, date(2024, 1, 1), 16)
    stac.make_composite(root, date(2024, 1, 17), 16)
    with stac.running(root) as server:
        yield server


@pytest.fixture(scope="session")
def stack(
    tmp_path_factory: pytest.TempPathFactory,
    dhis2_server: dhis2.StandIn,
    chc_server: chc.StandIn,
    cds_server: cds.StandIn,
    raster_server: chc.StandIn,
) -> Iterator[Stack]:
    """`eo-pygeoapi up` with datasets for all end-to-end tests."""
    folder = tmp_path_factory.mktemp("stack")
    (folder / "no-raster.tif").write_text("this is no raster")
    config = base_config()
    config["resources"] |= _datasets(folder, chc_server) | _greenness(raster_server)
    if SHARED.exists():
        config["resources"] |= documented_datasets()
    environment = canaries.environment(dhis2_server) | cds_server.environment | LOCAL_CALLBACKS
    with up(folder, config, environment) as running:
        yield running


def _greenness(server: chc.StandIn) -> dict[str, object]:
    search = {"stac": f"{server.url}/private/stac", "collection": "ndvi", "asset": "ndvi", "itemDays": 16}
    return {
        "greenness": collection(
            "greenness",
            source="cog",
            options={**search, "auth": True},
            periodType="monthly",
            orgUnits={"source": "dhis2", "level": 2},
            decimals=4,
            dhis2={"connection": "national"},
        )
    }


def _datasets(folder: Path, server: chc.StandIn) -> dict[str, object]:
    units = {"source": "dhis2", "level": 2}
    target = {"connection": "national", "dataElement": "CHIRPS_PRECIPITATION", "dataSet": "CLIMATE_DAILY"}
    return {
        "rain": collection(
            "rain",
            source="chirps3",
            options={"stage": "final", "flavor": "rnl", "baseUrl": server.url},
            orgUnits=units,
            dhis2=target,
        ),
        "rain-undone": collection(
            "rain-undone",
            source="chirps3",
            options={"stage": "final", "flavor": "rnl", "baseUrl": server.url},
            orgUnits=units,
            dhis2={**target, "dataElement": "IN_TWO_SETS"},
        ),
        **{
            f"era5-{name}": collection(
                f"era5-{name}",
                source="era5-land",
                options={"provider": "cds", "variable": variable},
                timeZone=zone,
                orgUnits=units,
                dhis2={"connection": "national"},
            )
            for name, variable, zone in ERA5_DATASETS
        },
        "era5-highest": collection(
            "era5-highest",
            source="era5-land",
            options={"variable": "2m_temperature", "product": "daily"},
            aggregation={"temporal": "max"},
            decimals=2,
            orgUnits=units,
            dhis2={"connection": "national"},
        ),
        "people-in-warmth": collection(
            "people-in-warmth",
            source="era5-land",
            exposure={"above": 20},
            population={"options": {"country": "SLE", "baseUrl": server.url}},
            decimals=0,
            orgUnits=units,
            dhis2={"connection": "national"},
        ),
        "warmth-against-normal": collection(
            "warmth-against-normal",
            source="derived",
            options={"of": "era5-temperature", "statistic": "anomaly", "reference": "2023-2024", "minYears": 2},
            periodType="daily",
            orgUnits=units,
            dhis2={"connection": "national"},
        ),
        "worldpop": collection(
            "worldpop",
            source="worldpop",
            options={"country": "SLE", "version": "global2", "baseUrl": server.url},
            orgUnits=units,
            dhis2={"connection": "national"},
        ),
        "no-raster": collection(
            "no-raster",
            source="file",
            options={"href": str(folder / "no-raster.tif"), "time": "2026"},
            periodType="yearly",
            orgUnits=units,
            dhis2={"connection": "national"},
        ),
    }
