"""Flow runs are made here as the Prefect client gives them; a real server is in `test_gateway.py`."""

import inspect
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import states
from prefect.client.schemas.objects import FlowRun, State, StateType
from pygeoapi.api import processes
from pygeoapi.util import JobStatus

from eo_pygeoapi.contract.status import FINAL, PROCESS_ID
from eo_pygeoapi.gateway.job import (
    ATTEMPTS_ALLOWED,
    AWAITING_ANALYTICS,
    AWAITING_PARTS,
    DEATHS,
    HAS_PARTS,
    PUT_OFF,
    RETRIED,
    RETRIES_ALLOWED,
    SCHEDULE,
    STARTED_BY,
    STATUS_BY_STATE,
    Job,
    Progress,
    job_status,
    to_rfc3339,
)
from eo_pygeoapi.gateway.lost_runs import lost_runs

RUN_ID = UUID("0190a5a0-0000-7000-8000-000000000001")
NO_PROGRESS = Progress()
DUE = datetime(2025, 7, 31, 6, 0, tzinfo=UTC)


def minutes(number: float) -> datetime:
    return DUE + timedelta(minutes=number)


def run(state: State[Any] | None, **members: Any) -> FlowRun:
    """A run that was due at 6:00, began at 6:01 and, where it has ended, ended at 6:05."""
    if state:
        state = state.model_copy(update={"timestamp": minutes(5)})
    times = {
        "created": DUE - timedelta(days=1),
        "expected_start_time": DUE,
        "start_time": minutes(1),
        "end_time": minutes(5) if state and state.is_final() else None,
    }
    return FlowRun(**{"id": RUN_ID, "flow_id": uuid4(), "name": "quick-fox", "state": state, **times, **members})


def job(
    state: State[Any] | None,
    progress: Progress = NO_PROGRESS,
    process: str = PROCESS_ID,
    secrets: tuple[str, ...] = (),
    **members: Any,
) -> Job:
    return Job.from_flow_run(run(state, **members), "rain", process, progress, secrets)


# Status


def test_every_type_of_state_has_a_status_that_pygeoapi_knows() -> None:
    assert set(STATUS_BY_STATE) == set(StateType)
    assert {JobStatus[status] for status in STATUS_BY_STATE.values()} == set(JobStatus)
    assert FINAL == {"successful", "failed", "dismissed"}


STATES: list[tuple[State[Any], str]] = [
    (states.Scheduled(), "accepted"),
    (states.Pending(), "accepted"),
    (states.Late(), "accepted"),
    (states.AwaitingRetry(), "accepted"),
    (states.Paused(), "accepted"),
    (states.Suspended(), "accepted"),
    (states.AwaitingConcurrencySlot(), "accepted"),
    (states.Running(), "running"),
    (states.Retrying(), "running"),
    (states.Cancelling(), "running"),
    (states.Completed(), "successful"),
    (states.Failed(), "failed"),
    (states.Crashed(), "failed"),
    (states.Failed(name="TimedOut"), "failed"),
    (states.Cancelled(), "dismissed"),
]


@pytest.mark.parametrize(("state", "status"), STATES, ids=lambda value: getattr(value, "name", value))
def test_each_state_of_prefect_has_its_status(state: State[Any], status: str) -> None:
    assert job_status(run(state)) == job(state).status == status


def test_a_backfill_runs_while_its_parts_do() -> None:
    waits: State[Any] = states.Scheduled(name=AWAITING_PARTS, message="3 of 9 years done")
    later: State[Any] = states.Scheduled(message="attempt 2 of 11, because the process died")
    begun, told = {HAS_PARTS: 1, DEATHS: 0}, Progress(33, "3 of 9 years done")
    found = job(waits, told, labels=begun)
    assert (found.status, found.message, found.progress) == ("running", "3 of 9 years done", 33)
    assert found.started == minutes(1)
    others: list[State[Any]] = [states.Pending(), states.Late()]
    for other in others:
        found = job(other, told, labels=begun)
        assert (found.status, found.message, found.progress) == ("running", "3 of 9 years done", 33)
    died = job(later, told, labels={HAS_PARTS: 1, DEATHS: 1, ATTEMPTS_ALLOWED: 11})
    assert (died.status, died.message) == ("running", "attempt 2 of 11, because the process died")
    follows: State[Any] = states.Scheduled(name=AWAITING_ANALYTICS, message="imported; waits for DHIS2's analytics")
    assert job(follows, told, labels=begun).status == "accepted"


