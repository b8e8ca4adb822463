"""What may fail on the way to DHIS2, and that in the end it holds the values that were computed, none sent in vain."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.errors import Dhis2Error, Dhis2UnavailableError
from tests.pipeline.dhis2.imports import (
    BIG_METADATA,
    TODAY,
    Importer,
    big_cells,
    connector,
    files,
    july,
    put,
    sent,
    stored,
)
from tests.standins.dhis2 import StandIn, running

CHECKOUT = Path(__file__).parents[3]
PAGE = "<!DOCTYPE html><html><head><title>Down for maintenance</title></head><body>…</body></html>"
HTML = {"body": PAGE, "contentType": "text/html"}
QUICK = (0.0, 0.0)
POST = {"path": "/api/dataValueSets", "method": "POST"}
CONFLICT = {"httpStatus": "Conflict", "httpStatusCode": 409, "status": "ERROR", "message": "One more conflicts"}
REFUSING_ALL = json.dumps(
    CONFLICT
    | {
        "response": {
            "responseType": "ImportSummary",
            "status": "ERROR",
            "description": "The import process failed",
            "importCount": {"imported": 0, "updated": 0, "ignored": 0, "deleted": 0},
            "conflicts": [{"object": "x", "value": "Data set is locked", "errorCode": "E8005"}],
        }
    }
)

# what happens once, in the middle of three batches, and mends itself
PASSING: dict[str, dict[str, Any]] = {
    "500": {"status": 500, "body": '{"httpStatusCode": 500, "message": "deadlock detected"}'},
    "502": {"status": 502, **HTML},
    "503, a maintenance page": {"status": 503, **HTML},
    "a maintenance page that says all is well": {"status": 200, **HTML},
    "hung up without an answer": {"drop": True},
    "reset in mid-answer, stored": {"storeThenReset": True},
    "timeout, stored": {"storeThenStall": 2.5},
    "timeout, not stored": {"stall": 2.5, "status": 504},
    "slow": {"stall": 0.5},
}
# what a person has to mend, after which the job is run again
LASTING: dict[str, dict[str, Any]] = {
    "401": {"status": 401, "body": '{"message": "Bad credentials"}'},
    "403": {"status": 403, "body": '{"message": "Access is denied"}'},
    "409 without a summary": {"status": 409, "body": json.dumps(CONFLICT)},
    "404, the address": {"status": 404, **HTML},
}


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_mended_within_the_import(run: Importer, dhis2: StandIn, fault: str) -> None:
    dhis2.faults(POST | {"skip": 1, "times": 1} | PASSING[fault])
    opens = connector(dhis2, read_timeout=1.5)
    summary = run(dhis2, july(), connect=opens, batch_size=52, pauses=QUICK)
    assert (summary.status, summary.imported, summary.unchanged, summary.rejected_count) == ("SUCCESS", 130, 0, 0)
    assert stored(dhis2) == july()
    assert not dhis2.audit()
    sent_again = [cell for cell, times in Counter(sent(dhis2)).items() if times > 1]
    was_stored = "stored" in fault.replace("not stored", "") or fault == "slow"
    assert len(sent_again) == (0 if was_stored else 52)
    assert {row.split(",")[4] for row in run.text("changes.csv").splitlines()[1:]} == {"new"}


@pytest.mark.parametrize("fault", LASTING)
def test_what_lasts_fails_at_once_and_a_rerun_goes_on(
    tmp_path: Path, run: Importer, dhis2: StandIn, fault: str
) -> None:
    dhis2.faults(POST | {"skip": 1} | LASTING[fault])
    with pytest.raises(Dhis2Error) as caught:
        run(dhis2, july(), batch_size=52, pauses=QUICK)
    assert not caught.value.transient
    assert len(dhis2.log("POST")) == 2
    dhis2.faults()
    run.jobs -= 1  # the same job once more
    summary = run(dhis2, july(), batch_size=52)
    assert (summary.status, summary.imported, stored(dhis2)) == ("SUCCESS", 130, july())
    assert Counter(Counter(sent(dhis2)).values()) == {1: 78, 2: 52}  # only the batch that was refused goes again
    assert not dhis2.audit()


def test_a_batch_that_is_refused_as_a_whole_is_an_answer(run: Importer, dhis2: StandIn) -> None:
    dhis2.faults(POST | {"skip": 1, "times": 1, "status": 409, "body": REFUSING_ALL})
    summary = run(dhis2, july(), batch_size=52, pauses=QUICK)
    assert (summary.status, summary.imported, summary.rejected_count, summary.ignored) == ("WARNING", 78, 52, 52)
    assert {(entry.code, entry.reason) for entry in summary.rejected} == {("E8005", "Data set is locked")}
    assert "Data set is locked" in summary.reason
    assert len(run.json("rejected.json")) == 52
    dhis2.faults()
    again = run(dhis2, july())
    assert (again.imported, again.unchanged, stored(dhis2)) == (52, 78, july())
    assert Counter(Counter(sent(dhis2)).values()) == {1: 78, 2: 52}


def test_a_server_that_stays_away_fails_the_import(run: Importer, dhis2: StandIn) -> None:
    dhis2.faults(POST | {"skip": 1, "status": 503, **HTML})
    with pytest.raises(Dhis2UnavailableError, match="Down for maintenance"):
        run(dhis2, july(), batch_size=52, pauses=QUICK)
    assert len(dhis2.log("POST")) == 1 + 1 + len(QUICK)
    assert len(dhis2.values()) == 52


def test_reading_may_fail_too(run: Importer, dhis2: StandIn) -> None:
    dhis2.faults(
        {"path": "/api/me", "status": 502, "times": 1, **HTML},
        {"path": "/api/dataValueSets", "method": "GET", "drop": True, "times": 1},
    )
    summary = run(dhis2, july(), pauses=QUICK)
    assert (summary.status, summary.imported, stored(dhis2)) == ("SUCCESS", 130, july())


def test_an_import_that_is_tried_again_knows_the_values_that_it_found_as_ours(run: Importer, dhis2: StandIn) -> None:
    """Notes that began late hold nothing of the old values, and after the first try only the new ones."""
    for unit, period in july():
        put(dhis2, unit, period, "99", storedBy="admin")
    dhis2.faults(POST | {"times": 1, "status": 502, **HTML})
    summary = run(dhis2, july(), pauses=QUICK)
    assert (summary.status, summary.updated, summary.kept_count, stored(dhis2)) == ("SUCCESS", 130, 0, july())


# killed

IMPORT = """
import sys
from eo_pygeoapi.pipeline.dhis2.importing import import_to_dhis2
from tests.pipeline.dhis2.imports import TARGET, StandIn, connector, SUMMED
from tests.pipeline.made import dataset
from eo_pygeoapi.pipeline.dhis2.import_files import ImportFiles
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
folder, *server = sys.argv[1:]
files = ImportFiles(JobFolder(ResultStore(folder), "job"))
print(import_to_dhis2(
    files, dataset(dhis2=TARGET.to_json(), aggregation=SUMMED), False, connector(StandIn(*server))
).model_dump_json())
"""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("version", ["2.42", pytest.param("2.43", marks=pytest.mark.slow)])
def test_a_killed_import_of_fifty_thousand_goes_on_where_it_was(tmp_path: Path, version: str) -> None:
    cells = big_cells()
    assert len(cells) == 50_000
    files(tmp_path, cells)
    with running(version, BIG_METADATA, TODAY) as dhis2:
        command = [sys.executable, "-c", IMPORT, str(tmp_path), *vars(dhis2).values()]
        process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
        records = tmp_path / "jobs" / "job" / "steps" / "import"
        until = time.monotonic() + 300  # on a busy machine
        while dhis2.imports() < 3 or len(list(records.glob("*.json"))) < 2:  # each is read back before it is finished
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        finished = [json.loads(path.read_text())["counts"] for path in sorted(records.glob("*.json"))]
        assert 2 <= len(finished) < 25
        before = dhis2.log("POST")

        done = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True)
        summary = json.loads(done.stdout)
        assert (summary["status"], summary["rejected_count"], stored(dhis2)) == ("SUCCESS", 0, cells)
        assert not dhis2.audit()
        after = dhis2.log("POST")[len(before) :]
        first = {(v["orgUnit"], v["period"]) for entry in before[: len(finished)] for v in entry["body"]["dataValues"]}
        second = {(v["orgUnit"], v["period"]) for entry in after for v in entry["body"]["dataValues"]}
        assert len(first) == sum(counts["imported"] for counts in finished)
        assert not first & second
        assert len(after) <= 25 - len(finished)
