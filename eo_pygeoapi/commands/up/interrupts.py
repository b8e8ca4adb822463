"""Ctrl-C and SIGTERM, where a command starts and stops other processes."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130  # exit status of what Ctrl-C has ended, as shells have it
_STOPS = (signal.SIGTERM, signal.SIGINT)


def raise_interrupts() -> None:
    """Have both signals raise KeyboardInterrupt; a shell starts its background jobs with SIGINT ignored."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in _STOPS:
        signal.signal(number, interrupt)


def ignore_interrupts() -> None:
    """Ignore both signals, so that a second Ctrl-C does not cut off what stops the others."""
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Hold both signals back until the block has ended, so that it does all of its work or has not begun."""
    came: list[int] = []
    handlers = {number: signal.signal(number, lambda number, _frame: came.append(number)) for number in _STOPS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for signaled in came:
        signal.raise_signal(signaled)
