"""The coverage matrix: what there is for each unit and period, and what became of it in DHIS2."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.operations import CoverageUnit
from eo_pygeoapi.contract.periods import Period, periods_in
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.store import ResultStore

UNITS = [CoverageUnit(id="b", name="Bo", level=2), CoverageUnit(id="k", name="Kenema", level=2)]
DAYS = periods_in(Interval(start=date(2025, 12, 30), end=date(2026, 1, 2)), "daily")


@pytest.fixture(params=["folder", "memory"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> CoverageTable:
    url = str(tmp_path) if request.param == "folder" else f"memory://{tmp_path.name}"
    return CoverageTable(ResultStore(url), "rain")


def cells(states: str, days: list[Period] = DAYS, reason: str = "") -> Mapping[str, Any]:
    """Columns of one state per day and unit, day by day."""
    pairs = [(day, unit) for day in days for unit in UNITS]
    return {
        "orgUnit": [unit.id for _, unit in pairs],
        "period": [day.id for day, _ in pairs],
        "start": [day.start.isoformat() for day, _ in pairs],
        "end": [day.end.isoformat() for day, _ in pairs],
        "state": list(states),
        "reason": [reason] * len(pairs),
    }


def imported(states: str, days: list[Period] = DAYS, reason: str = "") -> Mapping[str, Any]:
    return {name: cells(states, days, reason)[name] for name in ("orgUnit", "period", "state", "reason")}


def test_nothing_is_missing_everywhere(table: CoverageTable) -> None:
    assert table.matrix(DAYS).rows == ["", "", "", ""]
    assert (table.summary(), table.units()) == ([], [])


def test_rows_are_periods_and_characters_are_units(table: CoverageTable) -> None:
    table.add_values(cells("VVPPOVNN"), UNITS, "job-1", "1")
    matrix = table.matrix(DAYS)

    assert matrix.periods == ["20251230", "20251231", "20260101", "20260102"]
    assert [unit.name for unit in matrix.org_units] == ["Bo", "Kenema"]
    assert matrix.rows == ["VV", "PP", "OV", "NN"]
    assert set("".join(matrix.rows)) <= set(matrix.legend)


def test_the_last_job_counts_wherever_it_is_read(table: CoverageTable) -> None:
    table.add_values(cells("NNNNNNNN"), UNITS, "job-1", "1")
    table.add_values(cells("PPPP", DAYS[:2]), UNITS, "job-3", "3")
    table.add_values(cells("VVVV", DAYS[1:3]), UNITS, "job-2", "2")

    assert table.matrix(DAYS).rows == ["PP", "PP", "VV", "NN"]
    assert [(s.id, s.present, s.provisional) for s in table.summary()] == [
        ("20251230", 2, 2),
        ("20251231", 2, 2),
        ("20260101", 2, 0),
        ("20260102", 0, 0),
    ]


def test_what_dhis2_says_stands_until_it_says_something_else(table: CoverageTable) -> None:
    table.add_values(cells("VV", DAYS[:1]), UNITS, "job-1", "1")
    table.add_import(imported("RK", DAYS[:1], "E7641"), "job-1", "1")
    table.add_values(cells("VV", DAYS[:1]), UNITS, "dry-run", "2")

    assert table.matrix(DAYS[:1]).rows == ["RK"]
    assert table.reasons("20251230") == {"b": "E7641", "k": "E7641"}
    assert [(s.imported, s.rejected, s.kept) for s in table.summary()] == [(0, 1, 1)]

    table.add_import(imported("DD", DAYS[:1]), "job-3", "3")
    assert table.matrix(DAYS[:1]).rows == ["VV"]
    assert [(s.imported, s.rejected, s.kept) for s in table.summary()] == [(2, 0, 0)]


@pytest.mark.parametrize("found", [b"", b"{", b"[]", b'{"digest": 1}'])
def test_counts_that_cannot_be_read_are_made_again(tmp_path: Path, found: bytes) -> None:
    store = ResultStore(str(tmp_path))
    table = CoverageTable(store, "rain")
    table.add_values(cells("VVPPOVNN"), UNITS, "job-1", "1")
    counted = table.summary()
    store.write_bytes("coverage/rain/summaries/2025.json", found)

    assert table.summary() == counted
    assert store.read_json("coverage/rain/summaries/2025.json")["periods"]


def test_many_jobs_leave_few_files(table: CoverageTable) -> None:
    for number in range(12):
        table.add_values(cells("VV", DAYS[:1]), UNITS, f"job-{number}", f"{number:03}")

    assert table.matrix(DAYS[:1]).rows == ["VV"]
    assert len(table._values.files()["2025"]) <= 5


def test_levels_are_chosen(table: CoverageTable) -> None:
    table.add_values(cells("VVVVVVVV"), [UNITS[0], CoverageUnit(id="k", name="Kenema", level=3)], "job-1", "1")

    assert [unit.id for unit in table.matrix(DAYS, 3).org_units] == ["k"]
    assert table.matrix(DAYS, 3).rows == ["V"] * 4
