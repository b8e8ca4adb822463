"""The documents about running datasets for years: freshness, coverage, schedules, problems."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from eo_pygeoapi.contract.documents import ABSENT, Document, Link
from eo_pygeoapi.contract.status import JobStatus

DatasetState = Literal["ok", "late", "failing", "paused", "never"]
# worst first
DATASET_STATES: tuple[DatasetState, ...] = ("failing", "late", "never", "paused", "ok")

PausedBy = Literal["person", "file", "missing credentials"]

CoverageCode = Literal["V", "P", "-", "N", "R", "K", "O"]
COVERAGE_LEGEND: dict[CoverageCode, str] = {
    "V": "present",
    "P": "provisional",
    "-": "missing",
    "N": "not published yet",
    "R": "rejected by DHIS2",
    "K": "kept: a person's value stands in DHIS2",
    "O": "left out",
}


class LastRun(Document):
    """The last job of a dataset or schedule."""

    job_id: str = Field(alias="jobID")
    status: JobStatus
    finished: datetime = ABSENT


class BoundaryChange(Document):
    """A unit whose boundaries have changed, that has appeared, or that is gone."""

    org_unit: str
    name: str
    what: Literal["changed", "new", "gone"]
    since: date = Field(description="day of the first job that found it so")


class DatasetStatus(Document):
    """Until when a dataset's values are right, and what is wrong where they are not."""

    id: str
    title: str
    source: str
    tenant: str = ABSENT
    period_type: str
    unit: str
    aggregation: dict[str, str]
    decimals: int | None
    published_until: date = Field(ABSENT, description="last day of the newest period with published values")
    imported_until: date = Field(ABSENT, description="last day of the newest period that DHIS2 holds from us")
    provisional_from: date = Field(ABSENT, description="first day of the oldest period that will be replaced")
    gaps: int = Field(description="periods without any value between the first and the newest")
    expected: date = Field(ABSENT, description="when the data of the next period are expected")
    provider_until: date = Field(ABSENT, description="newest day that the provider has, as it said last")
    late: bool
    state: DatasetState
    summary: str = Field(description="the same in a sentence")
    last_run: LastRun = ABSENT
    last_success: datetime = ABSENT
    boundaries: list[BoundaryChange] = Field(
        ABSENT, description="units with new boundaries, or new units, that lack values; and units that are gone"
    )
    prefect_away: Literal[True] = Field(
        ABSENT, description="where Prefect does not answer, so that the last run and success are not known"
    )
    problems: list[str] = Field(description="ids of the open problems")
    schedules: list[str]
    links: list[Link]


class CoverageUnit(Document):
    """A column of a coverage matrix."""

    id: str
    name: str
    level: int | None


class CoverageReason(Document):
    """Why there is no value for a unit, or not ours in DHIS2, in periods that follow each other."""

    org_unit: str
    first: str = Field(description="id of the first period")
    last: str = Field(description="id of the last period, which may be the first")
    code: CoverageCode
    reason: str


class Coverage(Document):
    """What there is for each period and unit: one row per period, one character per unit."""

    periods: list[str]
    org_units: list[CoverageUnit]
    legend: dict[str, str]
    rows: list[str]
    reasons: list[CoverageReason] = Field(description="by unit, where more than the code is known")
    reasons_left_out: int = Field(ABSENT, description="how many more there are; a shorter interval has them")


class ScheduleDocument(Document):
    """A schedule of a dataset, and what became of its runs."""

    dataset: str
    name: str
    cron: str
    timezone: str
    inputs: dict[str, object]
    catch_up: Literal["latest", "all", "none"]
    active: bool
    paused_by: PausedBy | None
    reason: str = Field(ABSENT, description="why no runs are made of it")
    paused_since: datetime = Field(ABSENT, description="when a person paused it")
    person: str = Field(ABSENT, description="who paused it: the name of a token or of a user, where it is known")
    next: list[datetime] = Field(
        description="the next five times, with the offset of the schedule's zone; of a paused one, when it would run"
    )
    last_run: LastRun = ABSENT
    links: list[Link]


class Told(Document):
    """That a channel was told of a problem."""

    channel: str
    at: datetime
    times: int = Field(1, description="how often the problem had been seen by then")


class Problem(Document):
    """Something that a person should know: opened once, told once, closed when it is over."""

    id: str
    event: str
    dataset: str = Field("", description="empty where it concerns several datasets, or none")
    tenant: str = ""
    since: datetime
    until: datetime = ABSENT
    times: int = Field(1, description="how often it was seen to be worse than before, or anew")
    message: str
    what_to_do: str = ""
    job_id: str = Field("", alias="jobID")
    told: list[Told] = []
