"""`eo-pygeoapi schedules …`, as people call it, beside a Prefect server."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from eo_pygeoapi.commands.configuration.applying import apply_to_prefect
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.settings import Settings
from tests.command_line import eo_pygeoapi
from tests.stack import base_config, collection

INPUTS = {"start": "-P3D", "end": "P0D", "dryRun": True}
SCHEDULES = [
    {"name": "daily", "cron": "0 6 * * *", "inputs": INPUTS},
    {"name": "off", "cron": "0 7 * * *", "active": False, "inputs": INPUTS},
]


@dataclass
class Terminal:
    """Where a person calls commands."""

    folder: Path
    prefect_api: str

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        own = {"EO_DATA_DIR": str(self.folder / "data"), "PREFECT_API_URL": self.prefect_api}
        return eo_pygeoapi(*arguments, environment=own, cwd=self.folder)

    def listed(self) -> dict[str, dict[str, Any]]:
        done = self.call("schedules", "list", "--json")
        assert done.returncode == 0, done.stderr
        return {found["name"]: found for found in json.loads(done.stdout)["schedules"]}


@pytest.fixture
def terminal(tmp_path: Path, prefect_api: str) -> Iterator[Terminal]:
    config = base_config()
    more = {"orgUnits": {"source": "geojson", "href": "x.json"}, "schedules": SCHEDULES}
    config["resources"] = {"by-hand": collection("by-hand", source="file", options={"href": "x.nc"}, **more)}
    (tmp_path / "pygeoapi-config.yml").write_text(yaml.safe_dump(config))
    settings = Settings().model_copy(update={"prefect_api_url": prefect_api, "data_dir": tmp_path / "data"})
    apply_to_prefect(tmp_path / "pygeoapi-config.yml", settings)
    yield Terminal(tmp_path, prefect_api)


@pytest.mark.slow
def test_a_person_lists_pauses_resumes_and_runs_schedules(terminal: Terminal, prefect_api: str) -> None:
    paused = terminal.call("schedules", "pause", "by-hand/daily", "--reason", "it is [too] wet")
    assert paused.returncode == 0 and "by-hand/daily: paused" in paused.stdout, paused.stderr
    found = terminal.listed()
    assert (found["daily"]["pausedBy"], found["daily"]["reason"]) == ("person", "it is [too] wet")
    assert (found["off"]["pausedBy"], len(found["off"]["next"])) == ("file", 5)
    ran = terminal.call("schedules", "run", "by-hand/daily")
    gateway = PrefectGateway(prefect_api, read_timeout=30.0)
    assert gateway.runs.get(ran.stdout.strip()).inputs == {**INPUTS, "datasetId": "by-hand"}
    gateway.close()
    assert "it is [too] wet" in terminal.call("schedules", "list").stdout
    status = terminal.call("status")
    assert "daily paused by a person since " in " ".join(status.stdout.split())
    resumed = terminal.call("schedules", "resume", "by-hand/daily")
    assert resumed.returncode == 0 and resumed.stdout == "by-hand/daily: active\n"
    table = terminal.call("schedules", "list").stdout
    assert "by-hand/daily" in table and "paused: the configuration file says `active: false`" in table


def test_what_cannot_be_done_is_said(terminal: Terminal) -> None:
    off = terminal.call("schedules", "resume", "by-hand/off")
    assert off.returncode == 1
    assert "by-hand/off is not active: the configuration file says `active: false`" in off.stderr
    unknown = terminal.call("schedules", "pause", "by-hand/weekly")
    assert unknown.returncode == 1 and "has no schedule 'weekly' (there are: daily, off)" in unknown.stderr
    assert "allowed: DATASET/NAME" in terminal.call("schedules", "run", "daily").stderr
