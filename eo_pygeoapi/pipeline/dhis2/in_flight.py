"""Batches in flight: while DHIS2 stores one, the next is read and compared, and the last is read back.

Each of the three has a thread, so DHIS2 has one POST of an import at most, and two readings beside it. A batch is
finished, in our files too, when it was read back. So an import that dies leaves two batches at most that have begun and
are not finished; a repetition reads both again before it sends anything.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from eo_pygeoapi.errors import Dhis2Error
from eo_pygeoapi.pipeline.dhis2.batching import Done
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue
from eo_pygeoapi.pipeline.dhis2.import_files import ImportFiles, digest_of
from eo_pygeoapi.pipeline.dhis2.summary import BatchResult, Tally
from eo_pygeoapi.pipeline.dhis2.writing import Writing

FRESH = 15.0  # seconds; what was read longer ago is read again before values are sent, for people correct values
logger = logging.getLogger(__name__)


class Steps[Read, Sent](Protocol):
    """What is done with a batch; `read` and `check` are done beside the sending of another one."""

    def read(self, batch: Sequence[DataValue]) -> Read:
        """Ask what DHIS2 holds of it, once."""

    def send(self, number: int, batch: Sequence[DataValue], read: Callable[[], Read]) -> Sent:
        """Send what differs from what `read` returns, which asks again when it is called again."""

    def check(self, sent: Sent) -> Done:
        """Ask what DHIS2 holds of it now."""


class Beside:
    """A thread that does one thing after another."""

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self._thread = thread

    def do[T](self, action: Callable[[], T]) -> Future[T]:
        """Do something after what was asked for before; what it logs belongs to the caller's job."""
        return self._thread.submit(copy_context().run, action)


@contextmanager
def one_beside() -> Iterator[Beside]:
    """Start the thread; at the end it finishes what it has begun, and nothing else."""
    thread = ThreadPoolExecutor(1, "beside-import")
    try:
        yield Beside(thread)
    finally:
        thread.shutdown(cancel_futures=True)


class Reading[Read]:
    """What was read ahead, for whom asks first and soon; else it is read when it is asked for."""

    def __init__(self, beside: Beside, read: Callable[[], Read], clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._ahead: Future[tuple[Read, float]] | None = beside.do(lambda: (read(), clock()))

    def wait(self) -> None:
        """Wait until it was read, or could not be."""
        wait([self._ahead] if self._ahead else [])

    def __call__(self) -> Read:
        """Return what DHIS2 holds. Raises Dhis2Error where that cannot be read now."""
        ahead, self._ahead = self._ahead, None
        try:
            if ahead and self._clock() - (found := ahead.result())[1] < FRESH:
                return found[0]
        except Dhis2Error as error:
            logger.info("%s; reading again", error)
        return self._read()


@dataclass
class _Batch[Read]:
    number: int
    values: Sequence[DataValue]
    digest: str
    finished: Future[BatchResult] | None  # None until it is on its way
    reading: Reading[Read] | None = None


def in_flight[Read, Sent](
    run: Writing,
    found: Iterable[Sequence[DataValue]],
    steps: Steps[Read, Sent],
    report: Callable[[int], None],
) -> Tally:
    """Send those of the batches that are not finished yet, and add up what came of all.

    `report` is given how many values are done. A batch is cut when the one before it was read.
    """

    def begun(batch: _Batch[Read] | None) -> _Batch[Read] | None:
        if batch and not batch.finished:
            batch.reading = Reading(ahead, partial(steps.read, batch.values))
        return batch

    def finish(batch: _Batch[Read], sent: Sent) -> BatchResult:
        result, rows = steps.check(sent)
        result = result.model_copy(update={"digest": batch.digest})
        files.finish(batch.number, result, rows)
        return result

    def add(batch: _Batch[Read] | None) -> int:
        if not batch or not batch.finished:
            return 0
        tally.add(batch.finished.result())
        return len(batch.values)

    files, tally = run.files, Tally(run.dataset.period_type)
    cut = (_cut(files, number, values) for number, values in enumerate(found))
    done, count, last = 0, 0, None
    with one_beside() as ahead, one_beside() as behind:
        batch = begun(next(cut, None))
        while batch:
            if batch.reading:
                batch.reading.wait()
            following = begun(next(cut, None))
            if batch.reading:
                files.cut(batch.number, len(batch.values))
                sent = steps.send(batch.number, batch.values, batch.reading)
                batch.reading, batch.finished = None, behind.do(partial(finish, batch, sent))
            done += add(last)
            report(done)
            last, batch, count = batch, following, count + 1
        report(done + add(last))
    files.collect(count)
    return tally


def _cut(files: ImportFiles, number: int, values: Sequence[DataValue]) -> _Batch[Any]:
    digest = digest_of(values)
    batch = _Batch[Any](number, values, digest, None)
    if result := files.finished(number, digest):
        batch.finished = Future()
        batch.finished.set_result(result)
    return batch
