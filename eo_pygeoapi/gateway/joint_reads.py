"""Reads of Prefect that threads do together: many who ask the same at the same time cost its server one read."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any
from weakref import WeakValueDictionary

PATIENCE_SECONDS = 1.0  # of the 5 s after which DHIS2's Routes give up


class JointReads:
    """Joins reads by a key that tells what is read, and for whom; safe to share between threads.

    There is one read of a key at a time. Who asks while it goes on waits for the next one, which begins when it has
    ended: so nobody is given what was read before he asked, not even who has just written. A read that takes longer
    than `patience` seconds is not waited for.
    """

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._lock = threading.Lock()
        self._next: dict[Hashable, Future[Any]] = {}
        self._turns: WeakValueDictionary[Hashable, threading.Lock] = WeakValueDictionary()

    def read[T](self, key: Hashable, read: Callable[[], T]) -> T:
        """Return what `read` returns here or in another thread, or raise what it raises."""
        with self._lock:
            joined = self._next.get(key)
            if joined is None:
                mine: Future[T] = Future()
                self._next[key] = mine
                turn = self._turns.setdefault(key, threading.Lock())
        if joined is not None:
            result: T = joined.result()
            return result
        waited = turn.acquire(timeout=self._patience)
        with self._lock:
            del self._next[key]  # who asks from now on waits for the next one
        try:
            mine.set_result(read())
        except BaseException as error:
            mine.set_exception(error)
        finally:
            if waited:
                turn.release()
        return mine.result()
