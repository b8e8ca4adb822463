"""Which jobs tell how a feed is: those of its schedules, and imports that people make in their place."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.watch.feed_jobs import FeedJobs

NOW = datetime(2026, 11, 26, 6, 0, tzinfo=UTC)
REAL: dict[str, Any] = {"start": "-P3D", "end": "P0D", "dryRun": False}


def dataset(schedule: dict[str, Any] | None = None) -> Dataset:
    schedules = [{"name": "daily", "cron": "0 6 * * *", "inputs": schedule}] if schedule else []
    block: dict[str, Any] = {"source": "chirps3", "orgUnits": {"source": "geojson", "href": "units.json"}}
    block |= {"dhis2": {"connection": "national", "dataElement": "RAIN"}, "schedules": schedules}
    resources = {"rain": {"type": "collection", "title": "Rain", "eo": block}}
    return read_datasets(yaml.safe_load(yaml.safe_dump({"resources": resources})), Path("/etc/eo"))["rain"]


def job(
    number: int, status: Any = "successful", schedule: str = "", inputs: dict[str, Any] | None = None, **more: Any
) -> Job:
    when = NOW + timedelta(hours=number)
    given = REAL if inputs is None else inputs
    return Job(str(number), "eo-aggregate-import", status, "", 0, when, when, inputs=given, schedule=schedule, **more)


FAILED = job(1, "failed", "daily")
WHOLE = {"start": "2026-11-01", "end": "2026-11-30", "dryRun": False}


@pytest.mark.parametrize(
    ("inputs", "request_", "counts"),
    [
        (REAL, {}, True),  # the same days
        (WHOLE, {}, True),  # and more
        ({**REAL, "end": "-P1D"}, {}, False),  # but not all of them
        ({"start": "2026", "end": "nonsense", "dryRun": False}, {}, False),
        ({**REAL, "dryRun": True}, {}, False),
        ({"start": "-P3D", "end": "P0D"}, {}, False),  # a dry run where nothing is said
        ({**REAL, "orgUnitIds": ["nosuch"]}, {}, False),
        ({**REAL, "parameters": {"stage": "prelim"}}, {}, False),
        (REAL, {"featuresKey": "requests/1/features.json"}, False),
    ],
)
def test_a_job_of_a_person_counts_where_it_does_what_the_schedule_does(
    inputs: dict[str, Any], request_: dict[str, Any], counts: bool
) -> None:
    asked = job(2, inputs=inputs, request=request_)
    feed = FeedJobs.among([asked, FAILED], dataset(REAL))
    assert feed.last == (asked if counts else FAILED)
    assert feed.failing_since == (None if counts else FAILED.updated)
    # a person's mistake is no failure of the feed
    mistaken = job(2, "failed", inputs=inputs, request=request_)
    assert (FeedJobs.among([mistaken, job(1, "successful", "daily")], dataset(REAL)).last == mistaken) is counts


def test_where_no_schedule_imports_every_whole_import_counts() -> None:
    dry = job(1, "successful", "daily", {**REAL, "dryRun": True})
    one_day = job(2, inputs={"start": "2019-01-01", "end": "2019-01-01", "dryRun": False})
    assert FeedJobs.among([one_day, dry], dataset({**REAL, "dryRun": True})).jobs == [one_day, dry]
    assert FeedJobs.among([one_day], dataset()).last == one_day
    assert FeedJobs.among([job(3, inputs={"start": "2019", "end": "2019"})], dataset()).last is None


def test_a_dry_run_after_an_import_leaves_what_is_known_of_that() -> None:
    imported, dry = job(1, schedule="daily"), job(2, schedule="monthly", inputs={**REAL, "dryRun": True})
    feed = FeedJobs.among([job(3, "failed", "daily"), dry, imported], dataset(REAL))
    assert (feed.last_good, feed.last_import) == (dry, imported)


def test_a_feed_fails_since_the_first_failure_after_the_last_success() -> None:
    jobs = [job(4, "failed", "daily"), job(3, "failed", "daily"), job(2, schedule="daily"), job(1, "failed", "daily")]
    assert FeedJobs.among(jobs, dataset(REAL)).failing_since == jobs[1].updated
