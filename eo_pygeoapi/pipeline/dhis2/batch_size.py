"""How many values the next batch holds: by the time that DHIS2 took for the last ones.

DHIS2 2.42 takes about 1 ms for each new value, however many come together; 2.43 takes twice as long for 10,000 in one
POST as for four times 2,500. So a batch grows while DHIS2 answers soon and a value costs no more than in a smaller one.
A batch that has begun keeps its cut: a repetition of an import that broke off cuts alike, and knows what is finished.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from eo_pygeoapi.pipeline.dhis2.summary import BatchResult

START, MOST, LEAST = 2_000, 10_000, 100
SOON, AIM, LONG = 5.0, 7.0, 10.0  # seconds; proxies in front of DHIS2 often give up after 60
DEARER = 1.1  # times as long for a value: then the smaller batch was better


class Cut(NamedTuple):
    """How many values a batch holds at most; with `exact` exactly so many, in the middle of a period too."""

    values: int
    exact: bool = False


class BatchSizes:
    """The sizes of one job's batches, the first of which have begun before and are of `begun` values.

    `fixed` values are in each, or with 0 as many as the time says; never more than `most`.
    """

    def __init__(
        self,
        begun: Sequence[int] = (),
        *,
        fixed: int = 0,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._begun = iter(begun)
        self._fixed, self._most, self._clock = bool(fixed), most, clock
        self._size = min(fixed or START, most)
        self._smaller: tuple[int, float] | None = None  # the size before it grew, and the seconds for a value then
        self._repeats = False

    def next(self) -> Cut:
        """Return the size of the next batch."""
        before = next(self._begun, None)
        self._repeats = before is not None
        return Cut(self._size) if before is None else Cut(before, exact=True)

    def timed[T](self, send: Callable[[], tuple[BatchResult, T]]) -> Callable[[], tuple[BatchResult, T]]:
        """Return what sends a batch and learns from the time; only a first attempt shows what a value costs."""
        first = not self._repeats

        def attempt() -> tuple[BatchResult, T]:
            nonlocal first
            begun, stored = self._clock(), 0
            try:
                done = send()
                stored = done[0].stored if first else 0
                return done
            finally:
                first = False
                self.learn(stored, self._clock() - begun)

        return attempt

    def learn(self, stored: int, seconds: float) -> None:
        """Choose the size of the batches to come, after one that DHIS2 stored so many values of."""
        if self._fixed:
            return
        if seconds > LONG:
            self._size = min(self._most, max(LEAST, self._size // 4, int(self._size * AIM / seconds)))
            self._smaller = None
        elif 2 * stored >= self._size:  # what was only read says nothing about sending
            self._compare(seconds / stored)
            if seconds < SOON and self._size < self._most:
                self._smaller = self._size, seconds / stored
                self._size = min(2 * self._size, self._most)

    def _compare(self, cost: float) -> None:
        """Go back to the smaller size, and stay there, where a value costs more than it did then."""
        if self._smaller and cost > DEARER * self._smaller[1]:
            self._size = self._most = self._smaller[0]
        self._smaller = None
