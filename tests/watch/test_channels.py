"""Messages arrive at real receivers: an HTTP server and an SMTP server of the tests."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from eo_pygeoapi.datasets.operations import Channel
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.channels import Channels, Outbox
from eo_pygeoapi.watch.messages import Words
from tests.servers import free_port
from tests.watch.receiver import Receiver

NOW = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
CHANNELS = {"ops": Channel(tenant="north")}


def settings(**addresses: str) -> Settings:
    return Settings().with_blocks({f"EO_NOTIFY_{name.upper()}_URL": url for name, url in addresses.items()})


def outbox(store: Path, **addresses: str) -> Outbox:
    return Outbox(ResultStore(str(store)), Channels(settings(**addresses)))


def test_a_webhook_gets_json(receiver: Receiver) -> None:
    assert Channels(settings(ops=receiver.url)).send("ops", "rain: a job failed", "DHIS2 does not answer.")
    assert [(got["title"], got["message"]) for got in receiver.got] == [
        ("rain: a job failed", "DHIS2 does not answer.")
    ]


def test_a_mail_server_gets_mail() -> None:
    mails: list[Any] = []

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            mails.append(message_from_bytes(envelope.content))
            return "250 taken"

    controller = Controller(Handler(), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        url = f"mailto://127.0.0.1:{controller.port}?from=eo@example.org&to=data@example.org&mode=insecure"
        assert Channels(settings(ops=url)).send("ops", "rain: a job failed", "DHIS2 does not answer.")
    finally:
        controller.stop()

    (mail,) = mails
    assert (mail["Subject"], "data@example.org" in mail["To"]) == ("rain: a job failed", True)


def test_a_channel_without_an_address_says_how_to_give_it_one() -> None:
    with pytest.raises(ConfigError, match=r"channel 'ops' has no address; set EO_NOTIFY_OPS_URL, or make the Prefect"):
        Channels(settings()).send("ops", "a", "b")


def test_an_address_that_is_none_is_not_repeated() -> None:
    with pytest.raises(ConfigError, match="EO_NOTIFY_OPS_URL is no address that Apprise knows") as error:
        Channels(settings(ops="nonsense-with-a-secret")).send("ops", "a", "b")
    assert "secret" not in str(error.value)


def test_what_is_taken_leaves_the_outbox(tmp_path: Path, receiver: Receiver) -> None:
    out = outbox(tmp_path, ops=receiver.url)
    out.put("ops", Words("a", "b"), NOW)
    out.flush(NOW)
    out.flush(NOW + MINUTE)

    assert [got["title"] for got in receiver.got] == ["a"]


def test_a_silent_channel_is_tried_again_and_holds_up_no_other(tmp_path: Path, receiver: Receiver) -> None:
    other = Receiver()
    receiver.status = 503
    out = outbox(tmp_path, ops=receiver.url, boss=other.url)
    out.put("ops", Words("a", "b"), NOW)
    out.put("boss", Words("a", "b"), NOW)

    out.flush(NOW)
    out.flush(NOW)  # not due again yet
    assert (len(receiver.got), len(other.got)) == (1, 1)
    out.flush(NOW + MINUTE)
    assert len(receiver.got) == 2
    receiver.status = 200
    out.flush(NOW + 10 * MINUTE)
    out.flush(NOW + 60 * MINUTE)
    assert (len(receiver.got), len(other.got)) == (3, 1)
    other.close()


def test_a_silent_channel_is_a_problem_until_it_takes_messages(tmp_path: Path, receiver: Receiver) -> None:
    receiver.status = 503
    out = outbox(tmp_path, ops=receiver.url)
    out.put("ops", Words("a", "b"), NOW)
    out.flush(NOW)
    assert list(out.conditions(CHANNELS, NOW + MINUTE)) == []

    (condition,) = out.conditions(CHANNELS, NOW + 10 * MINUTE)
    assert condition.message == "The channel 'ops' takes no messages: whoever reads it does not hear what is wrong."
    assert receiver.url not in str(condition) and condition.tenant == "north" and condition.channel == "ops"
    (foreign,) = out.conditions({}, NOW + 10 * MINUTE)
    assert foreign.tenant == ""

    receiver.status = 200
    out.flush(NOW + 11 * MINUTE)
    assert list(out.conditions(CHANNELS, NOW + 12 * MINUTE)) == []


def test_a_message_that_nobody_takes_is_given_up_after_a_day(tmp_path: Path, receiver: Receiver) -> None:
    receiver.status = 503
    out = outbox(tmp_path, ops=receiver.url)
    out.put("ops", Words("a", "b"), NOW)
    out.flush(NOW + timedelta(days=1))

    receiver.status = 200
    out.flush(NOW + timedelta(days=2))
    assert len(receiver.got) == 1


def test_a_channel_that_was_away_gets_its_messages_in_their_order(tmp_path: Path, receiver: Receiver) -> None:
    out, names = outbox(tmp_path, ops=receiver.url), [f"message {n}" for n in range(6)]
    receiver.status = 503
    for n, name in enumerate(names):
        out.put("ops", Words(name, "b"), NOW + n // 3 * 40 * MINUTE)  # three in one look
        out.flush(NOW + n // 3 * 40 * MINUTE)
    receiver.status = 200
    for minutes in range(41, 120):
        out.flush(NOW + minutes * MINUTE)

    assert [got["title"] for got in receiver.taken] == names


def test_nobody_hears_that_something_is_over_of_which_they_never_heard(tmp_path: Path, receiver: Receiver) -> None:
    out = outbox(tmp_path, ops=receiver.url)
    receiver.status = 503
    out.put("ops", Words("failed", "b", "p1"), NOW)
    out.put("ops", Words("Recovered: failed", "b", "p1", over=True), NOW + 23 * HOUR)
    out.put("ops", Words("failed again", "b", "p1"), NOW + 23 * HOUR)
    assert out.flush(NOW) == []
    assert [given_up.title for given_up in out.flush(NOW + 24 * HOUR)] == ["failed", "Recovered: failed"]

    receiver.status = 200
    out.flush(NOW + 26 * HOUR)
    assert [got["title"] for got in receiver.taken] == ["failed again"]


def test_a_channel_is_silent_until_it_has_taken_something_also_when_all_is_given_up(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.status = 503
    out = outbox(tmp_path, ops=receiver.url)
    out.put("ops", Words("a", "b"), NOW)
    out.flush(NOW)
    out.flush(NOW + 24 * HOUR)
    (silent,) = out.conditions(CHANNELS, NOW + 48 * HOUR)
    assert (silent.since, silent.title) == (NOW, "channel ops takes no messages")
    assert list(out.conditions({}, NOW + 48 * HOUR)) == []  # the file names it no more
    out.put("ops", Words("c", "d"), NOW + 48 * HOUR)
    out.flush(NOW + 48 * HOUR)
    assert len(list(out.conditions(CHANNELS, NOW + 49 * HOUR))) == 1
    out.heard("ops")  # by a test
    assert list(out.conditions(CHANNELS, NOW + 49 * HOUR)) == []
