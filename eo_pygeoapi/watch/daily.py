"""Once a day the watch has housekeeping done, by a process that ends when it is done.

    watch/housekeeping.json   when it was done last, and what was removed

The watch lives for months, and would keep the 40 MB that merging files takes.
"""

import logging
import multiprocessing
import signal
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.operations import Retention
from eo_pygeoapi.errors import EngineUnavailableError, EoError
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.housekeeping import Housekeeping
from eo_pygeoapi.watch.log import begin_log

DONE = "watch/housekeeping.json"
EVERY = timedelta(days=1)
AGAIN_AFTER = timedelta(hours=1)  # where it could not be done whole
LONG_AGO = datetime.min.replace(tzinfo=UTC)
_LOG = logging.getLogger(__name__)


@dataclass
class DailyHousekeeping:
    """Has one house kept in order."""

    settings: Settings
    store: ResultStore
    _process: BaseProcess | None = None
    _not_before: datetime = LONG_AGO

    def begin_if_due(self, datasets: Mapping[str, Dataset], retention: Retention, now: datetime) -> None:
        """Begin it beside the watch where a day has gone by since the last time; the first may take long."""
        if (self._process and self._process.is_alive()) or now < self._not_before:
            return
        try:
            done = datetime.fromisoformat(self.store.read_json(DONE, default={})["at"])
        except (KeyError, ValueError):
            done = LONG_AGO
        if done + EVERY > now:
            return
        self._not_before = now + AGAIN_AFTER
        given = (self.settings, datasets, retention, now)
        # nothing of this process: it has threads and connections
        self._process = multiprocessing.get_context("spawn").Process(target=keep_house, args=given, daemon=True)
        self._process.start()

    def wait(self, seconds: float) -> None:
        """Wait until what was begun is done, or so long."""
        if self._process:
            self._process.join(seconds)

    def end(self, seconds: float) -> None:
        """Have what was begun come to an end, within so long."""
        if self._process:
            self._process.terminate()
            self.wait(seconds)
            self._process.kill()


def keep_house(settings: Settings, datasets: Mapping[str, Dataset], retention: Retention, now: datetime) -> None:
    """Do the housekeeping of a day in this process, until it is asked to end.

    Where the watch is killed meanwhile it is done all the same, which harms nobody: others may do the same beside it.
    """
    begin_log(settings.secrets())
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    gateway = PrefectGateway(settings.prefect_api_url, secrets=settings.secrets(), read_timeout=10.0)
    house = Housekeeping(settings, gateway, ResultStore(settings.results), stop)
    try:
        house.merge(datasets)
        removed = house.run(datasets, retention, now)
        for remark in house.remarks():
            _LOG.warning("%s", remark)
        if not stop.is_set():
            found = [asdict(one) for one in removed if one.count]
            house.store.write_json(DONE, {"at": now.isoformat(), "removed": found})
    except EngineUnavailableError as error:
        _LOG.info("housekeeping waits: %s", error)
    except EoError as error:
        _LOG.warning("housekeeping is not done: %s", error)
    except Exception:  # an hour later it is tried again
        _LOG.exception("housekeeping: unexpected error")
    else:
        for one in removed:
            if one.count:
                _LOG.info("removed %d %s, %d bytes", one.count, one.what, one.size)
