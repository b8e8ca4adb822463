"""The gateway against a real Prefect server without a worker, so that runs stay as they are."""

import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled, Completed, Failed, Pending, Running, Scheduled

from eo_pygeoapi.contract.status import BACKFILL_ID, COMPANIONS, PROCESS_ID, UNDO_ID, JobStatus
from eo_pygeoapi.errors import EngineUnavailableError, InputError, NoSuchJobError, NotAppliedError
from eo_pygeoapi.gateway.deployments import IMPORT_FLOW, DeploymentSpec, entrypoint_of
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job_filter import JobFilter
from eo_pygeoapi.gateway.specs import process_spec


def spec(name: str, entrypoint: str = entrypoint_of(PROCESS_ID)) -> DeploymentSpec:
    return DeploymentSpec(
        name=name,
        flow=IMPORT_FLOW,
        entrypoint=entrypoint,
        description="",
        parameters={},
        parameter_schema={},
        fingerprint="1",
    )


@pytest.fixture
def gateway(prefect_api: str) -> Iterator[PrefectGateway]:
    gateway = PrefectGateway(prefect_api, deployments_ttl=0.0, read_timeout=30.0)
    gateway.ensure_work_pool()
    yield gateway
    gateway.close()


@pytest.fixture
def prefect(prefect_api: str) -> Iterator[SyncPrefectClient]:
    with temporary_settings({PREFECT_API_URL: prefect_api}), get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def dataset(gateway: PrefectGateway) -> str:
    """A deployment of its own for each test."""
    name = f"dataset-{uuid4()}"
    gateway.deployments.put(spec(name))
    return name


def test_a_submitted_run_is_an_accepted_job_that_waits_for_a_worker(gateway: PrefectGateway, dataset: str) -> None:
    job = gateway.runs.submit(dataset, {"inputs": {"datasetId": dataset}, "request": {"response": "raw"}})
    assert (job.status, job.message, job.progress) == ("accepted", "waiting for a worker", 0)
    again = gateway.runs.get(job.id)
    assert (again.id, again.inputs, again.request) == (job.id, {"datasetId": dataset}, {"response": "raw"})
    assert again.created == job.created and abs(datetime.now(UTC) - again.created) < timedelta(seconds=30)


def test_parameters_that_prefect_does_not_keep_are_refused(gateway: PrefectGateway, dataset: str) -> None:
    with pytest.raises(InputError, match=r"the inputs have 530,\d{3} bytes as JSON; allowed: 500,000"):
        gateway.runs.submit(dataset, {"inputs": {"text": "x" * 530_000}})


def test_statuses_follow_the_flow_run(gateway: PrefectGateway, dataset: str, prefect: SyncPrefectClient) -> None:
    job = gateway.runs.submit(dataset, {})
    prefect.set_flow_run_state(UUID(job.id), Running(), force=True)
    assert gateway.runs.get(job.id).status == "running"
    prefect.set_flow_run_state(UUID(job.id), Failed(message="no such file"), force=True)
    failed = gateway.runs.get(job.id)
    assert (failed.status, failed.message) == ("failed", "no such file")
    assert failed.created <= failed.started <= failed.finished  # type: ignore[operator]


def test_what_is_not_applied_is_said_so(gateway: PrefectGateway) -> None:
    with pytest.raises(NotAppliedError, match=r"'nowhere' is enabled .* not applied yet; run `eo-pygeoapi apply`"):
        gateway.runs.submit("nowhere", {})


@pytest.mark.parametrize("job_id", ["nonsense", "00000000-0000-0000-0000-000000000000", "", "../x"])
def test_an_unknown_job_is_said_so(gateway: PrefectGateway, job_id: str) -> None:
    with pytest.raises(NoSuchJobError):
        gateway.runs.get(job_id)


def test_runs_of_others_are_no_jobs_and_break_nothing(
    gateway: PrefectGateway, dataset: str, prefect: SyncPrefectClient
) -> None:
    from prefect import flow

    @flow(name=f"foreign-{uuid4()}")
    def foreign() -> None: ...

    run = prefect.create_flow_run(foreign, state=Completed())
    ours = gateway.runs.submit(dataset, {})
    jobs, _ = gateway.runs.list(100)
    assert ours.id in [job.id for job in jobs]
    assert str(run.id) not in [job.id for job in jobs]
    with pytest.raises(NoSuchJobError):
        gateway.runs.get(str(run.id))


def test_a_run_without_inputs_or_with_odd_ones_is_still_a_job(gateway: PrefectGateway, dataset: str) -> None:
    for parameters in ({}, {"inputs": 5}, {"inputs": None, "request": "x"}):
        assert gateway.runs.get(gateway.runs.submit(dataset, parameters).id).inputs == {}


