"""The steps of an import as its progress artifact keeps them."""

from datetime import UTC, datetime, timedelta

import pytest

from eo_pygeoapi.gateway.progress import STEPS
from eo_pygeoapi.gateway.steps import IMPORT_STEPS, Step, from_metadata, to_metadata

BEGAN = datetime(2025, 7, 1, 12, 0, 0, 5, UTC)


def test_the_steps_are_those_of_the_flow() -> None:
    assert IMPORT_STEPS == tuple(STEPS)


def test_steps_are_read_as_they_were_written_and_the_others_wait() -> None:
    steps = [
        Step("validate_inputs", "successful", BEGAN, BEGAN + timedelta(seconds=1)),
        Step("load_org_units", "running", BEGAN + timedelta(seconds=2)),
    ]
    assert from_metadata(to_metadata(steps)) == [*steps, *map(Step, IMPORT_STEPS[2:])]


@pytest.mark.parametrize(
    "metadata", [None, {}, {"a": "b"}, {"validate_inputs": "asleep"}, {"load_org_units": "failed x"}]
)
def test_what_others_wrote_says_nothing_of_steps(metadata: dict[str, str] | None) -> None:
    assert from_metadata(metadata) == ()
