"""Periods that DHIS2 has not met before.

Until 2.42 DHIS2 makes a period when a request first names it, and where two requests name it at once only one
succeeds: reading is refused, and of values that are sent a few valid days are, as E7611. Two schedules of the same hour
meet each new day so. Therefore new periods are named by one small request before their values are sent, which is simply
made again where it collides; and values that are refused all the same are sent again (see `send`).
"""

import logging
import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence

from eo_pygeoapi.pipeline.dhis2.errors import CollisionError

PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)  # seconds, about, before something that collided is done again

Name = Callable[[Sequence[str]], object]
logger = logging.getLogger(__name__)


def pauses() -> Iterator[float]:
    """Yield seconds to wait, longer each time, and different ones for two that have collided."""
    return (pause * random.uniform(0.5, 1.5) for pause in PAUSES)


class NewPeriods:
    """Names periods to DHIS2 once each, through `name`, which raises CollisionError."""

    def __init__(self, name: Name) -> None:
        self._name = name
        self._known: set[str] = set()

    def announce(self, periods: Collection[str], met: Collection[str]) -> None:
        """Name the periods, but for those that DHIS2 has met already."""
        self._known.update(met)
        if new := sorted(set(periods) - self._known):
            self._until_it_succeeds(new)
            self._known.update(new)

    def _until_it_succeeds(self, periods: Sequence[str]) -> None:
        for pause in pauses():
            try:
                self._name(periods)
                return
            except CollisionError:
                time.sleep(pause)
        logger.warning("DHIS2 did not take %d new periods in %d tries", len(periods), len(PAUSES))
