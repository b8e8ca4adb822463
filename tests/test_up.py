"""What `up` keeps going: schedules that people handle in Prefect, and a Prefect server that dies."""

import json
import os
import platform
import signal
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import yaml

from tests.stack import FAR, SCHEDULED, Stack, base_config, up
from tests.watch.conftest import receiver as receiver
from tests.watch.receiver import Receiver
from tests.worker.farm import until


def prefect(method: str, url: str, **kwargs: Any) -> Any:
    """Ask Prefect itself, again where two writes of SQLite collide; returns the JSON of its answer."""
    until = time.monotonic() + 60
    while (answer := requests.request(method, url, timeout=30, **kwargs)).status_code == 503:
        assert time.monotonic() < until, answer.text
        time.sleep(0.5)
    answer.raise_for_status()
    return answer.json() if answer.content else None


@pytest.mark.slow
def test_a_schedule_that_was_paused_and_resumed_in_prefect_runs_with_its_inputs(scheduled: Stack) -> None:
    api, before = scheduled.prefect_api, {job["jobID"] for job in scheduled.jobs()}
    name = f"{api}/deployments/name/eo_aggregate_import_v1/sample-temperature"
    deployment = prefect("get", name)
    (schedule,) = deployment["schedules"]
    for active in (False, True):  # as Prefect's pages do
        url = f"{api}/deployments/{deployment['id']}/schedules/{schedule['id']}"
        prefect("patch", url, json={"active": active})
    (wiped,) = prefect("get", name)["schedules"]
    assert wiped["active"] and wiped["parameters"] == {}

    new_year = datetime(datetime.now(UTC).year, 1, 1, tzinfo=UTC)
    fire = {"start_time": new_year.isoformat(), "end_time": (new_year + timedelta(hours=1)).isoformat()}
    prefect("post", f"{api}/deployments/{deployment['id']}/schedule", json=fire)
    job = until(lambda: next((job for job in scheduled.jobs() if job["jobID"] not in before), None))
    ended = scheduled.ended(f"/jobs/{job['jobID']}")
    assert ended["status"] == "successful" and "values" in ended["message"], ended
    result = scheduled.get(f"/jobs/{job['jobID']}/results?f=json").json()
    assert result["rowCount"] == 12  # six units, two days
    run = prefect("get", f"{api}/flow_runs/{job['jobID']}")
    assert run["parameters"]["inputs"] == {**SCHEDULED, "datasetId": "sample-temperature"}

    applied = scheduled.command("apply", "--data-dir", str(scheduled.folder))
    assert applied.returncode == 0, applied.stderr
    assert "mended sample-temperature, for in Prefect somebody had changed the inputs of schedule yearly" in (
        applied.stdout
    )
    (mended,) = prefect("get", name)["schedules"]
    assert mended["parameters"] == {"inputs": {**SCHEDULED, "datasetId": "sample-temperature"}}


def test_apply_in_another_terminal_pauses_nothing_and_says_what_was_taken_up(scheduled: Stack) -> None:
    assert "far-token" not in (scheduled.folder / "up.json").read_text()
    other = replace(scheduled, environment=scheduled.environment | dict.fromkeys([*FAR, "EO_DATA_DIR"], ""))
    config = yaml.safe_load(scheduled.config.read_text())
    config["resources"]["rain"]["eo"]["decimals"] = 1
    config["eo"]["notify"] = {"ops": {}}
    scheduled.config.write_text(yaml.safe_dump(config, sort_keys=False))
    applied = other.command("apply", "--data-dir", str(scheduled.folder))
    assert applied.returncode == 0, applied.stderr
    lines = applied.stdout.splitlines()
    assert "taken up: rain" in lines and any(line.startswith("unchanged: sample-temperature") for line in lines), lines
    assert "note: channel ops has no address, so nothing can be sent to it: set EO_NOTIFY_OPS_URL" in applied.stdout
    assert "paused" not in applied.stdout + applied.stderr
    name = f"{scheduled.prefect_api}/deployments/name/eo_aggregate_import_v1/rain"
    assert [s["active"] for s in prefect("get", name)["schedules"]] == [True]
    sample = yaml.safe_load((scheduled.folder / "pygeoapi-config.yml").read_text())["resources"]["sample-temperature"]
    assert sample["eo"]["options"]["href"] == str(scheduled.folder / "sample/temperature.nc")


