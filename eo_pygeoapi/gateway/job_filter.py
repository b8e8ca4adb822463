"""The query parameters of `GET /jobs`: which jobs a client wants."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import get_args

from eo_pygeoapi.contract.status import FINAL, JobStatus
from eo_pygeoapi.dates import ends_of, instant
from eo_pygeoapi.errors import QueryError
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.json_types import JsonMapping

STATUSES: tuple[JobStatus, ...] = get_args(JobStatus)
JOB_TYPE = "process"
_MILLISECOND = timedelta(microseconds=999)
_SECONDS = re.compile(r"\d{1,12}", re.ASCII)
_DATETIME = "an RFC 3339 date-time such as 2025-07-01T00:00:00Z, or start/end, where .. or nothing is open"


@dataclass(frozen=True)
class JobFilter:
    """A job matches if all members match; an empty tuple or None matches any. `ours`: are jobs of our type wanted?

    Of `datasets` it is an import, or a backfill, undo or comparison that is about one.
    """

    statuses: tuple[JobStatus, ...] = ()
    process_ids: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    ours: bool = True
    created_from: datetime | None = None
    created_until: datetime | None = None
    min_duration: int | None = None
    max_duration: int | None = None

    @property
    def by_duration(self) -> bool:
        """Tell whether the filter looks at durations, for which Prefect has no filter."""
        return self.min_duration is not None or self.max_duration is not None

    def duration_fits(self, job: Job, now: datetime) -> bool:
        """Tell whether the duration of a job, until now if it runs, is a wanted one; a job without times has none."""
        until = job.finished if job.status in FINAL else now
        if job.status == "accepted" or job.started is None or until is None:
            return False
        seconds = (until - job.started).total_seconds()
        at_least = self.min_duration is None or seconds >= self.min_duration
        return at_least and (self.max_duration is None or seconds <= self.max_duration)


def parse_job_filter(parameters: JsonMapping) -> JobFilter:
    """Read a filter from query parameters, repeated or comma-separated; QueryError names every mistake."""
    problems: list[str] = []

    def read[T](name: str, parse: Callable[[str], T]) -> T | None:
        text = parameters.get(name)
        try:
            return parse(text) if text is not None else None
        except (ValueError, OverflowError) as error:
            problems.append(f"{name}: {text!r} is not allowed; allowed: {error}")
            return None

    statuses = _several(parameters, "status")
    problems += [f"status: {s!r} is not allowed; allowed: {', '.join(STATUSES)}" for s in statuses if s not in STATUSES]
    types = _several(parameters, "type")
    created = read("datetime", _interval) or (None, None)
    least, most = read("minDuration", _seconds), read("maxDuration", _seconds)
    if problems:
        raise QueryError(problems)
    return JobFilter(
        statuses=tuple(status for status in STATUSES if status in statuses),
        process_ids=tuple(_several(parameters, "processID")),
        datasets=tuple(_several(parameters, "dataset")),
        ours=not types or JOB_TYPE in types,
        created_from=created[0],
        created_until=created[1],
        min_duration=least,
        max_duration=most,
    )


def _several(parameters: JsonMapping, name: str) -> list[str]:
    getlist = getattr(parameters, "getlist", None)
    texts = getlist(name) if getlist else [parameters[name]] if name in parameters else []
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def _seconds(text: str) -> int:
    if not _SECONDS.fullmatch(text):
        raise ValueError("whole seconds, 0 or more")
    return int(text)


def _interval(text: str) -> tuple[datetime | None, datetime | None]:
    try:
        # a `+` in a query that was not escaped arrives as a space
        parts = [re.sub(r" (?=\d\d:\d\d$)", "+", part).replace(" ", "T") for part in ends_of(text)]
        start, end = (instant(part) if part else None for part in parts)
    except ValueError as error:
        raise ValueError(_DATETIME) from error
    if any(moment is not None and moment.tzinfo is None for moment in (start, end)):
        raise ValueError(_DATETIME)
    if start and end and end < start:
        raise ValueError("a start that is not after the end")
    # the API cuts the times that it shows to the millisecond
    return start, end + _MILLISECOND if end else None
