"""An upgrade under load, and back, as docs/servers.md says: no request and no job is lost."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
import yaml

import eo_pygeoapi
from eo_pygeoapi.commands.configuration.effective_config import write_effective
from eo_pygeoapi.commands.running import CONFIG, OPENAPI
from eo_pygeoapi.commands.up.sample import make_sample
from eo_pygeoapi.store.store import ResultStore
from tests.postgres import postgres, url
from tests.servers import free_port, prefect_server, running, wait_for
from tests.stack import PROCESS, base_config, collection

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
# requests wait while processes of the new release start: seconds, and minutes where much else runs on the machine
PATIENCE = 240
DATABASE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
INPUTS = {"datasetId": "heat", "start": "2025-07-01", "end": "2025-07-02"}


def release(folder: Path, version: str) -> Path:
    """Copy this package under a version number; its `/health` says which release answers."""
    site = Path(eo_pygeoapi.__file__).parents[1]
    for name in ("eo_pygeoapi", "flows"):
        shutil.copytree(site / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (installed,) = (path for path in map(Path, sys.path) for path in path.glob("eo_pygeoapi-*.dist-info"))
    about = folder / "eo_pygeoapi-0.dist-info"
    shutil.copytree(installed, about)
    lines = (about / "METADATA").read_text().splitlines()
    (about / "METADATA").write_text(
        "\n".join(f"Version: {version}" if line.startswith("Version:") else line for line in lines)
    )
    health = folder / "eo_pygeoapi" / "api" / "health.py"
    text = health.read_text()
    says = '{"status": "ok"}, "health.html"'
    assert says in text
    health.write_text(text.replace(says, f'{{"status": "ok", "release": "{version}"}}, "health.html"'))
    return folder


@dataclass
class Load:
    """What clients have asked all the time, and the jobs that they have submitted."""

    url: str
    statuses: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    longest: float = 0.0
    put_off: int = 0

    def ask(self, method: str, path: str, expected: int, body: object = None) -> None:
        begun = time.monotonic()
        try:
            while (answer := requests.request(method, self.url + path, json=body, timeout=PATIENCE)).status_code == 503:
                # where Prefect does not answer in time, for much else runs on the machine
                self.put_off += 1
                time.sleep(int(answer.headers["Retry-After"]))
        except requests.RequestException as error:
            self.wrong.append(f"{method} {path}: {error!r}")
            return
        if answer.status_code != expected:
            self.wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        elif expected == 201:
            self.jobs.append(answer.json()["jobID"])
        self.longest = max(self.longest, time.monotonic() - begun)
        self.statuses[path] = self.statuses.get(path, 0) + 1


@contextmanager
def under_load(url: str) -> Iterator[Load]:
    load, stop = Load(url), threading.Event()
    asked = [
        ("GET", "/collections/heat/items?f=json&limit=5", 200, 0.1),
        ("GET", "/jobs?f=json", 200, 0.3),
        ("GET", f"/processes/{PROCESS}?f=json", 200, 0.1),
        ("POST", f"/processes/{PROCESS}/execution", 201, 4.0),
    ]

    def keep_asking(method: str, path: str, expected: int, pause: float) -> None:
        while not stop.wait(pause):
            load.ask(method, path, expected, {"inputs": INPUTS} if method == "POST" else None)

    threads = [threading.Thread(target=keep_asking, args=one) for one in asked]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@dataclass
class Installation:
    """Services that run from one folder of code, as from one virtual environment."""

    folder: Path
    code: Path
    environment: dict[str, str]
    url: str
    web: "subprocess.Popen[bytes]"
    worker: "subprocess.Popen[bytes]"

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "eo_pygeoapi", *arguments],
            env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    def install(self, source: Path) -> None:
        """Put other files in place of those there, one after the other, as pip does."""
        shutil.copytree(source, self.code, dirs_exist_ok=True)

    def reload_api(self, version: str) -> None:
        """`systemctl reload eo-api`, and wait until processes of the new release alone answer."""
        self.web.send_signal(signal.SIGHUP)
        until, seen = time.monotonic() + PATIENCE, list[str]()
        while seen[-10:] != [version] * 10:
            assert time.monotonic() < until, seen[-20:]
            seen.append(requests.get(f"{self.url}/health", timeout=PATIENCE).json().get("release", ""))
            time.sleep(0.2)

    def restart_worker(self) -> None:
        """`systemctl restart eo-worker`."""
        self.worker.send_signal(signal.SIGTERM)
        assert self.worker.wait(130) == 0
        self.worker = started([sys.executable, "-m", "eo_pygeoapi", "worker"], self.folder, self.environment)


def started(command: list[str], folder: Path, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    with (folder / "worker.log").open("ab") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **environment}
        )


@contextmanager
def installed(folder: Path, code: Path) -> Iterator[Installation]:
    """Run it all on PostgreSQL, for a locked SQLite refuses a submission now and then, upgraded or not."""
    config = base_config()
    del config["resources"]["two-outputs"], config["resources"]["echo"]
    make_sample(folder)
    options, units = {"href": "temperature.nc", "variable": "t2m"}, {"source": "geojson", "href": "districts.geojson"}
    config["resources"]["heat"] = collection(
        "heat", source="file", options=options, units={"from": "K", "to": "degC"}, orgUnits=units
    )
    (edited := folder / "my-config.yml").write_text(yaml.safe_dump(config))
    port, log = free_port(), folder / "web.log"
    effective = write_effective(edited, folder, port)
    with postgres(folder) as database, prefect_server(folder, variables={DATABASE: url(database)}) as api:
        environment = {
            "PYTHONPATH": str(code),
            "PYTHONSAFEPATH": "1",  # not the folder that tests run in
            "PREFECT_API_URL": api,
            "PYGEOAPI_CONFIG": str(effective),
            "PYGEOAPI_OPENAPI": str(folder / OPENAPI),
            "EO_DATA_DIR": str(folder / "data"),
            "EO_STOP_GRACE_SECONDS": "60",
        }
        done = subprocess.run(
            [sys.executable, "-m", "eo_pygeoapi", "apply", "--config", str(effective)],
            env={**os.environ, **environment}, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        web = [*(sys.executable, "-m", "gunicorn", "eo_pygeoapi.flask_app:APP"), "--bind", f"127.0.0.1:{port}"]
        web += ["--worker-class", "gthread", "--workers", "2", "--threads", "8", "--graceful-timeout", "30"]
        with running(web, log, environment) as process:
            wait_for(f"http://127.0.0.1:{port}/conformance?f=json", process, log)
            worker = started([sys.executable, "-m", "eo_pygeoapi", "worker"], folder, environment)
            here = Installation(folder, code, environment, f"http://127.0.0.1:{port}", process, worker)
            try:
                yield here
            finally:
                here.worker.send_signal(signal.SIGTERM)
                here.worker.send_signal(signal.SIGTERM)
                here.worker.wait(60)


def ended(url: str, job: str) -> str:
    until = time.monotonic() + 240
    while time.monotonic() < until:
        found = requests.get(f"{url}/jobs/{job}?f=json", timeout=30).json()
        if found["status"] in ("successful", "failed", "dismissed"):
            return f"{found['status']}: {found['message']}" if found["status"] != "successful" else "successful"
        time.sleep(0.3)
    return f"not ended: {found}"


def releases_of_workers(place: Installation) -> set[str]:
    store = ResultStore(str(place.folder / "data" / "results"))
    return {store.read_json(key)["version"] for key in store.keys("workers")}


def wait_for_release(place: Installation, version: str) -> None:
    until = time.monotonic() + 120
    while releases_of_workers(place) != {version}:
        assert time.monotonic() < until, (place.folder / "worker.log").read_text()[-3000:]
        time.sleep(0.5)


def test_an_upgrade_under_load_and_back_loses_no_request_and_no_job(tmp_path: Path) -> None:
    old, new = release(tmp_path / "old", "1.0.0"), release(tmp_path / "new", "99.0.0")
    shutil.copytree(old, code := tmp_path / "code")
    with installed(tmp_path, code) as place:
        wait_for_release(place, "1.0.0")
        with under_load(place.url) as load:
            time.sleep(4)
            for source, version in ((new, "99.0.0"), (old, "1.0.0")):
                before = releases_of_workers(place)
                place.install(source)
                applied = place.command("apply", "--config", str(tmp_path / CONFIG))
                assert applied.returncode == 0, applied.stdout + applied.stderr
                place.reload_api(version)
                checked = place.command("check", "--config", str(tmp_path / CONFIG))
                said = " ".join((checked.stdout + checked.stderr).split())
                which = "the worker" if version == "99.0.0" else "this installation"
                assert f"has eo-pygeoapi {before.pop()}, this installation {version}; upgrade {which}" in said
                place.restart_worker()
                wait_for_release(place, version)
                time.sleep(3)
        outcomes = {job: ended(place.url, job) for job in load.jobs}
        print(f"{sum(load.statuses.values())} requests, the longest took {load.longest:.1f} s")
        print(f"{len(load.jobs)} jobs; {load.put_off} requests were put off by a 503; wrong: {load.wrong}")
        assert load.wrong == []
        assert set(outcomes.values()) == {"successful"} and len(outcomes) > 10, outcomes
        listed = requests.get(f"{place.url}/jobs?f=json&limit=1000", timeout=30).json()["jobs"]
        assert {job["jobID"] for job in listed} >= set(load.jobs)
        assert len(load.statuses) == 4 and min(load.statuses.values()) > 10