def test_a_run_without_a_state_has_not_begun() -> None:
    found = job(None, start_time=None)
    assert (found.status, found.message, found.state_name) == ("accepted", "waiting for a worker", "")


# Message and progress


@pytest.mark.parametrize(
    ("state", "progress", "message"),
    [
        (states.Scheduled(), Progress(), "waiting for a worker"),
        (states.Pending(message="Flow run submitted to process 5"), Progress(), "starting"),
        (states.Late(), Progress(), "waiting for a worker"),
        (states.AwaitingRetry(message="in 5 s"), Progress(), "AwaitingRetry: in 5 s"),
        (states.AwaitingRetry(), Progress(), "AwaitingRetry"),
        (states.Suspended(), Progress(), "Suspended"),
        (states.Running(), Progress(), "running"),
        (states.Running(), Progress(30, "extract_source_data"), "extract_source_data"),
        (states.Retrying(), Progress(30, "extract_source_data"), "extract_source_data"),
        (states.Cancelling(), Progress(30, "extract_source_data"), "being dismissed"),
        (states.Completed(message="All states completed."), Progress(90, "publish_results"), "finished"),
        (states.Completed(message="finished: 403 values"), Progress(90, "x"), "finished: 403 values"),
        (states.Failed(message="DHIS2 refuses: E7619"), Progress(90, "x"), "DHIS2 refuses: E7619"),
        (
            states.Failed(message="Flow run encountered an exception: ValueError: no"),
            Progress(),
            "ValueError: no",
        ),
        (states.Failed(), Progress(), "failed without a message; see the logs of the run"),
        (states.Failed(message=""), Progress(), "failed without a message; see the logs of the run"),
        (states.Crashed(message="exited with -9"), Progress(), "exited with -9"),
        (states.Failed(name="TimedOut", message="exceeded timeout"), Progress(), "exceeded timeout"),
        (states.Cancelled(), Progress(), "dismissed before it started"),
        (states.Cancelled(message="by the client"), Progress(), "by the client"),
    ],
)
def test_the_message_says_what_a_person_wants_to_know(state: State[Any], progress: Progress, message: str) -> None:
    assert job(state, progress).message == message


@pytest.mark.parametrize(
    ("state", "percent", "shown"),
    [
        (states.Scheduled(), 50, 0),
        (states.Running(), 0, 0),
        (states.Running(), 50, 50),
        (states.Running(), 100, 99),
        (states.Completed(), 0, 100),
        (states.Failed(), 40, 40),
        (states.Cancelled(), 100, 99),
    ],
)
def test_only_success_is_100_percent(state: State[Any], percent: int, shown: int) -> None:
    assert job(state, Progress(percent)).progress == shown


def test_secrets_are_kept_out_of_messages() -> None:
    state: State[Any] = states.Failed(message="GET https://admin:district@dhis2.org with hunter2 failed")
    assert job(state, secrets=("hunter2",)).message == "GET https://********@dhis2.org with ******** failed"
    assert job(states.Running(), Progress(5, "token=abc")).message == "token=********"


# Times


@pytest.mark.requirement("job-list-newest-first")
def test_a_job_is_created_when_its_run_is_due() -> None:
    found = job(states.Completed())
    assert (found.created, found.started, found.finished, found.updated) == (DUE, minutes(1), minutes(5), minutes(5))
    assert job(states.Completed(), expected_start_time=None).created == DUE - timedelta(days=1)


