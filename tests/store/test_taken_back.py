"""What a dataset's collection and coverage show when a job is undone."""

import csv
import io
import uuid
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from eo_pygeoapi.contract.models import ImportSummary
from eo_pygeoapi.contract.operations import CoverageUnit
from eo_pygeoapi.contract.periods import period_with_id
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.item_filters import datetime_condition, property_condition
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.published import compact
from eo_pygeoapi.store.reader import DEFAULT_ORDER, PublishedReader
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.store.taken_back import TakenBack, take_back
from tests.pipeline.made import dataset
from tests.store.results_data import NOON, publish, table

IMPORTED = ImportSummary(status="SUCCESS", dry_run=False, imported=1)
FIRST, SECOND, THIRD = "20250701", "20250702", "20260101"
Cell = tuple[str, str]
RAIN = dataset().model_copy(update={"id": "rain"})


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ResultStore:
    return ResultStore(str(tmp_path / "results") if request.param == "folder" else f"memory://{uuid.uuid4()}/results")


def imported(store: ResultStore, job: str, hours: float, values: Mapping[Cell, float], unchanged: int = 0) -> None:
    """Publish an import; the first values are those that DHIS2 held so already."""
    publish(store, job, table([(*cell, value) for cell, value in values.items()]), hours, summary=IMPORTED)
    states = ["unchanged"] * unchanged + ["new"] * (len(values) - unchanged)
    _write_changes(store, job, dict(zip(values, states, strict=True)))


def undone(store: ResultStore, job: str, hours: float, changes: Mapping[Cell, str]) -> TakenBack:
    """Have the collection follow an undo that has done this to cells."""
    _write_changes(store, f"undo-{job}", changes)
    return take_back(JobFolder(store, f"undo-{job}"), [job], RAIN, NOON + timedelta(hours=hours))


def in_dhis2(store: ResultStore) -> int:
    """Return how many values DHIS2 holds of us, as the coverage has it."""
    return sum(period.imported for period in CoverageTable.of(store, RAIN).summary())


def covered(store: ResultStore, job: str, cells: Mapping[Cell, float], version: str) -> None:
    """Record cells as an import does that DHIS2 then holds."""
    units, periods = [unit for unit, _ in cells], [period for _, period in cells]
    same = {"orgUnit": units, "period": periods, "reason": [""] * len(cells)}
    days = [f"{period[:4]}-{period[4:6]}-{period[6:]}" for period in periods]
    table = CoverageTable.of(store, RAIN)
    table.add_values({**same, "start": days, "end": days, "state": ["V"] * len(cells)}, (), job, version)
    table.add_import({**same, "state": ["D"] * len(cells)}, job, version)


def _write_changes(store: ResultStore, job: str, changes: Mapping[Cell, str]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("orgUnit", "period", "value", "stored", "change"))
    writer.writerows((*cell, "1", "", change) for cell, change in changes.items())
    JobFolder(store, job).write_bytes(job_folder.CHANGES, text.getvalue().encode())


def shown(store: ResultStore) -> dict[Cell, tuple[float | None, str]]:
    rows = PublishedReader(store).page("rain", [], DEFAULT_ORDER, 0, 100).rows
    return {(row["orgUnit"], row["period"]): (row["value"], row["jobID"]) for row in rows}


def reasons(store: ResultStore, period: str) -> dict[str, str]:
    table, day = CoverageTable.of(store, RAIN), period_with_id(period, "daily")
    assert day is not None
    table.add_values({"period": []}, [CoverageUnit(id=f"Ou{x}", name=x, level=2) for x in "ABC"], "told", "0")
    return {why.org_unit: why.reason for why in table.matrix([day]).reasons}


def test_what_was_before_is_shown_again_and_what_was_new_no_more(store: ResultStore) -> None:
    imported(store, "a", 0, {("OuA", FIRST): 1.0, ("OuB", FIRST): 2.0})
    before = shown(store)
    imported(store, "b", 1, {("OuA", FIRST): 9.0, ("OuB", FIRST): 2.0, ("OuA", SECOND): 9.0, ("OuA", THIRD): 9.0})
    assert len(shown(store)) == 4
    done = undone(
        store, "b", 2, {("OuA", FIRST): "restored", ("OuB", FIRST): "unchanged", ("OuA", SECOND): "deleted",
                        ("OuA", THIRD): "kept"},
    )  # fmt: skip
    assert (done, shown(store)) == (TakenBack(2, 2), before)
    compact(store, "rain")
    assert shown(store) == before
    assert PublishedReader(store).count("rain", []) == 2
    assert undone(store, "b", 3, {("OuA", FIRST): "unchanged"}) == TakenBack(0, 0)
    periods = [found for id_ in (FIRST, SECOND, THIRD) if (found := period_with_id(id_, "daily"))]
    assert CoverageTable.of(store, RAIN).matrix(periods).rows == ["", "", ""]  # no job has told of units
    assert reasons(store, SECOND) == {"OuA": "taken back by job undo-b"}


