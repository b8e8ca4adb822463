"""What the channels are told when `up` gives up: the watch, which tells all else, has ended with it.

The problem is kept like any other, so that the watch of the next `up` says that it is over.
"""

import logging
from datetime import UTC, datetime

from eo_pygeoapi.datasets.config_file import read_config
from eo_pygeoapi.datasets.operations import EVENTS
from eo_pygeoapi.datasets.read import inspect_datasets, inspect_operations
from eo_pygeoapi.errors import ResultsError
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.store import ResultStore

_LOG = logging.getLogger(__name__)


def tell_of_the_end(settings: Settings, what: str, log: str, now: datetime | None = None) -> None:
    """Tell the channels that hear of workers that nothing runs any more: `what` died, and `log` says why.

    No watch may run meanwhile, for it is the only writer of problems while it does. What a channel does not take now
    is sent by the next watch. Raises EoError.
    """
    # Apprise and the store take a moment to import, and only this needs them
    from eo_pygeoapi.watch.channels import Channels, Outbox
    from eo_pygeoapi.watch.messages import Teller, Words
    from eo_pygeoapi.watch.problems import Book, Condition
    from eo_pygeoapi.watch.unkept import tell_at_once

    now = now or datetime.now(UTC)
    config, store = read_config(settings.config), ResultStore(settings.results)
    datasets = inspect_datasets(config, settings.config.absolute().parent).right
    operations, _ = inspect_operations(config)
    condition = Condition(
        event="worker",
        cause="up",
        since=now,
        message=f"`eo-pygeoapi up` has stopped, for {what} died again and again: no job starts, no schedule runs, "
        "and nobody is told of anything else.",
        what_to_do=f"Look at the end of {log}, mend what it says, and start `eo-pygeoapi up` again.",
    )
    book, channels = Book(store), Channels(settings)
    outbox, base_url = Outbox(store, channels), str(config["server"]["url"]).rstrip("/")
    try:
        changes = book.update([condition], now, EVENTS)  # all other problems stay as they are
        Teller(book, operations.notify, datasets, outbox.put, base_url).tell(changes, now)
        outbox.flush(now)
    except ResultsError as error:  # as of a full disk, which may be why it has ended
        body = f"{condition.message}\n{condition.what_to_do}\nIt could not be kept as a problem: {error}"
        tell_at_once(channels, operations.notify, "worker", Words("eo_pygeoapi: it has stopped", body, ""))
