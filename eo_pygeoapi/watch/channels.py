"""Channels: where messages go, through the library Apprise, and what becomes of one that a channel does not take.

    problems/outbox/{channel}/{id}.json   a message that is to be sent, with how often that was tried

Addresses hold secrets: they come from the environment or a Prefect block, and stand in no message, log or answer.
"""

import logging
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import apprise
from pydantic import BaseModel

from eo_pygeoapi.datasets.operations import Channel
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.settings import Settings, notify_variable
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.problems import Condition

OUTBOX = "problems/outbox"
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
        notifier = apprise.Apprise()
        if not notifier.add(url):
            raise ConfigError(
                f"channel {channel!r}: {notify_variable(channel)} is no address that Apprise knows; "
                "allowed: mailto://…, json://…, slack://… and the others of its documentation"
            )
        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its messages hold addresses
        return bool(notifier.notify(title=title, body=body))


class Outbox:
    """Messages that wait to be sent; each is tried for a day."""

    def __init__(self, store: ResultStore, channels: Channels) -> None:
        self._store = store
        self._channels = channels

    def put(self, channel: str, title: str, body: str, now: datetime) -> None:
        """Keep a message, to be sent with the next `flush`."""
        self._keep(str(uuid.uuid4()), Message(channel=channel, title=title, body=body, made=now, due=now))

    def flush(self, now: datetime) -> None:
        """Send what is due; what a channel does not take stays, until a day has gone by."""
        for id_, message in self._messages():
            if message.due > now:
                continue
            sent = False
            try:
                sent = self._channels.send(message.channel, message.title, message.body)
                if not sent:
                    _LOG.warning("channel %s did not take %r", message.channel, message.title)
            except ConfigError as error:
                _LOG.warning("%s", error)
            if sent:
                self._drop(id_, message)
            elif now - message.made >= GIVE_UP_AFTER:
                _LOG.error("channel %s: gave up %r after a day", message.channel, message.title)
                self._drop(id_, message)
            else:
                pause = PAUSES[min(message.attempts, len(PAUSES) - 1)]
                self._keep(id_, message.model_copy(update={"attempts": message.attempts + 1, "due": now + pause}))

    def conditions(self, channels: Mapping[str, Channel], now: datetime) -> Iterator[Condition]:
        """Yield a condition for each channel that takes nothing; one of a tenant is a problem of the tenant."""
        oldest: dict[str, datetime] = {}
        for _, message in self._messages():
            if message.attempts and now - message.made >= SILENT_AFTER:
                oldest[message.channel] = min(message.made, oldest.get(message.channel, message.made))
        for channel, since in oldest.items():
            yield Condition(
                event="failed",
                cause=f"channel {channel}",
                since=since,
                tenant=channels[channel].tenant if channel in channels else "",
                channel=channel,
                message=f"The channel {channel!r} takes no messages.",
                what_to_do=f"Look at {notify_variable(channel)}, and try `eo-pygeoapi notify test {channel}`.",
            )

    def _messages(self) -> Iterator[tuple[str, Message]]:
        for key in self._store.keys(OUTBOX):
            yield key.rpartition("/")[2].removesuffix(".json"), Message.model_validate(self._store.read_json(key))

    def _keep(self, id_: str, message: Message) -> None:
        self._store.write_json(f"{OUTBOX}/{message.channel}/{id_}.json", message.model_dump(mode="json"))

    def _drop(self, id_: str, message: Message) -> None:
        self._store.delete(f"{OUTBOX}/{message.channel}/{id_}.json")
