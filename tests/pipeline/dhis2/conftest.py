"""Two releases of DHIS2, emptied for each test, and what imports into one; a file may have others of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.dhis2.imports import TODAY, Importer
from tests.standins.dhis2 import StandIn, running


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, StandIn]]:
    with running("2.42", today=TODAY) as old, running("2.43", today=TODAY) as new:
        yield {"2.42": old, "2.43": new}


@pytest.fixture(params=["2.42", "2.43"])
def dhis2(request: pytest.FixtureRequest, servers: dict[str, StandIn]) -> StandIn:
    servers[request.param].reset()
    return servers[request.param]


@pytest.fixture
def run(tmp_path: Path) -> Importer:
    return Importer(tmp_path)
