"""The line of a job in the import history."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.contract.models import ImportSummary
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.jobs.import_record import import_record, note_import
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.history import History
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore

DUE = datetime(2026, 11, 26, 6, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(str(tmp_path))


@pytest.fixture
def rain() -> Dataset:
    units = {"source": "dhis2", "level": 2}
    block = {"source": "chirps3", "orgUnits": units, "dhis2": {"connection": "national", "dataElement": "RAIN"}}
    return read_datasets({"resources": {"rain": {"type": "collection", "title": "Rain", "eo": block}}}, Path("/"))[
        "rain"
    ]


def job(**other: Any) -> Job:
    known: dict[str, Any] = {
        "id": "a-job", "process_id": "eo-aggregate-import", "status": "successful", "message": "finished",
        "progress": 100, "created": DUE, "updated": DUE + 2 * MINUTE, "started": DUE + MINUTE, "deployment": "rain",
        "inputs": {"datasetId": "rain", "start": "-P3D", "end": "P0D", "dryRun": False}, "by": "schedule daily",
    }  # fmt: skip
    return Job(**known | other)


def test_of_a_scheduled_import(store: ResultStore, rain: Dataset) -> None:
    summary = ImportSummary(status="WARNING", dry_run=False, imported=9, updated=2, rejected_count=1, ignored=1)
    JobFolder(store, "a-job").write_json(job_folder.SUMMARY, {"importSummary": summary.to_json()})
    line = import_record(store, job(), rain)
    assert (line.connection, line.data_element, line.by) == ("national", "RAIN", "schedule daily")
    assert (line.start, line.end, line.dry_run) == (date(2026, 11, 23), date(2026, 11, 26), False)
    assert (line.import_status, line.imported, line.updated, line.rejected) == ("WARNING", 9, 2, 1)
    assert (line.started, line.finished) == (DUE + MINUTE, DUE + 2 * MINUTE)


def test_a_request_that_goes_elsewhere_says_where(store: ResultStore, rain: Dataset) -> None:
    inputs = {"datasetId": "rain", "start": "2026-11-01", "end": "2026-11-02", "dhis2": {"dataElement": "OTHER"}}
    line = import_record(store, job(inputs=inputs), rain)
    assert (line.data_element, line.dry_run) == ("OTHER", True)


def test_a_job_that_failed_for_its_inputs_has_a_line_without_days(store: ResultStore, rain: Dataset) -> None:
    line = import_record(store, job(status="failed", inputs={"datasetId": "rain", "start": "soon"}), rain)
    assert (line.status, line.connection, line.import_status) == ("failed", "national", "")
    assert "start" not in line.model_fields_set


def test_a_dataset_that_is_gone_keeps_its_lines(store: ResultStore) -> None:
    note_import(store, job(), None, DUE)
    assert [line.dataset for line in History(store, "rain").page(1)[0]] == ["rain"]


@pytest.mark.parametrize("other", [{"started": None, "status": "dismissed"}, {"process_id": "hello-world"}])
def test_what_never_began_and_other_processes_have_no_line(
    store: ResultStore, rain: Dataset, other: dict[str, Any]
) -> None:
    note_import(store, job(**other), rain, DUE)
    assert store.keys("history") == []
