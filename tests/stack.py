"""The whole of eo_pygeoapi as operations staff run it, `eo-pygeoapi up`, beside stand-ins of the outside world."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from calendar import monthrange
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import requests
import yaml

from tests.command_line import eo_pygeoapi
from tests.servers import running
from tests.standins import chc

CHECKOUT = Path(__file__).parents[1]
SHARED = CHECKOUT.parent / "shared" / "data"
PROCESS = "eo-aggregate-import"
CHIRPS_SHAPE = (76, 76)
RAINY_MONTH = (2024, 1)
# name, variable, time zone
ERA5_DATASETS = (
    ("rain", "total_precipitation", "UTC"),
    ("rain-nairobi", "total_precipitation", "Africa/Nairobi"),
    ("rain-lima", "total_precipitation", "America/Lima"),
    ("temperature", "2m_temperature", "UTC"),
)
# a connection that nobody asks, and a schedule that is due at New Year
FAR = {"EO_DHIS2_FAR_URL": "https://far.example.org", "EO_DHIS2_FAR_TOKEN": "far-token"}
SCHEDULED = {"start": "2025-07-01", "end": "2025-07-02", "dryRun": True}
YEARLY = {"name": "yearly", "cron": "0 0 1 1 *", "timezone": "UTC", "active": True, "inputs": SCHEDULED}


@dataclass
class Stack:
    """A running stack, and how tests talk to it."""

    url: str
    prefect_api: str
    folder: Path
    config: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]

    def get(self, path: str, **kwargs: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=30, **kwargs)

    def execute(self, body: Any, process: str = PROCESS, **headers: str) -> requests.Response:
        return requests.post(f"{self.url}/processes/{process}/execution", json=body, headers=headers, timeout=60)

    def submit(self, process: str = PROCESS, **inputs: Any) -> str:
        """Execute, expecting a job; returns the job's path."""
        answer = self.execute({"inputs": inputs}, process)
        assert answer.status_code == 201, answer.text
        return f"/jobs/{answer.json()['jobID']}"

    def ended(self, job: str, seconds: float = 120) -> dict[str, Any]:
        """Wait until the job has ended and return its status."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            status: dict[str, Any] = self.get(f"{job}?f=json").json()
            if status["status"] in ("successful", "failed", "dismissed"):
                return status
            time.sleep(0.3)
        raise AssertionError(f"{job} has not ended: {status}\n{self.log('worker')}")

    def result(self, **inputs: Any) -> dict[str, Any]:
        """Execute, wait for success and return the result, with the job's id."""
        job = self.submit(**inputs)
        status = self.ended(job)
        assert status["status"] == "successful", f"{status}\n{self.log('worker')}"
        result: dict[str, Any] = self.get(f"{job}/results?f=json").json()
        return result | {"jobID": job.rsplit("/", 1)[-1]}

    def failure(self, **inputs: Any) -> str:
        """Execute, expecting the job to fail; returns its message."""
        status = self.ended(self.submit(**inputs))
        assert status["status"] == "failed", status
        return str(status["message"])

    def features(self, dataset: str, **parameters: Any) -> list[dict[str, Any]]:
        query = {"f": "json", "limit": 10000, **parameters}
        features: list[dict[str, Any]] = self.get(f"/collections/{dataset}/items", params=query).json()["features"]
        return features

    def jobs(self) -> list[dict[str, Any]]:
        jobs: list[dict[str, Any]] = self.get("/jobs?f=json&limit=1000").json()["jobs"]
        return jobs

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `eo-pygeoapi …` beside the stack."""
        return subprocess.run(
            [sys.executable, "-m", "eo_pygeoapi", *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=120,
        )

    def command_here(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `eo-pygeoapi …` in this process, as if beside the stack: that is sooner done."""
        return eo_pygeoapi(*arguments, environment=self.environment)

    def log(self, name: str) -> str:
        return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")[-4000:]


@contextmanager
def up(folder: Path, config: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Stack]:
    """Run `eo-pygeoapi up` on free ports, with its data and configuration in the folder."""
    path, data = folder / "my-config.yml", folder / "data"
    path.write_text(yaml.safe_dump(dict(config), sort_keys=False))
    command = [sys.executable, "-m", "eo_pygeoapi", "up", "--config", str(path), "--data-dir", str(data)]
    log = folder / "up.log"
    own = {**environment, "EO_DATA_DIR": str(data)}
    own["PYTHONPATH"] = os.pathsep.join(filter(None, [str(CHECKOUT), environment.get("PYTHONPATH", "")]))
    before = log.stat().st_size if log.exists() else 0
    with running([*command, "--port", "0", "--prefect-port", "0"], log, own, signal.SIGINT) as process:
        until = time.monotonic() + 240
        while "Ctrl-C stops everything" not in log.read_text()[before:]:
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.2)
        state = json.loads((data / "up.json").read_text())
        prefect_api = f"http://127.0.0.1:{state['prefect_port']}/api"
        yield Stack(f"http://localhost:{state['port']}", prefect_api, data, path, own, process)


def base_config() -> dict[str, Any]:
    """The shipped configuration, reduced to the process and the sample."""
    config: dict[str, Any] = yaml.safe_load((CHECKOUT / "pygeoapi-config.yml").read_text())
    shipped = config["resources"]
    config["resources"] = {name: shipped[name] for name in (PROCESS, "sample-temperature")}
    config["resources"]["hello-world"] = {"type": "process", "processor": {"name": "HelloWorld"}}
    two = {"name": "tests.ogc.plugins.TwoOutputs"}
    config["resources"]["two-outputs"] = {"type": "process", "processor": two}
    config["resources"]["echo"] = {"type": "process", "processor": {"name": "eo_pygeoapi.echo.EchoProcessor"}}
    return config


def collection(dataset: str, **eo: Any) -> dict[str, Any]:
    """A resource for a dataset with this `eo:` block."""
    return {
        "type": "collection",
        "title": dataset,
        "description": dataset,
        "keywords": ["test"],
        "extents": {
            "spatial": {"bbox": [-14, 6, -10, 11], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"},
        },
        "providers": [
            {"type": "feature", "name": "eo_pygeoapi.provider.ResultsProvider", "data": dataset, "id_field": "id"},
        ],
        "eo": eo,
    }


def documented_datasets() -> dict[str, Any]:
    """The two datasets whose YAML stands in docs/datasets.md, with their files where the shared data are."""
    blocks = re.findall(r"```yaml\n(  .*?)```", (CHECKOUT / "docs" / "datasets.md").read_text(), re.DOTALL)
    found: dict[str, Any] = {}
    for block in blocks:
        found |= yaml.safe_load(block)
    for resource in found.values():
        for member in ("options", "orgUnits"):
            resource["eo"][member]["href"] = str(SHARED / resource["eo"][member]["href"])
    return found


def make_rain(root: Path, month: tuple[int, int] = RAINY_MONTH) -> None:
    """Write a month of CHIRPS days below the root of the stand-in."""
    for day in range(1, monthrange(*month)[1] + 1):
        moment = date(*month, day)
        chc.make_day(root, moment, "final", "rnl", np.asarray(chc.rain(moment, CHIRPS_SHAPE)))
