"""A quarter of a ministry's feed, with what goes wrong in one, as fast as the machine allows.

`EO_TEST_QUARTER_DAYS=14` simulates the first days of it, `EO_TEST_QUARTER_FIRST=45` those from the 45th on.

Everything is real but the clock (see `clock.py`), the providers and DHIS2: `eo-pygeoapi up` with Prefect, the worker,
the web process and the watch, and a channel that is a webhook.
"""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.quarter.clock import Clock
from tests.quarter.simulation import Simulation
from tests.quarter.world import AWAY, DAY, ELEMENTS, World, configuration, running
from tests.stack import Stack, up
from tests.standins.dhis2_metadata import BO, DISTRICTS, POPULATION
from tests.watch.receiver import Receiver

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]
BEGIN, END = date(2026, 1, 1), date(2026, 4, 1)
FIRST = int(os.environ.get("EO_TEST_QUARTER_FIRST", "0"))
DAYS = int(os.environ.get("EO_TEST_QUARTER_DAYS", "0")) or (END - BEGIN).days
GROWTH = 1.25
QUICK = {
    "EO_WATCH_SECONDS": "5",
    "EO_LOST_AFTER_SECONDS": "21600",  # runs give signs of life every 30 real seconds, in which hours may pass
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "10",
    "PREFECT_WORKER_HEARTBEAT_SECONDS": "2",
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PYTHONTZPATH": "",  # Prefect lists all time zones at every look at a schedule: from one file, not from 1,800
}
FAILED, CREDENTIAL = "a job failed", "a credential is not accepted, or expires soon"
STOPPED, NO_WORKER = "chirps: the provider has stopped", "eo_pygeoapi: no worker is alive"
# all that a person wants to hear of `plan`: by day, in its order
TOLD = (
    (10, f"chirps: {FAILED}"),
    (11, f"Recovered: chirps: {FAILED}"),
    (20, f"2 datasets: {FAILED}"),  # of the day before, on which the channel took nothing
    (20, f"Recovered: 2 datasets: {FAILED}"),
    (26, f"5 datasets: {CREDENTIAL}"),
    (32, f"4 datasets: {FAILED}"),
    (33, f"Recovered: 4 datasets: {FAILED}"),
    (34, f"5 datasets: {CREDENTIAL}"),  # after a week
    (40, f"5 datasets: {CREDENTIAL}"),  # it has expired
    (41, f"4 datasets: {CREDENTIAL}"),  # and jobs have failed for that
    (42, f"Recovered: 4 datasets: {CREDENTIAL}"),
    (48, NO_WORKER),
    (48, f"Recovered: {NO_WORKER}"),
    (67, STOPPED),
    (74, STOPPED),  # after a week
    (77, f"Recovered: {STOPPED}"),
)
EXPIRES = datetime.combine(BEGIN + 40 * DAY, time(9), UTC)  # the token of DHIS2


