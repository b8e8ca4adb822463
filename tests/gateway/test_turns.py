"""Turns, against a real Prefect server: one holder at a time, and a dead one keeps nobody waiting for long."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from eo_pygeoapi.gateway.turns import limit_name, turn
from tests.servers import patient

Holder = Callable[[str, float], subprocess.Popen[str]]

HOLD = """
import sys, time
from eo_pygeoapi.gateway.turns import turn
connection, seconds = sys.argv[1], float(sys.argv[2])
with turn({job!r}, connection, "RainDaily01"):
    print(time.time(), "has it", flush=True)
    time.sleep(seconds)
    print(time.time(), "gives it back", flush=True)
"""


@pytest.fixture
def holder(prefect_api: str) -> Iterator[Holder]:
    """Start processes that hold the turn of a connection for so many seconds."""
    with ExitStack() as started:

        def start(connection: str, seconds: float) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-c", HOLD.format(job=str(uuid4())), connection, str(seconds)],
                env={**os.environ, "PREFECT_API_URL": prefect_api, "PREFECT_LOGGING_LEVEL": "ERROR"},
                cwd=Path(__file__).parents[2],
                stdout=subprocess.PIPE,
                text=True,
            )
            started.enter_context(process)
            started.callback(process.kill)
            return process

        yield start


def line(process: subprocess.Popen[str]) -> float:
    assert process.stdout
    return float(process.stdout.readline().split()[0])


def test_one_at_a_time_for_one_data_element(holder: Holder) -> None:
    first = holder("turns-a", 4)
    got = line(first)
    second, other = holder("turns-a", 0), holder("turns-b", 0)
    gone = line(first)
    assert gone - got >= 4
    assert line(second) >= gone  # it waited for the first
    line(other)  # and this one for nobody
    assert [process.wait(60) for process in (first, second, other)] == [0, 0, 0]


def test_the_limit_is_made_when_it_is_needed_and_free_afterwards(prefect_api: str) -> None:
    with temporary_settings({PREFECT_API_URL: prefect_api}), turn(str(uuid4()), "west.africa", "RainDaily01"):
        pass
    name = limit_name("west.africa", "RainDaily01")
    found = patient().get(f"{prefect_api}/v2/concurrency_limits/{name}", timeout=30).json()
    assert (found["name"], found["limit"], found["active_slots"]) == ("import-west-africa-RainDaily01", 1, 0)


@pytest.mark.slow
def test_a_dead_holder_loses_its_turn_within_two_minutes(holder: Holder) -> None:
    first = holder("turns-c", 600)
    line(first)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    died, second = time.time(), holder("turns-c", 0)
    assert line(second) - died < 120
    assert second.wait(60) == 0
