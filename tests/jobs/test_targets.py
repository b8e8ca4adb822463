"""The DHIS2 connection that a job is about."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.errors import NoSuchJobError
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.jobs.targets import connection_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RAIN = {"source": "chirps3", "dhis2": {"connection": "national"}}
DATASETS = read_datasets({"resources": {"rain": {"type": "collection", "eo": RAIN}}}, Path())


def job(process: str, deployment: str = "", dataset: str = "", **inputs: Any) -> Job:
    return Job("1", process, "running", "", 0, NOON, NOON, inputs=inputs, deployment=deployment, dataset=dataset)


JOBS = {
    "own": job("eo-aggregate-import", "rain"),
    "elsewhere": job("eo-aggregate-import", "rain", dhis2={"connection": "test"}),
}


def get(job_id: str) -> Job:
    if job_id not in JOBS:
        raise NoSuchJobError(f"there is no job {job_id!r}")
    return JOBS[job_id]


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (JOBS["own"], "national"),
        (JOBS["elsewhere"], "test"),
        (job("eo-aggregate-import", "gone"), ""),
        (job("eo-backfill", "eo-backfill", "rain"), "national"),
        (job("eo-reconcile", "eo-reconcile", "rain"), "national"),
        (job("eo-backfill", "eo-backfill", "gone"), ""),
        (job("eo-undo", "eo-undo", "rain", jobId="own"), "national"),
        (job("eo-undo", "eo-undo", "rain", jobId="elsewhere"), "test"),
        (job("eo-undo", "eo-undo", "rain", jobId="removed"), "national"),
        (job("hello-world", "hello-world"), None),
    ],
)
def test_it_is_that_of_the_inputs_else_of_the_dataset_and_of_an_undo_that_of_the_job(
    of: Job, expected: str | None
) -> None:
    assert connection_of(of, DATASETS, get) == expected
