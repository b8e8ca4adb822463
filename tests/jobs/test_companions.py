"""What requests of a backfill, an undo and a comparison are refused for, before there is a job."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import InputError, NoSuchJobError
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.jobs.companions import Seen, accept
from eo_pygeoapi.store.backfills import Backfill, KeptPart, keep_child, may_run
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UNITS = {"orgUnits": {"source": "dhis2", "level": 2}}
RAIN = Dataset.model_validate({"id": "rain", "source": "chirps3", "dhis2": {"dataElement": "RAIN"}, **UNITS})
PARENT = Job("parent", "eo-backfill", "dismissed", "", 0, NOW, NOW, dataset="rain", inputs={"dryRun": False})
CHILD = Job("child", "eo-aggregate-import", "running", "", 0, NOW, NOW)


def seen(*jobs: Job, **more: Any) -> Seen:
    by_id = {job.id: job for job in jobs}

    def job(job_id: str) -> Job:
        if job_id not in by_id:
            raise NoSuchJobError(f"there is no job {job_id!r}")
        return by_id[job_id]

    return Seen({"rain": RAIN}, job, **more)


@pytest.mark.parametrize("process", ["eo-backfill", "eo-reconcile"])
def test_an_interval_of_all_time_is_refused_at_once(process: str) -> None:
    begun = time.perf_counter()
    with pytest.raises(InputError, match="1700-01-01 to 2200-12-31 are 182986 days; allowed: 100000 at most"):
        accept(process, {"datasetId": "rain", "start": "1700", "end": "2200"}, seen())
    assert time.perf_counter() - begun < 1


def test_an_interval_needs_a_whole_period() -> None:
    weekly = replace(seen(), datasets={"rain": RAIN.model_copy(update={"period_type": "weekly"})})
    for days in ({"start": "2024-01-02", "end": "2024-01-07"}, {"start": "2200-12-30", "end": "2200-12-31"}):
        with pytest.raises(InputError, match="no whole weekly period lies in"):
            accept("eo-backfill", {"datasetId": "rain", **days}, weekly)
        with pytest.raises(InputError, match="no whole weekly period lies in"):
            accept("eo-reconcile", {"datasetId": "rain", **days}, weekly)
    assert accept("eo-backfill", {"datasetId": "rain", "start": "1800", "end": "2024"}, weekly).dataset.id == "rain"


@pytest.mark.parametrize(("status", "accepted"), [("running", False), ("accepted", False), ("dismissed", True)])
def test_an_undo_waits_for_jobs_that_are_still_being_stopped(status: Any, accepted: bool) -> None:
    """What they store while the undo counts would stay in DHIS2."""
    both = seen(PARENT, replace(CHILD, status=status), may_run=lambda _job_id: ["child", "removed"])
    if accepted:
        assert accept("eo-undo", {"jobId": "parent"}, both).dataset.id == "rain"
        return
    with pytest.raises(InputError, match=r"jobs that it started still run \(child\); wait for them"):
        accept("eo-undo", {"jobId": "parent"}, both)


def test_jobs_that_may_run_are_those_that_were_not_seen_to_end(tmp_path: Any) -> None:
    folder = JobFolder(ResultStore(str(tmp_path)), "parent")
    assert may_run(folder) == []
    days = {"start": NOW.date(), "end": NOW.date()}
    done = KeptPart(id="2025", **days, status="done", job_id="job-1")
    begun = [KeptPart(id=str(n), **days, status="started", job_id=f"job-{n}") for n in (2, 3)]
    begun.append(KeptPart(id="4", **days, status="started"))  # its job was being started when the process died
    Backfill(job_id="parent", begun=NOW, parts=[done, *begun]).keep(folder)
    for n in (1, 2, 3, 4):
        keep_child(folder, f"job-{n}")
    assert may_run(folder) == ["job-2", "job-3", "job-4"]
