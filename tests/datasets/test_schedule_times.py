"""The times of schedules, above all where clocks change, beside what Prefect itself plans."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prefect.server.schemas.schedules import CronSchedule

from eo_pygeoapi.datasets.block import Schedule
from eo_pygeoapi.datasets.schedule_times import latest_until, moved, planned_from, times_after

# clocks change there at midnight, at 23:00, by half an hour, by two hours, for Ramadan, and not at all
ZONES = ["Africa/Cairo", "Asia/Beirut", "Europe/Berlin", "America/Havana", "America/Nuuk", "Australia/Lord_Howe",
         "Antarctica/Troll", "Africa/Casablanca", "America/Asuncion", "Africa/Freetown"]  # fmt: skip
DAY = timedelta(days=1)


def schedule(cron: str, zone: str) -> Schedule:
    return Schedule(name="daily", cron=cron, timezone=zone, inputs={})


def between(wanted: Schedule, start: datetime, end: datetime) -> list[datetime]:
    return list(takewhile(lambda time: time < end, times_after(wanted, start)))


def days(times: Iterable[datetime], zone: str) -> Counter[date]:
    return Counter(time.astimezone(ZoneInfo(zone)).date() for time in times)


@pytest.mark.parametrize(
    ("zone", "cron", "around", "expected"),
    [
        ("Africa/Cairo", "30 0 * * *", "2026-04-24", ["23T00:30+02:00", "24T01:30+03:00", "25T00:30+03:00"]),
        ("Asia/Beirut", "0 0 * * *", "2026-03-29", ["28T00:00+02:00", "29T01:00+03:00", "30T00:00+03:00"]),
        ("America/Nuuk", "30 23 * * *", "2026-03-28", ["27T23:30-02:00", "28T22:30-02:00", "29T23:30-01:00"]),
        ("Africa/Cairo", "30 23 * * *", "2026-10-29", ["28T23:30+03:00", "29T23:30+03:00", "30T23:30+02:00"]),
        ("Asia/Beirut", "30 23 * * *", "2026-10-24", ["23T23:30+03:00", "24T23:30+03:00", "25T23:30+02:00"]),
    ],
)
def test_the_days_around_a_change_have_one_time_each(zone: str, cron: str, around: str, expected: list[str]) -> None:
    day = datetime.fromisoformat(around)
    start, end = ((day + n * DAY).replace(tzinfo=ZoneInfo(zone)) for n in (-1, 2))
    found = between(schedule(cron, zone), start - timedelta(seconds=1), end - timedelta(seconds=1))
    assert [time.isoformat(timespec="minutes")[8:] for time in found] == expected


@settings(max_examples=20, deadline=None)
@example("America/Nuuk", 23, 30)  # its day has no such time, and the next has none to give
@given(st.sampled_from(ZONES), st.integers(0, 3) | st.integers(22, 23), st.sampled_from([0, 15, 30, 59]))
def test_every_day_of_a_year_has_one_time_and_prefect_plans_a_run_for_it(zone: str, hour: int, minute: int) -> None:
    wanted = schedule(f"{minute} {hour} * * *", zone)
    start = datetime(2026, 1, 10, 12, tzinfo=ZoneInfo(zone))
    end = start.replace(year=2027)
    ours = between(wanted, start, end)
    assert set(days(ours, zone).values()) == {1} and len(ours) == 365
    plan = CronSchedule(cron=wanted.cron, timezone=zone)._get_dates_generator(n=1000, start=start, end=end)
    assert [(moved(wanted, time) or time).astimezone(UTC) for time in plan] == [time.astimezone(UTC) for time in ours]


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.sampled_from(["30 0 * * *", "0 */6 * * *", "*/20 * * * *", "0 6 * * MON", "15 2 1 * *", "0 1,23 * * *"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),
)
def test_the_latest_time_is_the_last_of_those_before(zone: str, cron: str, moment: datetime) -> None:
    wanted, now = schedule(cron, zone), moment.replace(tzinfo=UTC)
    latest = latest_until(wanted, now)
    assert latest is not None and latest <= now
    assert next(times_after(wanted, latest)) > now
    assert next(times_after(wanted, latest - timedelta(microseconds=1))) == latest


@settings(max_examples=25, deadline=None)
@example("America/Havana", datetime(2026, 10, 31, 5))
@given(st.sampled_from(ZONES), st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)))
def test_prefect_plans_the_run_of_a_time_from_where_it_is_told_to(zone: str, moment: datetime) -> None:
    wanted = schedule("30 0 * * *", zone)
    time = next(times_after(wanted, moment.replace(tzinfo=UTC)))
    plan = CronSchedule(cron=wanted.cron, timezone=zone)
    found = plan._get_dates_generator(n=10, start=planned_from(wanted, time), end=time)
    # as instants: Python calls equal times of two kinds of time zones different where the clocks show one twice
    assert [(moved(wanted, planned) or planned).astimezone(UTC) for planned in found] == [time.astimezone(UTC)]


def test_an_hourly_schedule_has_no_time_twice_and_none_moved() -> None:
    wanted = schedule("30 * * * *", "Africa/Cairo")
    start = datetime(2026, 4, 23, 12, tzinfo=UTC)
    found = [time.astimezone(UTC) for time in between(wanted, start, start + DAY)]
    assert found == [start + timedelta(minutes=30 + 60 * n) for n in range(24)]
    assert not any(moved(wanted, time) for time in found)


def test_a_day_that_never_comes_has_no_times() -> None:
    never = schedule("0 0 * * *", "UTC").model_copy(update={"cron": "0 0 30 2 *"})
    assert list(times_after(never, datetime(2026, 1, 1, tzinfo=UTC))) == []
    assert latest_until(never, datetime(2026, 1, 1, tzinfo=UTC)) is None
