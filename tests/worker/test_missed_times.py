"""Times of schedules that a real Prefect server was away at, and what is made up for."""

import asyncio
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
import requests
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import DeploymentFilter
from prefect.client.schemas.schedules import CronSchedule

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.gateway.apply import apply_deployments
from eo_pygeoapi.gateway.deployments import DeploymentSpec
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.pauses import Pauses
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.worker.missed_times import Absence, MissedTimes
from tests.servers import patient, prefect_server
from tests.worker.farm import Farm, patiently, until

NOW = datetime.now(UTC)
THIS_HOUR = NOW.replace(minute=0, second=0, microsecond=0)
SINCE = THIS_HOUR - timedelta(hours=5, minutes=30)
MISSED = [THIS_HOUR - timedelta(hours=n) for n in range(5, -1, -1)]
PAUSES = Pauses(ResultStore("memory://test-missed-times"))
INPUTS = {"start": "-P3D", "end": "P0D", "dryRun": True}


def dataset(policy: str, cron: str = "0 * * * *", zone: str = "UTC") -> dict[str, Any]:
    schedule = {"name": "hourly", "cron": cron, "timezone": zone, "inputs": INPUTS, "catchUp": policy}
    units = {"source": "geojson", "href": "x.json"}
    block = {"source": "file", "options": {"href": "x.nc"}, "orgUnits": units, "schedules": [schedule]}
    return {"type": "collection", "eo": block}


DATASETS: dict[str, Dataset] = read_datasets(
    {"resources": {policy: dataset(policy) for policy in ("latest", "all", "none")}}, Path()
)
# the last night in Cairo, before this year's end, that has no 00:30, and the time that stands for it
CAIRO = ZoneInfo("Africa/Cairo")
SPRING = datetime(NOW.year - 1, 4, 30, tzinfo=CAIRO)
SPRING -= timedelta(days=(SPRING.weekday() - 4) % 7)
INSTEAD = SPRING.replace(hour=1, minute=30)


def plan(api: str, gateway: PrefectGateway, name: str, since: datetime, end: datetime) -> None:
    """Have Prefect plan the runs of a time that is over, as it had planned them before it went away."""
    id_ = gateway.deployments.read()[name].id
    url = f"{api}/deployments/{id_}/schedule"
    body = {"start_time": since.isoformat(), "end_time": end.isoformat(), "min_runs": 100, "max_runs": 100}
    until(lambda: requests.post(url, json=body, timeout=60).ok)  # on a busy machine SQLite is locked now and then


def runs(api: str, gateway: PrefectGateway, name: str) -> list[dict[str, Any]]:
    """All runs of a deployment that were due when the tests began, the oldest first."""
    where = {
        "deployments": {"id": {"any_": [str(gateway.deployments.read()[name].id)]}},
        "flow_runs": {"expected_start_time": {"before_": NOW.isoformat()}},  # not the next hour's
        "sort": "EXPECTED_START_TIME_ASC",
    }
    found: list[dict[str, Any]] = patient().post(f"{api}/flow_runs/filter", json=where, timeout=60).json()
    return found


