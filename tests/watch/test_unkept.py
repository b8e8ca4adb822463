"""What channels are told where no problem can be kept."""

from datetime import UTC, datetime, timedelta

import pytest

from eo_pygeoapi.datasets.operations import Channel
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.watch.channels import Channels
from eo_pygeoapi.watch.unkept import TITLE, Unkept
from tests.watch.receiver import Receiver

NOW = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
FULL = "results store: cannot write 'problems/open/disk-1.json': OSError: [Errno 28] No space left on device"
NOTIFY = {"ops": Channel(), "data": Channel(events=["late"]), "north": Channel(tenant="north"), "nowhere": Channel()}


@pytest.fixture
def unkept(receiver: Receiver) -> Unkept:
    known = Settings().with_blocks({f"EO_NOTIFY_{name}_URL": receiver.url for name in ("OPS", "DATA", "NORTH")})
    return Unkept(Channels(known))


def test_a_store_that_cannot_be_written_for_long_is_told_once_and_its_end(unkept: Unkept, receiver: Receiver) -> None:
    for minutes in range(12):
        unkept.failed(FULL, NOTIFY, NOW + timedelta(minutes=minutes))
        assert len(receiver.taken) == (1 if minutes >= 5 else 0)
    assert receiver.taken[0]["title"] == TITLE and "No space left on device" in receiver.taken[0]["message"]
    for minutes in (12, 13):
        unkept.worked(NOTIFY, NOW + timedelta(minutes=minutes))
    assert [got["title"] for got in receiver.taken] == [TITLE, f"Recovered: {TITLE}"]


def test_a_store_that_was_away_for_a_moment_is_not_told(unkept: Unkept, receiver: Receiver) -> None:
    for minutes in (0, 4, 8, 12):
        unkept.failed(FULL, NOTIFY, NOW + timedelta(minutes=minutes))
        unkept.worked(NOTIFY, NOW + timedelta(minutes=minutes + 1))
    assert receiver.taken == []
