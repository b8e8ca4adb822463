"""Problems are opened once, count again when they get worse, and are closed when they are over."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.problems import Book, Condition

NOW = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(ResultStore(str(tmp_path)))


def away(since: datetime = NOW, weight: int = 1, *datasets: str) -> Condition:
    return Condition("failed", "DHIS2 is away", since, "DHIS2 does not answer.", datasets=datasets, weight=weight)


def test_a_condition_opens_one_problem_however_often_it_is_seen(book: Book) -> None:
    first = book.update([away(NOW, 1, "rain")], NOW)
    again = book.update([away(NOW + HOUR, 1, "rain")], NOW + HOUR)

    assert [problem.dataset for problem in first.opened] == ["rain"]
    assert (list(again.opened), list(again.worse), list(again.closed)) == ([], [], [])
    (problem,) = book.open()
    assert (problem.since, problem.times, problem.event) == (NOW, 1, "failed")


def test_forty_failures_with_one_cause_are_one_problem(book: Book) -> None:
    names = [f"rain-{n}" for n in range(40)]
    changes = book.update([away(NOW, 40, *names)], NOW)

    assert len(changes.opened) == 1
    assert (changes.opened[0].dataset, changes.opened[0].datasets) == ("", names)


def test_what_gets_worse_counts_again_and_what_gets_better_does_not(book: Book) -> None:
    book.update([away(NOW, 2)], NOW)
    assert [p.times for p in book.update([away(NOW, 1)], NOW + HOUR).worse] == []
    assert [p.times for p in book.update([away(NOW, 2)], NOW + HOUR).worse] == []
    assert [p.times for p in book.update([away(NOW, 3)], NOW + HOUR).worse] == [2]


def test_what_is_not_settled_opens_nothing_and_makes_nothing_worse(book: Book) -> None:
    def unsettled(weight: int) -> Condition:
        return replace(away(NOW, weight), unsettled=True)

    assert not book.update([unsettled(1)], NOW).opened and not book.open()
    assert len(book.update([away(NOW, 2)], NOW + HOUR).opened) == 1
    assert not book.update([unsettled(3)], NOW + HOUR).worse and len(book.open()) == 1
    assert [p.times for p in book.update([away(NOW, 4)], NOW + HOUR).worse] == [2]


def test_a_problem_that_is_over_is_closed_and_opens_anew_as_another(book: Book) -> None:
    book.update([away()], NOW)
    (closed,) = book.update([], NOW + HOUR).closed
    reopened = book.update([away(NOW + 2 * HOUR)], NOW + 2 * HOUR).opened

    assert (closed.until, book.closed()[0].until) == (NOW + HOUR, NOW + HOUR)
    assert [problem.since for problem in reopened] == [NOW + 2 * HOUR]
    assert len(book.open()) == len(book.closed()) == 1


def test_two_causes_and_two_tenants_are_apart(book: Book) -> None:
    conditions = [
        Condition("failed", "a", NOW, "A.", tenant="north"),
        Condition("failed", "a", NOW, "A.", tenant="south"),
        Condition("late", "a", NOW, "A.", tenant="north"),
    ]
    assert len(book.update(conditions, NOW).opened) == 3
    assert {(p.event, p.tenant) for p in book.open()} == {("failed", "north"), ("failed", "south"), ("late", "north")}


def test_clients_see_no_more_than_the_documented_members(book: Book) -> None:
    (problem,) = book.update([away(NOW, 1, "rain")], NOW).opened
    shown = problem.shown().model_dump(mode="json", by_alias=True, exclude_none=True)

    assert set(shown) == {
        "id", "event", "dataset", "tenant", "since", "times", "message", "whatToDo", "jobID", "told",
    }  # fmt: skip


def test_what_nobody_can_tell_of_stays_open(tmp_path: Path) -> None:
    book = Book(ResultStore(str(tmp_path)))
    some = [Condition("failed", "x", NOW, "rain failed"), Condition("disk", "/data", NOW, "the disk is full")]
    book.update(some, NOW)
    assert [problem.kind for problem in book.update([], NOW, ["failed"]).closed] == ["disk"]
    assert [problem.kind for problem in book.update([], NOW).closed] == ["failed"]


def of_jobs(words: str, *datasets: str, line: str = "jobs") -> Condition:
    return Condition("failed", words, NOW, f"{words}.", datasets=datasets, line=line)


def test_a_dataset_that_goes_on_failing_in_other_words_is_one_problem(book: Book) -> None:
    (first,) = book.update([of_jobs("unit A is not assigned", "rain")], NOW).opened
    changes = book.update([of_jobs("DHIS2 is away", "rain")], NOW + HOUR)
    again = book.update([of_jobs("DHIS2 is away", "rain")], NOW + 2 * HOUR)
    for found in (changes, again):
        assert (list(found.opened), list(found.worse), list(found.closed)) == ([], [], [])
    (problem,) = book.open()
    assert (problem.id, problem.message, problem.since) == (first.id, "DHIS2 is away.", NOW)

    # what has another cause, another dataset or is of another kind is one of its own
    others = [of_jobs("DHIS2 is away", "rain"), of_jobs("gone", "heat"), of_jobs("an undo", "rain", line="")]
    assert len(book.update(others, NOW + 3 * HOUR).opened) == 2
    assert len(book.update([], NOW + 4 * HOUR).closed) == 3


def test_more_datasets_that_fail_in_other_words_make_it_worse(book: Book) -> None:
    book.update([of_jobs("unit A is not assigned", "rain")], NOW)
    worse = replace(of_jobs("DHIS2 is away", "rain", "heat"), weight=2)
    changes = book.update([worse], NOW + HOUR)
    assert [p.datasets for p in changes.worse] == [["rain", "heat"]] and not changes.opened


def test_what_is_held_stays_open(book: Book) -> None:
    book.update([of_jobs("x", "rain"), of_jobs("y", "heat")], NOW)
    closed = book.update([], NOW + HOUR, held=lambda problem: "rain" in problem.datasets).closed
    assert [problem.datasets for problem in closed] == [["heat"]]


def test_a_channel_that_has_not_heard_of_a_problem_is_kept_with_it(book: Book) -> None:
    (problem,) = book.update([of_jobs("x", "rain")], NOW).opened
    book.unheard(problem.id, "ops")
    book.unheard("gone", "ops")
    book.update([of_jobs("x", "rain")], NOW + HOUR)
    assert [p.unheard for p in book.open()] == [["ops"]]
