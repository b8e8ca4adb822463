"""Credentials in Prefect blocks: made in a real Prefect server, and read back as the environment would say them."""

import os
from collections.abc import Iterator
from netrc import netrc

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from eo_pygeoapi.commands.blocks import with_known_blocks
from eo_pygeoapi.gateway.credentials import (
    Dhis2Connection,
    block_type,
    block_types,
    read_blocks,
    register,
    take_credentials,
)
from eo_pygeoapi.settings import Settings


@pytest.fixture(scope="module")
def api(prefect_api: str) -> Iterator[str]:
    with temporary_settings({PREFECT_API_URL: prefect_api}):
        yield prefect_api


def test_before_apply_there_are_no_blocks(api: str) -> None:
    assert read_blocks(api) == {}


def test_blocks_say_what_variables_would_say(api: str) -> None:
    register(api)
    register(api)
    assert read_blocks(api) == {}
    blocks = [
        ("west-africa", Dhis2Connection(url="https://dhis2.example.org", token=SecretStr("d2pat_x"))),
        ("other", Dhis2Connection(url="https://other.example.org", username="jane", password=SecretStr("pw"))),
        ("default", block_type("climate-data-store")(key=SecretStr("cds-key"))),
        ("default", block_type("destination-earth")(key=SecretStr("edh-key"))),
    ]
    for name, block in blocks:
        block.save(name)
    found = read_blocks(api)
    assert found == {
        "EO_DHIS2_WEST_AFRICA_URL": "https://dhis2.example.org",
        "EO_DHIS2_WEST_AFRICA_TOKEN": "d2pat_x",
        "EO_DHIS2_OTHER_URL": "https://other.example.org",
        "EO_DHIS2_OTHER_USERNAME": "jane",
        "EO_DHIS2_OTHER_PASSWORD": "pw",
        "ECMWF_DATASTORES_URL": "https://cds.climate.copernicus.eu/api",
        "ECMWF_DATASTORES_KEY": "cds-key",
        "EO_DESTINE_KEY": "edh-key",
    }
    settings = Settings().with_blocks(found)
    connection = settings.dhis2_connection("west-africa")
    assert connection and connection.token == SecretStr("d2pat_x")
    assert settings.has("ECMWF_DATASTORES_KEY")
    assert {"d2pat_x", "pw", "cds-key", "edh-key"} <= set(settings.secrets())
    assert "d2pat_x" not in repr(settings) and "cds-key" not in str(settings.model_dump())


def test_the_check_of_the_file_knows_them(api: str) -> None:
    register(api)
    Dhis2Connection(url="https://dhis2.example.org", token=SecretStr("d2pat_x")).save("checked", overwrite=True)
    settings = Settings().model_copy(update={"prefect_api_url": api})
    known, remarks = with_known_blocks(settings)
    assert known.dhis2_connection("checked") and not settings.dhis2_connection("checked") and not remarks


def test_the_check_says_that_prefect_is_away() -> None:
    settings = Settings().model_copy(update={"prefect_api_url": "http://127.0.0.1:9/api"})
    assert with_known_blocks(settings)[1] == [
        "Prefect at http://127.0.0.1:9/api does not answer, so what its blocks hold is not known"
    ]


def test_all_secrets_are_secret_to_prefect() -> None:
    secret = {block.__name__: set(block.model_json_schema()["secret_fields"]) for block in block_types()}
    assert secret == {
        "Dhis2Connection": {"token", "password"},
        "ClimateDataStore": {"key"},
        "DestinationEarth": {"key"},
        "NotificationChannel": {"url"},
        "Rasterserver": {"token"},
    }


# in a run

BLOCKS = {
    "EO_DHIS2_NATIONAL_URL": "https://block.example.org",
    "EO_DHIS2_NATIONAL_TOKEN": "of-the-block",
    "EO_DHIS2_OTHER_URL": "https://other.example.org",
    "ECMWF_DATASTORES_KEY": "of-the-block",
}


def test_a_run_takes_what_its_environment_lacks() -> None:
    own = {
        "EO_DHIS2_NATIONAL_URL": "https://own.example.org",
        "EO_DHIS2_NATIONAL_USERNAME": "jane",
        "ECMWF_DATASTORES_KEY": "own",
    }
    environ = dict(own)
    take_credentials(BLOCKS, environ)
    assert environ == own | {"EO_DHIS2_OTHER_URL": "https://other.example.org"}
    environ = {}
    take_credentials(BLOCKS, environ)
    assert environ == BLOCKS


def test_the_key_for_destination_earth_is_found_where_its_client_looks() -> None:
    environ: dict[str, str] = {}
    take_credentials({"EO_DESTINE_KEY": "edh-key"}, environ)
    for host in ("api.earthdatahub.destine.eu", "data.earthdatahub.destine.eu"):
        found = netrc(environ["NETRC"]).authenticators(host)  # as aiohttp does
        assert found and found[2] == "edh-key"
    assert environ["NETRC"].startswith("/proc/") or not os.stat(environ["NETRC"]).st_mode & 0o077
