"""How often a child that has died is started again: not for ever where it dies each time, but for years."""

import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

MOST_DEATHS = 5
WITHIN_SECONDS = 3600.0


@dataclass
class Restarts:
    """The deaths of each child within the last hour."""

    clock: Callable[[], float] = time.monotonic
    _deaths: defaultdict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def after_death(self, name: str) -> float | None:
        """Count a death; returns in how many seconds the child is started again, None where it has died too often.

        At once the first time, for most deaths are single ones; then after 1, 2, 4 and 8 seconds, for the cause may
        pass.
        """
        deaths, now = self._deaths[name], self.clock()
        while deaths and now - deaths[0] > WITHIN_SECONDS:
            deaths.popleft()
        deaths.append(now)
        if len(deaths) > MOST_DEATHS:
            return None
        return float(2 ** (len(deaths) - 2)) if len(deaths) > 1 else 0.0
