"""Python's garbage collector in the process of a job.

It runs in whichever thread makes the next object, and closes there the NetCDF files that nobody uses any more. The
library takes one call at a time: where the job's own thread is in it meanwhile, whole files cannot be read, or the
process dies.
"""

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class _Turn:
    """The thread that may collect, and when it collected all garbage last."""

    thread: int
    seconds_between_whole: float
    whole_at: float


_turn: _Turn | None = None


@contextmanager
def collected_here(seconds_between_whole: float = 10.0) -> Iterator[None]:
    """Have no thread collect garbage while the block runs but this one, where it calls `collect`."""
    global _turn
    was_enabled, before = gc.isenabled(), _turn
    gc.disable()
    _turn = _Turn(threading.get_ident(), seconds_between_whole, time.monotonic())
    try:
        yield
    finally:
        _turn = before
        if was_enabled:
            gc.enable()


def collect() -> None:
    """Collect the latest garbage, and all of it now and then, in the thread of `collected_here`; nothing elsewhere."""
    turn, now = _turn, time.monotonic()
    if turn is None or turn.thread != threading.get_ident():
        return
    whole = now - turn.whole_at >= turn.seconds_between_whole
    if whole:
        turn.whole_at = now
    gc.collect(2 if whole else 1)
