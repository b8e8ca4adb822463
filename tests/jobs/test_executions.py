"""Submitting, waiting for a job's end, and deleting."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from eo_pygeoapi.contract.status import PROCESS_ID, JobStatus
from eo_pygeoapi.errors import EngineUnavailableError
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.jobs.executions import Executions
from eo_pygeoapi.jobs.held_parts import hold_features, hold_subscriber
from eo_pygeoapi.jobs.request import ExecuteBody
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from tests.stack import collection
from tests.store.results_data import square

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def job(status: JobStatus) -> Job:
    return Job("1", "echo", status, "", 0, NOON, NOON)


class Runs:
    """Answers in turn; None is a Prefect that is away, and the last answer stays."""

    def __init__(self, *answers: Job | None) -> None:
        self.answers = list(answers)

    def get(self, job_id: str) -> Job:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            raise EngineUnavailableError("away")
        return answer


@dataclass
class Gateway:
    """A gateway to nothing but these runs."""

    runs: Runs


def waited(tmp_path: Path, seconds: float, *answers: Job | None) -> Job:
    gateway: Any = Gateway(Runs(*answers))
    executions = Executions(cast(PrefectGateway, gateway), ResultStore(str(tmp_path)), Settings())
    return executions.wait(job("accepted"), seconds)


def test_a_job_that_ends_in_time_is_returned_as_it_ended(tmp_path: Path) -> None:
    assert waited(tmp_path, 30, job("running"), job("successful")).status == "successful"


def test_a_job_that_does_not_end_is_returned_as_it_is(tmp_path: Path) -> None:
    assert waited(tmp_path, 0.3, job("running")).status == "running"
    assert waited(tmp_path, 0, job("successful")).status == "accepted"


def test_prefect_may_be_away_meanwhile_for_the_job_is_made(tmp_path: Path) -> None:
    assert waited(tmp_path, 30, None, job("running"), None, job("failed")).status == "failed"
    assert waited(tmp_path, 0.3, None).status == "accepted"


def square_feature(org_unit: str) -> dict[str, Any]:
    return {"type": "Feature", "id": org_unit, "properties": {"name": org_unit}, "geometry": square(0, 0)}


class Refusing(Runs):
    """A Prefect that goes away when a job is submitted."""

    def submit(self, deployment: str, parameters: dict[str, Any], *_rest: Any, **_more: Any) -> Job:
        raise EngineUnavailableError("away")


SUBSCRIBER = {"successUri": "https://93.184.216.34/done?token=abc"}
LARGE = {"type": "FeatureCollection", "features": [square_feature(f"Ou{n}") for n in range(2000)]}


@pytest.mark.parametrize(
    ("process", "inputs"),
    [("echo", {}), (PROCESS_ID, {"datasetId": "rain", "start": "2025-07", "end": "2025-07", "features": LARGE})],
)
def test_a_submission_that_fails_leaves_nothing(tmp_path: Path, process: str, inputs: dict[str, Any]) -> None:
    config = tmp_path / "config.yml"
    config.write_text(yaml.safe_dump({"resources": {"rain": collection("rain", source="chirps3")}}))
    store = ResultStore(str(tmp_path / "results"))
    gateway = cast(PrefectGateway, Gateway(Refusing()))
    settings = Settings().model_copy(update={"config": config, "allow_private_callbacks": True})

    with pytest.raises(EngineUnavailableError):
        Executions(gateway, store, settings).submit(process, {}, ExecuteBody(inputs, subscriber=SUBSCRIBER))

    assert store.keys() == []


class Deleting(Runs):
    """Counts what is deleted."""

    def __init__(self, *answers: Job | None) -> None:
        super().__init__(*answers)
        self.deleted: list[str] = []

    def delete(self, job_id: str) -> None:
        self.deleted.append(job_id)


def test_a_job_is_deleted_with_all_that_is_its_own(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    for name in ("result.json", "payload.csv", "steps/values.parquet", "steps/import/000000.json"):
        JobFolder(store, "1").write_bytes(name, b"1")
    _, held = hold_features({"features": LARGE}, store)
    held |= hold_subscriber(SUBSCRIBER, store)
    others = ["jobs/10/result.json", "published/rain/values-2025-x.parquet", "requests/other/features.json"]
    for key in others:
        store.write_bytes(key, b"1")
    runs = Deleting(replace(job("successful"), request={"response": "raw", **held}))

    Executions(cast(PrefectGateway, Gateway(runs)), store, Settings()).dismiss("1")

    assert runs.deleted == ["1"]
    assert store.keys() == others


class NoSteps:
    """The details of a run without steps."""

    def steps(self, job_id: str) -> list[object]:
        return []


def test_a_failed_job_that_was_not_published_lists_no_empty_file(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    folder = JobFolder(store, "1")
    folder.write_bytes(job_folder.REJECTED, b"[]\n")
    folder.write_bytes(job_folder.KEPT, b'[{"orgUnit": "a"}]\n')
    gateway: Any = SimpleNamespace(details=NoSteps())
    failed = replace(job("failed"), process_id=PROCESS_ID)

    details = Executions(gateway, store, Settings()).details(failed)

    assert details.files == [job_folder.KEPT]
