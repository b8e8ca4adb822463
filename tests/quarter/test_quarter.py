"""A quarter of a ministry's feed, with what goes wrong in one, as fast as the machine allows.

`EO_TEST_QUARTER_DAYS=14` simulates the first days of it. Most outages last a day: pauses of retries in a run are real.

Everything is real but the clock (see `clock.py`), the providers and DHIS2: `eo-pygeoapi up` with Prefect, the worker,
the web process and the watch, and a channel that is a webhook.
"""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.quarter.clock import Clock
from tests.quarter.simulation import Simulation
from tests.quarter.world import AWAY, DAY, ELEMENTS, EXPIRED, World, configuration, running
from tests.stack import Stack, up
from tests.standins.dhis2_metadata import DISTRICTS, POPULATION
from tests.watch.receiver import Receiver

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]
RECOVERED = "Recovered: "
BEGIN, END = date(2026, 1, 1), date(2026, 4, 1)
DAYS = int(os.environ.get("EO_TEST_QUARTER_DAYS", "0")) or (END - BEGIN).days
QUICK = {
    "EO_WATCH_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
    "PREFECT_WORKER_HEARTBEAT_SECONDS": "2",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
}


def at(day: date, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def plan(simulation: Simulation, world: World) -> None:
    """Say what happens in the quarter: every day something is published, and now and then something is broken."""
    for n in range(DAYS + 1):
        simulation.at(at(BEGIN + n * DAY, 3), partial(world.publish, BEGIN + n * DAY))
    refused = {"path": "*", "status": 503}
    for first, last, breaks, mends in (
        (10, 10, lambda: world.chc.faults(refused), lambda: world.chc.faults()),
        (19, 19, lambda: world.cds.faults(refused), lambda: world.cds.faults()),
        (32, 32, lambda: world.dhis2.faults(AWAY), lambda: world.dhis2.faults()),
        (40, 41, lambda: world.dhis2.faults(EXPIRED), lambda: world.dhis2.faults()),
        (62, 62, lambda: world.dhis2.faults(*flaky()), lambda: world.dhis2.faults()),
        (66, 76, lambda: setattr(world, "stopped", True), lambda: setattr(world, "stopped", False)),
    ):
        simulation.at(at(BEGIN + first * DAY, 1), breaks)
        simulation.at(at(BEGIN + last * DAY, 22), mends)


def flaky() -> list[dict[str, object]]:
    """Return the faults of a network in between: answers are lost, although DHIS2 has stored the values."""
    values = {"path": "/api/dataValueSets", "times": 3}
    return [values | {"method": "POST", "storeThenReset": True}, values | {"method": "GET", "drop": True}]


def test_a_quarter(tmp_path: Path, receiver: Receiver) -> None:
    clock = Clock(tmp_path, at(BEGIN, 1))
    with running(tmp_path, BEGIN, END + 30 * DAY) as world:
        simulation = Simulation(clock)
        plan(simulation, world)
        environment = {**world.environment, **QUICK, **clock.environment, "EO_NOTIFY_OPS_URL": receiver.url}
        config, grown = configuration(world), list[str]()
        with up(tmp_path, config, environment) as stack, simulation.running(stack):
            simulation.until(at(BEGIN + min(DAYS, 48) * DAY, 12))
            grown.append(size(stack))
            if DAYS > 48:
                stop_the_worker(simulation, stack)
                simulation.until(at(BEGIN + 52 * DAY, 12))
        if DAYS > 52:  # the machine is away for four days
            clock.set(at(BEGIN + 56 * DAY, 12))
            with up(tmp_path, config, environment) as stack, simulation.running(stack):
                simulation.until(at(BEGIN + DAYS * DAY, 12))
                grown.append(size(stack))
        told = [str(got["title"]) for got in receiver.got]
        print("\n".join([*grown, *(f"{got['title']} | {got['message']}" for got in receiver.got)]))
        assert wrong_values(world, BEGIN + DAYS * DAY) == []
        assert told_wrongly(told) == []


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
        day = BEGIN - (14 - 1) * DAY
        while day <= newest:
            for unit in DISTRICTS:
                values, right = held.pop((element, unit, f"{day:%Y%m%d}"), []), world.right_value(dataset, day)
                if len(values) != 1 or abs(values[0] - right) > 0.051:
                    wrong.append(f"{dataset} {unit} {day}: {values}, right is {right}")
            day += DAY
    people = {unit for element, unit, period in held if element == POPULATION and period == str(BEGIN.year)}
    if DAYS > 15 and people != set(DISTRICTS):
        wrong.append(f"people: {people}")
    others = [key for key in held if key[0] != POPULATION and key[2] >= f"{BEGIN - 13 * DAY:%Y%m%d}"]
    return wrong + [f"{key}: not asked for" for key in others]


def size(stack: Stack) -> str:
    """Return the memory of the long-lived processes and what lies on the disk."""
    pids = json.loads((stack.folder / "up.json").read_text())["pids"]
    memory = {name: f"{psutil.Process(pid).memory_info().rss / 2**20:.0f} MiB" for name, pid in pids.items()}
    folders = [path for path in stack.folder.iterdir() if path.is_dir()]
    files = {folder.name: [file for file in folder.rglob("*") if file.is_file()] for folder in folders}
    disk = {
        name: f"{len(found)} files, {sum(f.stat().st_size for f in found) / 2**20:.1f} MiB"
        for name, found in files.items()
    }
    return json.dumps({"memory": memory, "disk": disk})


def told_wrongly(told: list[str]) -> list[str]:
    """Return titles of problems that were told twice, not closed, or closed without having been told."""
    counts = Counter(told)
    opened = {title for title in told if not title.startswith(RECOVERED)}
    closed = {title.removeprefix(RECOVERED) for title in told if title.startswith(RECOVERED)}
    return sorted(title for title in opened | closed if counts[title] != counts[RECOVERED + title])
