"""A job as OGC API - Processes knows it, read from a Prefect flow run: jobID is the flow-run id."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from prefect.client.schemas.objects import FlowRun, StateType

from eo_pygeoapi.contract.status import COMPANIONS, FINAL, PROCESS_ID, JobStatus
from eo_pygeoapi.gateway.steps import Step
from eo_pygeoapi.json_types import JsonMapping, JsonObject
from eo_pygeoapi.redaction import redact, redact_json

# labels that the worker sets on a run whose process died
DEATHS = "eo-pygeoapi.deaths"
ATTEMPTS_ALLOWED = "eo-pygeoapi.attempts-allowed"
BY = "by"  # member of a run's request: who made it
VALUES_PER_MINUTE = "maxValuesPerMinute"  # member of a run's request: how many values DHIS2 is sent a minute at most
FOLLOWED = "followed"  # member of a run's request: false where another job does what the dataset's `after` says
DATASET = "dataset"  # member of a run's request: which dataset a companion of the import is about
STARTED_BY = "eo-pygeoapi.started-by"  # label: the job that started this one
# labels of a run that its dataset's policy has tried again: how often that was, and how often it may be
RETRIED = "eo-pygeoapi.retried"
RETRIES_ALLOWED = "eo-pygeoapi.retries-allowed"
# names of the states of a run that is put off, as the same job: no process waits for it
AWAITING_RETRY, AWAITING_ANALYTICS = "AwaitingRetry", "AwaitingAnalytics"
AWAITING_PARTS = "AwaitingParts"  # of a backfill: the jobs that it has started go on
HAS_PARTS = "eo-pygeoapi.has-parts"  # label of a run whose parts go on between two looks at them: it runs, not waits
IMPORTED = "imported; "  # how the message of a run begins whose values DHIS2 has
PUT_OFF = (AWAITING_RETRY, AWAITING_ANALYTICS, AWAITING_PARTS)
SCHEDULE = "eo-pygeoapi.schedule"  # label: the schedule of a run that Prefect's scheduler has not made itself

STATUS_BY_STATE: dict[StateType, JobStatus] = {
    StateType.SCHEDULED: "accepted",
    StateType.PENDING: "accepted",
    StateType.PAUSED: "accepted",
    StateType.RUNNING: "running",
    StateType.CANCELLING: "running",
    StateType.COMPLETED: "successful",
    StateType.FAILED: "failed",
    StateType.CRASHED: "failed",
    StateType.CANCELLED: "dismissed",
}

_MESSAGES: dict[JobStatus, str] = {
    "accepted": "waiting for a worker",
    "running": "running",
    "successful": "finished",
    "failed": "failed without a message; see the logs of the run",
    "dismissed": "dismissed",
}
# how our own messages of a run that waits begin
_OWN_WORDS = ("attempt ", IMPORTED)
_PREFECT_PREFIX = re.compile(r"^(Flow run encountered an exception:?|Task run encountered an exception:?)\s*")
_PREFECT_SAYS_NOTHING = ("", "All states completed.")


@dataclass(frozen=True)
class Progress:
    """The progress of a run: percent, the step in words, and of an import all its steps, where the run keeps them."""

    percent: int = 0
    step: str = ""
    steps: Sequence[Step] = ()


@dataclass(frozen=True)
class Job:
    """One job; times are aware datetimes, `progress` is 0 to 100, `parent` is the job that started it."""

    id: str
    process_id: str
    status: JobStatus
    message: str
    progress: int
    created: datetime
    updated: datetime
    started: datetime | None = None
    finished: datetime | None = None
    inputs: JsonMapping = field(default_factory=dict)
    request: JsonMapping = field(default_factory=dict)
    state_name: str = ""
    deployment: str = ""
    attempts: int = 1
    flow_name: str = ""
    by: str = ""  # who made it: `schedule NAME`, `token NAME`, `Prefect`; empty where nobody was asked for a token
    parent: str = ""
    schedule: str = ""  # the name of the schedule that it was made by
    dataset: str = ""  # whose values it imports, takes back or looks at
    steps: Sequence[Step] = ()  # of an import that has begun and not succeeded, as far as its progress says them
    removed: bool = False  # this request has deleted the job, so that nothing answers at its addresses any more

    def __post_init__(self) -> None:
        """Take the deployment of an import for its dataset."""
        if not self.dataset and self.process_id == PROCESS_ID:
            object.__setattr__(self, "dataset", self.deployment)

    @classmethod
    def from_flow_run(
        cls,
        run: FlowRun,
        deployment: str,
        process_id: str,
        progress: Progress,
        secrets: Iterable[str] = (),
        flow_name: str = "",
    ) -> "Job":
        """Read a job from a flow run of `deployment` and `process_id`; a run of an unknown shape is a job, too."""
        status = job_status(run)
        created = run.expected_start_time or run.created
        updated = run.state.timestamp if run.state else run.updated or created
        assert created is not None and updated is not None, "the Prefect API always sends both"
        percent = 100 if status == "successful" else min(progress.percent, 99)
        if status == "accepted":
            percent = 99 if run.state and run.state.name == AWAITING_ANALYTICS else 0
        parameters = run.parameters or {}
        return cls(
            id=str(run.id),
            process_id=process_id,
            status=status,
            message=redact(_message(run, status, progress), secrets),
            progress=percent,
            created=created,
            updated=max(updated, created),
            started=None if status == "accepted" else run.start_time,
            finished=run.end_time if status in FINAL else None,
            inputs=_mapping(parameters.get("inputs")),
            request=_mapping(parameters.get("request")),
            state_name=run.state.name or "" if run.state else "",
            deployment=deployment,
            attempts=attempts(run.labels)[0],
            flow_name=flow_name,
            by=_made_by(run),
            parent=str(run.labels.get(STARTED_BY, "")),
            schedule=schedule_of(run),
            dataset=dataset_of(parameters) if process_id in COMPANIONS else "",
            steps=progress.steps if process_id == PROCESS_ID else (),
        )

    @property
    def is_ours(self) -> bool:
        """Whether it is an import or one of its companions, and not another process of the configuration file."""
        return self.process_id in (PROCESS_ID, *COMPANIONS)

    def to_pygeoapi(self) -> dict[str, object]:
        """Return the dictionary that pygeoapi's core reads; it needs every member, and `started` always as text."""
        return {
            "type": "process",
            "identifier": self.id,
            "process_id": self.process_id,
            "status": self.status,
            "message": self.message,
            "progress": self.progress,
            "parameters": self.shown_inputs(),
            "created": to_rfc3339(self.created),
            "started": to_rfc3339(self.started or self.created),
            "finished": to_rfc3339(self.finished) if self.finished else None,
            "updated": to_rfc3339(self.updated),
            "mimetype": "application/json",
        }

    def visible_inputs(self) -> dict[str, object]:
        """Return the inputs for people; those of other processes may hold secrets and stay hidden."""
        if not self.is_ours:
            return {}
        shown = {k: v if k != "features" else "(given in the request)" for k, v in self.inputs.items()}
        redacted: JsonObject = redact_json(shown)
        return redacted

    def shown_inputs(self) -> str:
        """Return the visible inputs as JSON text, which pygeoapi expects."""
        return json.dumps(self.visible_inputs(), ensure_ascii=False, default=str)