def times(found: list[dict[str, Any]], state: str) -> list[datetime]:
    return [datetime.fromisoformat(run["expected_start_time"]) for run in found if run["state_type"] == state]


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A Prefect server without a worker, and the file of its database."""
    folder = tmp_path_factory.mktemp("away")
    with prefect_server(folder) as api:
        yield api, folder / "prefect" / "prefect.db"


@pytest.fixture(scope="module")
def after_absence(own_server: tuple[str, Path]) -> Iterator[tuple[str, PrefectGateway]]:
    """A server as if away since half past, five hours ago: three times were planned before, three were not."""
    api, file = own_server
    gateway = PrefectGateway(api, read_timeout=60.0)
    patiently(lambda: apply_deployments(gateway, DATASETS, {}, Settings(), PAUSES))
    for name in DATASETS:
        plan(api, gateway, name, SINCE, SINCE + timedelta(hours=3))
    with closing(sqlite3.connect(file, timeout=60)) as database, database:
        begun = (SINCE - timedelta(days=2)).strftime("%Y-%m-%d %H:%M:%S.%f")
        database.execute("UPDATE deployment_schedule SET created = ?, updated = ?", (begun, begun))
    for _ in range(2):  # the second worker that comes back, or the same one again, changes nothing
        asyncio.run(settle(api))
    yield api, gateway
    gateway.close()


@pytest.fixture(params=["latest", "all"])
def in_cairo(
    request: pytest.FixtureRequest, own_server: tuple[str, Path]
) -> Iterator[tuple[str, PrefectGateway, dict[str, Dataset]]]:
    """A dataset at 00:30 in Cairo, whose runs of three nights in spring Prefect has planned."""
    (api, _), name = own_server, f"cairo-{uuid4()}"
    enabled = read_datasets({"resources": {name: dataset(request.param, "30 0 * * *", "Africa/Cairo")}}, Path())
    gateway = PrefectGateway(api, read_timeout=60.0)
    patiently(lambda: apply_deployments(gateway, DATASETS | enabled, {}, Settings(), PAUSES))
    plan(api, gateway, name, SPRING - timedelta(days=1), SPRING + timedelta(days=2))
    yield api, gateway, enabled
    gateway.close()


async def settle(api: str) -> None:
    async with PrefectClient(api) as client:
        await MissedTimes(client, lambda: DATASETS).settle(NOW, Absence(SINCE, NOW))


def test_of_all_missed_times_the_latest_is_run(after_absence: tuple[str, PrefectGateway]) -> None:
    found = runs(*after_absence, "latest")
    assert times(found, "SCHEDULED") == MISSED[-1:]
    assert times(found, "CANCELLED") == MISSED[:3]
    (last,) = [run for run in found if run["state_type"] == "SCHEDULED"]
    assert last["parameters"] == {"inputs": {**INPUTS, "datasetId": "latest"}}
    said = {run["state"]["message"] for run in found if run["state_type"] == "CANCELLED"}
    assert said == {
        f"not run, for nobody could start it when it was due; the run of {THIS_HOUR:%Y-%m-%d %H:%M} UTC stands for it"
    }


def test_each_missed_time_is_run_once_after_all_other_work(after_absence: tuple[str, PrefectGateway]) -> None:
    found = runs(*after_absence, "all")
    assert times(found, "SCHEDULED") == MISSED and len(found) == len(MISSED)
    assert {run["work_queue_name"] for run in found} == {"backfill"}
    assert all(run["parameters"]["inputs"] == {**INPUTS, "datasetId": "all"} for run in found)


def test_no_missed_time_is_run(after_absence: tuple[str, PrefectGateway]) -> None:
    found = runs(*after_absence, "none")
    assert times(found, "SCHEDULED") == [] and times(found, "CANCELLED") == MISSED[:3]


def test_a_night_without_the_time_of_a_schedule_has_its_run_all_the_same(
    in_cairo: tuple[str, PrefectGateway, dict[str, Dataset]],
) -> None:
    api, gateway, enabled = in_cairo
    (name,) = enabled
    nights = [SPRING.replace(day=SPRING.day + n, hour=0, minute=30) for n in (-1, 1)]
    planned = times(runs(api, gateway, name), "SCHEDULED")
    assert planned[1].astimezone(CAIRO).date() == nights[0].date()  # Prefect's own plan: a day twice, and one never

    async def take_all() -> None:
        async with PrefectClient(api) as client:
            for run in await client.read_flow_runs(deployment_filter=DeploymentFilter(name={"any_": [name]})):
                await MissedTimes(client, lambda: enabled).put_right(run)

    for _ in range(2):  # however many workers see it
        asyncio.run(take_all())
    found = runs(api, gateway, name)
    assert times(found, "SCHEDULED") == [nights[0], INSTEAD, nights[1]] and len(found) == 3
    assert found[1]["parameters"] == {"inputs": {**INPUTS, "datasetId": name}}
    assert found[1]["work_queue_name"] == "scheduled" and found[1]["labels"]["eo-pygeoapi.schedule"] == "hourly"


@pytest.mark.slow
def test_all_missed_times_run_once_each_the_oldest_first_and_one_after_the_other(work: Farm, tmp_path: Path) -> None:
    schedule = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 * * * *"), slug="hourly", active=True)
    spec = DeploymentSpec("all", "scheduled", "tests.worker.tiny:scheduled", "", {}, {}, "1", [schedule])
    patiently(lambda: work.gateway.deployments.put(spec))
    plan(work.prefect_api, work.gateway, "all", SINCE, NOW)
    for _ in range(2):
        patiently(lambda: asyncio.run(settle(work.prefect_api)))
    work.worker(tmp_path, zygote=True, EO_CONCURRENCY="1")

    def done() -> list[dict[str, Any]]:
        found = runs(work.prefect_api, work.gateway, "all")
        return found if {run["state_type"] for run in found} == {"COMPLETED"} else []

    found = until(done, 180)
    assert times(found, "COMPLETED") == MISSED  # by the time at which each was due
    for before, after in pairwise(found):
        assert before["end_time"] <= after["start_time"]


def test_a_worker_that_comes_back_starts_one_run_of_a_schedule(work: Farm, tmp_path: Path) -> None:
    schedule = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 * * * *"), slug="hourly", active=True)
    spec = DeploymentSpec("test-missed", "empty", "tests.worker.tiny:empty", "", {}, {}, "1", [schedule])
    patiently(lambda: work.gateway.deployments.put(spec))
    plan(work.prefect_api, work.gateway, "test-missed", SINCE, NOW)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "answered").touch()
    os.utime(tmp_path / "runs" / "answered", (SINCE.timestamp(), SINCE.timestamp()))
    work.worker(tmp_path)

    def states() -> Counter[str]:
        return Counter(run["state_type"] for run in runs(work.prefect_api, work.gateway, "test-missed"))

    until(lambda: states() == {"CANCELLED": len(MISSED) - 1, "COMPLETED": 1})
    assert times(runs(work.prefect_api, work.gateway, "test-missed"), "COMPLETED") == MISSED[-1:]
    assert time.time() - (tmp_path / "runs" / "answered").stat().st_mtime < 30


def test_runs_that_waited_for_a_busy_worker_are_one_too(work: Farm, tmp_path: Path) -> None:
    schedule = DeploymentScheduleCreate(schedule=CronSchedule(cron="30 * * * *"), slug="half", active=True)
    spec = DeploymentSpec("test-waited", "empty", "tests.worker.tiny:empty", "", {}, {}, "1", [schedule])
    patiently(lambda: work.gateway.deployments.put(spec))
    plan(work.prefect_api, work.gateway, "test-waited", NOW - timedelta(hours=4), NOW - timedelta(minutes=2))
    work.worker(tmp_path)

    def states() -> Counter[str]:
        return Counter(run["state_type"] for run in runs(work.prefect_api, work.gateway, "test-waited"))

    until(lambda: states()["COMPLETED"] == 1 and not states()["SCHEDULED"])
    assert states()["CANCELLED"] >= 2
