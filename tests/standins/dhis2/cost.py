"""What an import and a reading cost, as it was measured on a quiet machine of two cores, the database beside it."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

# seconds of one request, by its number of values
Curve = Sequence[tuple[int, float]]
NEW: dict[bool, Curve] = {
    False: ((0, 0.2), (100, 0.4), (834, 1.1), (5000, 4.9), (10_000, 10.8)),
    True: ((0, 0.2), (100, 0.3), (834, 1.0), (2500, 2.85), (5000, 9.0), (10_000, 22.9)),
}
SAME: dict[bool, Curve] = {False: ((0, 0.2), (100, 0.3), (834, 0.6), (5000, 2.7), (10_000, 6.3)), True: NEW[True]}
CHANGED = 0.0021  # seconds for each value that another replaces, until 2.42
READ: dict[bool, Curve] = {False: ((0, 0.05), (15_934, 0.8)), True: ((0, 0.05), (15_934, 1.9))}


@dataclass(frozen=True)
class Cost:
    """How long the stand-in takes for its values, as a share of what DHIS2 takes; nothing unless it is asked for.

    It takes the time when it has done what was asked, so that other requests are answered meanwhile, as DHIS2 does.
    """

    share: float = 0.0
    _owed: threading.local = field(default_factory=threading.local)

    def import_(self, from_243: bool, new: int, same: int, changed: int) -> None:
        seconds = at(NEW[from_243], new) + at(SAME[from_243], same) * bool(same)
        self._owe(seconds + (at(NEW[True], changed) if from_243 else CHANGED * changed))

    def read(self, from_243: bool, count: int) -> None:
        self._owe(at(READ[from_243], count))

    def take(self) -> None:
        """Take the time of what this thread has done."""
        time.sleep(getattr(self._owed, "seconds", 0.0))
        self._owed.seconds = 0.0

    def _owe(self, seconds: float) -> None:
        self._owed.seconds = getattr(self._owed, "seconds", 0.0) + self.share * seconds


def at(curve: Curve, count: int) -> float:
    """Return the seconds for so many values, between and beyond those that were measured."""
    pairs = list(pairwise(curve))
    (low, before), (high, after) = next((pair for pair in pairs if count <= pair[1][0]), pairs[-1])
    return before + (after - before) * (count - low) / (high - low)
