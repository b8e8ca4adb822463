"""The server that the tests of a setup begin with: one with units, as nobody has set it up yet."""

from collections.abc import Iterator

import httpx
import pytest

from tests.pipeline.dhis2.metadata.places import Place, empty_standin, make_units


@pytest.fixture(scope="module", params=["2.42", "2.43"])
def running_place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with empty_standin(request.param) as place:
        yield place


@pytest.fixture
def place(running_place: Place) -> Place:
    """Return the server as it is at the start."""
    httpx.put(f"{running_place.url}/_new", json=None).raise_for_status()
    make_units(running_place)
    return running_place