def test_a_planned_run_becomes_a_job_when_it_is_due(
    gateway: PrefectGateway, dataset: str, prefect: SyncPrefectClient
) -> None:
    deployment = gateway.deployments.read()[dataset]
    later = datetime.now(UTC) + timedelta(hours=1)
    planned = prefect.create_flow_run_from_deployment(deployment.id, state=Scheduled(scheduled_time=later))
    with pytest.raises(NoSuchJobError):
        gateway.runs.get(str(planned.id))
    listed, _ = gateway.runs.list(1000)
    due, _ = gateway.runs.list(1000, now=later + timedelta(seconds=1))
    assert str(planned.id) not in [job.id for job in listed]
    assert str(planned.id) in [job.id for job in due]


def test_the_list_is_newest_first_counts_all_and_goes_beyond_a_page_of_prefects(
    prefect_api: str, gateway: PrefectGateway, dataset: str
) -> None:
    before = gateway.runs.list(0)[1]
    ids = [gateway.runs.submit(dataset, {}).id for _ in range(25)]
    paging = PrefectGateway(prefect_api, page=10)  # Prefect's own page is 200
    jobs, total = paging.runs.list(60)
    assert total == before + 25
    assert [job.id for job in jobs][:25] == ids[::-1]
    for limit, offset in ((13, 0), (13, 13), (7, 3), (25, 1), (1, 24), (0, 5)):
        part = [job.id for job in paging.runs.list(limit, offset)[0]]
        assert part == [job.id for job in jobs[offset : offset + limit]], (limit, offset)
    assert [job.id for job in paging.runs.newest(dataset)] == ids[::-1]
    paging.close()
    assert [job.id for job in gateway.runs.newest(dataset, most=23)] == ids[:1:-1]
    assert gateway.runs.list(10, offset=10_000) == ([], total)


def test_a_list_can_be_of_some_statuses(gateway: PrefectGateway, dataset: str, prefect: SyncPrefectClient) -> None:
    done, waiting = gateway.runs.submit(dataset, {}), gateway.runs.submit(dataset, {})
    prefect.set_flow_run_state(UUID(done.id), Completed(), force=True)
    successful = [job.id for job in gateway.runs.list(1000, wanted=JobFilter(statuses=("successful",)))[0]]
    assert done.id in successful and waiting.id not in successful


def test_a_backfill_is_listed_as_running_while_it_waits_for_its_parts(
    gateway: PrefectGateway, prefect: SyncPrefectClient
) -> None:
    gateway.deployments.put(process_spec(BACKFILL_ID))
    dataset = f"dataset-{uuid4()}"
    waits, parts = (gateway.runs.submit(BACKFILL_ID, {"inputs": {"datasetId": dataset}}).id for _ in range(2))
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    later: State[Any] = Scheduled(scheduled_time=in_an_hour, name="AwaitingParts", message="1 of 2")
    prefect.set_flow_run_state(UUID(parts), Running(), force=True)
    prefect.set_flow_run_state(UUID(parts), later, force=True)

    def listed(*statuses: JobStatus) -> list[str]:
        return [job.id for job in gateway.runs.list(9, 0, JobFilter(datasets=(dataset,), statuses=statuses))[0]]

    assert (listed("running"), listed("accepted"), listed("failed")) == ([parts], [waits], [])
    assert listed("running", "accepted") == [parts, waits] == listed()
    assert listed("running", "failed") == [parts] and listed("accepted", "failed") == [waits]


def test_listing_makes_no_call_per_job(gateway: PrefectGateway, dataset: str, prefect: SyncPrefectClient) -> None:
    for _ in range(5):
        job = gateway.runs.submit(dataset, {})
        prefect.set_flow_run_state(UUID(job.id), Running(), force=True)
    client, _ = gateway._client._connected()
    asked: list[str] = []
    client._client.event_hooks["request"].append(lambda request: asked.append(request.url.path))
    gateway.runs.list(5)
    gateway.runs.list(100)
    assert len(asked) <= 2 * 4  # deployments, count, runs, artifacts


def test_a_waiting_job_is_dismissed_at_once_and_stays_listed(gateway: PrefectGateway, dataset: str) -> None:
    job = gateway.runs.submit(dataset, {})
    assert gateway.runs.cancel(job.id).status == "dismissed"
    assert gateway.runs.get(job.id).message == "dismissed before it started"
    assert job.id in [listed.id for listed in gateway.runs.list(100, wanted=JobFilter(statuses=("dismissed",)))[0]]


def test_a_job_that_has_just_ended_is_not_dismissed(
    gateway: PrefectGateway, dataset: str, prefect: SyncPrefectClient
) -> None:
    job = gateway.runs.submit(dataset, {})
    prefect.set_flow_run_state(UUID(job.id), Completed(), force=True)
    assert gateway.runs.cancel(job.id).status == "successful"


