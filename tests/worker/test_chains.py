"""What follows an import: a real Prefect server, a real worker, a receiver, and a DHIS2 with slow analytics."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from eo_pygeoapi.datasets.read import load_datasets
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.gateway.specs import import_spec, process_spec
from eo_pygeoapi.jobs.documents import JobLinks, status_document
from eo_pygeoapi.jobs.executions import Executions
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.store import ResultStore
from tests.servers import patient
from tests.stack import CHIRPS_SHAPE, base_config, collection
from tests.standins import chc, dhis2
from tests.watch.receiver import Receiver
from tests.worker.farm import Farm, patiently, until

DAYS = (date(2024, 1, 1), date(2024, 1, 2))
INPUTS = {"datasetId": "rain", "start": "2024-01-01", "end": "2024-01-02", "dryRun": False}
TARGET = {"connection": "national", "dataElement": "CHIRPS_PRECIPITATION", "dataSet": "CLIMATE_DAILY"}
AFTER = [
    {"analytics": True},
    {"dataset": "same-rain"},
    {"process": "hello-world", "inputs": {"name": "Ada"}},
    {"webhook": "forecast"},
]


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[tuple[dhis2.StandIn, chc.StandIn, Receiver]]:
    root = tmp_path / "chc"
    for day in DAYS:
        chc.make_day(root, day, "final", "rnl", np.asarray(chc.rain(day, CHIRPS_SHAPE)))
    with ExitStack() as stack:
        receiver = Receiver()
        stack.callback(receiver.close)
        yield stack.enter_context(dhis2.running()), stack.enter_context(chc.running(root)), receiver


def config_file(folder: Path, provider: str) -> Path:
    """Two datasets of the same values: the second changes nothing in DHIS2, and so nothing follows it."""
    config = base_config()
    config["eo"]["notify"] = {"forecast": {}}
    block: dict[str, Any] = {
        "source": "chirps3",
        "options": {"stage": "final", "baseUrl": provider},
        "orgUnits": {"source": "dhis2", "level": 2},
        "dhis2": TARGET,
    }
    config["resources"]["rain"] = collection("rain", **block, after=AFTER)
    config["resources"]["same-rain"] = collection("same-rain", **block, after=[{"process": "hello-world"}])
    path = folder / "chains.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def children(work: Farm, parent: str) -> list[Job]:
    """All jobs that another one has started, the latest first."""
    jobs, _ = patiently(lambda: work.gateway.runs.list(100))
    return [job for job in jobs if job.parent == parent]


@pytest.mark.slow
def test_an_import_is_followed_by_each_thing_once(
    work: Farm, outside: tuple[dhis2.StandIn, chc.StandIn, Receiver], tmp_path: Path
) -> None:
    server, provider, receiver = outside
    server.analytics_takes(1e6)
    path, data = config_file(tmp_path, provider.url), tmp_path / "data"
    for dataset in load_datasets(path).values():
        patiently(lambda dataset=dataset: work.gateway.deployments.put(import_spec(dataset, Settings())))  # type: ignore[misc]
    patiently(lambda: work.gateway.deployments.put(process_spec("hello-world")))
    work.worker(
        data,
        PYGEOAPI_CONFIG=str(path),
        EO_DHIS2_NATIONAL_URL=server.url,
        EO_DHIS2_NATIONAL_TOKEN=server.token,
        EO_NOTIFY_FORECAST_URL=receiver.url,
        EO_CONCURRENCY="1",
    )

    def get(id_: str) -> Job:
        return patiently(lambda: work.gateway.runs.get(id_))

    job = patiently(lambda: work.gateway.runs.submit("rain", {"inputs": INPUTS})).id
    waiting = until(lambda: found if (found := get(job)).state_name == "AwaitingAnalytics" else None, 600)
    assert waiting.status == "accepted" and waiting.message.startswith("imported; waits for DHIS2's analytics (")
    assert not children(work, job) and not receiver.got

    # analytics goes on, and holds up no other job of a worker that has one place
    other = patiently(lambda: work.gateway.runs.submit("test-empty", {})).id
    until(lambda: get(other).status == "successful", 600)
    server.analytics_takes(0)
    now_due = {"state": {"type": "SCHEDULED", "name": "AwaitingAnalytics"}, "force": True}
    patient().post(f"{work.prefect_api}/flow_runs/{job}/set_state", json=now_due, timeout=60).raise_for_status()
    done = until(lambda: found if (found := get(job)).status not in ("accepted", "running") else None, 600)
    assert done.status == "successful" and "; visible in DHIS2 since " in done.message, done.message
    assert "after its next run" not in done.message

    started = until(lambda: found if len(found := children(work, job)) == 2 else None)
    until(lambda: all(get(child.id).status == "successful" for child in started), 600)
    assert {child.deployment for child in started} == {"same-rain", "hello-world"}
    same = next(child for child in started if child.deployment == "same-rain")
    assert same.inputs == {**INPUTS, "datasetId": "same-rain"}
    assert children(work, same.id) == []

    (told,) = until(lambda: receiver.got)
    assert (told["jobID"], told["status"], told["importSummary"]["imported"]) == (job, "successful", 26), told
    store = ResultStore(str(data / "results"))
    executions = Executions(work.gateway, store, Settings().model_copy(update={"config": path}))
    until(lambda: all(link["status"] == "successful" for link in executions.details(get(job)).more["after"]))
    document = status_document(get(job), JobLinks("http://eo"), executions.details(get(job)))
    assert [next(iter(link)) for link in document["after"]] == ["analytics", "dataset", "process", "webhook"]  # type: ignore[attr-defined]
    assert set(document["childJobs"]) == {child.id for child in started}  # type: ignore[call-overload]
    assert status_document(get(same.id), JobLinks("http://eo"))["parentJobID"] == job

    # once more: nothing is changed, and nothing follows
    again = patiently(lambda: work.gateway.runs.submit("rain", {"inputs": INPUTS})).id
    until(lambda: get(again).status == "successful", 600)
    time.sleep(2)
    assert len(server.log("POST", "/api/resourceTables/analytics")) == 1 and len(receiver.got) == 1
    assert children(work, again) == []
