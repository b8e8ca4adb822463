"""The coverage matrix: what there is for each unit and period, and what became of it in DHIS2."""

import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.operations import CoverageUnit
from eo_pygeoapi.contract.periods import Period, periods_in
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.store.versioned import VersionedTable

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
    assert [(why.org_unit, why.code, why.reason) for why in table.matrix(DAYS[:1]).reasons] == [
        ("b", "R", "E7641"),
        ("k", "K", "E7641"),
    ]
    assert [(s.imported, s.rejected, s.kept) for s in table.summary()] == [(0, 1, 1)]

    table.add_import(imported("DD", DAYS[:1]), "job-3", "3")
    assert table.matrix(DAYS[:1]).rows == ["VV"]
    assert [(s.imported, s.rejected, s.kept) for s in table.summary()] == [(2, 0, 0)]


def test_what_dhis2_holds_elsewhere_is_not_taken_for_what_it_holds_where_values_go_now(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    before, now = (CoverageTable(store, "rain", target) for target in ("national/RAIN", "national/RAINFALL"))
    before.add_values(cells("VVVV", DAYS[:2]), UNITS, "job-1", "1")
    before.add_import(imported("DDRK", DAYS[:2], "E7641"), "job-1", "1")

    assert [(s.present, s.imported, s.rejected, s.kept) for s in now.summary()] == [(2, 0, 0, 0)] * 2
    assert now.matrix(DAYS[:2]).rows == ["VV", "VV"]
    missing, refused = now.lacking(DAYS[:2], ["b", "k"])
    assert missing.all() and not refused.any()

    now.add_import(imported("DD", DAYS[1:2]), "job-2", "2")
    assert [s.imported for s in now.summary()] == [0, 2]
    now.compact()
    for table, rows in ((now, ["VV", "VV"]), (before, ["VV", "RK"])):
        assert table.matrix(DAYS[:2]).rows == rows
    assert [s.imported for s in before.summary()] == [2, 0]


def test_rows_that_name_no_target_are_of_any(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    table = CoverageTable(store, "rain", "national/RAIN")
    table.add_values(cells("VV", DAYS[:1]), UNITS, "job-1", "1")
    for version, state in (("1", "R"), ("2", "D")):
        rows = {n: np.array(c, dtype=object) for n, c in imported(state * 2, DAYS[:1]).items()}
        rows |= {"jobID": np.array(["job"] * 2, dtype=object), "version": np.array([version] * 2, dtype=object)}
        VersionedTable(store, "coverage/rain/dhis2", ("orgUnit", "period")).add(rows, "left(period, 4)")

    assert [s.imported for s in table.summary()] == [2]
    table.compact()
    assert [s.imported for s in table.summary()] == [2]
    table.add_import(imported("RR", DAYS[:1]), "job-3", "3")
    assert (table.summary()[0].imported, table.summary()[0].rejected) == (0, 2)


@pytest.mark.parametrize("found", [b"", b"{", b"[]", b'{"digest": 1}'])
def test_counts_that_cannot_be_read_are_made_again(tmp_path: Path, found: bytes) -> None:
    store = ResultStore(str(tmp_path))
    table = CoverageTable(store, "rain")
    table.add_values(cells("VVPPOVNN"), UNITS, "job-1", "1")
    store.write_bytes("coverage/rain/summaries/2025.json", found)

    assert [summary.present for summary in table.summary()] == [2, 2, 1, 0]
    assert store.read_json("coverage/rain/summaries/2025.json")["periods"]


def test_a_reason_is_said_once_for_periods_that_follow_each_other(table: CoverageTable) -> None:
    table.add_values(cells("NNNNNNNN", reason="comes later"), UNITS, "job-1", "1")
    table.add_values(cells("VOVO", DAYS[:2], "outside the data"), UNITS, "job-2", "2")
    table.add_import(imported("RDDD", DAYS[:2], "E7641"), "job-2", "2")
    table.add_import(imported("DD", DAYS[1:2]), "job-3", "3")
    found = table.matrix(DAYS)

    assert found.rows == ["RO", "VO", "NN", "NN"]
    assert [(w.org_unit, w.first, w.last, w.code, w.reason) for w in found.reasons] == [
        ("b", "20251230", "20251230", "R", "E7641"),
        ("b", "20251231", "20251231", "V", "outside the data"),
        ("b", "20260101", "20260102", "N", "comes later"),
        ("k", "20251230", "20251230", "O", "E7641"),
        ("k", "20251231", "20251231", "O", "outside the data"),
        ("k", "20260101", "20260102", "N", "comes later"),
    ]
    few = table.matrix(DAYS, most_reasons=2)
    assert (len(few.reasons), few.reasons_left_out) == (2, 4)


def test_reasons_of_a_year_of_1500_units_cost_little(table: CoverageTable) -> None:
    days = periods_in(Interval(start=date(2025, 1, 1), end=date(2025, 12, 31)), "daily")
    units = [CoverageUnit(id=f"Unit{n:07}", name=f"Unit {n}", level=3) for n in range(1500)]
    count = len(days) * len(units)
    many: dict[str, Any] = {
        "orgUnit": np.tile(np.array([unit.id for unit in units], dtype=object), len(days)),
        "period": np.repeat(np.array([day.id for day in days], dtype=object), len(units)),
        "start": np.repeat(np.array([day.start.isoformat() for day in days], dtype=object), len(units)),
        "state": np.full(count, "V", dtype=object),
        "reason": np.full(count, "", dtype=object),
    }
    many["end"] = many["start"]
    many["state"][-30 * len(units) :], many["reason"][-30 * len(units) :] = "N", "not published yet"
    table.add_values(many, units, "job-1", "1")
    begun = time.process_time()
    found = table.matrix(days)

    assert time.process_time() - begun < 2  # 0.4 s on a core of its own
    assert len(found.reasons) == len(units) and found.reasons[0].first == "20251202"


def test_many_jobs_leave_few_files(table: CoverageTable) -> None:
    for number in range(12):
        table.add_values(cells("VV", DAYS[:1]), UNITS, f"job-{number}", f"{number:03}")

    assert table.matrix(DAYS[:1]).rows == ["VV"]
    assert len(table._values.files()["2025"]) <= 5


def test_levels_are_chosen(table: CoverageTable) -> None:
    table.add_values(cells("VVVVVVVV"), [UNITS[0], CoverageUnit(id="k", name="Kenema", level=3)], "job-1", "1")

    assert [unit.id for unit in table.matrix(DAYS, 3).org_units] == ["k"]
    assert table.matrix(DAYS, 3).rows == ["V"] * 4
