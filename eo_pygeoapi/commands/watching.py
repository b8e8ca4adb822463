"""`eo-pygeoapi watch` and `notify test`."""

import logging
import signal
import threading

from eo_pygeoapi.commands.blocks import with_known_blocks
from eo_pygeoapi.datasets.config_file import read_config
from eo_pygeoapi.datasets.read import inspect_operations
from eo_pygeoapi.errors import ConfigError, EoError
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.channels import Channels, Outbox
from eo_pygeoapi.watch.log import begin_log
from eo_pygeoapi.watch.loop import Watch


def run_watch(settings: Settings) -> None:
    """Watch until SIGTERM or SIGINT."""
    settings, remarks = with_known_blocks(settings)
    begin_log(settings.secrets())
    for remark in remarks:
        logging.getLogger(__name__).warning(remark)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    gateway = PrefectGateway(settings.prefect_api_url, secrets=settings.secrets(), read_timeout=10.0)
    Watch(settings, gateway, ResultStore(settings.results)).run(stop)


def send_test(settings: Settings, name: str) -> None:
    """Send a message to a channel; an error where the file names no such channel, or it takes no messages."""
    channels = inspect_operations(read_config(settings.config))[0].notify
    if name not in channels:
        raise ConfigError(f"{name!r} is no channel of eo.notify (there are: {', '.join(channels) or 'none'})")
    body = "This is a test of the channel. eo_pygeoapi can tell you here what is wrong with the feeds."
    known = Channels(with_known_blocks(settings)[0])
    if not known.send(name, "eo_pygeoapi: a test", body):
        raise EoError(f"the channel {name!r} did not take the message; is its address right, and can it be reached?")
    Outbox(ResultStore(settings.results), known).heard(name)
