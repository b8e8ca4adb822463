"""How fast values are sent where somebody has limited that."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Sends at most `per_minute` values in a minute, 0 for any number; each batch takes `turn` for itself.

    `shared` is held from one batch until the next may be sent: jobs that hold the same one send no more together.
    """

    per_minute: int = 0
    turn: Callable[[], AbstractContextManager[object]] = nullcontext
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    shared: Callable[[], AbstractContextManager[object]] = nullcontext

    def batch(self, size: int) -> int:
        """Return how many values a batch holds that would hold `size`."""
        return min(size, self.per_minute) if self.per_minute else size

    def keep[T](self, send: Callable[[], T], sent: Callable[[T], int]) -> T:
        """Send a batch, then wait until as many values as it had may be sent again; `sent` counts them."""
        with self.shared():
            with self.turn():
                begun = self.clock()
                done = send()
            if self.per_minute:
                self.sleep(max(60 * sent(done) / self.per_minute - (self.clock() - begun), 0.0))
        return done