def test_a_dismissed_job_that_a_worker_is_just_starting_neither_runs_nor_succeeds(
    gateway: PrefectGateway, dataset: str, prefect: SyncPrefectClient
) -> None:
    job = gateway.runs.submit(dataset, {})
    prefect.set_flow_run_state(UUID(job.id), Pending())
    gateway.runs.cancel(job.id)
    proposed: list[State[Any]] = [Running(), Completed()]
    for state in proposed:  # as the process of the run proposes them
        prefect.set_flow_run_state(UUID(job.id), state)
        assert gateway.runs.get(job.id).message == "being dismissed"
    prefect.set_flow_run_state(UUID(job.id), Cancelled())
    assert gateway.runs.get(job.id).status == "dismissed"


def test_a_job_that_waits_for_another_attempt_is_dismissed_at_once(
    gateway: PrefectGateway, dataset: str, prefect: SyncPrefectClient
) -> None:
    job = gateway.runs.submit(dataset, {})
    prefect.set_flow_run_state(UUID(job.id), Running(), force=True)
    prefect.update_flow_run(UUID(job.id), infrastructure_pid="123")
    prefect.set_flow_run_state(UUID(job.id), Scheduled())
    assert gateway.runs.cancel(job.id).status == "dismissed"


def test_a_job_that_ends_while_it_is_dismissed_stays_as_it_ended(
    gateway: PrefectGateway, dataset: str, prefect: SyncPrefectClient
) -> None:
    job = gateway.runs.submit(dataset, {})
    prefect.set_flow_run_state(UUID(job.id), Running(), force=True)
    client, _ = gateway._client._connected()

    def end_it(request: httpx.Request) -> None:
        if request.url.path.endswith("/set_state"):
            prefect.set_flow_run_state(UUID(job.id), Completed(), force=True)

    client._client.event_hooks["request"].append(end_it)
    assert gateway.runs.cancel(job.id).status == "successful"
    assert gateway.runs.get(job.id).status == "successful"


def test_a_deleted_job_is_gone(gateway: PrefectGateway, dataset: str) -> None:
    job = gateway.runs.submit(dataset, {})
    gateway.runs.cancel(job.id)
    gateway.runs.delete(job.id)
    with pytest.raises(NoSuchJobError):
        gateway.runs.get(job.id)


def test_a_retired_deployment_keeps_its_jobs_and_takes_no_more(gateway: PrefectGateway, dataset: str) -> None:
    job = gateway.runs.submit(dataset, {})
    gateway.deployments.retire(gateway.deployments.read()[dataset])
    assert gateway.runs.get(job.id).status == "accepted"
    with pytest.raises(NotAppliedError):
        gateway.runs.submit(dataset, {})


def test_other_processes_are_named_by_their_deployment(gateway: PrefectGateway) -> None:
    gateway.deployments.put(spec("hello-world", entrypoint_of("hello-world")))
    job = gateway.runs.submit("hello-world", {})
    assert (job.process_id, gateway.runs.get(job.id).process_id) == ("hello-world", "hello-world")


def test_the_jobs_of_a_dataset_are_its_imports_and_what_is_about_it(gateway: PrefectGateway, dataset: str) -> None:
    for process in COMPANIONS:
        gateway.deployments.put(process_spec(process))
    expected = []
    for number in range(4):
        expected.append(gateway.runs.submit(dataset, {"inputs": {"datasetId": dataset}}).id)
        inputs, request = {"jobId": expected[-1]}, {"dataset": dataset}
        expected.append(gateway.runs.submit(UNDO_ID, {"inputs": inputs, "request": request}).id)
        if number % 2:
            expected.append(gateway.runs.submit(BACKFILL_ID, {"inputs": {"datasetId": dataset}}).id)
            gateway.runs.submit(BACKFILL_ID, {"inputs": {"datasetId": f"{dataset}-other"}})
    expected.reverse()
    for size in (4, 100):
        listed: list[str] = []
        for offset in range(0, len(expected) + 3, size):
            jobs, total = gateway.runs.list(size, offset, JobFilter(datasets=(dataset,)))
            listed += [job.id for job in jobs]
            assert total == len(expected)
        assert listed == expected, size
    undos, total = gateway.runs.list(10, 0, JobFilter(datasets=(dataset,), process_ids=(UNDO_ID,)))
    assert total == 4 and {(job.process_id, job.dataset) for job in undos} == {(UNDO_ID, dataset)}
    assert [job.process_id for job in gateway.runs.newest(dataset)] == [PROCESS_ID] * 4
    assert gateway.runs.list(10, 0, JobFilter(datasets=(f"{dataset}-no",), process_ids=(PROCESS_ID,))) == ([], 0)
    assert gateway.runs.list(10, 0, JobFilter(datasets=(f"{dataset}-no",))) == ([], 0)


