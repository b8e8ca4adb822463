"""Which jobs tell how a feed is: those of its schedules, and what people execute in their place.

A dry run that a person asks for, or a job for other units, other days or with other settings, says nothing of the feed:
whoever asked for it looks at it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from eo_pygeoapi.contract.intervals import resolve_interval
from eo_pygeoapi.contract.models import ImportInputs, Interval
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import InputError
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.jobs.held_parts import FEATURES_KEY
from eo_pygeoapi.json_types import JsonMapping

CHOOSE_UNITS = ("orgUnitLevel", "parentOrgUnit", "orgUnitIds", "features")  # inputs that ask for a part of the units
# inputs that, where they differ from the dataset's settings, leave values in the job's results alone
PUBLISH_NOTHING = ("aggregation", "periodType", "parameters", "features", "orgUnitLevel", "parentOrgUnit")
OTHER_SETTINGS = ("aggregation", "periodType", "parameters", "dhis2")  # inputs that leave the coverage as it is


@dataclass(frozen=True)
class FeedJobs:
    """The jobs of a dataset that tell how its feed is, the newest first, all of which have ended."""

    jobs: Sequence[Job]

    @classmethod
    def among(cls, jobs: Sequence[Job], dataset: Dataset) -> "FeedJobs":
        """Return those among the newest jobs of a dataset, of which the newest comes first."""
        return cls(list(_of_feed(jobs, dataset)))

    @property
    def last(self) -> Job | None:
        """The last one."""
        return next(iter(self.jobs), None)

    @property
    def last_good(self) -> Job | None:
        """The last one that succeeded."""
        return next((job for job in self.jobs if job.status == "successful"), None)

    @property
    def last_import(self) -> Job | None:
        """The last one that succeeded and was no dry run."""
        return next((job for job in self.jobs if job.status == "successful" and is_import(job)), None)

    @property
    def failing_since(self) -> datetime | None:
        """When the first one ended that failed since the last one that succeeded."""
        since = None
        for job in self.jobs:
            if job.status == "successful":
                break
            since = job.updated
        return since


def is_import(job: Job) -> bool:
    """Tell whether a job was to import its values: without the input it is a dry run."""
    return job.inputs.get("dryRun") is False


def _of_feed(jobs: Sequence[Job], dataset: Dataset) -> Iterator[Job]:
    imports = any(schedule.active and schedule.inputs.get("dryRun") is False for schedule in dataset.schedules)
    scheduled = next((job for job in jobs if job.schedule), None) if imports else None
    asked = _days(scheduled, dataset) if scheduled else None
    for job in jobs:
        if job.schedule or (_is_whole_import(job) and (asked is None or _holds(_days(job, dataset), asked))):
            yield job


def _is_whole_import(job: Job) -> bool:
    """Tell whether a job is an import of the dataset as it is, for all of its units."""
    return (
        is_import(job) and not job.inputs.keys() & {*CHOOSE_UNITS, *OTHER_SETTINGS} and FEATURES_KEY not in job.request
    )


def _holds(days: Interval | None, asked: Interval) -> bool:
    return days is not None and days.start <= asked.start and asked.end <= days.end


def _days(job: Job, dataset: Dataset) -> Interval | None:
    return days_asked(job.inputs, dataset.id, dataset.time_zone, job.created)


def days_asked(inputs: JsonMapping, dataset_id: str, time_zone: str, moment: datetime) -> Interval | None:
    """Return the days that the inputs of an import ask for at a moment; None where they do not say, which is checked
    elsewhere.
    """
    try:
        asked = ImportInputs.model_validate({**inputs, "datasetId": dataset_id}, by_name=False)
        return resolve_interval(asked, moment.astimezone(ZoneInfo(time_zone)).date())
    except (ValidationError, InputError):
        return None
