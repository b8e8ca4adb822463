"""Suspending a run in Prefect, which its engine looks out for beside the run's beginning."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.states import Suspended

from eo_pygeoapi.worker.suspension import beside
from tests.worker.farm import Farm, Worker, lines, until


def test_a_run_that_is_suspended_ends_its_process_and_goes_on_when_it_is_resumed(
    servers: Farm, shared: Worker, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    job = servers.submit("steps", path=str(said), seconds=4.0)
    until(lambda: "second step" in lines(said))
    with SyncPrefectClient(servers.prefect_api) as client:
        client.set_flow_run_state(UUID(job), Suspended(timeout_seconds=600))
        until(lambda: not any(record["run_id"] == job for record in shared.records()))
        assert not any("result" in line for line in lines(said))
        state = client.read_flow_run(UUID(job)).state
        assert state is not None and state.name == "Suspended"
        assert servers.job(job)["status"] == "accepted"
        client.resume_flow_run(UUID(job))
    assert servers.ended(job)["status"] == "successful"
    assert lines(said).count("first step") == 1


def test_what_is_slow_to_begin_is_not_waited_for_and_ends_with_the_block() -> None:
    begin, seen = threading.Event(), list[str]()

    @contextmanager
    def slow(name: str) -> Iterator[None]:
        begin.wait(30)
        seen.append(f"{name} begins")
        yield
        seen.append(f"{name} ends")

    with beside(slow, after=0.1)("it"):
        assert not seen
        begin.set()
        until(lambda: seen == ["it begins"])
    assert seen == ["it begins", "it ends"]


def test_what_is_over_within_seconds_is_not_looked_after() -> None:
    @contextmanager
    def never() -> Iterator[None]:
        raise AssertionError("it was begun")
        yield

    before = threading.active_count()
    with beside(never)():
        pass
    until(lambda: threading.active_count() == before, 1)
