"""Until when values are right, whether that is late, and how it is said."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.contract.status import JobStatus
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.store.coverage import PeriodSummary
from eo_pygeoapi.watch import detect, freshness, overdue
from eo_pygeoapi.watch.detect import Failure
from eo_pygeoapi.watch.freshness import Facts

TODAY = date(2026, 11, 27)


def dataset(more: str = "") -> Dataset:
    block = f"{{source: chirps3, options: {{stage: prelim}}{more}}}"
    text = f"resources: {{rain: {{type: collection, title: Rain, eo: {block}}}}}"
    return read_datasets(yaml.safe_load(text), Path("/etc/eo"))["rain"]


def days(first: date, last: date, missing: Sequence[date] = (), **counts: int) -> list[PeriodSummary]:
    return [
        PeriodSummary(
            id=period.id,
            start=period.start,
            end=period.end,
            present=0 if period.start in missing else 13,
            provisional=counts.get("provisional", 0),
            imported=0 if period.start in missing else counts.get("imported", 13),
            rejected=0,
            kept=counts.get("kept", 0),
        )
        for period in periods_in(Interval(start=first, end=last), "daily")
    ]


def facts(periods: list[PeriodSummary], more: str = "", **known: Any) -> Facts:
    return Facts(dataset(more), periods, **known)


def job(status: JobStatus) -> Job:
    now = datetime(2026, 11, 26, 6, tzinfo=UTC)
    return Job("a-job", "eo-aggregate-import", status, "", 100, now, now, now, now)


def test_a_feed_that_is_on_time() -> None:
    feed = facts(days(date(2026, 11, 1), date(2026, 11, 24)))
    found = freshness.status(feed, TODAY)

    assert (found.published_until, found.imported_until) == (date(2026, 11, 24), date(2026, 11, 24))
    assert (found.state, found.late, found.gaps, found.expected) == ("ok", False, 0, date(2026, 11, 27))
    assert found.summary == "in DHIS2 until 24 November; 25 November expected today"


@pytest.mark.parametrize(
    ("today", "late"), [(date(2026, 11, 27), False), (date(2026, 11, 29), False), (date(2026, 11, 30), True)]
)
def test_late_is_what_is_older_than_the_usual_delay_and_a_grace(today: date, late: bool) -> None:
    feed = facts(days(date(2026, 11, 1), date(2026, 11, 24)))

    assert freshness.is_late(feed, today) is late
    assert freshness.state(feed, today) == ("late" if late else "ok")


def test_a_dataset_says_itself_what_is_late() -> None:
    feed = facts(days(date(2026, 11, 1), date(2026, 11, 24)), ", late: P10D")

    assert not freshness.is_late(feed, date(2026, 12, 4))
    assert freshness.is_late(feed, date(2026, 12, 5))


@pytest.mark.parametrize(
    ("today", "late"), [(date(2026, 11, 30), False), (date(2027, 2, 8), False), (date(2027, 2, 9), True)]
)
def test_what_is_late_counts_from_when_a_long_period_ends(today: date, late: bool) -> None:
    block = "{source: worldpop, late: P40D, options: {country: SLE}}"
    text = f"resources: {{people: {{type: collection, title: People, eo: {block}}}}}"
    people = read_datasets(yaml.safe_load(text), Path("/etc/eo"))["people"]
    (year,) = periods_in(Interval(start=date(2025, 1, 1), end=date(2025, 12, 31)), "yearly")
    counts = {"present": 13, "provisional": 0, "imported": 13, "rejected": 0, "kept": 0}
    feed = Facts(people, [PeriodSummary(id=year.id, start=year.start, end=year.end, **counts)])

    assert freshness.is_late(feed, today) is late
    assert freshness.in_words(feed, TODAY) == "in DHIS2 until 31 December 2025; 2026 expected on 9 February 2027"


SCHEDULE = "{name: daily, cron: '0 7 * * *', inputs: {start: -P40D, end: P0D, dryRun: %s}}"
UNITS = "orgUnits: {source: geojson, href: units.json}"
DHIS2 = f", {UNITS}, dhis2: {{connection: national, dataElement: RAIN}}"


def test_a_source_that_says_no_dates_says_so_where_a_schedule_waits_for_them() -> None:
    block = f"{{source: file, options: {{href: a.nc}}, {UNITS}, schedules: [{SCHEDULE % 'true'}]}}"
    text = f"resources: {{rain: {{type: collection, title: Rain, eo: {block}}}}}"
    own = Facts(
        read_datasets(yaml.safe_load(text), Path("/etc/eo"))["rain"], days(date(2026, 11, 1), date(2026, 11, 24))
    )

    assert freshness.in_words(own, TODAY) == "in DHIS2 until 24 November; when 25 November comes is not known"


@pytest.mark.parametrize(("dry_run", "kept", "late"), [("false", 0, True), ("true", 0, False), ("false", 13, False)])
def test_values_that_no_longer_reach_dhis2_are_late_where_a_schedule_imports(
    dry_run: str, kept: int, late: bool
) -> None:
    reached = days(date(2026, 11, 1), date(2026, 11, 10))
    periods = reached + days(date(2026, 11, 11), date(2026, 11, 24), imported=0, kept=kept)
    feed = facts(periods, f"{DHIS2}, schedules: [{SCHEDULE % dry_run}]")

    assert freshness.is_late(feed, TODAY) is late
    assert freshness.state(feed, TODAY) == ("late" if late else "ok")
    said = [condition.message for condition in overdue.late([feed], TODAY)]
    assert (
        said
        == ["Rain is late in DHIS2: it holds values until 2026-11-10, and until 2026-11-24 they are published."] * late
    )


def test_a_schedule_that_imports_less_than_is_published_does_not_make_that_late() -> None:
    periods = days(date(2026, 9, 1), date(2026, 10, 31)) + days(date(2026, 11, 1), date(2026, 11, 24), imported=0)
    monthly = "{name: monthly, cron: '0 7 1 * *', inputs: {start: -P40D, end: -P2D, dryRun: false}}"

    assert not freshness.is_late(facts(periods, f"{DHIS2}, schedules: [{SCHEDULE % 'true'}, {monthly}]"), TODAY)
    assert not freshness.is_late(
        facts(periods[:-30], f"{DHIS2}, schedules: [{SCHEDULE % 'false'}]"), date(2026, 10, 27)
    )


def test_a_job_for_one_unit_does_not_make_a_feed_look_fresh() -> None:
    one = replace(days(TODAY, TODAY)[0], present=1, imported=1)
    periods = [*days(date(2026, 6, 1), date(2026, 6, 30)), one]
    feed = f"{DHIS2}, schedules: [{SCHEDULE % 'false'}]"
    found = freshness.status(facts(periods, feed), TODAY)

    assert (found.published_until, found.imported_until, found.state) == (date(2026, 6, 30), date(2026, 6, 30), "late")
    assert freshness.status(facts(periods, feed, unit_count=1), TODAY).published_until == TODAY  # all others are gone
    assert freshness.status(facts(periods), TODAY).published_until == TODAY  # no schedule is for all units
    part = feed.replace("start:", "orgUnitIds: [O6uvpzGd5pu], start:")
    assert freshness.status(facts(periods, part), TODAY).published_until == TODAY


def test_what_the_provider_said_goes_before_the_usual_delay() -> None:
    feed = facts(days(date(2026, 11, 1), date(2026, 11, 24)), expected=date(2026, 12, 20))

    assert not freshness.is_late(feed, date(2026, 12, 20))
    assert freshness.in_words(feed, TODAY) == "in DHIS2 until 24 November; 25 November expected on 20 December"


def test_a_day_that_the_provider_has_early_is_expected_today() -> None:
    feed = facts(days(date(2026, 11, 1), date(2026, 11, 24)), newest_day=date(2026, 11, 26))
    early = date(2026, 11, 26)  # the usual day is the 27th

    assert freshness.expected(feed, early) == early
    assert freshness.status(feed, early).provider_until == date(2026, 11, 26)
    assert freshness.in_words(feed, early) == "in DHIS2 until 24 November; 25 November expected today"


@pytest.mark.parametrize(("newest", "stale"), [(date(2026, 11, 20), False), (date(2026, 11, 5), True), (None, False)])
def test_a_provider_has_stopped_when_its_newest_day_is_older_than_twice_its_delay(
    newest: date | None, stale: bool
) -> None:
    feed = facts(days(date(2026, 11, 1), date(2026, 11, 4)), newest_day=newest)

    assert freshness.is_stale(feed, TODAY) is stale
    assert ("the provider has stopped on 5 November" in freshness.in_words(feed, TODAY)) is stale
    assert [condition.event for condition in overdue.stale([feed], TODAY)] == ["stale-provider"] * stale
    # late it is too, which is told where it is not stale; what was told before is not over by that
    assert [condition.unsettled for condition in overdue.late([feed], TODAY)] == [stale]
    failures = [Failure(feed, job("failed"), "stale-provider"), Failure(feed, job("failed"))]
    assert len(list(detect.without_stale(failures))) == (1 if newest else 2)


def test_gaps_are_counted_between_the_first_and_the_newest() -> None:
    missing = [date(2026, 11, 3), date(2026, 11, 4), date(2026, 11, 24)]
    feed = facts(days(date(2026, 11, 1), date(2026, 11, 24), missing))

    assert [period.id for period in freshness.gaps(feed)] == ["20261103", "20261104"]
    assert freshness.status(feed, TODAY).published_until == date(2026, 11, 23)
    assert "2 periods missing before" in freshness.in_words(feed, TODAY)


def test_values_that_dhis2_does_not_hold_are_said() -> None:
    feed = facts(days(date(2026, 11, 1), date(2026, 11, 24), imported=0))

    assert freshness.in_words(feed, TODAY).startswith("published until 24 November, not in DHIS2")
    assert "importedUntil" not in freshness.status(feed, TODAY).model_dump(by_alias=True, exclude_none=True)


def test_provisional_values_have_a_beginning() -> None:
    periods = days(date(2026, 11, 1), date(2026, 11, 10)) + days(date(2026, 11, 11), date(2026, 11, 24), provisional=13)

    assert freshness.status(facts(periods), TODAY).provisional_from == date(2026, 11, 11)


def test_the_worst_word_is_said() -> None:
    late = days(date(2026, 11, 1), date(2026, 11, 2))

    assert freshness.state(facts(late, last_run=job("failed")), TODAY) == "failing"
    assert freshness.state(facts(late, paused=True), TODAY) == "late"
    assert freshness.state(facts([]), TODAY) == "never"
    assert freshness.state(facts(days(TODAY, TODAY), paused=True), TODAY) == "paused"
    assert freshness.in_words(facts([]), TODAY) == "no values yet"


def test_why_there_are_no_values_is_said_where_a_job_has_succeeded() -> None:
    done = job("successful")

    assert (
        freshness.in_words(facts([], last_done=done), TODAY) == "no values yet, though a job succeeded on 26 November"
    )
    other = replace(done, inputs={"periodType": "monthly", "aggregation": {"spatial": "max"}, "dryRun": False})
    assert freshness.in_words(facts([], last_done=other), TODAY) == (
        "no values with its own settings yet; the job that succeeded on 26 November had its own aggregation, periodType"
    )
    assert freshness.state(facts([], last_done=other), TODAY) == "never"


def test_the_worst_dataset_comes_first() -> None:
    on_time = freshness.status(facts(days(TODAY, TODAY)), TODAY)
    failing = freshness.status(facts(days(TODAY, TODAY), last_run=job("failed")), TODAY)
    never = freshness.status(facts([]), TODAY)

    assert [document.state for document in freshness.worst_first([on_time, never, failing])] == [
        "failing",
        "never",
        "ok",
    ]
