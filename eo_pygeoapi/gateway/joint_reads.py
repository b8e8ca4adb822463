"""Reads of Prefect that threads do together: many who ask the same at the same time cost its server one read."""

import threading
import time
from collections.abc import Callable, Hashable, MutableMapping
from concurrent.futures import Future
from typing import Any
from weakref import WeakValueDictionary

from cachetools import LRUCache

RESTING = 1_000  # keys whose rest is known
REST_SECONDS = 0.25  # at most
PATIENCE_SECONDS = 1.0  # of the 5 s after which DHIS2's Routes give up


class JointReads:
    """Joins reads by a key that tells what is read, and for whom; safe to share between threads.

    There is one read of a key at a time. Who asks while it goes on waits for the next one, which begins when it has
    ended: so nobody is given what was read before he asked, not even who has just written. A read that takes longer
    than `patience` seconds is not waited for.

    After a read its key rests for `rest` times as long as it took, `REST_SECONDS` at most: where many ask, the
    server answers the same question a part of its time only, and more of them share an answer.
    """

    def __init__(self, patience: float = PATIENCE_SECONDS, rest: float = 0) -> None:
        self._patience = patience
        self._rest = rest
        self._rests_until: MutableMapping[Hashable, float] = LRUCache(RESTING)
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
            rests_until = self._rests_until.get(key, 0)
        time.sleep(max(rests_until - time.monotonic(), 0))
        with self._lock:
            del self._next[key]  # who asks from now on waits for the next one
        began = time.monotonic()
        try:
            mine.set_result(read())
        except BaseException as error:
            mine.set_exception(error)
        finally:
            ended = time.monotonic()
            with self._lock:
                self._rests_until[key] = ended + min(self._rest * (ended - began), REST_SECONDS)
            if waited:
                turn.release()
        return mine.result()
