"""What channels are told where the results store cannot be written, so that no problem and no message is kept there."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from eo_pygeoapi.datasets.operations import Channel, Event
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.watch.channels import Channels
from eo_pygeoapi.watch.messages import Words

TOLD_AFTER = timedelta(minutes=5)
TITLE = "eo_pygeoapi: the results store cannot be written"
_LOG = logging.getLogger(__name__)


def tell_at_once(channels: Channels, notify: Mapping[str, Channel], event: Event, words: Words) -> list[str]:
    """Send to each channel of the operator that hears of the event; returns those that have taken it."""
    taken = []
    for name, channel in notify.items():
        if event not in channel.events or channel.tenant:
            continue
        try:
            if channels.send(name, words.title, words.body):
                taken.append(name)
        except ConfigError as error:
            _LOG.warning("%s", error)
    return taken


@dataclass
class Unkept:
    """Tells once that looks come to nothing because of the store, when that has lasted, and once that it is over."""

    channels: Channels
    since: datetime | None = None
    told: list[str] = field(default_factory=list)

    def failed(self, why: str, notify: Mapping[str, Channel], now: datetime) -> None:
        """Take note of a look that failed; tell where that has lasted, unless it is told."""
        self.since = self.since or now
        if self.told or now - self.since < TOLD_AFTER:
            return
        body = (
            f"Jobs fail, and nobody is told of anything else: {why}\nSince {self.since:%Y-%m-%d %H:%M} UTC.\n"
            "Make room on its disk, or see to the object store; the rest goes on by itself then."
        )
        self.told = tell_at_once(self.channels, notify, "disk", Words(TITLE, body, ""))

    def worked(self, notify: Mapping[str, Channel], now: datetime) -> None:
        """Take note of a look that has come to its end; tell those who were told."""
        if self.told and self.since:
            lasted = f"It lasted from {self.since:%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} UTC."
            those = {name: channel for name, channel in notify.items() if name in self.told}
            tell_at_once(self.channels, those, "recovered", Words(f"Recovered: {TITLE}", lasted, "", over=True))
        self.since, self.told = None, []
