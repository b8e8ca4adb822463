"""Periods that DHIS2 does not have yet.

Until 2.42 DHIS2 creates a period when a request first names it, and if two requests name it at once only one succeeds:
DHIS2 refuses the other if it reads, and a few of its valid days (E7611) if it writes. Two schedules of the same hour
collide so on each new day. Therefore the import names new periods in one small request before it sends their values,
and retries it after a collision; it also sends values again that DHIS2 refuses all the same (see `send`).
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
    """Yield seconds to wait, ever longer ones, and random so that two that collided do not collide again."""
    return (pause * random.uniform(0.5, 1.5) for pause in PAUSES)


class NewPeriods:
    """Names periods to DHIS2 once each, through `name`, which raises CollisionError."""

    def __init__(self, name: Name) -> None:
        self._name = name
        self._known: set[str] = set()

    def announce(self, periods: Collection[str], met: Collection[str]) -> None:
        """Name the periods to DHIS2, without those that it has already."""
        self._known.update(met)
        new = sorted(set(periods) - self._known)
        if not new:
            return
        self._known.update(new)
        for pause in pauses():
            try:
                self._name(new)
                return
            except CollisionError:
                time.sleep(pause)
        logger.warning("DHIS2 did not take %d new periods in %d tries", len(new), len(PAUSES))
