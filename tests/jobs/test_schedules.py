"""What a person paused stays paused, whatever happens in Prefect, until a person resumes it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.errors import EngineUnavailableError, NoSuchDatasetError, NoSuchScheduleError
from eo_pygeoapi.gateway.apply import Applied, apply_deployments
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.jobs.schedules import Schedules, schedule_document
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.pauses import Pause, Pauses
from eo_pygeoapi.store.store import ResultStore
from tests.servers import free_port, patient

INPUTS = {"start": "-P3D", "end": "P0D", "dryRun": True}


class Feed:
    """A dataset with a schedule, as it is applied and changed."""

    def __init__(self, api: str, results: Path) -> None:
        self.api = api
        self.gateway = PrefectGateway(api, read_timeout=30.0)
        self.pauses = Pauses(ResultStore(str(results)))
        self.id = f"feed-{uuid4()}"
        self.datasets: Mapping[str, Dataset] = {}
        self.schedules = Schedules(self.gateway, self.pauses, lambda: self.datasets, Settings())

    def apply(self, cron: str = "0 6 * * *", **more: Any) -> Applied:
        schedule = {"name": "daily", "cron": cron, "inputs": INPUTS, **more}
        units = {"source": "geojson", "href": "x.json"}
        block: dict[str, Any] = {
            "source": "file",
            "options": {"href": "x.nc"},
            "orgUnits": units,
            "schedules": [schedule],
        }
        block["dhis2"] = {"dataElement": "X"}
        config = {"resources": {self.id: {"type": "collection", "eo": block}}}
        self.datasets = read_datasets(config, Path())
        return self.applied(self.datasets)

    def applied(self, datasets: Mapping[str, Dataset]) -> Applied:
        return apply_deployments(self.gateway, datasets, {}, Settings(), self.pauses)

    @property
    def active(self) -> bool:
        (row,) = self.gateway.deployments.read()[self.id].schedules
        return row.active

    def in_prefect(self, active: bool) -> None:
        """Pause or resume it as Prefect's own pages do."""
        deployment = self.gateway.deployments.read()[self.id]
        url = f"{self.api}/deployments/{deployment.id}/schedules/{deployment.schedules[0].id}"
        patient().patch(url, json={"active": active}, timeout=30).raise_for_status()


@pytest.fixture
def feed(prefect_api: str, tmp_path: Path) -> Iterator[Feed]:
    made = Feed(prefect_api, tmp_path / "results")
    yield made
    made.gateway.close()


def test_a_pause_outlives_apply_a_change_of_the_times_and_a_schedule_that_was_gone(feed: Feed) -> None:
    feed.apply()
    standing = feed.schedules.pause(feed.id, "daily", " the rain is wrong ", "ops")
    assert (standing.active, standing.paused_by, standing.reason, standing.person) == (
        *(False, "person"),
        *("the rain is wrong", "ops"),
    )
    assert not feed.active
    (row,) = feed.gateway.deployments.read()[feed.id].schedules
    assert row.parameters == {"inputs": {**INPUTS, "datasetId": feed.id}}

    again = feed.apply()
    assert again.unchanged == [feed.id] and list(again.held) == [f"{feed.id}/daily"]
    assert feed.apply(cron="30 7 * * *").held[f"{feed.id}/daily"].reason == "the rain is wrong"
    assert not feed.active
    feed.apply(active=False)
    feed.apply()
    assert not feed.active
    feed.applied({})  # the file names the dataset no longer, and then again
    feed.apply()
    assert not feed.active

    resumed = feed.schedules.resume(feed.id, "daily")
    assert resumed.active and resumed.paused_by is None and feed.active
    assert feed.apply().held == {} and feed.active


def test_a_pause_outlives_the_database_of_prefect(feed: Feed) -> None:
    feed.apply()
    feed.schedules.pause(feed.id, "daily", "", "")
    deployment = feed.gateway.deployments.read()[feed.id]
    patient().delete(f"{feed.api}/deployments/{deployment.id}", timeout=30).raise_for_status()
    feed.apply()
    assert not feed.active and feed.schedules.standing(feed.id, "daily").paused_by == "person"