def test_what_a_later_job_shows_and_what_dhis2_did_not_let_go_stays(store: ResultStore) -> None:
    imported(store, "a", 0, {("OuA", FIRST): 1.0})
    imported(store, "b", 1, {("OuA", FIRST): 2.0, ("OuB", FIRST): 2.0, ("OuC", FIRST): 2.0})
    imported(store, "c", 2, {("OuA", FIRST): 3.0})
    done = undone(store, "b", 3, {("OuA", FIRST): "kept", ("OuB", FIRST): "deleted", ("OuC", FIRST): "rejected"})
    assert done == TakenBack(0, 1)
    assert shown(store) == {("OuA", FIRST): (3.0, "c"), ("OuC", FIRST): (2.0, "b")}
    imported(store, "d", 4, {("OuB", FIRST): 4.0})
    assert shown(store)["OuB", FIRST] == (4.0, "d")


def test_what_dhis2_held_already_stays_where_nothing_was_shown_before(store: ResultStore) -> None:
    imported(store, "a", 0, {("OuA", FIRST): 1.0, ("OuB", FIRST): 2.0}, unchanged=1)
    assert undone(store, "a", 1, {("OuB", FIRST): "deleted"}) == TakenBack(0, 1)
    assert shown(store) == {("OuA", FIRST): (1.0, "a")}


def test_a_repeated_publication_keeps_what_was_before_the_first(store: ResultStore) -> None:
    imported(store, "a", 0, {("OuA", FIRST): 1.0})
    imported(store, "b", 1, {("OuA", FIRST): 2.0})
    imported(store, "b", 1.5, {("OuA", FIRST): 2.0})
    undone(store, "b", 2, {("OuA", FIRST): "restored"})
    assert shown(store) == {("OuA", FIRST): (1.0, "a")}
    undone(store, "a", 3, {("OuA", FIRST): "deleted"})
    assert shown(store) == {}


def test_an_undo_of_a_job_that_broke_off_has_nothing_to_follow(store: ResultStore) -> None:
    imported(store, "a", 0, {("OuA", FIRST): 1.0})
    _write_changes(store, "undo-x", {("OuA", FIRST): "deleted"})
    assert take_back(JobFolder(store, "undo-x"), "x", RAIN, NOON) == TakenBack()
    assert shown(store) == {("OuA", FIRST): (1.0, "a")}


def test_what_a_later_job_had_found_in_dhis2_is_missing_there_when_it_is_taken_back(store: ResultStore) -> None:
    cells = {("OuA", FIRST): 1.0, ("OuB", FIRST): 2.0}
    imported(store, "a", 0, cells)
    imported(store, "b", 1, cells, unchanged=2)
    covered(store, "b", cells, "2025-08-01T13:00:00.000000 b")
    assert in_dhis2(store) == 2
    assert undone(store, "a", 2, {("OuA", FIRST): "deleted", ("OuB", FIRST): "kept"}) == TakenBack(0, 0)
    assert (in_dhis2(store), len(shown(store))) == (0, 2)
    assert reasons(store, FIRST) == {"OuA": "taken back by job undo-a"}


def test_of_two_jobs_that_died_and_went_on_nothing_stays(store: ResultStore) -> None:
    a, b = ("OuA", FIRST), ("OuB", FIRST)
    _write_changes(store, "died", {a: "new"})  # and published nothing
    imported(store, "went-on", 1, {a: 1.0, b: 1.0}, unchanged=1)
    _write_changes(store, "undo", {b: "deleted", a: "deleted"})
    done = take_back(JobFolder(store, "undo"), ["went-on", "died"], RAIN, NOON + timedelta(hours=5))
    assert (done, shown(store)) == (TakenBack(0, 2), {})


@pytest.mark.parametrize("_repetition", range(3))
def test_jobs_that_published_the_same_cells_are_taken_back_in_order(store: ResultStore, _repetition: int) -> None:
    cells = {("OuA", FIRST): 1.0, ("OuB", FIRST): 1.0}
    imported(store, "one", 0, cells)
    imported(store, "two", 1, dict.fromkeys(cells, 2.0))
    _write_changes(store, "undo", dict.fromkeys(cells, "deleted"))
    take_back(JobFolder(store, "undo"), ["two", "one"], RAIN, NOON + timedelta(hours=5))
    assert (shown(store), reasons(store, FIRST)) == (
        {}, dict.fromkeys(("OuA", "OuB"), "taken back by job undo")
    )  # fmt: skip


def test_what_was_taken_back_is_not_found_by_its_days_either(store: ResultStore) -> None:
    imported(store, "job-1", 0, {("OuA", FIRST): 1.0, ("OuA", SECOND): 2.0})
    undone(store, "job-1", 1, {("OuA", FIRST): "deleted", ("OuA", SECOND): "deleted"})
    reader = PublishedReader(store)

    for condition in (datetime_condition("2025-07"), property_condition("start", "2025-07-01")):
        assert reader.count("rain", [condition]) == 0
