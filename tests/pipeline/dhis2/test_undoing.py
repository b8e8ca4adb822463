"""What an undo leaves in DHIS2, and what a comparison finds there: alike in stand-ins and real servers."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from eo_pygeoapi.contract.history import ImportRecord
from eo_pygeoapi.contract.models import Difference, ImportSummary, Interval
from eo_pygeoapi.datasets.block import DatasetTarget
from eo_pygeoapi.errors import Dhis2Error, Dhis2UnavailableError, ResultNotAvailableError
from eo_pygeoapi.jobs.undo import Undo
from eo_pygeoapi.pipeline.dhis2.client import connect
from eo_pygeoapi.pipeline.dhis2.import_files import ImportFiles
from eo_pygeoapi.pipeline.dhis2.importing import import_to_dhis2
from eo_pygeoapi.pipeline.dhis2.reconciling import Compared, reconcile
from eo_pygeoapi.pipeline.dhis2.undoing import undo_in_dhis2
from eo_pygeoapi.settings import Dhis2Connection
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.history import History
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from tests.pipeline.dhis2.faulty_proxy import FAULTS, faulty_proxy
from tests.pipeline.dhis2.imports import SUMMED, Cells, files
from tests.pipeline.dhis2.servers import ADMIN, CLERK, IMPORTER, OUTSIDE, PASSWORD, REAL, Server, real, standin
from tests.pipeline.made import dataset
from tests.standins.dhis2_metadata import BO

NOON = datetime(2025, 8, 1, 12, tzinfo=UTC)
KAMBIA, PUJEHUN = "PMa2VCrupOd", "bL4ooGhyHRQ"
UNITS = [BO, KAMBIA, PUJEHUN]
DAYS = [f"202401{day:02}" for day in range(14, 22)]
JANUARY = Interval.model_validate({"start": "2024-01-01", "end": "2024-01-31"})
needs_a_server = [pytest.mark.slow, pytest.mark.skipif(not REAL, reason="set EO_TEST_DHIS2_URL")]


@pytest.fixture(scope="module", params=["2.42", "2.43", pytest.param("real", marks=needs_a_server)])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with ExitStack() as stack:
        yield stack.enter_context(real() if request.param == "real" else standin(request.param))


class Ministry:
    """Imports into one data element, takes imports back and compares; jobs are known by their names."""

    def __init__(self, folder: Path, server: Server, element: str, **target: Any) -> None:
        self.folder, self.server, self.element, self.login = folder, server, element, (IMPORTER, PASSWORD)
        given = {"data_element": server.uid(element), "data_set": server.uid("daily")} | target
        self.target = DatasetTarget.model_validate(given, by_name=True)
        self.dataset = dataset(dhis2=self.target.to_json(), aggregation=SUMMED)

    def imports(self, job: str, cells: Cells, url: str = "", pauses: tuple[float, ...] = (0.1, 0.1)) -> ImportSummary:
        made = files(self.folder, cells, self.target, job)

        return import_to_dhis2(made, self.dataset, False, self.opens(url), batch_size=6, pauses=pauses)

    def undoes(self, job: str, dry_run: bool = False, url: str = "", own: str = "") -> ImportSummary:
        folder = JobFolder(ResultStore(str(self.folder)), own or f"undo of {job}, dry {dry_run}")
        changes = Undo(folder, job, self.dataset, dry_run, lambda _name: self.opens(url)).changes()
        return undo_in_dhis2(
            ImportFiles(folder), changes, self.dataset, dry_run, self.opens(url), batch_size=5, pauses=(0.1, 0.1)
        )

    def compares(self) -> tuple[Compared, list[Difference]]:
        found: list[Difference] = []
        store = ResultStore(str(self.folder))
        return reconcile(store, self.dataset, JANUARY, self.opens(), found.extend, batch_size=7), found

    def opens(self, url: str = "") -> Any:
        address, (username, password) = url or self.server.url, self.login
        connection = Dhis2Connection(url=address, username=username, password=SecretStr(password))
        return partial(connect, connection, read_timeout=30)

    def held(self) -> dict[tuple[str, str], float]:
        return {cell: float(value) for cell, value in self.server.values(self.element).items()}


def counts(summary: ImportSummary) -> tuple[int, int, int, int, int]:
    return summary.deleted, summary.updated, summary.unchanged, summary.kept_count, summary.rejected_count


def test_dhis2_holds_what_it_held_before_and_what_persons_have_corrected(tmp_path: Path, server: Server) -> None:
    ministry = Ministry(tmp_path, server, "undone")
    before = {(unit, day): n + 0.5 for n, unit in enumerate(UNITS) for day in DAYS[:4]}
    ministry.imports("first", before)
    revised = {cell: value + (10 if cell[1] > DAYS[1] else 0) for cell, value in before.items()}
    later = revised | {(unit, day): 7.25 for unit in UNITS for day in DAYS[4:]}
    summary = ministry.imports("second", later)
    assert (summary.imported, summary.updated, summary.unchanged) == (12, 6, 6)
    corrected = {(BO, DAYS[3]): "99", (KAMBIA, DAYS[5]): "98"}
    server.correct("undone", corrected)
    server.correct("undone", {(PUJEHUN, DAYS[6]): "7.25"}, "DELETE")
    with_corrections = later | {(BO, DAYS[3]): 99.0, (KAMBIA, DAYS[5]): 98.0}
    del with_corrections[PUJEHUN, DAYS[6]]
    assert ministry.held() == with_corrections

    dry = ministry.undoes("second", dry_run=True)
    assert (counts(dry), dry.dry_run) == ((10, 5, 1, 2, 0), True)
    assert ministry.held() == with_corrections

    done = ministry.undoes("second")
    assert (counts(done), done.status) == ((10, 5, 1, 2, 0), "WARNING")
    assert {(entry.org_unit, entry.period, entry.stored) for entry in done.kept} == {
        (BO, DAYS[3], "99"), (KAMBIA, DAYS[5], "98")
    }  # fmt: skip
    expected = before | {(BO, DAYS[3]): 99.0, (KAMBIA, DAYS[5]): 98.0}
    assert ministry.held() == expected

    again = ministry.undoes("second", own="again")
    assert (counts(again), ministry.held()) == ((0, 0, 16, 2, 0), expected)
    repeated = ministry.imports("third", later)  # the person's stay
    assert (repeated.imported, repeated.updated, repeated.unchanged, repeated.kept_count) == (11, 5, 6, 2)
    assert ministry.held() == later | {(BO, DAYS[3]): 99.0, (KAMBIA, DAYS[5]): 98.0}


def test_a_cell_that_several_jobs_of_a_backfill_have_changed_is_one(tmp_path: Path, server: Server) -> None:
    ministry = Ministry(tmp_path, server, "undonetwice")
    old = {(BO, DAYS[2]): 3.5}
    ministry.imports("long before", old)
    ministry.imports("february", {(unit, "20240210"): 1.5 for unit in UNITS})
    first = {(unit, day): n + 0.5 for n, unit in enumerate(UNITS) for day in DAYS[:3]}
    ministry.imports("first try", first)  # 8 new, 1 changed
    server.correct("undonetwice", {(KAMBIA, DAYS[1]): "99"})
    second = {cell: value + 10 for cell, value in first.items() if cell[1] != DAYS[0]}
    second[KAMBIA, DAYS[3]] = 7.25
    summary = ministry.imports("second try", second)
    assert (summary.imported, summary.updated, summary.kept_count) == (1, 5, 1)
    children = ["february", "first try", "second try"]
    JobFolder(ResultStore(str(tmp_path)), "backfill").write_json("children.json", children)
    before = ministry.held()
    dry = ministry.undoes("backfill", dry_run=True)
    # of ten cells of January and three of February: one had a value before, and one is a person's
    assert (counts(dry), ministry.held()) == ((11, 1, 0, 1, 0), before)
    done = ministry.undoes("backfill")
    assert (counts(done), ministry.held()) == ((11, 1, 0, 1, 0), old | {(KAMBIA, DAYS[1]): 99.0})
    again = ministry.undoes("backfill", own="again")
    assert (counts(again), ministry.held()) == ((0, 0, 12, 1, 0), old | {(KAMBIA, DAYS[1]): 99.0})


def test_what_a_later_job_has_sent_stays_though_it_is_the_same_number(tmp_path: Path, server: Server) -> None:
    ministry = Ministry(tmp_path, server, "undonelater")
    cells, others = {(BO, DAYS[0]): 5.0, (KAMBIA, DAYS[0]): 5.0}, {(BO, DAYS[0]): 6.0, (KAMBIA, DAYS[0]): 6.0}
    ministry.imports("a", cells)
    ministry.imports("b", others)
    ministry.imports("c", cells)
    assert (counts(ministry.undoes("a")), ministry.held()) == ((0, 0, 0, 2, 0), cells)
    assert (counts(ministry.undoes("c")), ministry.held()) == ((0, 2, 0, 0, 0), others)
    assert (counts(ministry.undoes("b")), ministry.held()) == ((0, 2, 0, 0, 0), cells)
    assert (counts(ministry.undoes("a", own="once more")), ministry.held()) == ((2, 0, 0, 0, 0), {})
    ministry.imports("again", cells)
    assert (counts(ministry.undoes("a", own="a third time")), ministry.held()) == ((0, 0, 0, 2, 0), cells)
    assert (counts(ministry.undoes("again")), ministry.held()) == ((2, 0, 0, 0, 0), {})


def test_an_import_is_taken_back_by_the_connections_new_login(tmp_path: Path, server: Server) -> None:
    ministry = Ministry(tmp_path, server, "undonelogin")
    ministry.login = ADMIN
    ministry.imports("by the administrator", {(unit, DAYS[0]): 4.0 for unit in UNITS})
    ministry.login = (IMPORTER, PASSWORD)
    assert (counts(ministry.undoes("by the administrator")), ministry.held()) == ((3, 0, 0, 0, 0), {})


def test_a_persons_value_that_was_overwritten_is_the_persons_again(tmp_path: Path, server: Server) -> None:
    ministry = Ministry(tmp_path, server, "undonepersons", on_conflict="overwrite")
    server.correct("undonepersons", {(BO, DAYS[0]): "77"})
    ministry.imports("overwrites", {(BO, DAYS[0]): 5.0})
    undone = ministry.undoes("overwrites")
    assert (counts(undone), ministry.held()) == ((0, 1, 0, 0, 0), {(BO, DAYS[0]): 77.0})
    assert any(note.startswith("1 of the old values had been stored by others") for note in undone.notes)
    assert ministry.compares()[0].sent == 0
    keeps = Ministry(tmp_path, server, "undonepersons")
    assert keeps.imports("keeps", {(BO, DAYS[0]): 5.0}).kept_count == 1
    assert ministry.undoes("overwrites", own="again").unchanged == 1
    server.correct("undonepersons", {(BO, DAYS[0]): "77"}, "DELETE")


def test_jobs_of_a_backfill_that_sent_nothing_are_left_out(tmp_path: Path, server: Server) -> None:
    ministry = Ministry(tmp_path, server, "undonepart")
    ministry.imports("part 1", {(BO, DAYS[0]): 5.0})
    backfill = JobFolder(ResultStore(str(tmp_path)), "backfill")
    backfill.write_json(job_folder.CHILDREN, ["part 1", "part 2, dismissed in its queue"])
    assert (counts(ministry.undoes("backfill")), ministry.held()) == ((1, 0, 0, 0, 0), {})
    assert ministry.undoes("nothing at all").notes == ["the job has changed nothing in DHIS2"]


@pytest.mark.parametrize("removed", [(), (job_folder.WRITTEN_AS,)])
def test_an_undo_whose_notes_were_removed_is_refused(tmp_path: Path, removed: tuple[str, ...]) -> None:
    with standin("2.42") as server:
        ministry, store = Ministry(tmp_path, server, "undone"), ResultStore(str(tmp_path))
        ministry.imports("failed", {(BO, DAYS[0]): 5.0})
        for name in (job_folder.CHANGES, "steps", *removed):
            store.delete(f"jobs/failed/{name}")
        if removed:  # the whole job is gone
            record = ImportRecord(job_id="failed", dataset="rain", dry_run=False, status="failed", finished=NOON)
            History(store, ministry.dataset.id).add(record, NOON)
        with pytest.raises(ResultNotAvailableError, match="what job failed has changed in DHIS2 is not kept any more"):
            ministry.undoes("failed")


@pytest.mark.parametrize("version", ["2.42", "2.43"])
def test_units_whose_values_our_user_may_not_see_are_named(tmp_path: Path, version: str) -> None:
    with standin(version) as server:
        ministry = Ministry(tmp_path, server, "reconciled")
        ministry.imports("import", {(unit, DAYS[0]): 5.0 for unit in UNITS})
        ministry.login = (CLERK, PASSWORD)  # sees Bo alone
        found, differences = ministry.compares()
    assert (found.sent, found.equal, found.by_reason) == (3, 1, {"not visible": 2})
    assert {entry.org_unit for entry in differences} == {KAMBIA, PUJEHUN}
    assert differences[0].reason == "our user case_clerk may not see the values of this unit"


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_the_network_leave_no_half_undo(tmp_path: Path, server: Server, fault: str) -> None:
    ministry = Ministry(tmp_path, server, "undonefaults")
    value = float(FAULTS.index(fault) + 1)
    cells = {(unit, day): value for unit in UNITS for day in DAYS}
    ministry.imports("import", cells)
    with faulty_proxy(server.url, fault) as url:
        summary = ministry.undoes("import", url=url)
    assert (counts(summary), summary.status, ministry.held()) == ((len(cells), 0, 0, 0, 0), "SUCCESS", {})


def test_an_import_that_died_before_it_heard_the_answer_is_taken_back_whole(tmp_path: Path, server: Server) -> None:
    ministry = Ministry(tmp_path, server, "cut")
    cells = {(unit, day): 3.5 for unit in UNITS for day in DAYS}
    with pytest.raises((Dhis2UnavailableError, Dhis2Error)), faulty_proxy(server.url, "hung up after") as url:
        ministry.imports("import", cells, url=url, pauses=())  # the first reading, ahead, is spoiled too
    stored = ministry.held()
    assert stored and stored.items() <= cells.items()
    summary = ministry.undoes("import")
    assert (summary.deleted, summary.kept_count, ministry.held()) == (len(stored), 0, {})


def test_differences_are_listed_with_who_made_them(tmp_path: Path, server: Server) -> None:
    ministry = Ministry(tmp_path, server, "reconciled")
    cells = {(unit, day): n + 0.5 for n, unit in enumerate(UNITS) for day in DAYS[:3]}
    ministry.imports("import", cells)
    same, none = ministry.compares()
    assert (same.sent, same.equal, none) == (9, 9, [])
    server.correct("reconciled", {(BO, DAYS[0]): "99", (KAMBIA, DAYS[1]): "2"})
    server.correct("reconciled", {(PUJEHUN, DAYS[2]): "2.5"}, "DELETE")
    found, differences = ministry.compares()
    assert (found.sent, found.equal) == (9, 6)
    by_cell = {(entry.org_unit, entry.period): entry for entry in differences}
    assert {cell: (e.sent, e.held, e.likely) for cell, e in by_cell.items()} == {
        (BO, DAYS[0]): ("0.5", "99", "changed"),
        (KAMBIA, DAYS[1]): ("1.5", "2", "changed"),  # by a person, though it looks rounded
        (PUJEHUN, DAYS[2]): ("2.5", "", "deleted"),
    }
    changed, deleted = by_cell[BO, DAYS[0]], by_cell[PUJEHUN, DAYS[2]]
    assert changed.stored_by == "admin" and changed.reason.startswith("it was changed by admin at 20")
    assert deleted.reason.startswith("it was deleted by admin at 20")


def test_what_dhis2_refuses_to_delete_is_listed_and_stays(tmp_path: Path) -> None:
    with standin("2.43") as server:
        ministry = Ministry(tmp_path, server, "refused")
        ministry.imports("import", {(unit, DAYS[0]): 1.5 for unit in (*UNITS, OUTSIDE)} | {(BO, DAYS[1]): 1.5})
        server.unassign(KAMBIA)
        held = ministry.held()
        summary = ministry.undoes("import")
        stays = ministry.held()
    assert (counts(summary), summary.status) == ((3, 0, 0, 0, 1), "WARNING")
    assert set(held) == {(unit, DAYS[0]) for unit in UNITS} | {(BO, DAYS[1])}
    (entry,) = summary.rejected
    assert (entry.org_unit, entry.period) == (KAMBIA, DAYS[0]) and "not usable with org unit" in entry.reason
    assert stays == {(KAMBIA, DAYS[0]): 1.5}
