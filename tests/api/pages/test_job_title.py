from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from eo_pygeoapi.api.pages.job_title import dates_of, title_of, what_to_do
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.json_types import JsonObject

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INPUTS = {"datasetId": "rain", "start": "2025-07-01", "end": "2025-07-31"}
JOB = Job("1", "eo-aggregate-import", "successful", "", 100, NOW, NOW, inputs=INPUTS, deployment="rain")


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"message": "finished: 434 values; a dry run, nothing is stored; in DHIS2 they would be: 9 new"},
         "rain, 1 to 31 July 2025: dry run, 434 values"),
        ({"message": "finished: 434 values; in DHIS2: 403 new, 31 rejected; imported values show up later"},
         "rain, 1 to 31 July 2025: 403 new, 31 rejected in DHIS2"),
        ({"message": "finished", "inputs": INPUTS | {"dryRun": False}}, "rain, 1 to 31 July 2025: import"),
        ({"status": "failed"}, "rain, 1 to 31 July 2025: dry run failed"),
        ({"status": "accepted"}, "rain, 1 to 31 July 2025: dry run waiting"),
        ({"status": "running", "inputs": {"dryRun": False, "datetime": "2025/2026"}},
         "rain, 2025 to 2026: import running"),
        ({"process_id": "eo-undo", "dataset": "rain", "deployment": "eo-undo", "message": "finished: 9 gone"},
         "rain, 1 to 31 July 2025: undo: 9 gone"),
        ({"process_id": "eo-undo", "message": "finished: a dry run, nothing is changed; of 9 values: 9 go"},
         "rain, 1 to 31 July 2025: undo, dry run of 9 values: 9 go"),
        ({"process_id": "eo-reconcile",
          "message": "finished: DHIS2 holds 9 of 9 values of 2025-07-01 to 2025-07-31 as they were sent"},
         "rain, 1 to 31 July 2025: comparison: DHIS2 holds 9 of 9 values as they were sent"),
        ({"process_id": "eo-backfill", "dataset": "rain", "status": "failed"},
         "rain, 1 to 31 July 2025: backfill, dry run failed"),
        ({"process_id": "eo-backfill", "message": "finished: 13 values in 1 job, about 2 minutes"},
         "rain, 1 to 31 July 2025: backfill, dry run: 13 values in 1 job, about 2 minutes"),
        ({"process_id": "echo", "status": "dismissed"}, "echo: dismissed"),
        ({"inputs": {"start": "-P62D", "end": "-P3D"}, "status": "failed"},
         "rain, 31 October 2025 to 29 December 2025: dry run failed"),
        ({"inputs": {"datetime": "-P1D/P0D"}}, "rain, 31 December 2025 to 1 January 2026: dry run"),
        ({"inputs": {"start": "-P999999Y", "end": "P0D"}}, "rain, -P999999Y to P0D: dry run"),
    ],
)  # fmt: skip
def test_a_title_says_the_dataset_the_dates_and_what_happened(changes: dict[str, Any], title: str) -> None:
    assert title_of(replace(JOB, **changes), {}) == title


def test_dates_are_written_as_people_do() -> None:
    assert dates_of({"start": "2025-07-31", "end": "2025-08-02"}) == "31 July 2025 to 2 August 2025"
    assert dates_of({"start": "2024-01", "end": "2025-03"}) == "January 2024 to March 2025"
    assert dates_of({"start": "2025-13", "end": "2025"}) == "2025-13 to 2025"
    assert dates_of({"start": "-P40D", "end": "P0D"}) == "-P40D to P0D"
    assert dates_of({"datetime": "2025-07-01"}) == "1 July 2025" and dates_of({}) == ""


def test_a_failed_job_says_what_to_do_by_its_reason() -> None:
    failed = replace(JOB, status="failed")
    errors: list[JsonObject] = [
        *({"status": status} for status in (400, 404, 500, 502, 504)),
        {"status": 502, "event": "credential"},
        {"status": 502, "event": "stale-provider"},
    ]

    said = [what_to_do(failed, error) for error in errors]

    assert len(set(said)) == len(errors) and all(said) and what_to_do(failed, {}) == said[2]
    assert what_to_do(JOB, errors[0]) == ""
