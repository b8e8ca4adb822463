"""From an empty DHIS2 to imported values, on stand-ins and on a real server of one's own."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from eo_pygeoapi.commands.dhis2.check import look
from eo_pygeoapi.pipeline.dhis2.client import connect
from eo_pygeoapi.pipeline.dhis2.importing import import_to_dhis2
from tests.pipeline.dhis2.imports import files
from tests.pipeline.dhis2.metadata.places import UNITS, Place, datasets, empty_standin, real_server
from tests.pipeline.dhis2.servers import REAL

no_server = pytest.mark.skipif(not REAL, reason="set EO_TEST_DHIS2_URL")
needs_a_server = [pytest.mark.slow, no_server, pytest.mark.timeout(900)]
PERIODS = {
    "rain": ["20250301", "20250302"],
    "heat": ["20250301"],
    "rain-monthly": ["202503"],
    "people": ["2025", "2030"],
}


@pytest.fixture(params=["2.42", "2.43", pytest.param("real", marks=needs_a_server)])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with ExitStack() as stack:
        yield stack.enter_context(real_server() if request.param == "real" else empty_standin(request.param))


def test_a_setup_makes_all_that_imports_need(tmp_path: Path, place: Place) -> None:
    enabled = datasets(place)
    planned = place.set_up(enabled)
    assert planned.problems == [] and {step.action for step in planned.steps} <= {"make", "add"}
    new = {step.code for step in planned.steps if step.action == "make" and step.kind == "data element"}
    assert new == {dataset.dhis2.data_element for dataset in enabled.values()}
    assert place.set_up(enabled).steps == planned.steps  # a plan makes nothing
    made = place.set_up(enabled, apply=True)
    assert (made.problems, made.made) == ([], planned.steps)
    again = place.set_up(enabled, apply=True)
    assert (again.steps, again.made, again.problems) == ([], [], [])
    found = list(look("national", place.importer, list(enabled.values())))
    assert [line.message for line in found if line.state != "ok"] == []
    for id_, dataset in enabled.items():
        cells = {
            (unit, period): float(n) for n, unit in enumerate(UNITS) for period in PERIODS[id_.removesuffix(place.tag)]
        }
        for attempt, expected in enumerate((("imported", len(cells)), ("unchanged", len(cells)))):
            kept = files(tmp_path, cells, dataset.dhis2, f"{id_}-{attempt}")
            opens = partial(connect, place.importer, read_timeout=300)
            summary = import_to_dhis2(kept, dataset, False, opens, pauses=(1, 2))
            assert (summary.status, summary.findings, summary.rejected) == ("SUCCESS", [], [])
            assert getattr(summary, expected[0]) == expected[1], summary