def test_a_schedule_that_is_active_since_before_its_pause_is_paused_again(feed: Feed) -> None:
    feed.apply()  # such as Prefect's database of yesterday, brought back
    feed.pauses.put(feed.id, "daily", Pause(at=datetime.now(UTC) + timedelta(seconds=1)))
    assert feed.schedules.standing(feed.id, "daily").paused_by == "person"
    assert feed.apply().mended == {feed.id: ["the pause of schedule daily"]}
    assert not feed.active


def test_what_a_person_does_in_prefect_counts_as_well(feed: Feed) -> None:
    feed.apply()
    feed.in_prefect(active=False)
    standing = feed.schedules.standing(feed.id, "daily")
    assert (standing.paused_by, standing.reason) == ("person", "paused in Prefect")
    feed.apply()
    assert feed.pauses.get(feed.id, "daily") is not None
    feed.in_prefect(active=True)
    assert feed.schedules.standing(feed.id, "daily").active
    assert feed.apply().resumed == [f"{feed.id}/daily"] and feed.active
    assert feed.pauses.get(feed.id, "daily") is None
    feed.in_prefect(active=False)
    assert feed.schedules.resume(feed.id, "daily").active and feed.active


def test_what_the_file_or_missing_credentials_pause_nobody_resumes(feed: Feed) -> None:
    feed.apply(active=False)
    standing = feed.schedules.resume(feed.id, "daily")
    assert (standing.active, standing.paused_by) == (False, "file") and not feed.active
    feed.apply(inputs={**INPUTS, "dryRun": False})
    assert not feed.schedules.pause(feed.id, "daily", "", "").active
    standing = feed.schedules.resume(feed.id, "daily")
    assert (standing.active, standing.paused_by) == (False, "missing credentials")
    assert "there is no DHIS2 connection 'default'" in standing.reason


def test_a_pause_that_prefect_could_not_be_told_is_none(feed: Feed, tmp_path: Path) -> None:
    feed.apply()
    away = PrefectGateway(f"http://127.0.0.1:{free_port()}/api")
    schedules = Schedules(away, feed.pauses, lambda: feed.datasets, Settings())
    with pytest.raises(EngineUnavailableError):
        schedules.pause(feed.id, "daily", "", "")
    assert feed.pauses.all() == {} and feed.active


def test_a_schedule_is_run_now_with_its_own_inputs_although_it_is_paused(feed: Feed) -> None:
    feed.apply()
    feed.schedules.pause(feed.id, "daily", "", "")
    assert feed.schedules.last_runs(feed.datasets[feed.id]) == {}
    job = feed.schedules.run(feed.id, "daily")
    assert job.inputs == {**INPUTS, "datasetId": feed.id} and job.status == "accepted"
    feed.gateway.runs.submit(feed.id, {"inputs": {"datasetId": feed.id}})  # somebody else's
    last = feed.schedules.last_runs(feed.datasets[feed.id])
    assert {name: found.id for name, found in last.items()} == {"daily": job.id}
    standing = feed.schedules.standing(feed.id, "daily")
    document = schedule_document(standing, last["daily"], datetime(2026, 1, 1, tzinfo=UTC), [])
    shown = document.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert shown["next"] == [f"2026-01-0{day}T06:00:00Z" for day in range(1, 6)]
    assert shown["lastRun"] == {"jobID": job.id, "status": "accepted"} and shown["pausedBy"] == "person"


def test_who_names_no_schedule_is_told_which_there_are(feed: Feed) -> None:
    feed.apply()
    with pytest.raises(NoSuchScheduleError, match=r"has no schedule 'weekly' \(there are: daily\)"):
        feed.schedules.pause(feed.id, "weekly", "", "")
    with pytest.raises(NoSuchDatasetError, match="there is no dataset 'nowhere'"):
        feed.schedules.run("nowhere", "daily")