@pytest.mark.requirement("core/job-status")
def test_what_has_not_begun_was_not_started_and_what_runs_is_not_finished() -> None:
    assert job(states.Scheduled()).started is None
    running = job(states.Running(), end_time=minutes(3))
    assert running.started == minutes(1) and running.finished is None


def test_nothing_is_updated_before_it_is_created() -> None:
    assert job(states.Scheduled(), expected_start_time=minutes(60)).updated == minutes(60)
    assert job(None).updated == DUE


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2025, 7, 31, 6, tzinfo=UTC), "2025-07-31T06:00:00.000Z"),
        (datetime(2025, 7, 31, 6, 0, 0, 123999, tzinfo=UTC), "2025-07-31T06:00:00.123Z"),
        (datetime(2025, 7, 31, 1, tzinfo=timezone(timedelta(hours=2))), "2025-07-30T23:00:00.000Z"),
    ],
)
def test_times_are_written_in_utc(moment: datetime, text: str) -> None:
    assert to_rfc3339(moment) == text


# What pygeoapi reads


def test_every_member_that_pygeoapi_reads_is_there() -> None:
    read = set(re.findall(r"job_(?:\[|\.get\()'(\w+)'", inspect.getsource(processes.get_jobs)))
    assert {"identifier", "process_id", "started"} <= read
    for state, _ in STATES:
        assert read <= set(job(state).to_pygeoapi())


def test_members_have_one_type_in_every_state_for_pygeoapi_sorts_by_them() -> None:
    every: list[State[Any] | None] = [None, *(state for state, _ in STATES)]
    for state in every:
        document = job(state, start_time=None, end_time=None).to_pygeoapi()
        texts = {name for name, value in document.items() if isinstance(value, str)}
        assert texts == set(document) - {"progress", "finished"}
        assert isinstance(document["progress"], int)
        assert document["started"] == document["created"]


def test_a_job_is_written_for_pygeoapi() -> None:
    parameters = {"inputs": {"datasetId": "rain"}, "request": {"response": "raw"}}
    found = job(states.Completed(), parameters=parameters)
    assert (found.id, found.deployment, found.request, found.state_name) == (
        str(RUN_ID),
        "rain",
        {"response": "raw"},
        "Completed",
    )
    assert found.to_pygeoapi() == {
        "type": "process",
        "identifier": str(RUN_ID),
        "process_id": PROCESS_ID,
        "status": "successful",
        "message": "finished",
        "progress": 100,
        "parameters": '{"datasetId": "rain"}',
        "created": "2025-07-31T06:00:00.000Z",
        "started": "2025-07-31T06:01:00.000Z",
        "finished": "2025-07-31T06:05:00.000Z",
        "updated": "2025-07-31T06:05:00.000Z",
        "mimetype": "application/json",
    }


# Inputs


def shown(inputs: Any, process: str = PROCESS_ID) -> Any:
    return json.loads(job(states.Running(), process=process, parameters={"inputs": inputs}).shown_inputs())


def test_inputs_are_shown_without_the_features() -> None:
    assert shown({"datasetId": "rain", "features": {"type": "FeatureCollection"}, "start": "é"}) == {
        "datasetId": "rain",
        "features": "(given in the request)",
        "start": "é",
    }


def test_inputs_of_other_processes_may_hold_anything_and_stay_hidden() -> None:
    assert shown({"name": "World"}, "hello-world") == {}


@pytest.mark.parametrize("inputs", [None, 5, "x", [1], {}])
def test_a_run_with_unknown_parameters_is_still_a_job(inputs: Any) -> None:
    assert shown(inputs) == {}
    assert job(states.Running(), parameters={}).inputs == {}


