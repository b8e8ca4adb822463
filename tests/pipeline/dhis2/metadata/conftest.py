"""The server that the tests of a setup begin with: one with units, as nobody has set it up yet."""

from collections.abc import Iterator

import pytest

from tests.pipeline.dhis2.metadata.places import Place, empty_standin


@pytest.fixture(scope="module", params=["2.42", "2.43"])
def running_place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with empty_standin(request.param) as place:
        yield place


@pytest.fixture
def place(running_place: Place) -> Place:
    """Return the server as it is at the start."""
    running_place.begin_anew()
    return running_place
