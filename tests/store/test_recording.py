"""What a job leaves becomes coverage: a row for each period and unit that it was asked for."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from eo_pygeoapi.contract.models import Interval, LeftOut
from eo_pygeoapi.contract.operations import CoverageUnit
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.datasets.validate import Execution, validate_inputs
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.features import Unit
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.recording import Asked, record
from eo_pygeoapi.store.store import ResultStore

UNITS = [CoverageUnit(id="b", name="Bo", level=2), CoverageUnit(id="k", name="Kenema", level=2)]
DAYS = periods_in(Interval(start=date(2026, 1, 29), end=date(2026, 2, 2)), "daily")
ASKED = Asked(DAYS, UNITS)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
FILE = """
resources:
  rain:
    type: collection
    eo: {source: chirps3, options: {stage: latest}, orgUnits: {source: dhis2, level: 2}, dhis2: {dataElement: R}}
"""


def execution(**inputs: Any) -> Execution:
    asked = {"datasetId": "rain", "start": "2026-01-29", "end": "2026-02-02", **inputs}
    return validate_inputs(asked, read_datasets(yaml.safe_load(FILE), Path("/")), APRIL)


def values(*rows: tuple[str, str, float]) -> dict[str, Any]:
    return {name: np.array([row[n] for row in rows]) for n, name in enumerate(("orgUnit", "period", "value"))}


def reasons(table: CoverageTable, period: str) -> dict[str, str]:
    (day,) = (day for day in DAYS if day.id == period)
    return {why.org_unit: why.reason for why in table.matrix([day]).reasons}


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return JobFolder(ResultStore(str(tmp_path)), "a-job")


def test_every_period_and_unit_that_was_asked_for_has_a_row(folder: JobFolder) -> None:
    some = values(
        ("b", "20260129", 1.0), ("k", "20260129", 2.0), ("b", "20260130", 0.0), ("k", "20260130", float("nan"))
    )
    left_out = [
        LeftOut(org_unit="k", period="20260130", reason="no cell of it has data"),
        LeftOut(period="20260201", reason="not published yet", expected="2026-02-07"),
        LeftOut(period="20260202", reason="not published yet", expected="2026-02-07"),
        LeftOut(period="20250101", reason="not asked for"),
    ]
    record(folder, execution(), ASKED, some, left_out, APRIL)

    table = CoverageTable.of(folder.store, execution().dataset)
    assert table.matrix(DAYS).rows == ["VV", "VO", "OO", "NN", "NN"]
    assert reasons(table, "20260130") == {"k": "no cell of it has data"}
    assert reasons(table, "20260201") == {"b": "not published yet", "k": "not published yet"}


def test_values_of_what_will_be_replaced_are_provisional(folder: JobFolder) -> None:
    some = values(*((unit.id, day.id, 1.0) for day in DAYS for unit in UNITS))
    record(folder, execution(), ASKED, some, [], datetime(2026, 2, 21, tzinfo=UTC))  # January is final, February is not

    assert CoverageTable.of(folder.store, execution().dataset).matrix(DAYS).rows == ["VV", "VV", "VV", "PP", "PP"]


def test_what_dhis2_holds_is_recorded_of_imports_alone(folder: JobFolder) -> None:
    changes = "orgUnit,period,value,stored,change\nb,20260129,1,,new\nk,20260129,2,3,kept\nb,20260130,1,,rejected\n"
    folder.write_bytes(job_folder.CHANGES, changes.encode())
    folder.write_json(job_folder.REJECTED, [{"orgUnit": "b", "period": "20260130", "reason": "E7641 is closed"}])
    some = values(*((unit.id, day.id, 1.0) for day in DAYS for unit in UNITS))
    table = CoverageTable.of(folder.store, execution().dataset)

    record(folder, execution(), ASKED, some, [], APRIL)
    assert [summary.imported for summary in table.summary()] == [0] * 5

    record(folder, execution(dryRun=False), ASKED, some, [], APRIL)
    assert table.matrix(DAYS).rows == ["VK", "RV", "VV", "VV", "VV"]
    assert [summary.imported for summary in table.summary()] == [1, 0, 0, 0, 0]
    assert reasons(table, "20260130") == {"b": "E7641 is closed"}


def test_of_the_groups_of_a_unit_the_worst_is_recorded(folder: JobFolder) -> None:
    block = """
resources:
  people:
    type: collection
    eo:
      source: worldpop
      options: {country: SLE, groups: [f_0, m_0, f_1]}
      orgUnits: {source: dhis2, level: 2}
      dhis2: {dataElement: P}
"""
    inputs = {"datasetId": "people", "start": "2025", "end": "2026", "dryRun": False}
    people = validate_inputs(inputs, read_datasets(yaml.safe_load(block), Path("/")), APRIL)
    changes = ["b,2025,1,,new,f_0", "b,2025,1,,rejected,m_0", "b,2025,1,3,kept,f_1"]
    changes += ["k,2025,1,,new,f_0", "k,2025,2,3,kept,m_0", "b,2026,1,,new,f_0", "b,2026,1,1,unchanged,m_0"]
    folder.write_bytes(job_folder.CHANGES, "\n".join(["orgUnit,period,value,stored,change,group", *changes]).encode())
    rejected = {"orgUnit": "b", "period": "2025", "group": "m_0", "reason": "E7641 is closed"}
    folder.write_json(job_folder.REJECTED, [rejected])
    years = periods_in(people.interval, "yearly")
    some = values(*((unit.id, year.id, 1.0) for year in years for unit in UNITS))

    record(folder, people, Asked(years, UNITS), some, [], APRIL)

    table = CoverageTable.of(folder.store, people.dataset)
    assert table.matrix(years).rows == ["RK", "VV"]
    assert [(found.imported, found.rejected, found.kept) for found in table.summary()] == [(0, 1, 1), (1, 0, 0)]


def test_units_that_were_left_out_are_columns_too() -> None:
    units = {"b": Unit("Bo", 2, "", ())}
    asked = Asked.of(execution(), units, [LeftOut(org_unit="x", reason="has no geometry")])

    assert [(unit.id, unit.name) for unit in asked.units] == [("b", "Bo"), ("x", "x")]
    assert [period.id for period in asked.periods] == [day.id for day in DAYS]


def test_values_of_a_request_that_overrides_the_dataset_are_not_recorded(folder: JobFolder) -> None:
    other = execution(aggregation={"spatial": "max"})
    assert other.overridden
    record(folder, other, ASKED, values(("b", "20260129", 1.0)), [], APRIL)

    assert CoverageTable.of(folder.store, execution().dataset).summary() == []
