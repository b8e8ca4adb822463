"""While DHIS2 stores a batch, the next is read and the last is read back; and what an import leaves that dies then."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.errors import Dhis2Error, Dhis2UnavailableError
from eo_pygeoapi.pipeline.dhis2.changes import changes_in
from eo_pygeoapi.pipeline.dhis2.import_files import ImportFiles
from eo_pygeoapi.pipeline.dhis2.in_flight import FRESH, Reading, one_beside
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from tests.pipeline.dhis2.imports import Importer, files, july, sent, stored
from tests.pipeline.dhis2.test_faults import CHECKOUT, IMPORT
from tests.standins.dhis2 import StandIn

POST = {"path": "/api/dataValueSets", "method": "POST"}
READ_BACK = {"path": "/api/dataValueSets", "method": "GET", "query": "includeDeleted"}
IMPORT_52 = IMPORT.replace("StandIn(*server))", "StandIn(*server)), batch_size=52")
BATCH = 52  # four days of 13 districts: 52, 52 and 26 values


# what was read ahead


def reading(answers: list[Any], seconds: list[float]) -> Callable[[], Any]:
    """Return a reading ahead of these answers, at these times."""
    given, now = iter(answers), iter(seconds)

    def read() -> Any:
        answer = next(given)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with one_beside() as beside:
        return Reading(beside, read, lambda: next(now))


def test_what_was_read_ahead_serves_once() -> None:
    read = reading(["first", "second"], [0.0, 1.0])
    assert [read(), read()] == ["first", "second"]


def test_what_was_read_long_ago_is_read_again() -> None:
    assert reading(["first", "second"], [0.0, FRESH + 1])() == "second"


def test_what_could_not_be_read_ahead_is_read_again() -> None:
    assert reading([Dhis2UnavailableError("away"), "second"], [0.0])() == "second"
    refused = reading([Dhis2Error("refused"), Dhis2Error("refused")], [0.0])
    with pytest.raises(Dhis2Error, match="refused"):
        refused()


# an import


def test_the_next_batch_is_read_while_one_is_stored(run: Importer, dhis2: StandIn) -> None:
    dhis2.faults(POST | {"stall": 0.5})
    assert run(dhis2, july(), batch_size=BATCH).imported == 130
    at: dict[str, list[int]] = {}
    steps = [_step(entry) for entry in dhis2.log() if entry["path"] == "/api/dataValueSets"]
    assert Counter(step for step in steps if step) == {"read": 3, "store": 3, "read back": 3}
    for step in ("read", "store", "read back"):
        at[step] = [n for n, one in enumerate(steps) if one == step]
    assert at["read"][1] < at["read back"][0] and at["read"][2] < at["store"][2]
    assert all(store < back for store, back in zip(at["store"], at["read back"], strict=True))
    assert stored(dhis2) == july()


def test_a_summary_that_lies_is_found_out(run: Importer, dhis2: StandIn) -> None:
    counts = {"imported": BATCH, "updated": 0, "ignored": 0, "deleted": 0}
    says = {"responseType": "ImportSummary", "status": "SUCCESS", "importCount": counts}
    dhis2.faults(POST | {"skip": 1, "times": 1, "status": 200, "body": json.dumps({"response": says})})
    summary = run(dhis2, july(), batch_size=BATCH)
    assert (summary.status, summary.difference_count, len(stored(dhis2))) == ("WARNING", BATCH, 130 - BATCH)
    assert {found.likely for found in summary.differences} == {"never arrived"}
    again = run(dhis2, july())
    assert (again.imported, again.unchanged, stored(dhis2)) == (BATCH, 130 - BATCH, july())


def test_where_reading_back_fails_a_repetition_reads_and_sends_nothing_twice(run: Importer, dhis2: StandIn) -> None:
    dhis2.faults(READ_BACK | {"skip": 1, "status": 403, "body": "{}"})
    with pytest.raises(Dhis2Error):
        run(dhis2, july(), batch_size=BATCH)
    dhis2.faults()
    run.jobs -= 1  # the same job once more
    summary = run(dhis2, july(), batch_size=BATCH)
    assert (summary.status, summary.imported, summary.unchanged, stored(dhis2)) == ("SUCCESS", 130, 0, july())
    assert Counter(Counter(sent(dhis2)).values()) == {1: 130}
    assert {row.split(",")[4] for row in run.text("changes.csv").splitlines()[1:]} == {"new"}


def test_one_that_is_killed_with_two_batches_under_way_knows_both(tmp_path: Path, dhis2: StandIn) -> None:
    """Of the first, reading back hangs; DHIS2 has stored the second meanwhile."""
    files(tmp_path, july())
    dhis2.faults(READ_BACK | {"times": 1, "stall": 20})
    command = [sys.executable, "-c", IMPORT_52, str(tmp_path), *vars(dhis2).values()]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    until = time.monotonic() + 120
    while dhis2.imports() < 2:
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()

    made = ImportFiles(JobFolder(ResultStore(str(tmp_path)), "job"))
    assert not list((tmp_path / "jobs" / "job" / "steps" / "import").glob("*.json"))
    with made.changes() as rows:
        changed = {change.cell[:2]: float(change.value) for change in changes_in(rows)}
    assert changed == stored(dhis2) and len(changed) == 2 * BATCH

    done = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True)
    summary = json.loads(done.stdout)
    assert (summary["status"], summary["imported"], summary["unchanged"]) == ("SUCCESS", 130, 0)
    assert stored(dhis2) == july() and Counter(Counter(sent(dhis2)).values()) == {1: 130}
    with made.changes() as rows:
        assert len(list(changes_in(rows))) == 130


def _step(entry: dict[str, Any]) -> str:
    """Return what a request is for; nothing where it only names new periods."""
    if entry["method"] == "POST":
        return "store"
    return "" if "period" in entry["query"] else "read back" if "includeDeleted" in entry["query"] else "read"