@pytest.mark.parametrize("call", ["ping", "list", "get", "submit"])
def test_a_server_that_is_away_or_hangs_is_said_within_five_seconds(call: str) -> None:
    with socket.socket() as refused, socket.create_server(("127.0.0.1", 0)) as hanging:
        refused.bind(("127.0.0.1", 0))
        for listener in (refused, hanging):
            gateway = PrefectGateway(f"http://127.0.0.1:{listener.getsockname()[1]}/api")
            arguments = {"ping": (), "list": (10,), "get": (str(uuid4()),), "submit": ("x", {})}[call]
            begun = time.monotonic()
            with pytest.raises(EngineUnavailableError, match=r"the Prefect server at http://127\.0\.0\.1"):
                getattr(gateway if call == "ping" else gateway.runs, call)(*arguments)
            assert time.monotonic() - begun < 5
            gateway.close()


def test_without_an_address_it_says_which_variable_to_set() -> None:
    with pytest.raises(EngineUnavailableError, match="PREFECT_API_URL is not set"):
        PrefectGateway(None).runs.list(1)


def test_it_can_be_shared_between_threads(gateway: PrefectGateway, dataset: str) -> None:
    ids: list[str] = []
    threads = [threading.Thread(target=lambda: ids.append(gateway.runs.submit(dataset, {}).id)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 8


def answered(gateway: PrefectGateway, dataset: str, prefect: SyncPrefectClient) -> str:
    """Return a job that has succeeded and that the gateway has told once."""
    job = gateway.runs.submit(dataset, {})
    prefect.set_flow_run_state(UUID(job.id), Completed(message="3 values"), force=True)
    assert gateway.runs.get(job.id).status == "successful"
    return job.id


def test_a_job_that_has_succeeded_is_told_from_memory_as_long_as_it_is_as_it_was(
    gateway: PrefectGateway, dataset: str, prefect: SyncPrefectClient
) -> None:
    job_id = answered(gateway, dataset, prefect)
    reads: list[str] = []
    prefect_client, _ = gateway._client._connected()
    prefect_client._client.event_hooks["request"].append(lambda request: reads.append(request.url.path))
    again = gateway.runs.get(job_id)
    assert (again.status, again.message, again.progress) == ("successful", "3 values", 100)
    assert [path for path in reads if "flow_runs" in path] == ["/api/flow_runs/count"]


@pytest.mark.parametrize("state", [Scheduled(), Running(), Failed(), Cancelled(), Completed(name="Cached")])
def test_a_job_that_is_run_again_after_its_success_is_told_as_it_is(
    gateway: PrefectGateway, dataset: str, prefect: SyncPrefectClient, state: State[Any]
) -> None:
    job_id = answered(gateway, dataset, prefect)
    prefect.set_flow_run_state(UUID(job_id), state, force=True)
    found = gateway.runs.get(job_id)
    assert found.state_name == state.name


def test_a_job_that_has_succeeded_again_has_its_new_end(
    gateway: PrefectGateway, dataset: str, prefect: SyncPrefectClient
) -> None:
    job_id = answered(gateway, dataset, prefect)
    prefect.set_flow_run_state(UUID(job_id), Running(), force=True)
    prefect.set_flow_run_state(UUID(job_id), Completed(message="4 values"), force=True)
    assert gateway.runs.get(job_id).message == "4 values"


def test_a_job_that_another_process_has_removed_is_gone(
    prefect_api: str, gateway: PrefectGateway, dataset: str, prefect: SyncPrefectClient
) -> None:
    job_id = answered(gateway, dataset, prefect)
    other = PrefectGateway(prefect_api, read_timeout=30.0)
    other.runs.delete(job_id)
    other.close()
    with pytest.raises(NoSuchJobError, match=job_id):
        gateway.runs.get(job_id)


def test_a_page_of_jobs_is_one_question(gateway: PrefectGateway, dataset: str) -> None:
    ids = [gateway.runs.submit(dataset, {}).id for _ in range(5)]
    reads: list[str] = []
    prefect_client, _ = gateway._client._connected()
    prefect_client._client.event_hooks["request"].append(lambda request: reads.append(request.url.path))
    wanted = JobFilter(datasets=(dataset,), process_ids=(PROCESS_ID,))
    pages = [gateway.runs.list(2, offset, wanted) for offset in (0, 2, 4, 6, 1)]
    assert [[job.id for job in jobs] for jobs, _ in pages] == [ids[:2:-1], ids[2:0:-1], ids[:1], [], ids[3:1:-1]]
    assert {total for _, total in pages} == {5}
    runs = [path for path in reads if "flow_runs" in path]
    assert runs == ["/api/flow_runs/paginate"] * 6  # the last part lies in two pages
