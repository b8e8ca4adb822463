"""Values in batches of whole periods: each is sent, tried again by itself, and noted when it is finished."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Protocol

from eo_pygeoapi.errors import Dhis2Error
from eo_pygeoapi.pipeline.dhis2.batch_size import BatchSizes
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue
from eo_pygeoapi.pipeline.dhis2.import_files import Row, digest_of
from eo_pygeoapi.pipeline.dhis2.summary import BatchResult, Tally
from eo_pygeoapi.pipeline.dhis2.writing import Writing

PAUSES = (2.0, 5.0, 15.0, 45.0)  # seconds before a batch is tried again

Report = Callable[[float], None]  # takes the fraction of the values that is done
Wait = Callable[[str], None]  # takes words on what is waited for, empty when it has come
# waits for the turn among the jobs that write to one data element (its UID), and gives it back
Turn = Callable[[str], AbstractContextManager[object]]
Done = tuple[BatchResult, list[Row]]  # what came of a batch, and each of its values beside what DHIS2 held
logger = logging.getLogger(__name__)


class OfPeriod(Protocol):
    """A value of a period, which it names by its id."""

    @property
    def period(self) -> str: ...  # noqa: D102


def batches[V: OfPeriod](values: Iterable[V], sizes: BatchSizes, one_period: bool = False) -> Iterator[list[V]]:
    """Yield the values, which come ordered by period, in lists of whole periods, of the sizes at most.

    Only a period that has more values than that is divided; with `one_period` no list has more than one.
    """
    left = iter(values)
    ahead = list(islice(left, 1))
    while ahead:
        size, exact = sizes.next()
        ahead += islice(left, max(size + 1 - len(ahead), 0))
        end = size if exact and not one_period else _end(ahead, size, one_period)
        yield ahead[:end]
        ahead = ahead[end:] or list(islice(left, 1))


def _end(ahead: Sequence[OfPeriod], size: int, one_period: bool) -> int:
    """Return how many of the values are a batch of at most `size`; `ahead` holds one more, where there is one."""
    if one_period:
        return next((n for n, value in enumerate(ahead[:size]) if value.period != ahead[0].period), size)
    if len(ahead) <= size:
        return size
    # the period that goes on beyond the batch is the next one's, unless it is all of this
    return next(n for n, value in enumerate(ahead) if value.period == ahead[size].period) or size


def again[T](action: Callable[[], T], pauses: Sequence[float], wait: Wait = lambda _words: None) -> T:
    """Return the result of the action; after a transient error, retry it after each of the pauses.

    `wait` is told what is waited for, and an empty text when that has come.
    """
    since = ""
    for pause in pauses:
        try:
            result = action()
            break
        except Dhis2Error as error:
            if not error.transient:
                raise
            logger.warning("%s; trying again in %g s", error, pause)
            now = datetime.now(UTC)
            since = since or f"{now:%H:%M}"
            wait(f"DHIS2 has not answered since {since} UTC; asked again at {now + timedelta(seconds=pause):%H:%M:%S}")
            time.sleep(pause)
    else:
        result = action()
    if since:
        wait("")
    return result


def in_batches[V: OfPeriod](
    run: Writing,
    found: Iterable[Sequence[V]],
    values: Callable[[Sequence[V]], Sequence[DataValue]],
    send: Callable[[int, Sequence[V]], Done],
    report: Callable[[int], None],
) -> Tally:
    """Send those of the batches that are not finished yet, each with its number, and add up what came of all.

    `values` are those of a batch, by which it is known again; `report` is given how many are done.
    """
    tally, count, done = Tally(run.dataset.period_type), 0, 0
    for number, batch in enumerate(found):
        digest = digest_of(values(batch))
        result = run.files.finished(number, digest)
        if result is None:
            run.files.cut(number, len(batch))
            result, rows = send(number, batch)
            result = result.model_copy(update={"digest": digest})
            run.files.finish(number, result, rows)
        tally.add(result)
        count, done = number + 1, done + len(batch)
        report(done)
    run.files.collect(count)
    return tally
