from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from eo_pygeoapi.contract.status import JobStatus
from eo_pygeoapi.errors import QueryError
from eo_pygeoapi.gateway.filters import flow_run_filter
from eo_pygeoapi.gateway.job import STATUS_BY_STATE, Job
from eo_pygeoapi.gateway.job_filter import STATUSES, JobFilter, parse_job_filter

NOON = datetime(2025, 7, 1, 12, tzinfo=UTC)


def parsed(query: str) -> JobFilter:
    return parse_job_filter(MultiDict([tuple(pair.split("=", 1)) for pair in query.split("&") if pair]))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", JobFilter()),
        ("status=", JobFilter()),
        ("status=failed,dismissed", JobFilter(statuses=("failed", "dismissed"))),
        ("status=dismissed&status=failed", JobFilter(statuses=("failed", "dismissed"))),
        ("processID=a,b&processID=c", JobFilter(process_ids=("a", "b", "c"))),
        ("type=process", JobFilter()),
        ("type=other,process", JobFilter()),
        ("type=other", JobFilter(ours=False)),
        ("minDuration=0&maxDuration=60", JobFilter(min_duration=0, max_duration=60)),
        ("datetime=2025-07-01T12:00:00Z/..", JobFilter(created_from=NOON)),
        ("datetime=2025-07-01T14:00:00+02:00/", JobFilter(created_from=NOON)),
        ("datetime=2025-07-01T14:00:00 02:00/", JobFilter(created_from=NOON)),  # a plus that was not escaped
        ("unknown=x", JobFilter()),
    ],
)
def test_filters_are_read(query: str, expected: JobFilter) -> None:
    assert parsed(query) == expected


def test_an_instant_and_the_end_of_an_interval_are_whole_milliseconds() -> None:
    later = NOON + timedelta(microseconds=999)
    text = "2025-07-01T12:00:00.000Z"
    assert parsed(f"datetime={text}") == JobFilter(created_from=NOON, created_until=later)
    assert parsed(f"datetime=../{text}") == JobFilter(created_until=later)


@pytest.mark.parametrize("status", ["nope", "Failed", "failed,nope"])
def test_an_unknown_status_is_refused(status: str) -> None:
    with pytest.raises(QueryError, match=r"is not allowed; allowed: accepted, running, successful, failed, dismissed"):
        parsed(f"status={status}")


@pytest.mark.parametrize(
    "text",
    [
        *("", "..", "x", "2025-07-01", "2025-07-01T12:00:00", "2025-02-30T12:00:00Z", "../../.."),
        *("٢025-07-01T12:00:00Z", "2025-07-02T00:00:00Z/2025-07-01T00:00:00Z", "0001-01-01T00:00:00+23:00"),
    ],
)
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="datetime: "):
        parsed(f"datetime={text}")


def test_every_mistake_is_named() -> None:
    with pytest.raises(QueryError) as caught:
        parsed("status=x&datetime=x&minDuration=x&maxDuration=-1")
    assert [p.split(":")[0] for p in caught.value.problems] == ["status", "datetime", "minDuration", "maxDuration"]


def job(status: JobStatus, started: int | None = 0, finished: int | None = None) -> Job:
    def at(seconds: int | None) -> datetime | None:
        return NOON + timedelta(seconds=seconds) if seconds is not None else None

    return Job("id", "echo", status, "", 0, NOON, NOON, at(started), at(finished))


@pytest.mark.requirement("job-list/duration-response")
@pytest.mark.parametrize(
    ("which", "fits"),
    [
        (job("successful", 0, 10), True),
        (job("failed", 0, 9), False),
        (job("dismissed", 0, 20), True),
        (job("dismissed", 0, 21), False),
        (job("dismissed", None, 15), False),
        (job("running", 0), True),  # for 15 s by now
        (job("running", 10), False),
        (job("accepted", None), False),
        (job("successful", 0, None), False),
    ],
)
def test_durations_count_from_start_to_end_or_to_now(which: Job, fits: bool) -> None:
    wanted = JobFilter(min_duration=10, max_duration=20)
    assert wanted.duration_fits(which, NOON + timedelta(seconds=15)) is fits


def test_statuses_become_types_of_states() -> None:
    for status in STATUSES:
        where = flow_run_filter(JobFilter(statuses=(status,)), [], NOON)
        types: Any = where.state.type.any_ if where.state and where.state.type else None
        assert {STATUS_BY_STATE[state] for state in types} == {status}
    assert flow_run_filter(JobFilter(), [], NOON).state is None


def test_what_is_not_due_is_never_listed() -> None:
    later = NOON + timedelta(days=1)
    where = flow_run_filter(JobFilter(created_until=later), [], NOON)
    assert where.expected_start_time and where.expected_start_time.before_ == NOON
