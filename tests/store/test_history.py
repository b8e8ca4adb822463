"""The import history: lines that stay, whatever becomes of their jobs."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from eo_pygeoapi.contract.history import ImportRecord
from eo_pygeoapi.store.history import History, histories
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.store.versioned import FILES_BEFORE_MERGE

ENDED = datetime(2026, 11, 26, 6, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(str(tmp_path))


def record(number: int = 0, **other: Any) -> ImportRecord:
    known = {"job_id": f"job-{number:03}", "dataset": "rain", "dry_run": False, "status": "successful"}
    return ImportRecord(**known | {"finished": ENDED + number * HOUR} | other)


def test_a_line_comes_back_as_it_was_written(store: ResultStore) -> None:
    line = record(
        tenant="north", connection="national", data_element="RAIN", start=date(2026, 11, 1), end=date(2026, 11, 25),
        import_status="WARNING", imported=120, updated=3, ignored=2, unchanged=1, rejected=2, kept=1,
        by="schedule rain-daily", message="finished: 123 values", started=ENDED - HOUR,
    )  # fmt: skip
    History(store, "rain").add(line, ENDED)
    assert History(store, "rain").page(10) == ([line], 1)


def test_what_is_not_known_is_left_out(store: ResultStore) -> None:
    History(store, "rain").add(record(status="failed"), ENDED)
    ((line,), _) = History(store, "rain").page(10)
    assert {"start", "end", "started"}.isdisjoint(line.model_dump(exclude_unset=True))


def test_the_latest_come_first_and_a_job_has_one_line(store: ResultStore) -> None:
    history = History(store, "rain")
    for number in range(7):
        history.add(record(number), ENDED)
    history.add(record(3, status="failed"), ENDED + HOUR)
    lines, matched = history.page(3, 2)
    assert (matched, [line.job_id for line in lines]) == (7, ["job-004", "job-003", "job-002"])
    assert lines[1].status == "failed" and history.job_ids() == {f"job-{n:03}" for n in range(7)}
    assert len(store.keys("history/rain")) <= FILES_BEFORE_MERGE + 1
    history.compact()
    assert len(store.keys("history/rain")) == 1 and history.page(3, 2) == (lines, 7)


def test_totals_leave_dry_runs_out_of_the_values(store: ResultStore) -> None:
    history = History(store, "rain")
    history.add(record(1, imported=10, updated=5), ENDED)
    history.add(record(2, imported=100, dry_run=True), ENDED)
    history.add(record(3, status="failed"), ENDED)
    assert (history.totals().jobs, history.totals().values) == ({"successful": 2, "failed": 1}, 15)
    assert History(store, "heat").totals().jobs == {}


def test_values_that_were_taken_back_are_not_made_any_more(store: ResultStore) -> None:
    history = History(store, "rain")
    assert history.values_made() == 0
    history.add(record(1, imported=10, updated=5), ENDED)
    history.add(record(2, imported=100, dry_run=True), ENDED)
    history.add(record(3, process="eo-undo", deleted=4), ENDED)
    assert history.values_made() == 6


def test_datasets_have_histories_of_their_own_whatever_they_are_called(store: ResultStore) -> None:
    for id_ in ("rain", "rain daily/ü"):
        History(store, id_).add(record(dataset=id_), ENDED)
    assert histories(store) == ["rain", "rain daily/ü"]


def test_lines_of_an_earlier_version_have_less(store: ResultStore, tmp_path: Path) -> None:
    history = History(store, "rain")
    history.add(record(), ENDED)
    (path,) = tmp_path.glob("history/rain/*.parquet")
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE old AS SELECT * EXCLUDE (process) FROM read_parquet('{path}')")
        connection.execute(f"COPY old TO '{path}' (FORMAT parquet)")
    for number in range(1, 7):  # they are merged meanwhile
        history.add(record(number, process="eo-undo"), ENDED)
    lines, matched = history.page(10)
    assert (matched, [line.process for line in lines]) == (7, ["eo-undo"] * 6 + [""])
