"""docs/servers.md from its first command to its last, on a machine of its own, as root types them."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.test_blocks import blocks_of
from tests.docs.test_servers import DOCUMENT, UNITS
from tests.private_machine import PrivateMachine, can_have_machines, private_machine
from tests.stack import CHECKOUT, PROCESS, base_config, collection
from tests.standins import systemctl
from tests.standins.dhis2_metadata import default_metadata

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not can_have_machines(), reason="needs to be root on Linux, with namespaces"),
]
ADDRESS = "http://127.0.0.1:5000"
ALL = "eo-prefect eo-worker eo-api eo-watch"
TOKEN = default_metadata()["users"][0]["token"]
SAMPLE = {"datasetId": "sample-temperature", "start": "2025-07-01", "end": "2025-07-31"}
NEVER_COPIED = (".git", ".venv", "tests", "docs", "bench", "__pycache__", ".*_cache")


@dataclass
class Page:
    """The commands of the page, each of which is to be run once."""

    machine: PrivateMachine
    folder: Path  # the clone of the repository
    left: list[str] = field(default_factory=lambda: [c for text in blocks_of(DOCUMENT, "sh") for c in lines(text)])

    def run(self, beginning: str, times: int = 1, **options: Any) -> str:
        """Run the next so many commands of the page, of which the first begins so; returns what the last said."""
        assert self.left[0].startswith(beginning), f"the page goes on with {self.left[0]!r}"
        said = ""
        for _ in range(times):
            said = self.machine.run(self.left.pop(0), self.folder, **options)
        return said

    def also(self, script: str) -> str:
        """Run what the page does not say."""
        return self.machine.run(script, self.folder)


def lines(block: str) -> list[str]:
    return block.replace("\\\n", " ").splitlines()


def libraries(page: Page) -> None:
    """Have the new virtual environment find the libraries of this one, which takes minutes to install."""
    (site,) = Path(page.machine.programs.parent, "opt/eo-pygeoapi/lib").glob("python*/site-packages")
    here = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "libraries.pth").write_text(here)
    for name, of in (
        ("prefect", "from prefect.cli import app"),
        ("gunicorn", "from gunicorn.app.wsgiapp import run as app"),
    ):
        program = site.parents[2] / "bin" / name
        program.write_text(f"#!/opt/eo-pygeoapi/bin/python\n{of}\napp()\n")
        program.chmod(0o755)


def environment_file(dhis2: str, token: str) -> str:
    """The file of the page, with a DHIS2 that there is."""
    (text,) = re.findall(r"```\n(PYGEOAPI_CONFIG=.*?)```", DOCUMENT, re.DOTALL)
    return str(text).replace("https://dhis2.example.org", dhis2).replace("d2pat_replace_me", token)


def configuration() -> str:
    """The shipped file with the sample alone, and one dataset that needs DHIS2."""
    content = base_config()
    del content["resources"]["two-outputs"]  # a plugin of the tests
    sample = content["resources"]["sample-temperature"]["eo"]
    content["resources"]["heat"] = collection(
        "heat", **{**sample, "orgUnits": {"source": "dhis2", "level": 2}, "dhis2": {"connection": "national"}}
    )
    return yaml.safe_dump(content)


@contextmanager
def dhis2_on(machine: PrivateMachine, folder: Path) -> Iterator[str]:
    """Run a DHIS2 there; yields its address."""
    (content := folder / "metadata.json").write_text(json.dumps(default_metadata()))
    program = (
        f"cd {CHECKOUT} && exec {sys.executable} -m tests.standins.dhis2 --until-stdin-closes --metadata {content}"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([*machine.prefix(), "sh", "-c", program], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder that other users than root get to, which those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="eo-machine-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    (tmp_path / "machine").mkdir()
    shutil.copytree(CHECKOUT, clone := tmp_path / "clone", ignore=shutil.ignore_patterns(*NEVER_COPIED))
    with private_machine(tmp_path / "machine") as machine:
        for name in ("systemctl", "systemd-run"):
            program = machine.programs / name
            program.write_text(f'#!/bin/sh\nexec {sys.executable} {systemctl.__file__} {name} "$@"\n')
            program.chmod(0o755)
        yield Page(machine, clone)


def wait_until_ready(page: Page) -> None:
    until = time.monotonic() + 240
    while "200" not in page.also(
        f"curl --silent --output /dev/null --write-out '%{{http_code}}' {ADDRESS}/ready || true"
    ):
        assert time.monotonic() < until, page.also("tail -n 30 /var/lib/systemctl-standin/*.log")
        time.sleep(1)


def ask(page: Page, token: str, path: str, body: object = None) -> Any:
    data = f"--json '{json.dumps(body)}'" if body else ""
    return json.loads(page.also(f"curl --silent -H 'Authorization: Bearer {token}' {data} '{ADDRESS}{path}'"))


def run_the_sample(page: Page, token: str) -> str:
    job = ask(page, token, f"/processes/{PROCESS}/execution", {"inputs": SAMPLE})["jobID"]
    until = time.monotonic() + 120
    while (found := ask(page, token, f"/jobs/{job}?f=json"))["status"] != "successful":
        assert found["status"] in ("accepted", "running") and time.monotonic() < until, found
        time.sleep(1)
    return str(job)


def install(page: Page) -> None:
    page.run("useradd")
    page.run("python3.12 -m venv")
    libraries(page)
    page.run("python3.12 .ci/constraints.py")
    page.run("/opt/eo-pygeoapi/bin/pip install", outside=True)
    page.run("install -d", 3)
    page.run("install -o root")
    page.run("touch")


def put(page: Page, text: str, path: str) -> None:
    """Write a file there, whose owner and mode stay."""
    (draft := page.folder / "draft").write_text(text)
    page.also(f"cat {draft} > {path}")


def start(page: Page, environment: str) -> str:
    """Start the services; returns the first token."""
    put(page, environment, "/etc/eo-pygeoapi/environment")
    put(page, configuration(), "/etc/eo-pygeoapi/pygeoapi-config.yml")
    for name, text in UNITS.items():
        put(page, text, f"/etc/systemd/system/{name}")
    page.run("systemctl daemon-reload")
    page.run("systemctl enable --now")
    wait_until_ready(page)
    as_eo = page.left[0].replace(" status", "")
    assert "sample-temperature" in page.run("systemd-run")
    put(page, f'#!/bin/sh\nexec {as_eo} "$@"\n', f"{page.machine.programs}/eo-pygeoapi")  # the alias
    page.also(f"chmod 755 {page.machine.programs}/eo-pygeoapi")
    return page.run("eo-pygeoapi token create").strip()


def lose_and_restore(page: Page) -> None:
    assert "sqlite database" in page.run("eo-pygeoapi backup")
    page.also(f"systemctl stop {ALL}; rm -r /var/lib/eo-pygeoapi/results /var/lib/eo-pygeoapi/prefect")
    assert "restored" in page.run("eo-pygeoapi restore")
    page.also("rm /var/backups/eo-pygeoapi/*")
    (nightly,) = re.findall(r"^30 2 \* \* \* root (.*)$", DOCUMENT, re.MULTILINE)
    page.also(nightly.replace("\\%", "%"))
    assert len(page.also("ls /var/backups/eo-pygeoapi").split()) == 1
    page.also(f"systemctl start {ALL}")
    wait_until_ready(page)


def upgrade_and_go_back(page: Page) -> None:
    page.run("eo-pygeoapi backup")
    page.run("/opt/eo-pygeoapi/bin/pip install", outside=True)
    assert "unchanged" in page.run("eo-pygeoapi apply")
    page.run("systemctl reload")
    page.run("systemctl restart eo-worker eo-watch")
    assert "no mistakes" in page.run("eo-pygeoapi check")
    page.run("systemctl stop")
    page.also("echo '# edited' >> /etc/eo-pygeoapi/pygeoapi-config.yml")
    said = page.run("eo-pygeoapi restore")
    assert "restored" in said and "pygeoapi-config.yml is not to be written by this user, and stays" in said
    page.run("systemctl start")
    wait_until_ready(page)


def test_every_command_of_the_page_does_what_it_says(page: Page, tmp_path: Path) -> None:
    with dhis2_on(page.machine, tmp_path) as dhis2:
        install(page)
        token = start(page, environment_file(dhis2, "d2pat_expired"))
        job = run_the_sample(page, token)
        lose_and_restore(page)
        assert ask(page, token, f"/jobs/{job}/results?f=json")["orgUnitCount"] == 6
        upgrade_and_go_back(page)
        assert ask(page, token, f"/jobs/{job}?f=json")["status"] == "successful"
        assert "check the token of this connection" in page.also("eo-pygeoapi check --online 2>&1 || true")
        put(page, environment_file(dhis2, TOKEN), "/etc/eo-pygeoapi/environment")
        page.run("systemctl restart eo-worker eo-watch")
        assert "no mistakes" in page.run("eo-pygeoapi check --online")
        page.run("systemctl disable --now")
        assert page.also("pgrep -u eo || true") == ""
        page.run("rm -r")
        page.run("rm /etc/systemd", 2)
        page.run("systemctl daemon-reload")
        page.run("userdel")
        assert page.also("ls /etc/systemd/system | grep eo- || true") == ""
    assert page.left == []
