"""Values are sent no faster than somebody allows, and the turn is free while nothing is sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eo_pygeoapi.pipeline.dhis2.pace import Pace
from tests.pipeline.dhis2.imports import Importer, july
from tests.standins.dhis2 import running
from tests.standins.dhis2_metadata import RAIN


class Clock:
    def __init__(self) -> None:
        self.now, self.held, self.slept_in_turn = 0.0, False, False

    def sleep(self, seconds: float) -> None:
        self.slept_in_turn = self.slept_in_turn or self.held
        self.now += seconds

    @contextmanager
    def turn(self) -> Iterator[None]:
        self.held = True
        yield
        self.held = False


def test_a_minute_has_no_more_values_than_are_allowed() -> None:
    clock = Clock()
    pace = Pace(600, clock.turn, clock.sleep, lambda: clock.now)
    assert pace.batch(10_000) == 600 and pace.batch(100) == 100

    def send() -> int:
        clock.now += 5
        return 600

    for _ in range(10):
        assert pace.keep(send, lambda sent: sent) == 600
    assert clock.now == 600 and not clock.slept_in_turn


def test_jobs_that_share_a_limit_use_all_of_it_and_no_more() -> None:
    """What they share is theirs until the next batch may be sent, and the turn is free in the meantime."""
    clock, held = Clock(), list[bool]()

    @contextmanager
    def shared() -> Iterator[None]:
        begun = clock.now
        yield
        held.append(clock.now == begun + 60 and not clock.held)

    paces = [Pace(1, clock.turn, clock.sleep, lambda: clock.now, shared) for _ in range(2)]
    for pace in paces:
        assert pace.keep(lambda: 1, lambda sent: sent) == 1
    assert clock.now == 120 and held == [True, True] and not clock.slept_in_turn


def test_what_is_not_sent_takes_no_time() -> None:
    clock = Clock()
    assert Pace(600, clock.turn, clock.sleep, lambda: clock.now).keep(lambda: 0, lambda sent: sent) == 0
    assert clock.now == 0


def test_without_a_limit_batches_are_as_large_as_they_are() -> None:
    clock = Clock()
    pace = Pace(sleep=clock.sleep, clock=lambda: clock.now)
    assert pace.batch(10_000) == 10_000 and pace.keep(lambda: 10_000, lambda sent: sent) == 10_000
    assert clock.now == 0


@pytest.mark.parametrize(
    ("per_minute", "turns"), [(0, [RAIN]), (6000, [f"{RAIN}-paced", RAIN, f"not {RAIN}", f"not {RAIN}-paced"])]
)
def test_imports_with_a_limit_share_it_and_one_without_does_not(
    tmp_path: Path, per_minute: int, turns: list[str]
) -> None:
    held: list[str] = []

    @contextmanager
    def turn(name: str) -> Iterator[None]:
        held.append(name)
        yield
        held.append(f"not {name}")

    with running("2.42") as dhis2:
        summary = Importer(tmp_path)(dhis2, july(), turn=turn, per_minute=per_minute)
    assert summary.imported == 130 and held[: len(turns)] == turns
