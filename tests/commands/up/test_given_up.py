"""`up` that gives up tells the channels that hear of workers, once, and the next watch says when it is over."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from eo_pygeoapi.commands.up.given_up import tell_of_the_end
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.problems import Book, Condition
from tests.stack import base_config
from tests.watch.conftest import receiver as receiver
from tests.watch.receiver import Receiver

NOW = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
DISK = Condition(event="disk", cause="/data", since=NOW, message="The disk is nearly full.")


@pytest.fixture
def settings(tmp_path: Path, receiver: Receiver) -> Settings:
    config: dict[str, Any] = base_config()
    config["eo"]["notify"] = {"ops": {"events": ["worker", "recovered"]}, "data": {"events": ["late"]}}
    path = tmp_path / "config.yml"
    path.write_text(yaml.safe_dump(config))
    known = Settings().placed(path, tmp_path / "data")
    return known.with_blocks({"EO_NOTIFY_OPS_URL": receiver.url, "EO_NOTIFY_DATA_URL": receiver.url})


def test_the_channels_that_hear_of_workers_are_told_before_up_ends(settings: Settings, receiver: Receiver) -> None:
    book = Book(ResultStore(settings.results))
    book.update([DISK], NOW)
    tell_of_the_end(settings, "the worker", "/data/logs/worker.log", NOW)
    (got,) = receiver.taken
    assert "`eo-pygeoapi up` has stopped, for the worker died again and again" in got["message"]
    assert "Look at the end of /data/logs/worker.log" in got["message"]
    assert sorted(problem.event for problem in book.open()) == ["disk", "worker"]  # what was wrong still is

    tell_of_the_end(settings, "the worker", "/data/logs/worker.log", NOW + timedelta(minutes=1))
    assert len(receiver.taken) == 1  # a supervisor may start it again and again
    closed = book.update([DISK], NOW + timedelta(hours=1)).closed  # as the watch of the next `up` does
    assert [(problem.event, [told.channel for told in problem.told]) for problem in closed] == [("worker", ["ops"])]


def test_they_are_told_also_where_nothing_can_be_kept(settings: Settings, receiver: Receiver) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "results").write_text("no folder, so nothing can be written")
    tell_of_the_end(settings, "the worker", "/data/logs/worker.log", NOW)
    (got,) = receiver.taken
    assert "`eo-pygeoapi up` has stopped" in got["message"] and "could not be kept as a problem" in got["message"]
