"""Task runs and workers are made here as the Prefect client gives them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import states
from prefect.client.schemas.objects import Artifact, Log, State, StateType, TaskRun, Worker

from eo_pygeoapi.contract.status import JobStatus
from eo_pygeoapi.gateway.details import STEP_STATUS_BY_STATE, RunDetails
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.gateway.steps import IMPORT_STEPS, Step, to_metadata

NOW = datetime.now(UTC)
JOB = str(uuid4())


def details(answer: Sequence[Any], secrets: Sequence[str] = ()) -> RunDetails:
    return RunDetails(lambda _: answer, "pool", secrets)


def job(status: JobStatus = "running", steps: Sequence[Step] = ()) -> Job:
    return Job(JOB, "eo-aggregate-import", status, "", 0, NOW, NOW, steps=steps)


def task(name: str, state: State[Any], began: int) -> TaskRun:
    start = NOW + timedelta(seconds=began)
    times = {"start_time": start, "end_time": start + timedelta(seconds=5) if state.is_final() else None}
    return TaskRun(name=f"{name}-abc", task_key=name, dynamic_key="0", flow_run_id=uuid4(), state=state, **times)


def test_a_task_run_in_any_state_is_a_step() -> None:
    assert set(STEP_STATUS_BY_STATE) == set(StateType)


def test_steps_stand_in_their_order_begun_or_not() -> None:
    runs = [task("load_org_units", states.Running(), 6), task("validate_inputs", states.Completed(), 0)]
    steps = details(runs).steps(job())
    assert [step.name for step in steps] == list(IMPORT_STEPS)
    assert steps[0] == Step("validate_inputs", "successful", NOW, NOW + timedelta(seconds=5))
    assert (steps[1].status, steps[1].finished) == ("running", None)
    assert steps[2:] == [Step(name) for name in IMPORT_STEPS[2:]]


def test_of_several_attempts_the_last_counts() -> None:
    runs = [task("validate_inputs", states.Crashed(), 0), task("validate_inputs", states.Completed(), 60)]
    for order in (runs, runs[::-1]):
        assert details(order).steps(job())[0].status == "successful"


def test_steps_that_have_all_succeeded_are_read_once() -> None:
    done = [task(name, states.Completed(), 0) for name in IMPORT_STEPS]
    late = [*done[:-1], task(IMPORT_STEPS[-1], states.Running(), 0)]
    answers = iter([done, (), late, (), done])  # two are of progress that says nothing
    reader = RunDetails(lambda _: next(answers), "pool")
    reader.steps(job("running"))
    seen = [reader.steps(job("successful"))[-1].status for _ in range(3)]
    assert seen == ["running", "successful", "successful"] and next(answers, None) is None


def test_steps_that_the_progress_says_are_not_asked_for_again() -> None:
    done = [Step(name, "successful", NOW, NOW) for name in IMPORT_STEPS]
    running = [*done[:3], Step(IMPORT_STEPS[3], "running", NOW), *map(Step, IMPORT_STEPS[4:])]
    artifact = Artifact(type="progress", data=100.0, flow_run_id=UUID(JOB), metadata_=to_metadata(done))
    answers = iter([[artifact]])
    reader = RunDetails(lambda _: next(answers), "pool")
    assert reader.steps(job(steps=running)) == running
    assert [reader.steps(job("successful")) for _ in range(2)] == [done, done] and next(answers, None) is None


@pytest.mark.parametrize(("level", "word"), [(10, "debug"), (20, "info"), (40, "error"), (50, "critical")])
def test_the_log_is_redacted(level: int, word: str) -> None:
    line = Log(name="x", level=level, message="token=abc and hunter2", timestamp=NOW, flow_run_id=uuid4())
    (shown,) = details([line], ["hunter2"]).log(JOB, 10, 0)
    assert (shown.level, shown.message, shown.logger) == (word, "token=******** and ********", "x")


def test_lines_of_prefect_itself_are_known_unless_something_is_wrong() -> None:
    written = [("prefect.flow_runs", 20), ("prefect.flow_runs", 40), ("flows.eo_aggregate_import", 20)]
    lines = [Log(name=name, level=level, message="x", timestamp=NOW, flow_run_id=uuid4()) for name, level in written]
    assert [line.is_of_prefect for line in details(lines).log(JOB, 10, 0)] == [True, False, False]


@pytest.mark.parametrize(("silence", "alive"), [(0, True), (80, True), (100, False)])
def test_a_worker_that_is_silent_for_three_heartbeats_is_gone(silence: int, alive: bool) -> None:
    heard = datetime.now(UTC) - timedelta(seconds=silence)
    worker = Worker(name="w", work_pool_id=uuid4(), last_heartbeat_time=heard, heartbeat_interval_seconds=30)
    never = Worker(name="n", work_pool_id=uuid4())
    assert details([worker, never]).workers() == (["w"] if alive else [])
