"""How many values the next batch holds: by the time that DHIS2 took for the last ones.

DHIS2 2.42 takes about 1 ms for each new value, however many come together; 2.43 takes twice as long for 10,000 in one
POST as for four times 2,500. So a batch grows while DHIS2 answers soon and a value costs no more than in a smaller one.
Where DHIS2 holds nearly all values as they are, more are compared at once, for a reading costs by the request; what has
to be sent of them goes in parts. A batch that has begun keeps its cut: a repetition of an import that broke off cuts
alike, and knows what is finished.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

START, MOST, LEAST = 2_000, 10_000, 100
SOON, AIM, LONG = 5.0, 7.0, 10.0  # seconds; proxies in front of DHIS2 often give up after 60
FEW = 10  # one of so many values to send is few
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
        self._fixed, self._most, self._limit, self._clock = bool(fixed), most, most, clock
        self._size = min(fixed or START, most)
        self._smaller: tuple[int, float] | None = None  # the size before it grew, and the seconds for a value then
        self._equal = 0  # as many are compared at once where DHIS2 holds nearly all

    def next(self) -> Cut:
        """Return the size of the next batch."""
        before = next(self._begun, None)
        return Cut(max(self._size, self._equal)) if before is None else Cut(before, exact=True)

    def compared(self, values: int, to_send: int) -> None:
        """Choose how many values are compared at once, after a batch of which so many have to be sent."""
        few = not self._fixed and FEW * to_send <= values
        self._equal = min(2 * max(self._equal, self._size), self._limit) if few else 0

    def parts[V](self, values: Sequence[V]) -> Iterator[Sequence[V]]:
        """Yield the values in as many parts as DHIS2 is to get them in; each is cut when it is asked for."""
        done = 0
        while done < len(values):
            part = values[done : done + self._size]
            yield part
            done += len(part)

    def timed[T](self, send: Callable[[], T], stored: Callable[[T], int]) -> T:
        """Send, and learn from the time; `stored` counts what DHIS2 has stored."""
        begun, count = self._clock(), 0
        try:
            sent = send()
            count = stored(sent)
            return sent
        finally:
            self.learn(count, self._clock() - begun)

    def learn(self, stored: int, seconds: float) -> None:
        """Choose the size of the batches to come, after DHIS2 has stored so many values at once."""
        if self._fixed:
            return
        if seconds > LONG:
            self._size = min(self._most, max(LEAST, self._size // 4, int(self._size * AIM / seconds)))
            self._smaller = None
        # few values say nothing about many, nor does a batch that was cut before the size grew
        elif 2 * stored >= self._size and stored > (self._smaller[0] if self._smaller else 0):
            if self._was_dearer(seconds / stored):
                return
            if seconds < SOON and self._size < self._most:
                self._smaller = self._size, seconds / stored
                self._size = min(2 * self._size, self._most)

    def _was_dearer(self, cost: float) -> bool:
        """Return whether a value costs more than in the smaller batches before; then these are for good.

        But for those below the first size: there DHIS2 was busy with something else when it was measured.
        """
        smaller, self._smaller = self._smaller, None
        if smaller is None or cost <= DEARER * smaller[1]:
            return False
        self._size = smaller[0]
        self._most = max(self._size, min(START, self._limit))
        return True
