"""Deployments and schedules against a real Prefect server, without a worker."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from eo_pygeoapi.datasets.block import Dataset, OrgUnitsFromGeoJSON
from eo_pygeoapi.datasets.missing import missing_for
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.gateway.apply import apply_deployments
from eo_pygeoapi.gateway.deployments import RETIRED
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.gateway.specs import import_spec
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.pauses import Pauses
from eo_pygeoapi.store.store import ResultStore


@pytest.fixture
def gateway(prefect_api: str) -> Iterator[PrefectGateway]:
    gateway = PrefectGateway(prefect_api, read_timeout=30.0)
    yield gateway
    gateway.close()


def dataset(**eo: Any) -> dict[str, Dataset]:
    """One dataset with a name of its own."""
    block = {"source": "file", "options": {"href": "x.nc"}, "orgUnits": {"source": "geojson", "href": "x.json"}, **eo}
    return read_datasets({"resources": {f"d-{uuid4()}": {"type": "collection", "eo": block}}}, Path())


def schedule(**members: Any) -> dict[str, Any]:
    return {"name": "daily", "cron": "0 6 * * *", "inputs": {"start": "-P3D", "end": "P0D", "dryRun": True}, **members}


SETTINGS = Settings()
PAUSES = Pauses(ResultStore("memory://test-apply"))


def test_each_dataset_and_other_process_becomes_a_deployment_and_a_second_time_changes_nothing(
    gateway: PrefectGateway,
) -> None:
    enabled = dataset(schedules=[schedule()])
    (name,) = enabled
    first = apply_deployments(gateway, enabled, {"hello-world": {}, "eo-aggregate-import": {}}, SETTINGS, PAUSES)
    before = gateway.deployments.read()[name]
    second = apply_deployments(gateway, enabled, {"hello-world": {}, "eo-aggregate-import": {}}, SETTINGS, PAUSES)
    after = gateway.deployments.read()[name]
    assert name in first.created and "eo-aggregate-import" not in gateway.deployments.read()
    assert set(second.unchanged) == {name, "hello-world"} and not second.created + second.updated + second.retired
    assert [s.id for s in before.schedules] == [s.id for s in after.schedules]


def test_what_changed_is_replaced_and_keeps_its_id(gateway: PrefectGateway) -> None:
    enabled = dataset()
    (name,) = enabled
    apply_deployments(gateway, enabled, {}, SETTINGS, PAUSES)
    before = gateway.deployments.read()[name]
    changed = {name: enabled[name].model_copy(update={"title": "Another title"})}
    assert apply_deployments(gateway, changed, {}, SETTINGS, PAUSES).updated == [name]
    after = gateway.deployments.read()[name]
    assert (after.id, after.description) == (before.id, "Another title")


def test_what_the_file_no_longer_names_is_retired_and_comes_back(gateway: PrefectGateway) -> None:
    enabled = dataset(schedules=[schedule()])
    (name,) = enabled
    apply_deployments(gateway, enabled, {}, SETTINGS, PAUSES)
    assert name in apply_deployments(gateway, {}, {}, SETTINGS, PAUSES).retired
    retired = gateway.deployments.read()[name]
    assert RETIRED in retired.tags and retired.schedules == []
    assert name not in apply_deployments(gateway, {}, {}, SETTINGS, PAUSES).retired
    assert apply_deployments(gateway, enabled, {}, SETTINGS, PAUSES).updated == [name]
    back = gateway.deployments.read()[name]
    assert RETIRED not in back.tags and len(back.schedules) == 1 and back.id == retired.id


def test_a_schedule_creates_runs_with_its_own_inputs(gateway: PrefectGateway) -> None:
    enabled = dataset(schedules=[schedule(cron="* * * * *", timezone="Africa/Freetown")])
    (name,) = enabled
    apply_deployments(gateway, enabled, {}, SETTINGS, PAUSES)
    soon = datetime.now(UTC) + timedelta(minutes=5)
    until = time.monotonic() + 90
    planned: list[Job] = []
    while not planned and time.monotonic() < until:
        planned = [job for job in gateway.runs.list(1000, now=soon)[0] if job.deployment == name]
        time.sleep(0.5)
    apply_deployments(gateway, {}, {}, SETTINGS, PAUSES)
    assert planned and planned[0].created.second == 0
    assert planned[0].inputs == {"datasetId": name, "start": "-P3D", "end": "P0D", "dryRun": True}


def test_a_schedule_without_what_it_needs_is_paused_and_the_reason_given(gateway: PrefectGateway) -> None:
    enabled = dataset(
        source="era5-land",
        options={},
        orgUnits={"source": "dhis2", "level": 2},
        dhis2={"connection": "nowhere"},
        schedules=[schedule(), schedule(name="off", active=False)],
    )
    (name,) = enabled
    applied = apply_deployments(gateway, enabled, {}, SETTINGS, PAUSES)
    assert [s.active for s in gateway.deployments.read()[name].schedules] == [False, False]
    assert list(applied.paused) == [f"{name}/daily"]
    assert "there is no DHIS2 connection 'nowhere' (set EO_DHIS2_NOWHERE_URL" in applied.paused[f"{name}/daily"]
    assert "ECMWF_DATASTORES_KEY" in applied.paused[f"{name}/daily"]


def test_a_schedule_wants_the_key_of_its_provider(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (wanted,) = dataset(source="era5-land", options={"provider": "destine"}, schedules=[schedule()]).values()
    (mirrored,) = dataset(
        source="era5-land", options={"provider": "destine", "baseUrl": "/srv/x.zarr"}, schedules=[schedule()]
    ).values()
    missing = missing_for(wanted, wanted.schedules[0], SETTINGS)
    assert "there is no key for Destination Earth (set EO_DESTINE_KEY; register at https://earthdatahub" in missing
    assert missing_for(mirrored, mirrored.schedules[0], SETTINGS) == ""
    assert missing_for(wanted, wanted.schedules[0], SETTINGS.with_blocks({"EO_DESTINE_KEY": "k"})) == ""
    (tmp_path / "netrc").write_text("machine api.earthdatahub.destine.eu login edh password k\n")
    (tmp_path / "netrc").chmod(0o600)
    assert missing_for(wanted, wanted.schedules[0], SETTINGS) == ""


def test_a_schedule_that_imports_needs_a_connection_whatever_its_units() -> None:
    enabled = dataset(dhis2={"connection": "nowhere", "dataElement": "X"})
    (found,) = enabled.values()
    wanted = dataset(
        dhis2={"connection": "nowhere", "dataElement": "X"},
        schedules=[schedule(inputs={"start": "2025", "end": "2025", "dryRun": False})],
    )
    (importing,) = wanted.values()
    assert "EO_DHIS2_NOWHERE_URL" in missing_for(found, importing.schedules[0], SETTINGS)
    dry = dataset(schedules=[schedule()])
    (harmless,) = dry.values()
    assert missing_for(harmless, harmless.schedules[0], SETTINGS) == ""


def test_what_jobs_have_counts_and_not_what_apply_has(gateway: PrefectGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    enabled = dataset(orgUnits={"source": "dhis2", "level": 2}, dhis2={"connection": "far"}, schedules=[schedule()])
    (name,) = enabled
    elsewhere = SETTINGS.where_set(["EO_DHIS2_FAR_URL", "EO_DHIS2_FAR_TOKEN"])
    assert apply_deployments(gateway, enabled, {}, elsewhere, PAUSES).paused == {}
    assert [s.active for s in gateway.deployments.read()[name].schedules] == [True]
    monkeypatch.setenv("EO_DHIS2_FAR_URL", "https://far.example.org")  # of whoever applies
    without = apply_deployments(gateway, enabled, {}, SETTINGS.where_set([]), PAUSES)
    assert list(without.paused) == without.stopped == [f"{name}/daily"]
    again = apply_deployments(gateway, enabled, {}, SETTINGS.where_set([]), PAUSES)
    assert list(again.paused) == [f"{name}/daily"] and again.stopped == []
    assert apply_deployments(gateway, enabled, {}, SETTINGS, PAUSES).paused == {}


def test_a_block_that_changed_is_taken_up_although_prefect_need_not_know(gateway: PrefectGateway) -> None:
    enabled = dataset()
    (name,) = enabled
    assert apply_deployments(gateway, enabled, {}, SETTINGS, PAUSES).taken_up == []
    moved = {name: enabled[name].model_copy(update={"base": "/elsewhere"})}
    changed = {name: enabled[name].model_copy(update={"decimals": 1})}
    done = apply_deployments(gateway, changed, {}, SETTINGS, PAUSES)
    assert done.taken_up == done.otherwise == [name]
    again = apply_deployments(gateway, changed, {}, SETTINGS, PAUSES)
    assert again.taken_up == again.otherwise == [] and again.unchanged == [name]
    heard = {name: changed[name].model_copy(update={"notify": ["ops"]})}
    done = apply_deployments(gateway, heard, {}, SETTINGS, PAUSES)
    assert done.taken_up == [name] and done.otherwise == []  # the values are the same
    assert apply_deployments(gateway, moved, {}, SETTINGS, PAUSES).taken_up == [name]  # its files are others


def test_a_block_is_the_same_with_its_paths_made_absolute() -> None:
    (relative,) = dataset().values()
    absolute = relative.model_copy(
        update={
            "base": "/elsewhere",
            "options": relative.options.model_copy(update={"href": relative.resolve("x.nc")}),
            "org_units": OrgUnitsFromGeoJSON(source="geojson", href=relative.resolve("x.json")),
        }
    )
    moved = relative.model_copy(update={"base": "/elsewhere"})
    assert import_spec(relative, SETTINGS).block == import_spec(absolute, SETTINGS).block
    assert import_spec(relative, SETTINGS).block != import_spec(moved, SETTINGS).block


def set_active(prefect_api: str, gateway: PrefectGateway, dataset_id: str, active: bool) -> None:
    """Pause or resume the dataset's schedules as Prefect's own pages do."""
    deployment = gateway.deployments.read()[dataset_id]
    for known in deployment.schedules:
        url = f"{prefect_api}/deployments/{deployment.id}/schedules/{known.id}"
        requests.patch(url, json={"active": active}, timeout=30).raise_for_status()


def test_a_schedule_that_somebody_paused_stays_paused_and_gets_its_inputs_back(
    gateway: PrefectGateway, prefect_api: str
) -> None:
    enabled = dataset(schedules=[schedule()])
    (name,) = enabled
    apply_deployments(gateway, enabled, {}, SETTINGS, PAUSES)
    set_active(prefect_api, gateway, name, False)
    assert gateway.deployments.read()[name].schedules[0].parameters == {}  # Prefect 3.8 has wiped them

    applied = apply_deployments(gateway, enabled, {}, SETTINGS, PAUSES)

    assert applied.mended == {name: ["the inputs of schedule daily"]}
    assert applied.updated == [name] and list(applied.held) == [f"{name}/daily"]
    (mended,) = gateway.deployments.read()[name].schedules
    assert not mended.active and mended.parameters["inputs"]["start"] == "-P3D"
    again = apply_deployments(gateway, enabled, {}, SETTINGS, PAUSES)
    assert again.unchanged == [name] and list(again.held) == [f"{name}/daily"]

    changed = {name: enabled[name].model_copy(update={"title": "Another title"})}
    assert apply_deployments(gateway, changed, {}, SETTINGS, PAUSES).held.keys() == {f"{name}/daily"}
    assert not gateway.deployments.read()[name].schedules[0].active

    set_active(prefect_api, gateway, name, True)
    resumed = apply_deployments(gateway, changed, {}, SETTINGS, PAUSES)
    assert (
        resumed.mended == {name: ["the inputs of schedule daily"]}
        and resumed.held == {}
        and resumed.resumed == [f"{name}/daily"]
    )
    assert gateway.deployments.read()[name].schedules[0].active


def test_a_schedule_that_was_paused_here_is_known_to_be_at_once(gateway: PrefectGateway) -> None:
    enabled = dataset(schedules=[schedule()])
    (name,) = enabled
    apply_deployments(gateway, enabled, {}, SETTINGS, PAUSES)
    for active in (False, True):
        gateway.deployments.read()
        known = next(d for d in gateway.deployments.recent().values() if d.name == name)
        gateway.deployments.set_active(known, known.schedules[0], active, known.schedules[0].parameters)
        known = next(d for d in gateway.deployments.recent().values() if d.name == name)
        assert known.schedules[0].active == active


def test_what_somebody_changed_in_prefect_is_mended_and_said(gateway: PrefectGateway, prefect_api: str) -> None:
    enabled = dataset(schedules=[schedule(), schedule(name="off", active=False)], resume=2)
    (name,) = enabled
    apply_deployments(gateway, enabled, {}, SETTINGS, PAUSES)
    deployment = gateway.deployments.read()[name]
    url = f"{prefect_api}/deployments/{deployment.id}"
    ids = {known.slug: known.id for known in deployment.schedules}
    inputs = {"inputs": {"datasetId": name, "start": "-P3D", "end": "P0D", "dryRun": True}}
    cron = {"cron": "0 7 * * *", "timezone": "UTC"}
    answers = [
        requests.patch(url, json={"job_variables": {}, "description": "mine", "parameters": {}}, timeout=30),
        requests.patch(f"{url}/schedules/{ids['daily']}", json={"schedule": cron, "parameters": inputs}, timeout=30),
        requests.patch(f"{url}/schedules/{ids['off']}", json={"active": True, "parameters": inputs}, timeout=30),
        requests.post(f"{url}/schedules", json=[{"schedule": cron, "slug": "mine"}], timeout=30),
    ]
    assert all(answer.ok for answer in answers), [answer.text for answer in answers]

    applied = apply_deployments(gateway, enabled, {}, SETTINGS, PAUSES)

    assert applied.mended == {
        name: [
            *("its description", "its parameters", "its job variables"),
            "schedule mine, which the file does not have",
            *("the times of schedule daily", "the pause of schedule off"),
        ]
    }
    assert apply_deployments(gateway, enabled, {}, SETTINGS, PAUSES).unchanged == [name]