def test_a_prefect_server_that_is_killed_is_started_again_and_said(scheduled: Stack) -> None:
    def pid() -> int:
        return int(json.loads((scheduled.folder / "up.json").read_text())["pids"]["prefect-server"])

    killed = pid()
    os.kill(killed, signal.SIGKILL)
    until(lambda: pid() != killed)
    until(lambda: scheduled.get("/ready").status_code == 200, 200)
    said = (scheduled.folder.parent / "up.log").read_text()
    assert "the Prefect server ended with status -9; another is started" in said
    assert scheduled.result(datasetId="sample-temperature", **SCHEDULED)["rowCount"] == 12


def test_a_web_process_that_is_killed_is_started_again_and_takes_nothing_else_with_it(scheduled: Stack) -> None:
    def pids() -> dict[str, int]:
        found: dict[str, int] = json.loads((scheduled.folder / "up.json").read_text())["pids"]
        return found

    before = pids()
    orphans = psutil.Process(before["web"]).children()  # they answer until they see that their master is gone
    os.kill(before["web"], signal.SIGKILL)
    until(lambda: pids()["web"] != before["web"])
    assert psutil.wait_procs(orphans, 60)[1] == []
    until(lambda: answers(scheduled), 120)
    assert {name: pid for name, pid in pids().items() if name != "web"} == {
        name: pid for name, pid in before.items() if name != "web"
    }
    assert "the web process ended with status -9; another is started" in (
        (scheduled.folder.parent / "up.log").read_text()
    )


def answers(stack: Stack) -> bool:
    try:
        return stack.get("/ready").ok
    except requests.ConnectionError:
        return False


def test_ready_names_the_datasets_that_are_not_applied_yet(scheduled: Stack) -> None:
    ready = scheduled.get("/ready").json()
    assert ready["checks"]["datasets"] == {"status": "ok"}
    # each worker with the age of its last sign of life, and where no tokens are asked for its name
    assert [worker["silentSeconds"] < 90 for worker in ready["workers"]] == [True]
    assert ready["workers"][0]["name"].startswith(f"{platform.node()} ")
    url = f"{scheduled.prefect_api}/deployments/name/eo_aggregate_import_v1/sample-temperature"
    id_ = prefect("get", url)["id"]
    retired = {"tags": ["eo-pygeoapi", "retired"]}
    prefect("patch", f"{scheduled.prefect_api}/deployments/{id_}", json=retired)
    answer = scheduled.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"]["datasets"]["detail"] == "not applied yet: sample-temperature"


def test_the_vacuum_of_its_prefect_removes_no_runs(scheduled: Stack) -> None:
    settings = prefect("get", f"{scheduled.prefect_api}/admin/settings")["server"]
    assert sorted(settings["services"]["db_vacuum"]["enabled"]) == ["events", "orphans"]
    assert settings["events"]["retention_period"] == "P7D"


@pytest.mark.slow
def test_a_child_that_dies_again_and_again_is_given_up_and_a_channel_is_told(
    tmp_path: Path, receiver: Receiver
) -> None:
    config = base_config()
    config["eo"]["notify"] = {"ops": {}}
    with up(tmp_path, config, {"EO_NOTIFY_OPS_URL": receiver.url}) as stack:
        last = 0
        while stack.process.poll() is None:
            with suppress(FileNotFoundError):  # it is removed when the stack has stopped
                pid = int(json.loads((stack.folder / "up.json").read_text())["pids"]["watch"])
                if pid != last:
                    os.kill(last := pid, signal.SIGKILL)
            time.sleep(0.2)
        assert stack.process.returncode == 1
    assert [got["title"] for got in receiver.taken] == ["eo_pygeoapi: no worker is alive"]
    message = receiver.taken[0]["message"]
    assert "`eo-pygeoapi up` has stopped, for the watch died again and again" in message
    assert f"All problems: {stack.url}/problems" in message
