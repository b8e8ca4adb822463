"""Old jobs and results, beside a real Prefect server: what goes, and what never does."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Failed, Running

from eo_pygeoapi.contract.status import PROCESS_ID
from eo_pygeoapi.datasets.operations import Retention
from eo_pygeoapi.errors import NoSuchJobError, ResultNotAvailableError
from eo_pygeoapi.gateway.deployments import IMPORT_FLOW, DeploymentSpec, entrypoint_of
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.jobs.held_parts import hold_subscriber
from eo_pygeoapi.jobs.results import read_outputs
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.history import History
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.old_jobs import OldJobs, Removed

DAY = timedelta(days=1)
FILES = {job_folder.RESULT: 20, job_folder.VALUES: 1000, job_folder.SUMMARY: 2, "steps/x.json": 5}


@dataclass
class House:
    """A dataset with jobs; everything in it is 40 days old by `now`."""

    gateway: PrefectGateway
    prefect: SyncPrefectClient
    store: ResultStore
    dataset: str = field(default_factory=lambda: f"rain-{uuid4()}")
    now: datetime = field(default_factory=lambda: datetime.now(UTC) + 40 * DAY)

    def __post_init__(self) -> None:
        self.gateway.ensure_work_pool()
        nothing: dict[str, object] = {}
        self.gateway.deployments.put(
            DeploymentSpec(self.dataset, IMPORT_FLOW, entrypoint_of(PROCESS_ID), "", nothing, nothing, "1")
        )

    def job(self, *states: object) -> str:
        """Make a job with files and a held part, which goes through these states."""
        held = hold_subscriber({"successUri": "https://hook.example/secret"}, self.store)
        parameters = {"inputs": {"datasetId": self.dataset, "dryRun": False}, "request": {"response": "raw", **held}}
        job = self.gateway.runs.submit(self.dataset, parameters)
        for name, size in FILES.items():
            JobFolder(self.store, job.id).write_bytes(name, b"{}".ljust(size))
        for state in states:
            self.prefect.set_flow_run_state(UUID(job.id), state, force=True)  # type: ignore[arg-type]
        return job.id

    def old(self, *needed: str, dry_run: bool = False, **kept: timedelta) -> tuple[Removed, Removed]:
        """Remove what is older than these periods."""
        retention = Retention.model_validate(kept)
        jobs, results = OldJobs(self.gateway, self.store, {}, retention, needed, dry_run).remove(self.now)
        return jobs, results

    def is_there(self, job_id: str) -> bool:
        try:
            return bool(self.gateway.runs.get(job_id))
        except NoSuchJobError:
            return False

    def files(self, job_id: str) -> set[str]:
        return {key.removeprefix(f"jobs/{job_id}/") for key in self.store.keys(f"jobs/{job_id}")}


@pytest.fixture
def house(prefect_api: str, tmp_path: Path) -> Iterator[House]:
    with temporary_settings({PREFECT_API_URL: prefect_api}), get_client(sync_client=True) as client:
        gateway = PrefectGateway(prefect_api, deployments_ttl=0.0, read_timeout=30.0)
        yield House(gateway, client, ResultStore(str(tmp_path)))
        gateway.close()


def done() -> tuple[object, object]:
    return Running(), Completed()


def failed() -> tuple[object, object]:
    return Running(), Failed(message="no")


def test_old_jobs_go_but_for_the_newest_the_needed_and_those_that_go_on(house: House) -> None:
    gone = [house.job(*done()), house.job(*failed())]
    stay = [house.job(*done()), house.job(*failed()), house.job(*failed()), house.job(Running()), house.job()]
    named = stay[1]

    would, _ = house.old(named, dry_run=True, jobs=30 * DAY)
    assert all(house.is_there(job_id) for job_id in (*gone, *stay))
    jobs, results = house.old(named, jobs=30 * DAY)
    assert [house.is_there(job_id) for job_id in gone] == [False, False]
    assert all(house.is_there(job_id) and house.files(job_id) == set(FILES) for job_id in stay)
    assert (jobs.count, jobs.size) == (would.count, would.size) and jobs.size >= 2 * sum(FILES.values())
    assert results == Removed("results")
    assert len(house.store.keys("requests")) == len(stay)
    assert sorted(key.split("/")[1] for key in house.store.keys("jobs")) == sorted(stay * len(FILES))
    assert History(house.store, house.dataset).job_ids() == set(gone)  # nobody had written their lines

    again, _ = house.old(named, jobs=30 * DAY)
    assert again.count == 0


def test_nothing_is_old_enough_or_nothing_is_said(house: House) -> None:
    job_id = house.job(*done())
    house.job(*done())
    assert house.old(jobs=41 * DAY)[0].count == house.old()[0].count == 0
    assert house.is_there(job_id)


def test_where_results_go_the_job_stays_and_says_so(house: House) -> None:
    old, newest = house.job(*done()), house.job(*done())
    _, would = house.old(dry_run=True, results=30 * DAY, jobs=400 * DAY)
    _, results = house.old(results=30 * DAY, jobs=400 * DAY)

    assert house.files(old) == {job_folder.SUMMARY} and house.files(newest) == set(FILES)
    assert (results.count, results.size) == (1, sum(FILES.values()) - FILES[job_folder.SUMMARY]) == (1, would.size)
    assert History(house.store, house.dataset).job_ids() == {old}
    with pytest.raises(ResultNotAvailableError, match="not in the results store any more"):
        read_outputs(house.store, house.gateway.runs.get(old))
    assert house.old(results=30 * DAY)[1].count == 0


def test_folders_of_jobs_that_prefect_does_not_know_go_when_they_are_old(house: House, tmp_path: Path) -> None:
    def write(job_id: str, written: datetime) -> Callable[[], bool]:
        JobFolder(house.store, job_id).write_bytes(job_folder.RESULT, b"{}")
        os.utime(tmp_path / "jobs" / job_id / job_folder.RESULT, (written.timestamp(),) * 2)
        return lambda: house.store.exists(f"jobs/{job_id}/{job_folder.RESULT}")

    old, young, odd = (
        write(str(uuid4()), house.now - 31 * DAY),
        write(str(uuid4()), house.now - 29 * DAY),
        write("of-somebody", house.now - 31 * DAY),
    )
    house.old(results=30 * DAY)
    assert (old(), young(), odd()) == (False, True, True)


def test_what_prefect_keeps_of_steps_goes_unless_a_job_may_go_on_with_it(house: House, tmp_path: Path) -> None:
    begun = datetime.now(UTC)
    waiting = house.job()
    for name, written in (("before", begun - 100 * DAY), ("after", begun + timedelta(minutes=5))):
        house.store.write_bytes(f"prefect/{name}", b"{}")
        os.utime(tmp_path / "prefect" / name, (written.timestamp(),) * 2)
    house.old(results=30 * DAY)
    assert house.store.keys("prefect") == ["prefect/after"] and house.is_there(waiting)


def test_it_ends_early_when_it_is_told_to(house: House) -> None:
    old = [house.job(*done()) for _ in range(3)]
    retention = Retention(jobs=30 * DAY)
    OldJobs(house.gateway, house.store, {}, retention, (), stopped=lambda: True).remove(house.now)
    assert all(map(house.is_there, old))
