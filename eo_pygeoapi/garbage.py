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

SECONDS_BETWEEN_WHOLE = 10.0
_collector: int | None = None  # the thread that may collect
_whole_at = 0.0


@contextmanager
def collected_here() -> Iterator[None]:
    """Have no thread collect garbage while the block runs but this one, where it calls `collect`."""
    global _collector, _whole_at
    was_enabled, before = gc.isenabled(), _collector
    gc.disable()
    _collector, _whole_at = threading.get_ident(), time.monotonic()
    try:
        yield
    finally:
        _collector = before
        if was_enabled:
            gc.enable()


def collect() -> None:
    """Collect the latest garbage, and all of it now and then, in the thread of `collected_here`; nothing elsewhere."""
    global _whole_at
    if threading.get_ident() != _collector:
        return
    whole = time.monotonic() - _whole_at >= SECONDS_BETWEEN_WHOLE
    if whole:
        _whole_at = time.monotonic()
    gc.collect(2 if whole else 1)