def at(day: date, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def plan(simulation: Simulation, world: World, receiver: Receiver) -> None:
    """Say what happens in the quarter: every day something is published, and now and then something is broken."""
    for n in range(DAYS + 1):
        simulation.at(at(BEGIN + n * DAY, 3), partial(world.publish, BEGIN + n * DAY))
    refused = {"path": "*", "status": 503}
    for first, last, breaks, mends in (
        (10, 10, lambda: world.chc.faults(refused), lambda: world.chc.faults()),
        (19, 19, lambda: world.cds.faults(refused), lambda: world.cds.faults()),
        (19, 19, lambda: setattr(receiver, "status", 503), lambda: setattr(receiver, "status", 200)),
        (32, 32, lambda: world.dhis2.faults(AWAY), lambda: world.dhis2.faults()),
        (62, 62, lambda: world.dhis2.faults(*flaky()), lambda: world.dhis2.faults()),
        (66, 76, lambda: setattr(world, "stopped", True), lambda: setattr(world, "stopped", False)),
    ):
        simulation.at(at(BEGIN + first * DAY, 1), breaks)
        simulation.at(at(BEGIN + last * DAY, 22), mends)
    for (dataset, unit), day in ((("chirps", BO), 14), (("rain", BO), 15)):
        corrects = partial(world.correct, dataset, unit, BEGIN + day * DAY, 99.0)
        simulation.at(at(BEGIN + 24 * DAY, 15), corrects)


def flaky() -> list[dict[str, object]]:
    """Return the faults of a network in between: answers are lost, although DHIS2 has stored the values."""
    values = {"path": "/api/dataValueSets", "times": 3}
    return [values | {"method": "POST", "storeThenReset": True}, values | {"method": "GET", "drop": True}]


def test_a_quarter(tmp_path: Path, receiver: Receiver) -> None:
    begin = BEGIN + FIRST * DAY
    clock = Clock(tmp_path, at(begin, 1))
    with running(tmp_path, begin, END + 30 * DAY, clock.environment) as world:
        diary = Diary(clock, receiver)
        simulation = Simulation(clock, diary.write)
        plan(simulation, world, receiver)
        for day in range(DAYS + 1):
            simulation.at(at(BEGIN + day * DAY, 12), simulation.look)
            if day % 30 == 0:
                simulation.at(at(BEGIN + day * DAY, 12), partial(diary.measure, simulation))
        simulation.begin_at(at(begin, 1))
        world.token = world.dhis2.make_token(EXPIRES if clock.now() < EXPIRES else EXPIRES + 365 * DAY)
        for until in (end for end in (41, 52, 90) if end > FIRST):
            environment = {**world.environment, **QUICK, **clock.environment, "EO_NOTIFY_OPS_URL": receiver.url}
            with up(tmp_path, configuration(world), environment) as stack, simulation.running(stack):
                if until == 52:
                    simulation.until(at(BEGIN + min(DAYS, 48) * DAY, 12))
                    stop_the_worker(simulation, stack)
                simulation.until(at(BEGIN + min(DAYS, until) * DAY, 12))
            if DAYS <= until:
                break
            world.token = world.dhis2.make_token(EXPIRES + 365 * DAY)
            if until == 52:  # the machine is away for four days
                simulation.pass_without_machine(at(BEGIN + 56 * DAY, 12))
        assert wrong_values(world, BEGIN + DAYS * DAY) == []
        assert diary.told == [(day, title) for day, title in TOLD if FIRST <= day <= DAYS]
        assert grown(diary.sizes) == []


@dataclass
class Diary:
    """What was told, with its day; and memory and disk, measured once a month."""

    clock: Clock
    receiver: Receiver
    told: list[tuple[int, str]] = field(default_factory=list)
    sizes: list[dict[str, float]] = field(default_factory=list)

    def write(self) -> None:
        """Write down what has come since the last time."""
        now = self.clock.now()
        for got in self.receiver.taken[len(self.told) :]:
            self.told.append(((now.date() - BEGIN).days, got["title"]))
            print(f"{now:%d %B %H:%M} | {got['title']} | {got['message']}", flush=True)

    def measure(self, simulation: Simulation) -> None:
        """Measure memory and disk of the running stack."""
        assert simulation.stack
        self.sizes.append(size(simulation.stack))
        print(f"{self.clock.now():%d %B} | {json.dumps(self.sizes[-1])}", flush=True)


def grown(sizes: list[dict[str, float]]) -> list[str]:
    """Return what has grown by more than a quarter in the last month, in which retention keeps it all small.

    The ages of downloads and of what Prefect puts aside are those of their files, whose clock is the real one.
    """
    if len(sizes) < 4:
        return []
    before, now = sizes[2], sizes[3]
    ours = {name: size for name, size in before.items() if name not in ("cache files", "cache disk", "prefect files")}
    return [f"{name}: {now[name]}, {size} before" for name, size in ours.items() if now[name] > GROWTH * size + 1]


def stop_the_worker(simulation: Simulation, stack: Stack) -> None:
    """Let the worker hang for half an hour, while nothing is due."""
    worker = json.loads((stack.folder / "up.json").read_text())["pids"]["worker"]
    os.kill(worker, signal.SIGSTOP)
    simulation.pass_slowly(timedelta(minutes=30), timedelta(minutes=5))
    os.kill(worker, signal.SIGCONT)
    simulation.pass_slowly(timedelta(minutes=5), timedelta(minutes=5))


def wrong_values(world: World, today: date) -> list[str]:
    """Return where DHIS2 does not hold exactly the right values."""
    held: dict[tuple[str, str, str], list[float]] = {}
    for value in world.dhis2.values():
        key = (value["dataElement"], value["orgUnit"], value["period"])
        held.setdefault(key, []).append(float(value["value"]))
    wrong = []
    for dataset, element in ELEMENTS.items():
        newest = today - (4 if dataset == "chirps" else 6) * DAY
        day = BEGIN + (FIRST - 13) * DAY
        while day <= newest:
            for unit in DISTRICTS:
                values = held.pop((element, unit, f"{day:%Y%m%d}"), [])
                right = world.right_value(dataset, unit, day)
                if len(values) != 1 or abs(values[0] - right) > 0.051:
                    wrong.append(f"{dataset} {unit} {day}: {values}, right is {right}")
            day += DAY
    people = {unit for element, unit, period in held if element == POPULATION and period == str(BEGIN.year)}
    if FIRST < 15 < DAYS and people != set(DISTRICTS):
        wrong.append(f"people: {people}")
    others = [key for key in held if key[0] != POPULATION and key[2] >= f"{BEGIN + (FIRST - 13) * DAY:%Y%m%d}"]
    return wrong + [f"{key}: not asked for" for key in others]


def size(stack: Stack) -> dict[str, float]:
    """Return the MiB of memory of the long-lived programs, and the files and MiB of each folder."""
    found: dict[str, float] = {}
    for name, pid in json.loads((stack.folder / "up.json").read_text())["pids"].items():
        program = psutil.Process(pid)
        memory = sum(process.memory_info().rss for process in (program, *program.children(recursive=True)))
        found[f"{name} memory"] = round(memory / 2**20)
    for folder in (path for path in stack.folder.iterdir() if path.is_dir()):
        files = [file for file in folder.rglob("*") if file.is_file()]
        found[f"{folder.name} files"] = len(files)
        found[f"{folder.name} disk"] = round(sum(file.stat().st_size for file in files) / 2**20, 1)
    return found
