"""What is wrong now, said once for each cause."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.datasets.block import Schedule
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.gateway.standings import Standing
from eo_pygeoapi.store.chains import Chain
from eo_pygeoapi.store.connections import TokenFacts
from eo_pygeoapi.store.coverage import PeriodSummary
from eo_pygeoapi.watch import detect, overdue
from eo_pygeoapi.watch.detect import Failure, Refusal
from eo_pygeoapi.watch.freshness import Facts

NOW = datetime(2026, 11, 26, 6, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def facts(id_: str = "rain", last: date = date(2026, 11, 24), tenant: str = "") -> Facts:
    block = {"source": "chirps3", "options": {"stage": "prelim"}, **({"tenant": tenant} if tenant else {})}
    tenants: dict[str, dict[str, str]] = {tenant: {}} if tenant else {}
    config = {
        "eo": {"tenants": tenants},
        "resources": {id_: {"type": "collection", "title": id_.title(), "eo": block}},
    }
    periods = [
        PeriodSummary(id=p.id, start=p.start, end=p.end, present=1, provisional=0, imported=1, rejected=0, kept=0)
        for p in periods_in(Interval(start=date(2026, 11, 1), end=last), "daily")
    ]
    return Facts(read_datasets(yaml.safe_load(yaml.safe_dump(config)), Path("/"))[id_], periods)


def failed(of: Facts, message: str, hours: int = 0) -> Failure:
    when = NOW + timedelta(hours=hours)
    return Failure(of, Job(f"job-{of.dataset.id}", "eo-aggregate-import", "failed", message, 0, when, when, when, when))


def test_failures_with_one_cause_are_one_condition() -> None:
    some = [
        failed(facts(f"rain-{n}"), f"rain-{n}: DHIS2 at 10.0.0.{n} answered 502 on 2026-11-{10 + n}", n)
        for n in range(7)
    ]
    (condition,) = detect.failures(some)

    assert (condition.weight, len(condition.datasets), condition.since) == (7, 7, NOW)
    assert condition.message.startswith("7 datasets (Rain-0, Rain-1, Rain-2, Rain-3, Rain-4 and 2 more) failed: ")
    assert condition.job_id == "job-rain-0"


def test_a_provider_or_a_dhis2_that_is_away_is_one_cause_whatever_the_words() -> None:
    some = [facts("rain"), facts("heat"), facts("north", tenant="north")]
    for away in ("provider", "DHIS2"):
        failures = [replace(failed(of, f"no answer for {of.dataset.id[::-1]}"), away=away) for of in some]
        found = list(detect.failures(failures))

        assert [condition.datasets for condition in found] == [("rain", "heat"), ("north",)]
    assert len(list(detect.failures([replace(failure, away="") for failure in failures]))) == 3


def test_a_failure_that_others_may_follow_is_not_settled_yet() -> None:
    failure = replace(failed(facts("rain"), "DHIS2 does not answer"), away="DHIS2")
    assert failure.may_hit(facts("heat").dataset)
    assert not failure.may_hit(facts("north", tenant="north").dataset)
    assert not replace(failure, away="").may_hit(facts("heat").dataset)

    assert [c.unsettled for c in detect.failures([failure], lambda one: one is failure)] == [True]
    assert [c.unsettled for c in detect.failures([failure])] == [False]


def test_jobs_that_fail_for_a_token_that_has_expired_make_its_problem_worse() -> None:
    token = TokenFacts(expires=NOW - DAY, tokens=1)
    (expired,) = detect.expiring("national", token, NOW, [facts("rain"), facts("heat")])
    failures = [replace(failed(facts(id_), f"401 {id_}"), event="credential") for id_ in ("rain", "heat")]
    (worse,) = detect.failures([replace(failure, token_of="national") for failure in failures])

    assert worse.id == expired.id and worse.weight > expired.weight
    assert worse.message == "2 datasets (Rain, Heat) failed: 401 rain"
    # they log in to one DHIS2, or to one provider
    assert failures[0].may_hit(facts("more").dataset)
    assert not replace(failures[0], event="failed").may_hit(facts("more").dataset)


def test_other_causes_and_tenants_are_conditions_of_their_own() -> None:
    tenants = [failed(facts("a", tenant="north"), "away"), failed(facts("b", tenant="south"), "away")]
    causes = [failed(facts("c"), "the key is wrong"), failed(facts("d"), "the disk is full")]

    assert len(list(detect.failures([*tenants, *causes]))) == 4
    assert [c.message for c in detect.failures(causes[:1])] == ["C failed: the key is wrong"]


def test_a_failure_has_lasted_since_the_first_one_after_the_last_success() -> None:
    failing = replace(facts(), failing_since=NOW - 3 * DAY)
    (condition,) = detect.failures([failed(failing, "the provider answers 502", 1)])

    assert condition.since == NOW - 3 * DAY


def chain(**links: Any) -> Chain:
    given: dict[str, Any] = {"dataset": "rain", "connection": "national", "start": date(2026, 11, 1)}
    given |= {"end": date(2026, 11, 24), "imported": NOW, "words": "31 values", "job_id": "job-1"}
    return Chain.model_validate({**given, "links": [links]})


def test_what_failed_after_an_import_is_said_and_the_import_is_not_blamed() -> None:
    broken = chain(webhook="forecast", status="failed", message="answered with 500")
    (condition,) = detect.chains([(facts(), broken), (facts("heat"), chain(analytics=True, status="successful"))])

    assert condition.message == "After the import of Rain, webhook forecast failed: answered with 500"
    assert (condition.event, condition.job_id, condition.since) == ("failed", "job-1", NOW)


def test_more_refused_values_are_worse() -> None:
    def refused(count: int) -> int:
        (condition,) = detect.refusals([Refusal(facts(), count, "E7641: the period is closed", "a-job", NOW)])
        return condition.weight

    assert refused(3) > refused(2)


def test_values_that_cannot_be_are_a_problem_of_their_dataset() -> None:
    job = failed(facts(), "").job
    (condition,) = detect.doubts([(facts(), job, "2 of 3 values are not plausible (allowed: at least 0)")])

    assert condition.message == "Rain: 2 of 3 values are not plausible (allowed: at least 0)"
    assert (condition.event, condition.datasets, condition.job_id) == ("implausible", ("rain",), "job-rain")


def test_a_late_dataset_says_how_old_its_values_are() -> None:
    (condition,) = overdue.late([facts(), facts("heat", date(2026, 11, 1))], NOW.date())

    assert condition.message == "Heat is late: its newest values are of 2026-11-01, 25 days ago."
    assert condition.datasets == ("heat",) and not condition.unsettled
    (condition,) = overdue.late([facts("heat", date(2026, 11, 1))], NOW.date(), catching_up=True)
    assert condition.unsettled


@pytest.mark.parametrize(("minutes", "wrong"), [(9, False), (10, True)])
def test_no_worker_for_ten_minutes(minutes: int, wrong: bool) -> None:
    assert bool(list(detect.workers(NOW - timedelta(minutes=minutes), NOW))) is wrong


@pytest.mark.parametrize(("free", "weights"), [(100, []), (99, [1]), (49, [2])])
def test_a_disk_with_less_than_a_tenth_free(free: int, weights: list[int]) -> None:
    found = detect.disk("/data", free, 1000, NOW)
    assert [condition.weight for condition in found if not condition.unsettled] == weights


@pytest.mark.parametrize(("free", "stays"), [(119, True), (120, False)])
def test_a_disk_that_was_nearly_full_is_so_until_a_bit_more_than_that_is_free(free: int, stays: bool) -> None:
    assert [condition.unsettled for condition in detect.disk("/data", free, 1000, NOW)] == [True] * stays


def test_workers_that_were_dead_before_the_watch_began_are_kept_and_not_told_anew() -> None:
    begun = NOW - timedelta(minutes=9)
    for last_alive in (NOW - 2 * DAY, None):
        (kept,) = detect.workers(last_alive, NOW, begun)
        (told,) = detect.workers(last_alive, NOW + timedelta(minutes=1), begun)
        assert (kept.unsettled, told.unsettled, told.since) == (True, False, last_alive or begun)


def test_a_failed_dry_run_does_not_say_that_values_are_not_in_dhis2() -> None:
    failure = failed(facts(), "no answer")
    (dry,) = detect.failures([failure])
    (real,) = detect.failures([replace(failure, job=replace(failure.job, inputs={"dryRun": False}))])

    assert dry.what_to_do.startswith("It was a dry run, which imports nothing; newer values are not published.")
    assert real.what_to_do.startswith("The values of the periods that this job was for are not in DHIS2.")


def test_a_feed_whose_schedules_wait_for_a_credential_is_told() -> None:
    feed = facts()
    schedule = Schedule.model_validate({"name": "daily", "cron": "0 7 * * *", "inputs": {}})
    waits = Standing(feed.dataset, schedule, False, "missing credentials", "there is no DHIS2 connection 'x'")
    (condition,) = overdue.paused([replace(feed, standings=[replace(waits, changed=NOW - DAY)])], NOW)

    assert condition.message == "The schedule rain/daily is paused: there is no DHIS2 connection 'x'."
    assert (condition.event, condition.since, condition.datasets) == ("credential", NOW - DAY, ("rain",))
    assert list(overdue.paused([replace(feed, standings=[waits], periods=[])], NOW)) == []  # a first start
    assert list(overdue.paused([replace(feed, standings=[replace(waits, paused_by="file")])], NOW)) == []


def test_a_provider_whose_final_data_stop_has_stopped_though_preliminary_ones_go_on() -> None:
    goes_on = replace(facts(), newest_day=NOW.date() - DAY)
    assert list(overdue.stale([replace(goes_on, newest_final=date(2026, 9, 30))], NOW.date())) == []
    (condition,) = overdue.stale([replace(goes_on, newest_final=date(2026, 4, 30))], NOW.date())

    assert condition.message == (
        "The final data of Rain have stopped: their newest day is 2026-04-30, 210 days ago. "
        "Preliminary values stay in their place."
    )
    assert condition.id != next(iter(overdue.stale([replace(facts(), newest_day=date(2026, 4, 30))], NOW.date()))).id


@pytest.mark.parametrize(("left", "weights"), [(None, []), (15 * DAY, []), (14 * DAY, [1]), (-DAY, [2])])
def test_a_token_that_expires(left: timedelta | None, weights: list[int]) -> None:
    token = TokenFacts(expires=None if left is None else NOW + left, tokens=1)
    assert [c.weight for c in detect.expiring("national", token, NOW, [facts()])] == weights


def test_one_of_several_tokens_that_expires_is_called_so() -> None:
    token = TokenFacts(expires=NOW + DAY, tokens=3)
    (condition,) = detect.expiring("national", token, NOW, [facts("a", tenant="north"), facts("b", tenant="north")])
    assert condition.message == (
        "One of the 3 tokens that the user of the DHIS2 connection 'national' has expires on 2026-11-27."
    )
    assert (condition.datasets, condition.tenant) == (("a", "b"), "north")