@pytest.mark.parametrize(
    "value",
    ['token="abc"', 'token=\\"abc', "password: 'abc", "https://u:abc@x.org", {"password": "abc"}, ["token=abc"]],
)
def test_secrets_are_kept_out_of_inputs_which_stay_json(value: Any) -> None:
    text = json.dumps(shown({"datasetId": "rain", "start": value}))
    assert "abc" not in text and '"rain"' in text


# Attempts


def test_a_run_whose_process_died_says_at_which_attempt_it_is() -> None:
    labels = {DEATHS: 1, ATTEMPTS_ALLOWED: 2}
    waiting = job(states.Scheduled(message="attempt 2 of 2, because it was killed"), labels=labels)
    assert (waiting.status, waiting.attempts) == ("accepted", 2)
    assert waiting.message == "attempt 2 of 2, because it was killed"
    assert job(states.Late(), labels=labels).message == "attempt 2 of 2: waiting for a worker"
    again = job(states.Running(), Progress(10, "import (step 6 of 7)"), labels=labels)
    assert (again.status, again.message) == ("running", "attempt 2 of 2: import (step 6 of 7)")
    ended = job(states.Completed(), labels=labels)
    assert (ended.message, ended.attempts) == ("finished", 2)
    assert job(states.Crashed(message="killed"), labels={DEATHS: 2, ATTEMPTS_ALLOWED: 2}).message == "killed"


def test_a_run_without_a_death_is_at_its_first_attempt() -> None:
    for labels in ({}, {DEATHS: "x", ATTEMPTS_ALLOWED: 2}, {DEATHS: 1}):
        assert job(states.Running(), labels=labels).attempts == 1
    assert job(states.Running()).message == "running"


# Who made it


@pytest.mark.parametrize(
    ("members", "by"),
    [
        (
            {"created_by": {"type": "SCHEDULE", "display_value": "daily"}, "parameters": {"inputs": {}}},
            "schedule daily",
        ),
        ({"labels": {SCHEDULE: "daily"}}, "schedule daily"),  # it makes up for a missed time
        ({"parameters": {"inputs": {}, "request": {"response": "raw", "by": "token ops"}}}, "token ops"),
        ({"parameters": {"inputs": {}, "request": {"response": "raw"}}}, ""),
        ({"parameters": {"inputs": {}}}, "Prefect"),
        ({"parameters": {"request": "odd"}}, ""),
    ],
)
def test_who_made_a_job(members: dict[str, Any], by: str) -> None:
    assert job(states.Completed(), **members).by == by


def test_a_run_that_its_policy_tries_again_counts_with_its_deaths() -> None:
    labels: dict[str, Any] = {RETRIED: 1, RETRIES_ALLOWED: 5}
    state: State[Any] = states.AwaitingRetry(
        message="attempt 2 of 6, at 14:30 (UTC), because the last one failed: away"
    )
    waiting = job(state, labels=labels)
    assert (waiting.status, waiting.attempts, waiting.message) == ("accepted", 2, state.message)
    again = job(states.Running(), Progress(10, "import (step 6 of 7)"), labels=labels)
    assert again.message == "attempt 2 of 6: import (step 6 of 7)"
    assert job(states.Running(), labels=labels | {DEATHS: 1, ATTEMPTS_ALLOWED: 2}).message == "attempt 3 of 7: running"


def test_a_run_that_waits_for_analytics_says_that_it_has_imported() -> None:
    state: State[Any] = states.Scheduled(name=AWAITING_ANALYTICS, message="imported; waits for DHIS2's analytics")
    waiting = job(state)
    assert (waiting.status, waiting.progress, waiting.message) == ("accepted", 99, state.message)


def test_a_job_names_the_one_that_started_it() -> None:
    assert job(states.Running(), labels={STARTED_BY: "a-job"}).parent == "a-job"
    assert job(states.Running()).parent == ""


def test_no_sign_of_life_is_expected_of_a_run_that_is_put_off() -> None:
    expected = lost_runs(480)[0].trigger.expect  # type: ignore[union-attr]
    assert {f"prefect.flow-run.{name}" for name in PUT_OFF} <= expected
