"""The API, and the commands beside it, where only the requirements of the API's image are installed."""

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
import requests
import yaml

from eo_pygeoapi.commands.configuration.effective_config import write_effective
from eo_pygeoapi.commands.running import CONFIG, OPENAPI
from eo_pygeoapi.commands.up.sample import make_sample
from eo_pygeoapi.store.store import ResultStore
from tests.servers import free_port, running, wait_for
from tests.stack import CHECKOUT, base_config
from tests.store.results_data import daily, publish
from tests.test_containers import pinned

PYTHON = [sys.executable, "-S"]  # without the libraries of this environment


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the API's image has installed, as links to what is installed here."""
    folder = tmp_path_factory.mktemp("libraries")
    for name in ("eo_pygeoapi", "flows"):
        (folder / name).symlink_to(CHECKOUT / name)
    for name in [*(requirement.name for requirement in pinned("requirements-api.txt")), "eo-pygeoapi"]:
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:  # of another system
            continue
        for file in distribution.files or ():
            top = file.parts[0]
            if top != ".." and not (folder / top).exists() and top != "__pycache__":
                (folder / top).symlink_to(Path(str(distribution.locate_file(top))))
    return folder


@pytest.fixture
def environment(libraries: Path, tmp_path: Path) -> dict[str, str]:
    """That of the API in a folder of its own, with the sample and some values published."""
    config = base_config()
    del config["resources"]["two-outputs"]
    (tmp_path / "my-config.yml").write_text(yaml.safe_dump(config))
    publish(
        ResultStore(str(tmp_path / "results")), "job", daily(["OuA"], date(2025, 7, 1), 3), dataset="sample-temperature"
    )
    make_sample(tmp_path / "sample")
    return {
        "PYTHONPATH": str(libraries),
        "EO_DATA_DIR": str(tmp_path),
        "PYGEOAPI_CONFIG": str(tmp_path / CONFIG),
        "PYGEOAPI_OPENAPI": str(tmp_path / OPENAPI),
        "PREFECT_API_URL": "http://127.0.0.1:1/api",
    }


def run(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*PYTHON, "-m", "eo_pygeoapi", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120)


def test_the_api_serves_what_is_published(environment: Mapping[str, str], tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "web.log"
    write_effective(tmp_path / "my-config.yml", tmp_path, port)
    command = [*PYTHON, "-m", "gunicorn", "eo_pygeoapi.flask_app:APP", "--bind", f"127.0.0.1:{port}"]
    with running([*command, "--worker-class", "gthread", "--threads", "4"], log, environment) as process:
        here = f"http://127.0.0.1:{port}"
        wait_for(f"{here}/conformance?f=json", process, log)
        items = requests.get(f"{here}/collections/sample-temperature/items?f=json", timeout=30).json()
        assert [feature["properties"]["value"] for feature in items["features"]] == [1.0, 2.0, 3.0]
        for path in (
            "datasets",
            "processes/eo-aggregate-import",
            "collections",
            "datasets/sample-temperature/coverage",
        ):
            answer = requests.get(f"{here}/{path}?f=json", timeout=30)
            assert answer.ok, (path, answer.text)


def test_a_command_that_executes_jobs_says_which_extra_is_missing(environment: Mapping[str, str]) -> None:
    for command in ("worker", "up", "demo"):
        refused = run(environment, command)
        assert refused.returncode == 1 and "Traceback" not in refused.stderr, refused.stderr
        assert "are not installed: cftime, dask, dhis2eo," in refused.stderr
        assert "`pip install 'eo-pygeoapi[worker]'`" in refused.stderr


def test_a_check_opens_no_data(environment: Mapping[str, str], tmp_path: Path) -> None:
    write_effective(tmp_path / "my-config.yml", tmp_path, 5000)
    checked = run(environment, "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "files that datasets name are not opened here: the extra `worker` is not installed" in checked.stdout


def test_other_commands_need_no_science(libraries: Path) -> None:
    parts = ("configuration.applying", "configuration.online", "dhis2.setup", "dhis2.check")
    names = (*parts, "watching", "backup", "undoing")
    command = [*PYTHON, "-c", "; ".join(f"import eo_pygeoapi.commands.{name}" for name in names)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(libraries)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
