"""Channels: where messages go, through the library Apprise, and what becomes of one that a channel does not take.

    problems/outbox/{channel}/{id}.json   a message that is to be sent, with how often that was tried
    problems/silent/{channel}.json        since when the channel takes nothing, until it takes something

A channel gets its messages in the order in which they were made: nobody hears that something is over before it began.
Addresses hold secrets: they come from the environment or a Prefect block, and stand in no message, log or answer.
"""

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel

from eo_pygeoapi.datasets.operations import Channel
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.settings import Settings, notify_variable
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.messages import Words
from eo_pygeoapi.watch.problems import Condition

OUTBOX, SILENT = "problems/outbox", "problems/silent"
GIVE_UP_AFTER = timedelta(days=1)
# how long after a failed attempt the next one comes; the last holds for all that follow
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60))
# a channel that has not taken a message for so long is a problem itself
SILENT_AFTER = timedelta(minutes=10)

_LOG = logging.getLogger(__name__)
_OF_THE_WEB = {"http": "json", "https": "jsons"}  # Apprise's names for a webhook


class Message(BaseModel):
    """A message to one channel."""

    channel: str
    title: str
    body: str
    made: datetime
    attempts: int = 0
    due: datetime
    problem: str = ""  # the id of the one that it tells of
    over: bool = False


@dataclass(frozen=True)
class Channels:
    """Sends through the addresses that the settings know."""

    settings: Settings

    def send(self, channel: str, title: str, body: str) -> bool:
        """Send one message now; returns whether the channel took it. ConfigError where it has no usable address."""
        address = self.settings.notify_url(channel)
        if address is None:
            variable = notify_variable(channel)
            raise ConfigError(
                f"channel {channel!r} has no address; set {variable}, or make the Prefect block "
                f"notification-channel/{channel}"
            )
        url = address.get_secret_value()
        scheme, colon, rest = url.partition("://")
        if colon and scheme in _OF_THE_WEB:  # a webhook that gets JSON
            url = f"{_OF_THE_WEB[scheme]}://{rest}"
        import apprise  # not above: who has no channels need not hold it

        notifier = apprise.Apprise()
        if not notifier.add(url):
            raise ConfigError(
                f"channel {channel!r}: {notify_variable(channel)} is no address that Apprise knows; "
                "allowed: mailto://…, json://…, slack://… and the others of its documentation"
            )
        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its messages hold addresses
        return bool(notifier.notify(title=title, body=body))


class Outbox:
    """Messages that wait to be sent, of each channel one after the other; each is tried for a day."""

    def __init__(self, store: ResultStore, channels: Channels) -> None:
        self._store = store
        self._channels = channels
        self._made = 0

    def put(self, channel: str, words: Words, now: datetime) -> None:
        """Keep a message, to be sent with the next `flush`."""
        self._made += 1
        key = f"{OUTBOX}/{channel}/{now:%Y%m%dT%H%M%S%f}-{self._made:04}-{uuid.uuid4().hex[:8]}.json"
        told = {"title": words.title, "body": words.body, "problem": words.problem, "over": words.over}
        self._keep(key, Message(channel=channel, made=now, due=now, **told))

    def flush(self, now: datetime) -> list[Message]:
        """Send what is due; what a channel does not take stays, until a day has gone by. Returns what was given up."""
        waiting: dict[str, list[tuple[str, Message]]] = {}
        for key, message in self._messages():
            waiting.setdefault(message.channel, []).append((key, message))
        return [message for channel in waiting for message in self._flush(channel, waiting[channel], now)]

    def heard(self, channel: str) -> None:
        """Note that a channel takes messages."""
        self._store.delete(f"{SILENT}/{channel}.json")

    def conditions(self, channels: Mapping[str, Channel], now: datetime) -> Iterator[Condition]:
        """Yield a condition for each channel that takes nothing; one of a tenant is a problem of the tenant.

        It is one until the channel has taken a message, also where those that it did not take were given up.
        """
        waits = {message.channel for _, message in self._messages()}
        for key in self._store.keys(SILENT):
            channel = key.rpartition("/")[2].removesuffix(".json")
            if channel not in channels and channel not in waits:  # the file names it no more
                self._store.delete(key)
                continue
            since = datetime.fromisoformat(self._store.read_json(key)["since"])
            if now - since < SILENT_AFTER:
                continue
            yield Condition(
                event="failed",
                cause=f"channel {channel}",
                since=since,
                tenant=channels[channel].tenant if channel in channels else "",
                channel=channel,
                title=f"channel {channel} takes no messages",
                message=f"The channel {channel!r} takes no messages: whoever reads it does not hear what is wrong.",
                what_to_do=f"Look at {notify_variable(channel)}, and try `eo-pygeoapi notify test {channel}`; when "
                "that is taken, this is over.",
            )

    def _flush(self, channel: str, waiting: Sequence[tuple[str, Message]], now: datetime) -> list[Message]:
        """Send the messages of one channel until it does not take one; returns those that were given up for that."""
        for number, (key, message) in enumerate(waiting):
            if message.due > now:
                return []
            if not self._sent(message):
                return self._put_off(waiting[number:], now)
            self.heard(channel)
            self._store.delete(key)
        return []

    def _sent(self, message: Message) -> bool:
        try:
            if self._channels.send(message.channel, message.title, message.body):
                return True
            _LOG.warning("channel %s did not take %r", message.channel, message.title)
        except ConfigError as error:
            _LOG.warning("%s", error)
        return False

    def _put_off(self, waiting: Sequence[tuple[str, Message]], now: datetime) -> list[Message]:
        """Let a channel's messages wait, and give up the old ones, and what says that such a problem is over."""
        first = waiting[0][1]
        silent = f"{SILENT}/{first.channel}.json"
        if not self._store.exists(silent):
            self._store.write_json(silent, {"since": first.made.isoformat()})
        kept, lost, problems = list[tuple[str, Message]](), list[Message](), set[str]()
        for key, message in waiting:
            if now - message.made >= GIVE_UP_AFTER or (
                message.over and message.problem and message.problem in problems
            ):
                _LOG.error("channel %s: gave up %r", message.channel, message.title)
                self._store.delete(key)
                lost.append(message)
                problems = problems - {message.problem} if message.over else problems | {message.problem}
            else:
                kept.append((key, message))
        if kept:
            key, message = kept[0]
            pause = PAUSES[min(first.attempts, len(PAUSES) - 1)]
            self._keep(key, message.model_copy(update={"attempts": first.attempts + 1, "due": now + pause}))
        return lost

    def _messages(self) -> Iterator[tuple[str, Message]]:
        """Yield the messages in the order in which they were made."""
        found = [(key, Message.model_validate(self._store.read_json(key))) for key in self._store.keys(OUTBOX)]
        yield from sorted(found, key=lambda one: (one[1].made, one[0]))

    def _keep(self, key: str, message: Message) -> None:
        self._store.write_json(key, message.model_dump(mode="json"))
