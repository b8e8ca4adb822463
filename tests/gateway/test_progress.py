"""What a run says of its progress and steps, read back from a real Prefect server."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Pending

from eo_pygeoapi.gateway.job import Progress
from eo_pygeoapi.gateway.progress import RunProgress
from eo_pygeoapi.gateway.progress_artifacts import read_progress


@pytest.fixture
def prefect(prefect_api: str) -> Iterator[SyncPrefectClient]:
    with temporary_settings({PREFECT_API_URL: prefect_api}), get_client(sync_client=True) as client:
        yield client


def said(prefect: SyncPrefectClient, run: UUID) -> Progress:
    return read_progress(lambda ask: ask(prefect), [run], 1)[run]


def begun(progress: Progress) -> dict[str, str]:
    return {step.name: step.status for step in progress.steps if step.started}


def attempt(prefect: SyncPrefectClient, work: Callable[[RunProgress], Any], run_id: UUID | None = None) -> FlowRun:
    """Run the work as a flow run, or as another attempt of one; an error of it ends the run as failed."""

    @flow
    def working() -> None:
        with RunProgress() as progress:
            work(progress)

    if run_id is None:
        run_id = prefect.create_flow_run(working, state=Pending()).id
    else:
        prefect.set_flow_run_state(run_id, Pending(), force=True)
    run = prefect.read_flow_run(run_id)
    run_flow(working, flow_run=run, return_type="state")
    return run


def test_a_run_that_fails_says_which_step_has_failed_and_goes_on_from_there(prefect: SyncPrefectClient) -> None:
    seen = []

    def fails(progress: RunProgress) -> None:
        with progress.step("validate_inputs"):
            pass
        with progress.step("load_org_units"):
            raise ValueError("no units")

    def goes_on(progress: RunProgress) -> None:
        seen.append(begun(said(prefect, run.id)))
        with progress.step("load_org_units"):
            pass

    run = attempt(prefect, fails)
    progress = said(prefect, run.id)
    assert begun(progress) == {"validate_inputs": "successful", "load_org_units": "failed"}
    assert progress.step == "load_org_units (step 2 of 7)" and progress.percent == 2
    assert all(step.started <= step.finished for step in progress.steps[:2])  # type: ignore[operator]
    assert [step.status for step in progress.steps[2:]] == ["waiting"] * 5

    attempt(prefect, goes_on, run.id)
    assert seen == [{"validate_inputs": "successful", "load_org_units": "failed"}]  # what was first said stays so long
    assert begun(said(prefect, run.id)) == {"validate_inputs": "successful", "load_org_units": "successful"}


def test_a_run_that_has_said_nothing_of_steps_has_none(prefect: SyncPrefectClient) -> None:
    run = attempt(prefect, lambda progress: progress.at(5, "loads"))
    assert said(prefect, run.id) == Progress(5, "loads")


@pytest.mark.parametrize(("at_last", "words"), [("DHIS2 is away", ": DHIS2 is away"), ("", "")])
def test_what_a_step_waits_for_is_said_until_it_has_come(prefect: SyncPrefectClient, at_last: str, words: str) -> None:
    def waits(progress: RunProgress) -> None:
        with progress.step("import_to_dhis2") as report:
            report.wait("DHIS2 is away")
            report.wait(at_last)

    run = attempt(prefect, waits)
    assert said(prefect, run.id).step == f"import_to_dhis2 (step 6 of 7){words}"
