"""Waiting for a job's end."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from eo_pygeoapi.contract.status import JobStatus
from eo_pygeoapi.errors import EngineUnavailableError
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.jobs.executions import Executions
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.store import ResultStore

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