def schedule_of(run: FlowRun) -> str:
    """Return the name of the schedule that a run was made by; nothing where it was made by somebody."""
    made_by = run.created_by
    if made_by is not None and made_by.type == "SCHEDULE":
        return made_by.display_value or ""
    return str(run.labels.get(SCHEDULE, ""))


def reports_progress(run: FlowRun) -> bool:
    """Return whether it is to be asked how far a run is: it runs, or the jobs that it has started do."""
    return job_status(run) in ("running", "failed", "dismissed")


def job_status(run: FlowRun) -> JobStatus:
    """Return the OGC status of a flow run; a run without a state has not begun.

    A backfill whose parts have begun runs, also while it has no process of its own, or waits for one.
    """
    if run.state is None:
        return "accepted"
    status = STATUS_BY_STATE[run.state.type]
    goes_on = run.state.name == AWAITING_PARTS or (HAS_PARTS in run.labels and run.state.name != AWAITING_ANALYTICS)
    return "running" if status == "accepted" and goes_on else status


def to_rfc3339(moment: datetime) -> str:
    """Write an aware datetime in UTC, to the millisecond, with `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _made_by(run: FlowRun) -> str:
    """Return who made a run; one that our API has not submitted has no `request` among its parameters."""
    if schedule := schedule_of(run):
        return f"schedule {schedule}"
    request = (run.parameters or {}).get("request")
    return str(_mapping(request).get(BY, "")) if request is not None else "Prefect"


def dataset_of(parameters: JsonMapping) -> str:
    """Return which dataset a companion of the import is about; empty where its parameters do not say it."""
    asked = _mapping(parameters.get("request")).get(DATASET)
    return str(asked or _mapping(parameters.get("inputs")).get("datasetId") or "")


def _message(run: FlowRun, status: JobStatus, progress: Progress) -> str:
    words, (number, allowed) = _words(run, status, progress), attempts(run.labels)
    of_parts = run.state is not None and run.state.name == AWAITING_PARTS  # whose process ends after each look
    again = status in ("accepted", "running") and number > 1 and not words.startswith("attempt ") and not of_parts
    return f"attempt {number} of {allowed}: {words}" if again else words


def attempts(labels: Mapping[str, object]) -> tuple[int, int]:
    """Return which attempt a run with these labels is at, and how many there are.

    The worker counts those whose process died, and the flow those that a policy tries again.
    """
    deaths, resumes = number_of(labels, DEATHS), max(number_of(labels, ATTEMPTS_ALLOWED) - 1, 0)
    retried, retries = number_of(labels, RETRIED), number_of(labels, RETRIES_ALLOWED)
    return 1 + min(deaths, resumes) + retried, 1 + resumes + retries


def number_of(labels: Mapping[str, object], name: str) -> int:
    """Return the number that a label holds; 0 where there is none."""
    found = labels.get(name)
    return found if isinstance(found, int) else 0


def _words(run: FlowRun, status: JobStatus, progress: Progress) -> str:
    state = run.state
    said = _PREFECT_PREFIX.sub("", state.message or "") if state else ""
    if status == "dismissed" and not said and run.run_count == 0:
        return "dismissed before it started"
    if status in ("failed", "dismissed"):
        return said or _MESSAGES[status]
    if status == "successful":
        return _MESSAGES[status] if said in _PREFECT_SAYS_NOTHING else said
    if status == "running" and state and state.type == StateType.CANCELLING:
        return "being dismissed"
    own = said.startswith(_OWN_WORDS)
    if status == "running" and state and state.type == StateType.SCHEDULED and (own or state.name == AWAITING_PARTS):
        return said
    if status == "running":
        return progress.step or _MESSAGES[status]
    if state and state.type == StateType.PENDING:
        return "starting"
    if status == "accepted" and state and state.name in ("Scheduled", *PUT_OFF) and own:
        return said
    if status == "accepted" and state and state.name not in ("Scheduled", "Late", None):
        return f"{state.name}: {said}" if said else str(state.name)
    return _MESSAGES[status]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
