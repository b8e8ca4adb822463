"""Imports that stand-ins and real servers must take alike; `servers.py` says how to name a real one."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from pydantic import SecretStr

from eo_pygeoapi.contract.models import ImportSummary
from eo_pygeoapi.datasets.block import DatasetTarget
from eo_pygeoapi.pipeline.dhis2.client import connect
from eo_pygeoapi.pipeline.dhis2.importing import import_to_dhis2
from eo_pygeoapi.settings import Dhis2Connection
from tests.pipeline.dhis2.faulty_proxy import FAULTS, faulty_proxy
from tests.pipeline.dhis2.imports import SUMMED, Cells, Connector, files
from tests.pipeline.dhis2.servers import (
    CLERK,
    IMPORTER,
    KENEMA,
    KONO,
    OPEN_DAYS,
    OUTSIDE,
    PASSWORD,
    RACES,
    REAL,
    Server,
    real,
    standin,
)
from tests.pipeline.made import dataset
from tests.standins.dhis2_metadata import BO, DISTRICTS

OTHERS = [unit for unit in DISTRICTS if unit not in (KENEMA, KONO, OUTSIDE)]
JANUARY = [f"202401{day:02}" for day in range(14, 32)]
needs_a_server = [pytest.mark.slow, pytest.mark.skipif(not REAL, reason="set EO_TEST_DHIS2_URL")]


@pytest.fixture(scope="module", params=["2.42", "2.43", pytest.param("real", marks=needs_a_server)])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with ExitStack() as stack:
        yield stack.enter_context(real() if request.param == "real" else standin(request.param))


class Job:
    """Imports one data element, and tells of each import a line for a table."""

    def __init__(self, folder: Path, server: Server, element: str, data_set: str = "daily", **target: Any) -> None:
        self.folder, self.server, self.element = folder, server, element
        self.target = DatasetTarget(data_element=server.uid(element), data_set=server.uid(data_set), **target)
        self.eo: dict[str, Any] = {"aggregation": SUMMED}

    def __call__(self, cells: Cells, connector: Connector | None = None, dry_run: bool = False) -> ImportSummary:
        made = files(self.folder, cells, self.target, f"{self.element}-{random.random()}")
        block = dataset(dhis2=self.target.to_json(), **self.eo)
        opens = connector or login(self.server)
        summary = import_to_dhis2(made, block, dry_run, opens, pauses=(0.5, 1, 2), batch_size=2500)
        counts = summary.model_dump(include={"status", "imported", "updated", "unchanged", "rejected_count"})
        held = len(self.server.values(self.element))
        reasons = dict.fromkeys(entry.reason for entry in summary.rejected)
        print(
            f"| {self.element} | {self.server.version} | {len(cells)} | {held} | {counts} {'; '.join(reasons)[:200]} |"
        )
        return summary


def login(server: Server, user: str = IMPORTER, url: str = "") -> Connector:
    """Return what opens the server."""
    connection = Dhis2Connection(url=url or server.url, username=user, password=SecretStr(PASSWORD))
    return partial(connect, connection, read_timeout=120)


def as_numbers(held: dict[tuple[str, str], str]) -> dict[tuple[str, str], float]:
    return {cell: float(value) for cell, value in held.items()}


def new_days(count: int = 28) -> list[str]:
    """Return days that a server has hardly met before."""
    first = date(1905, 1, 1) + timedelta(random.SystemRandom().randrange(100 * 365))
    return [f"{first + timedelta(n):%Y%m%d}" for n in range(count)]


def test_two_datasets_at_the_same_moment_over_days_that_the_server_has_not_met(tmp_path: Path, server: Server) -> None:
    server.collide()
    for n in range(RACES if server.tag else 2):  # a stand-in collides on demand, a real one by chance
        cells = {(unit, day): 0.5 + n for unit in OTHERS for day in new_days()}
        together = Barrier(2)

        def imported(side: str, n: int = n, cells: Cells = cells, together: Barrier = together) -> ImportSummary:
            job = Job(tmp_path, server, f"race{n}{side}")
            together.wait()
            return job(cells)

        with ThreadPoolExecutor(2) as pool:
            for side, summary in zip("ab", pool.map(imported, "ab"), strict=True):
                assert (summary.status, summary.imported, summary.rejected_count) == ("SUCCESS", len(cells), 0)
                assert as_numbers(server.values(f"race{n}{side}")) == cells


def test_days_of_units_that_opened_late_or_closed(tmp_path: Path, server: Server) -> None:
    cells = {(unit, day): 1.5 for unit in [*OTHERS, KENEMA, KONO] for day in JANUARY}
    right = {
        cell: value
        for cell, value in cells.items()
        if not (cell[0] == KENEMA and cell[1] < "20240120") and not (cell[0] == KONO and cell[1] > "20240125")
    }
    summary = Job(tmp_path, server, "opened")(cells)
    assert as_numbers(server.values("opened")) == right
    assert (summary.imported, summary.rejected_count) == (len(right), len(cells) - len(right))
    assert [entry.reason for entry in summary.rejected] == [
        "Kenema opened on 20 January 2024: 6 days left out",
        "Kono closed on 25 January 2024: 6 days left out",
    ]


def test_months_of_units_that_opened_late_or_closed(tmp_path: Path, server: Server) -> None:
    job = Job(tmp_path, server, "months", "monthly")
    job.eo |= {"periodType": "monthly"}
    summary = job({(unit, month): 1.5 for unit in (BO, KENEMA, KONO) for month in ("202401", "202402")})
    expected = {(BO, "202401"), (BO, "202402"), (KENEMA, "202402"), (KONO, "202401")}
    assert (set(server.values("months")), summary.rejected_count) == (expected, 2)


def test_open_input_periods(tmp_path: Path, server: Server) -> None:
    days = ["20240117", *OPEN_DAYS, "20240121"]
    summary = Job(tmp_path, server, "input", "input")({(unit, day): 1.5 for unit in (BO, KONO) for day in days})
    assert set(server.values("input")) == {(unit, day) for unit in (BO, KONO) for day in OPEN_DAYS}
    assert (summary.status, summary.imported, summary.rejected_count) == ("WARNING", 6, 4)


def test_a_user_of_one_district(tmp_path: Path, server: Server) -> None:
    job = Job(tmp_path, server, "clerk")
    job({(unit, JANUARY[0]): 1.5 for unit in OTHERS})
    summary = job({(unit, JANUARY[0]): 2.5 for unit in OTHERS}, login(server, CLERK))
    assert as_numbers(server.values("clerk")) == {(unit, JANUARY[0]): 1.5 for unit in OTHERS}
    assert (summary.kept_count, summary.rejected_count) == (1, len(OTHERS) - 1)  # the importer's value is another's
    outside = job({(KENEMA, "20240121"): 1.5}, login(server, CLERK))
    assert (outside.status, outside.imported) == ("ERROR", 0)


def test_a_data_element_with_categories(tmp_path: Path, server: Server) -> None:
    cells = {(unit, JANUARY[0]): 1.5 for unit in OTHERS}
    without = Job(tmp_path, server, "bysex", "categories")(cells)
    assert (without.status, without.imported, server.values("bysex")) == ("ERROR", 0, {})
    assert "set dhis2.categoryOptionCombo to one of its option combinations" in without.reason
    job = Job(tmp_path, server, "bysex", "categories", category_option_combo=server.option_combo())
    assert (job(cells).imported, job(cells).unchanged) == (len(OTHERS), len(OTHERS))
    assert as_numbers(server.values("bysex")) == cells


def test_a_unit_that_the_data_set_does_not_have(tmp_path: Path, server: Server) -> None:
    summary = Job(tmp_path, server, "outside")({(BO, JANUARY[0]): 1.5, (OUTSIDE, JANUARY[0]): 1.5})
    assert (set(server.values("outside")), summary.rejected_count) == ({(BO, JANUARY[0])}, 1)
    assert "is not assigned to the data set" in summary.rejected[0].reason


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_the_network(tmp_path: Path, server: Server, fault: str) -> None:
    value = float(FAULTS.index(fault) + 1)
    cells = {(unit, day): value for unit in OTHERS for day in JANUARY}
    job = Job(tmp_path, server, "faults")
    with faulty_proxy(server.url, fault) as url:
        summary = job(cells, login(server, url=url))
    assert (summary.status, summary.imported + summary.updated, summary.rejected_count) == ("SUCCESS", len(cells), 0)
    assert as_numbers(server.values("faults")) == cells
