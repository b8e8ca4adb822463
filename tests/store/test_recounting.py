"""What is asked of a dataset at every look is counted by the job that has changed it."""

from datetime import date

import duckdb
import numpy as np
import pytest

from eo_pygeoapi.contract.operations import CoverageUnit
from eo_pygeoapi.store.boundaries import boundary_changes
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.history import History
from eo_pygeoapi.store.recounting import count_again
from eo_pygeoapi.store.store import ResultStore
from tests.store.test_boundaries import DAYS, job
from tests.store.test_history import ENDED, record
from tests.store.test_taken_back import RAIN


def test_then_a_look_reads_no_values(store: ResultStore, monkeypatch: pytest.MonkeyPatch) -> None:
    job(store, 1, {"OuA": 0, "OuB": 2})
    job(store, 2, {"OuA": 0.5, "OuB": 2}, DAYS[1:])
    cells = {
        "orgUnit": "OuA",
        "period": DAYS[0],
        "start": "2025-07-01",
        "end": "2025-07-01",
        "state": "V",
        "reason": "",
    }
    columns = {name: np.array([text], dtype=object) for name, text in cells.items()}
    CoverageTable.of(store, RAIN).add_values(columns, [CoverageUnit(id="OuA", name="A", level=2)], "job-2", "2")
    History(store, "rain").add(record(2, imported=10), ENDED)
    count_again(store, RAIN)

    def refuse(**_: object) -> None:
        raise AssertionError("values are read")

    monkeypatch.setattr(duckdb, "connect", refuse)
    (of_day,) = CoverageTable.of(store, RAIN).summary()
    assert (of_day.start, of_day.present) == (date(2025, 7, 1), 1)
    assert [(change.what, change.org_unit) for change in boundary_changes(store, "rain")] == [("changed", "OuA")]
    assert History(store, "rain").totals().values == 10
    monkeypatch.undo()
    History(store, "rain").add(record(3, imported=5), ENDED)
    assert History(store, "rain").totals().values == 15
