import json
from collections.abc import Iterator

import pytest

from eo_pygeoapi.errors import OrgUnitsError, SourceUnavailableError
from eo_pygeoapi.pipeline.org_units.geojson import read_geojson
from tests.standins.dhis2 import StandIn, running

DOCUMENT = {"type": "FeatureCollection", "features": []}
PATH = "/units.geojson"


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    """Any HTTP server that can be told what to answer."""
    with running() as server:
        yield server


def test_a_document_is_read_from_a_url(server: StandIn) -> None:
    server.faults({"path": PATH, "status": 200, "body": json.dumps(DOCUMENT)})
    assert read_geojson(server.url + PATH, "units") == DOCUMENT


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_away_is_worth_another_try(server: StandIn, status: int) -> None:
    server.faults({"path": PATH, "status": status})
    with pytest.raises(SourceUnavailableError, match=f"units: the server answers {status}"):
        read_geojson(server.url + PATH, "units")


def test_a_server_that_hangs_up_is_worth_another_try(server: StandIn) -> None:
    server.faults({"path": PATH, "drop": True})
    with pytest.raises(SourceUnavailableError, match=r"units: the server does not answer \(ConnectionError\)"):
        read_geojson(server.url + PATH, "units")


def test_a_slow_server_is_worth_another_try(server: StandIn) -> None:
    server.faults({"path": PATH, "stall": 5, "times": 1})
    with pytest.raises(SourceUnavailableError, match=r"units: the server does not answer \(ReadTimeout\)"):
        read_geojson(server.url + PATH, "units", seconds=0.2)


def test_a_document_that_is_not_there(server: StandIn) -> None:
    server.faults({"path": PATH, "status": 404})
    with pytest.raises(OrgUnitsError, match="units: the server answers 404 Not Found"):
        read_geojson(server.url + PATH, "units")


def test_a_document_that_is_too_large(server: StandIn) -> None:
    server.faults({"path": PATH, "status": 200, "body": json.dumps(DOCUMENT)})
    with pytest.raises(OrgUnitsError, match="units: is larger than 10 bytes"):
        read_geojson(server.url + PATH, "units", max_bytes=10)


@pytest.mark.parametrize("href", ["s3://bucket/units.geojson", "file:///units.geojson"])
def test_other_kinds_of_addresses(href: str) -> None:
    with pytest.raises(OrgUnitsError, match="units: cannot be read; allowed: a path, or a URL with http or https"):
        read_geojson(href, "units")


def test_an_address_that_is_none() -> None:
    with pytest.raises(OrgUnitsError, match="units: is no URL"):
        read_geojson("http://", "units")
