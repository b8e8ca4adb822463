"""Which channel hears of what, and when."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.operations import Channel
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.messages import Teller, Words
from eo_pygeoapi.watch.problems import Book, Condition

NOW = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
DAY = timedelta(days=1)
FILE = """
eo: {notify: {ops: {}, boss: {}}, tenants: {north: {}}}
resources:
  rain: {type: collection, eo: {source: chirps3}}
  heat: {type: collection, eo: {source: chirps3, notify: [ops]}}
"""


class Watch:
    """A book, channels, and the messages that were put into the outbox."""

    def __init__(self, store: ResultStore, channels: dict[str, Channel], datasets: dict[str, Dataset]) -> None:
        self.book = Book(store)
        self.messages: list[tuple[str, str, str]] = []
        self._teller = Teller(self.book, channels, datasets, self._put, "http://eo.example")

    def look(self, now: datetime, *conditions: Condition) -> list[tuple[str, str]]:
        """Update and tell; returns the channels and titles of the new messages."""
        self.messages.clear()
        self._teller.tell(self.book.update(conditions, now), now)
        return [(channel, title) for channel, title, _ in self.messages]

    def _put(self, channel: str, words: Words, _now: datetime) -> None:
        self.messages.append((channel, words.title, words.body))


@pytest.fixture
def datasets() -> dict[str, Dataset]:
    return read_datasets(yaml.safe_load(FILE), Path("/etc/eo"))


def watch(tmp_path: Path, datasets: dict[str, Dataset], **channels: Channel) -> Watch:
    return Watch(ResultStore(str(tmp_path)), channels, datasets)


def failed(dataset: str = "rain", weight: int = 1, tenant: str = "") -> Condition:
    return Condition(
        "failed", "x", NOW, "DHIS2 does not answer.", "Start it.", (dataset,), tenant, "a-job", weight
    )  # fmt: skip


def test_a_problem_is_told_once_reminded_of_and_closed_with_one_message(
    tmp_path: Path, datasets: dict[str, Dataset]
) -> None:
    on = watch(tmp_path, datasets, ops=Channel())

    assert on.look(NOW, failed()) == [("ops", "rain: a job failed")]
    assert on.look(NOW + DAY, failed()) == []
    assert on.look(NOW + 7 * DAY, failed()) == [("ops", "rain: a job failed")]
    assert on.look(NOW + 8 * DAY, failed()) == []
    assert on.look(NOW + 9 * DAY) == [("ops", "Recovered: rain: a job failed")]
    assert on.look(NOW + 10 * DAY) == []


def test_what_gets_worse_is_told_again(tmp_path: Path, datasets: dict[str, Dataset]) -> None:
    on = watch(tmp_path, datasets, ops=Channel())

    on.look(NOW, failed(weight=1))
    assert on.look(NOW + DAY, failed(weight=2)) == [("ops", "rain: a job failed")]
    assert on.look(NOW + DAY, failed(weight=2)) == []


def test_a_message_says_what_since_when_what_to_do_and_where(tmp_path: Path, datasets: dict[str, Dataset]) -> None:
    on = watch(tmp_path, datasets, ops=Channel())
    on.look(NOW, failed())

    assert on.messages[0][2].splitlines() == [
        "DHIS2 does not answer.",
        "Since 1 March 2026, 06:00 UTC.",
        "Start it.",
        "Job: http://eo.example/jobs/a-job",
        "Dataset: http://eo.example/datasets/rain",
        "All problems: http://eo.example/problems",
    ]


def test_escalation_hears_only_of_what_has_lasted(tmp_path: Path, datasets: dict[str, Dataset]) -> None:
    on = watch(tmp_path, datasets, ops=Channel(), boss=Channel(after=3 * DAY))

    assert [channel for channel, _ in on.look(NOW, failed())] == ["ops"]
    assert [channel for channel, _ in on.look(NOW + 2 * DAY, failed())] == []
    assert [channel for channel, _ in on.look(NOW + 3 * DAY, failed())] == ["boss"]
    assert [channel for channel, _ in on.look(NOW + 4 * DAY)] == ["ops", "boss"]


def test_that_it_is_over_is_told_in_the_words_that_it_was_told_in(tmp_path: Path, datasets: dict[str, Dataset]) -> None:
    on, both = watch(tmp_path, datasets, ops=Channel()), ("rain", "heat")
    on.look(NOW, Condition("failed", "x", NOW, "2 datasets failed.", datasets=both, weight=2))
    on.look(NOW + DAY, failed("heat"))  # one is well again

    assert on.look(NOW + DAY) == [("ops", "Recovered: 2 datasets: a job failed")]
    assert on.messages[0][2].startswith("This is over: 2 datasets failed.")


def test_a_channel_does_not_hear_of_its_own_silence(tmp_path: Path, datasets: dict[str, Dataset]) -> None:
    on = watch(tmp_path, datasets, ops=Channel(), boss=Channel())
    silent = Condition("failed", "channel ops", NOW, "The channel 'ops' takes no messages.", channel="ops")

    assert [channel for channel, _ in on.look(NOW, silent)] == ["boss"]
    assert [channel for channel, _ in on.look(NOW + DAY)] == ["boss"]


def test_who_was_not_told_does_not_hear_that_it_is_over(tmp_path: Path, datasets: dict[str, Dataset]) -> None:
    on = watch(tmp_path, datasets, ops=Channel(events=["failed"]), boss=Channel(after=3 * DAY))

    on.look(NOW, failed())
    assert on.look(NOW + DAY) == []  # ops does not want to hear of recoveries, boss was not told


def test_a_channel_that_never_heard_of_a_problem_does_not_hear_that_it_is_over(
    tmp_path: Path, datasets: dict[str, Dataset]
) -> None:
    on = watch(tmp_path, datasets, ops=Channel(), boss=Channel())
    for first, heard in ((NOW, False), (NOW + 30 * DAY, True)):
        on.look(first, failed())
        on.book.unheard(failed().id, "boss")  # what it was to hear was given up
        if heard:
            assert ("boss", "rain: a job failed") in on.look(first + 7 * DAY, failed())  # it is reminded
        told = [channel for channel, _ in on.look(first + 8 * DAY)]
        assert told == (["ops", "boss"] if heard else ["ops"])


def test_a_problem_of_a_channel_is_not_called_a_failed_job(tmp_path: Path, datasets: dict[str, Dataset]) -> None:
    on = watch(tmp_path, datasets, ops=Channel())
    silent = Condition("failed", "channel boss", NOW, "It takes nothing.", title="channel boss takes no messages")
    assert on.look(NOW, silent) == [("ops", "eo_pygeoapi: channel boss takes no messages")]
    assert on.look(NOW + DAY) == [("ops", "Recovered: eo_pygeoapi: channel boss takes no messages")]


@pytest.mark.parametrize(
    ("channel", "condition", "heard"),
    [
        (Channel(events=["late"]), failed(), False),
        (Channel(tenant="north"), failed(), False),
        (Channel(tenant="north"), failed(tenant="north"), True),
        (Channel(), failed(tenant="north"), True),
        (Channel(), failed("heat"), False),  # the dataset names another channel
        (Channel(), Condition("disk", "x", NOW, "The disk is full."), True),
    ],
)
def test_who_hears(
    tmp_path: Path, datasets: dict[str, Dataset], channel: Channel, condition: Condition, heard: bool
) -> None:
    assert bool(watch(tmp_path, datasets, boss=channel).look(NOW, condition)) is heard
