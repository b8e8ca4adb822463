"""Schedules that did not run when they were due."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.gateway.apply import apply_deployments
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job import AWAITING_ANALYTICS, Job
from eo_pygeoapi.gateway.schedules import NOT_RUN
from eo_pygeoapi.gateway.standings import Standing
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.pauses import Pause, Pauses
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch import overdue
from eo_pygeoapi.watch.freshness import Facts, in_words
from eo_pygeoapi.watch.loop import Watch
from eo_pygeoapi.watch.missed import MissedSchedules
from eo_pygeoapi.watch.problems import Book, Condition

DUE = datetime(2026, 11, 26, 6, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SCHEDULES = [
    {"name": "daily", "cron": "0 6 * * *", "timezone": "Africa/Freetown", "inputs": {"start": "-P3D", "end": "P0D"}},
    {"name": "monthly", "cron": "0 6 1 * *", "inputs": {"start": "-P1M", "end": "P0D"}, "catchUp": "none"},
]


def config(id_: str = "rain") -> dict[str, Any]:
    units = {"source": "geojson", "href": "x.json"}
    block = {"source": "file", "options": {"href": "x.nc"}, "orgUnits": units, "schedules": SCHEDULES}
    return {"type": "collection", "title": "Rain", "eo": block}


def facts(id_: str = "rain", **standing: Any) -> Facts:
    dataset = read_datasets({"resources": {id_: config()}}, Path())[id_]
    given = {"active": True, "changed": DUE - 10 * DAY, **standing}
    return Facts(dataset, [], standings=[Standing(dataset, schedule, **given) for schedule in dataset.schedules])


def job(status: Any, created: datetime = DUE, message: str = "", **more: Any) -> Job:
    return Job("a-job", "eo-aggregate-import", status, message, 0, created, created, schedule="daily", **more)


def missed(jobs: Sequence[Job], now: datetime, found: Sequence[Facts] = ()) -> list[tuple[str, str]]:
    watching = MissedSchedules(lambda _: iter(jobs), DUE - DAY)
    return [(one.standing.schedule.name, one.why) for one in watching.find(found or [facts()], now)]


def settled(watching: MissedSchedules, now: datetime) -> list[bool]:
    """Return of each missed schedule whether it is told, and not only kept where it was told before."""
    missed = watching.find([facts()], now)
    return [not condition.unsettled for condition in overdue.missed(missed, catching_up=watching.catches_up(now))]


def test_a_time_without_a_run_is_missed_after_the_grace_and_until_one_has_begun() -> None:
    before = job("successful", DUE - DAY)
    assert missed([before], DUE + 29 * MINUTE) == []
    assert missed([before], DUE + 30 * MINUTE) == [("daily", "no run")]
    assert missed([job("accepted", DUE + DAY), before], DUE + DAY + 5 * MINUTE) == [("daily", "no run")]
    for status in ("running", "failed", "successful"):
        assert missed([job(status, DUE + HOUR), before], DUE + 2 * HOUR) == []


@pytest.mark.parametrize(
    ("found", "hours", "why"),
    [
        (job("dismissed", message=f"{NOT_RUN}; and so on"), 1, ["skipped"]),
        (job("dismissed", message="dismissed"), 1, []),  # by a person, who knows
        (job("accepted", message="waiting for a worker"), 5.9, []),  # other work is before it
        (job("accepted", message="waiting for a worker"), 6, ["waits"]),
        (job("accepted", message="attempt 2 of 6: waiting"), 7, []),
        (job("accepted", attempts=2), 7, []),
        (job("accepted", state_name=AWAITING_ANALYTICS), 7, []),  # it has imported
    ],
)
def test_a_run_that_was_skipped_or_waits_for_hours_is_missed_too(found: Job, hours: float, why: list[str]) -> None:
    assert [word for _, word in missed([found], DUE + hours * HOUR)] == why


def test_what_is_paused_new_or_so_long_ago_that_its_run_may_be_deleted_is_not_missed() -> None:
    later = DUE + HOUR
    assert missed([], later) == [("daily", "no run")]
    assert missed([], later, [facts(paused_by="person", active=False)]) == []
    assert missed([], later, [facts(changed=DUE + MINUTE)]) == []
    assert missed([], DUE + 31 * DAY, [facts(changed=DUE - 100 * DAY)]) == [("daily", "no run"), ("monthly", "no run")]
    monthly = [one for one in facts(changed=DUE - 100 * DAY).standings if one.schedule.name == "monthly"]
    only = Facts(facts().dataset, [], standings=monthly)
    assert missed([], datetime(2026, 11, 30, 12, tzinfo=UTC), [only]) == [("monthly", "no run")]
    assert missed([], datetime(2026, 12, 1, 6, 15, tzinfo=UTC), [only]) == []  # that of November is long ago


def test_workers_have_a_grace_to_make_up_for_what_was_missed_while_the_machine_slept() -> None:
    watching = MissedSchedules(lambda _: iter([]), DUE - 10 * MINUTE)
    assert True not in settled(watching, DUE - 5 * MINUTE)
    assert settled(watching, DUE + 5 * HOUR) == [False]  # it was away; what was missed before stays so
    for minutes in (5, 10, 15, 20, 25):
        assert settled(watching, DUE + 5 * HOUR + minutes * MINUTE) == [False]
    assert settled(watching, DUE + 5 * HOUR + 30 * MINUTE) == [True]


def test_a_run_that_is_deleted_later_has_run() -> None:
    jobs = [job("successful")]
    watching = MissedSchedules(lambda _: iter(jobs), DUE - DAY)
    assert watching.find([facts()], DUE + HOUR) == []
    jobs.clear()
    assert watching.find([facts()], DUE + HOUR + MINUTE) == []


def test_so_many_newer_jobs_that_the_run_may_be_among_those_before_say_nothing() -> None:
    others = [Job("x", "p", "successful", "", 0, DUE + HOUR, DUE + HOUR)] * 1000
    assert missed(others, DUE + 2 * HOUR) == []
    assert missed(others[1:], DUE + 2 * HOUR) == [("daily", "no run")]


def test_schedules_missed_for_one_reason_are_one_condition() -> None:
    def conditions(*found: Facts) -> list[Condition]:
        watching = MissedSchedules(lambda _: iter([]), DUE - DAY)
        return list(overdue.missed(watching.find(found, DUE + HOUR)))

    (one,) = conditions(facts())
    assert one.message == (
        "The schedule rain/daily did not run at 2026-11-26 06:00 (Africa/Freetown): Prefect made no run of it."
    )
    assert (one.since, one.datasets, one.weight) == (DUE, ("rain",), 1)
    assert "`eo-pygeoapi schedules run rain/daily` makes up for it" in one.what_to_do
    (several,) = conditions(*(facts(f"rain-{n}") for n in range(7)))
    assert several.message.startswith("7 schedules (rain-0/daily, rain-1/daily, rain-2/daily, rain-3/daily, rain-4/dai")
    assert several.weight == 7


def test_a_dataset_says_what_a_person_paused() -> None:
    paused = facts(active=False, paused_by="person", since=DUE)
    assert in_words(paused, DUE.date()) == "no values yet; paused by a person since 26 November"
    one = Facts(paused.dataset, [], standings=[paused.standings[0], facts().standings[1]])
    assert in_words(one, DUE.date()) == "no values yet; daily paused by a person since 26 November"
    assert in_words(facts(active=False, paused_by="file"), DUE.date()) == "no values yet"


@pytest.fixture
def watch(tmp_path: Path, prefect_api: str) -> Iterator[Watch]:
    """The watch of an applied dataset, beside a real Prefect server."""
    document = {"server": {"url": "http://eo.example/"}, "resources": {"missed-rain": config()}}
    (tmp_path / "pygeoapi-config.yml").write_text(yaml.safe_dump(document))
    store, gateway = ResultStore(str(tmp_path / "results")), PrefectGateway(prefect_api, read_timeout=30.0)
    apply_deployments(gateway, read_datasets(document, tmp_path), {}, Settings(), Pauses(store))
    settings = Settings().model_copy(update={"config": tmp_path / "pygeoapi-config.yml", "data_dir": tmp_path})
    yield Watch(settings, gateway, store)
    gateway.close()


def test_the_watch_opens_a_problem_and_closes_it_when_a_person_pauses_the_schedule(watch: Watch) -> None:
    def problems() -> list[str]:
        return [problem.dataset for problem in Book(watch.store).open() if problem.event == "missed"]

    tomorrow = watch.begun + 26 * HOUR  # Prefect, whose clock is today's, has made no run by then
    watch.look(tomorrow)
    assert problems() == ["missed-rain"]
    for schedule in SCHEDULES:  # on the last day of a month tomorrow is the monthly one's, too
        Pauses(watch.store).put("missed-rain", str(schedule["name"]), Pause(at=tomorrow))
    watch.look(tomorrow + MINUTE)
    assert problems() == []
