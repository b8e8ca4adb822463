"""Runs of a schedule that fail for a reason that another try may mend, with a real Prefect server and real workers."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import requests

from eo_pygeoapi.contract.status import FINAL
from eo_pygeoapi.datasets.read import load_datasets
from eo_pygeoapi.gateway.job import SCHEDULE, Job
from eo_pygeoapi.gateway.specs import import_spec
from eo_pygeoapi.settings import Settings
from tests.servers import patient
from tests.stack import CHIRPS_SHAPE
from tests.standins import chc
from tests.worker.farm import Farm, Worker, lines, patiently, until
from tests.worker.policies import config_file, not_yet_published

ROOT = Path(__file__).parents[2]
SECONDS = 600  # at most, on a busy machine


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[chc.StandIn]:
    (tmp_path / "chc").mkdir()
    with chc.running(tmp_path / "chc") as server:
        yield server


def scheduled(work: Farm, deployment: str, **parameters: Any) -> str:
    """Make a run as the schedule of the dataset makes it."""
    found = patiently(lambda: work.gateway.deployments.called(deployment))
    body: dict[str, Any] = {"parameters": parameters, "state": {"type": "SCHEDULED"}, "labels": {SCHEDULE: "daily"}}
    body["idempotency_key"] = str(uuid4())  # for SQLite may be locked
    address = f"{work.prefect_api}/deployments/{found.id}/create_flow_run"
    return until(lambda: str(requests.post(address, json=body, timeout=30).json().get("id", "")))


def unsure(work: Farm, said: Path, fails: int, error: str = "away", by_schedule: bool = True) -> str:
    given: dict[str, Any] = {"path": str(said), "fails": fails, "error": error, "inputs": {"datasetId": "rain"}}
    return scheduled(work, "test-unsure", **given) if by_schedule else work.submit("unsure", **given)


def job(work: Farm, id_: str) -> Job:
    return patiently(lambda: work.gateway.runs.get(id_))


def put_off(work: Farm, id_: str) -> Job:
    return until(lambda: found if (found := job(work, id_)).state_name == "AwaitingRetry" else None, SECONDS)


def ended(work: Farm, id_: str) -> Job:
    return until(lambda: found if (found := job(work, id_)).status in FINAL else None, SECONDS)


def begun(work: Farm, job: str) -> list[str]:
    return [line.message for line in work.gateway.details.log(job, 200, 0) if "Beginning flow run" in line.message]


def test_it_is_tried_again_as_the_same_job_and_no_process_waits(servers: Farm, shared: Worker, tmp_path: Path) -> None:
    id_ = unsure(servers, tmp_path / "said", fails=2)
    seen = [job(servers, id_)]
    while seen[-1].status not in FINAL:
        time.sleep(0.1)
        seen.append(job(servers, id_))
    assert {found.status for found in seen} == {"accepted", "running", "successful"}
    assert (seen[-1].id, seen[-1].attempts) == (id_, 3)
    waiting = [found.message for found in seen if found.state_name == "AwaitingRetry"]
    assert waiting[0].startswith("attempt 2 of 3, at ") and waiting[-1].startswith("attempt 3 of 3, at ")
    assert waiting[0].endswith("(Africa/Freetown), because the last one failed: the provider is away")
    processes = {line.split()[-1] for line in (tmp_path / "said").read_text().splitlines()}
    assert len(processes) == 3
    until(lambda: len(begun(servers, id_)) == 3)  # the logs of all attempts stay


def test_after_the_last_attempt_it_has_failed(servers: Farm, shared: Worker, tmp_path: Path) -> None:
    failed = ended(servers, unsure(servers, tmp_path / "said", fails=9))
    assert (failed.status, failed.attempts) == ("failed", 3)
    assert failed.message == "the provider is away (after 3 attempts)"
    assert lines(tmp_path / "said") == ["began"] * 3


@pytest.mark.parametrize(("error", "by_schedule"), [("wrong", True), ("away", False)])
def test_what_no_try_can_mend_and_what_a_person_waits_for_is_not_tried(
    servers: Farm, shared: Worker, tmp_path: Path, error: str, by_schedule: bool
) -> None:
    failed = ended(servers, unsure(servers, tmp_path / "said", 9, error, by_schedule))
    assert (failed.status, failed.message, failed.attempts) == ("failed", f"the provider is {error}", 1)
    assert lines(tmp_path / "said") == ["began"]


@pytest.mark.slow
def test_a_job_that_waits_is_dismissed_and_outlives_its_worker(work: Farm, tmp_path: Path) -> None:
    path = config_file(tmp_path, retries=3, backoff="PT1H")
    first = work.worker(tmp_path / "data", PYGEOAPI_CONFIG=str(path))
    kept, dismissed = (unsure(work, tmp_path / name, fails=1) for name in ("kept", "dismissed"))
    for id_ in (kept, dismissed):
        put_off(work, id_)
    until(lambda: not first.records(), SECONDS)  # their processes are gone
    patiently(lambda: work.gateway.runs.cancel(dismissed))
    assert job(work, dismissed).message == "dismissed before its next attempt"
    # another job that waits for a worker is the first: those that are put off are not in the queue
    first.stop()
    other = job(work, work.submit("empty"))
    assert patiently(lambda: work.gateway.runs.place_in_queue(other)) == 1
    assert job(work, kept).status == "accepted"
    work.worker(tmp_path / "data", PYGEOAPI_CONFIG=str(path))
    now_due = {"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}, "force": True}
    patient().post(f"{work.prefect_api}/flow_runs/{kept}/set_state", json=now_due, timeout=60).raise_for_status()
    assert ended(work, kept).status == "successful"
    assert lines(tmp_path / "kept") == ["began"] * 2
    time.sleep(1)
    assert job(work, dismissed).status == "dismissed" and lines(tmp_path / "dismissed") == ["began"]


@pytest.mark.slow
def test_an_import_waits_for_data_that_are_not_published_yet(work: Farm, provider: chc.StandIn, tmp_path: Path) -> None:
    path = config_file(tmp_path, provider.url, retries=1, backoff="PT1S")
    dataset = load_datasets(path)["rain"]
    patiently(lambda: work.gateway.deployments.put(import_spec(dataset, Settings())))
    work.worker(tmp_path / "data", PYGEOAPI_CONFIG=str(path))
    id_ = scheduled(work, "rain", inputs={"datasetId": "rain"})
    message = put_off(work, id_).message
    assert "attempt 2 of 2" in message and "nothing is published for" in message
    day = not_yet_published()
    chc.make_day(provider.root, day, "prelim", "rnl", np.asarray(chc.rain(day, CHIRPS_SHAPE)))
    done = ended(work, id_)
    assert (done.status, done.attempts) == ("successful", 2), done
    assert done.message.startswith("finished: 1 value;")
