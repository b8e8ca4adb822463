"""Time passes: from one scheduled run to the next, each finished before the clock goes on."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from tests.quarter.clock import Clock
from tests.stack import Stack

LONGEST = 600  # real seconds that what is due at one moment may take
SOON = timedelta(seconds=2)
HURRY = timedelta(seconds=5)  # how far the clock goes, each tenth of a second, while runs pause before another try
UNFINISHED = ["SCHEDULED", "PENDING", "RUNNING", "CANCELLING", "PAUSED"]
NOTHING = datetime.max.replace(tzinfo=UTC)  # happens, or is due
NEVER = "0001-01-01T00:00:00+00:00"


@dataclass
class Simulation:
    """A stack whose clock is set by hand; `events` are what happens in the world, by moment.

    `looked` is called whenever the watch has looked.
    """

    clock: Clock
    looked: Callable[[], object]
    events: list[tuple[datetime, Callable[[], object]]] = field(default_factory=list)
    stack: Stack | None = None

    def at(self, moment: datetime, happening: Callable[[], object]) -> None:
        """Have something happen at a moment."""
        self.events = sorted([*self.events, (moment, happening)], key=lambda event: event[0])

    def begin_at(self, moment: datetime) -> None:
        """Leave out what has happened before this moment."""
        self.events = [event for event in self.events if event[0] >= moment]

    @contextmanager
    def running(self, stack: Stack) -> Iterator[None]:
        self.stack = stack
        yield
        self.stack = None

    def until(self, moment: datetime) -> None:
        """Let time pass to this moment: whatever happens or is due before it, in its order."""
        self._settle()
        while True:
            happening = self.events[0][0] if self.events else NOTHING
            due = self._next_run()
            if min(happening, due) > moment:
                break
            if due <= happening:
                self.clock.set(due + SOON)
                self._settle()
            else:
                self.clock.set(max(happening, self.clock.now()))
                self.events.pop(0)[1]()
        self.clock.set(max(moment, self.clock.now()))
        self.look()

    def pass_without_machine(self, moment: datetime) -> None:
        """Let time pass in the world alone: nothing of ours runs, and nobody looks."""
        assert self.stack is None
        while self.events and self.events[0][0] <= moment:
            self.events.pop(0)[1]()
        self.clock.set(moment)

    def pass_slowly(self, length: timedelta, step: timedelta) -> None:
        """Let time pass in steps, in each of which the watch looks."""
        for _ in range(int(length / step)):
            self.clock.set(self.clock.now() + step)
            self.look()

    def look(self) -> None:
        """Wait until the watch, where there is one, has done a look that has begun from now on."""
        if self.stack is None:
            return
        asked = self.clock.now()
        self._wait(lambda: self._looked() >= asked, "the watch does not look")
        self.looked()

    def _settle(self) -> None:
        self._wait(lambda: not self._unfinished(self.clock.now()), "runs do not end", 0.5)
        self.look()

    def _next_run(self) -> datetime:
        runs = self._runs(["SCHEDULED"], limit=1)
        return _due(runs[0]) if runs else NOTHING

    def _unfinished(self, now: datetime) -> list[dict[str, Any]]:
        return [run for run in self._runs(UNFINISHED, limit=100) if _due(run) <= now]

    def _runs(self, states: list[str], limit: int) -> list[dict[str, Any]]:
        assert self.stack
        body = {
            "flow_runs": {"state": {"type": {"any_": states}}},
            "sort": "NEXT_SCHEDULED_START_TIME_ASC",
            "limit": limit,
        }
        answer = requests.post(f"{self.stack.prefect_api}/flow_runs/filter", json=body, timeout=60)
        found: list[dict[str, Any]] = answer.json() if answer.ok else [{"next_scheduled_start_time": None}]
        return found

    def _looked(self) -> datetime:
        """Return when the last look began that is done."""
        assert self.stack
        path = self.stack.folder / "results" / "watch" / "alive.json"
        return datetime.fromisoformat(json.loads(path.read_text())["at"] if path.exists() else NEVER)

    def _wait(self, ready: Callable[[], bool], trouble: str, pause: float = 0.1) -> None:
        until = time.monotonic() + LONGEST
        while not ready():
            assert time.monotonic() < until, f"{trouble} at {self.clock.now()}: {self._unfinished(self.clock.now())}"
            self._pass_pauses(pause)

    def _pass_pauses(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.clock.somebody_pauses():
                self.clock.set(self.clock.now() + HURRY)
            time.sleep(0.1)


def _due(run: dict[str, Any]) -> datetime:
    text = run.get("next_scheduled_start_time") or run.get("expected_start_time") or run.get("start_time")
    return datetime.fromisoformat(text) if text else datetime.min.replace(tzinfo=UTC)
