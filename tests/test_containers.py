"""`Dockerfile` and `docker-compose.yml` without Docker: the file against the specification, and every command run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from compose_spec import PyCompose

from tests.postgres import DATABASE, USER, postgres
from tests.servers import free_port, running, wait_for
from tests.stack import CHECKOUT, base_config
from tests.worker.farm import until

COMPOSE, DOCKERFILE = CHECKOUT / "docker-compose.yml", CHECKOUT / "Dockerfile"
PASSWORD = "a-database-password"


def compose() -> dict[str, Any]:
    """The file with its variables replaced by their defaults, as Compose does before it looks at anything."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", COMPOSE.read_text())
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def check(content: Mapping[str, Any]) -> None:
    parsed = PyCompose.from_yaml(yaml.safe_dump(dict(content)))
    parsed.validate()
    parsed.to_spec()


def test_compose_keeps_to_its_specification_and_a_mistake_is_seen() -> None:
    check(compose())
    broken = compose()
    broken["services"]["worker"]["stop_signl"] = "SIGTERM"
    with pytest.raises(ValueError, match="stop_signl"):
        check(broken)


def test_what_the_containers_promise() -> None:
    services = compose()["services"]
    assert set(services) == {"postgres", "prefect", "apply", "worker", "watch", "api"}
    assert [name for name, service in services.items() if "ports" in service] == ["api"]
    for name in ("postgres", "prefect", "worker", "watch", "api"):
        assert "healthcheck" in services[name], name
    for name in ("prefect", "apply", "worker", "watch", "api"):
        assert services[name]["image"] == "eo-pygeoapi" and services[name]["init"], name
    worker = services["worker"]
    given = int(worker["environment"]["EO_STOP_GRACE_SECONDS"])
    assert worker["stop_signal"] == "SIGTERM" and int(worker["stop_grace_period"].removesuffix("s")) >= given + 60
    # the container listens everywhere inside; the guard is told what is published of it
    host, _, _ = services["api"]["ports"][0].partition(":")
    assert services["api"]["environment"]["EO_BIND"] == services["apply"]["environment"]["EO_BIND"] == host
    assert host == "127.0.0.1" and COMPOSE.read_text().count("${EO_BIND:-127.0.0.1}") == 2
    assert "\nUSER eo\n" in DOCKERFILE.read_text()
    assert PASSWORD not in COMPOSE.read_text() and "PASSWORD:" not in COMPOSE.read_text()


def steps() -> Iterator[tuple[str, str]]:
    """The instructions of the Dockerfile."""
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text())
    for line in text.splitlines():
        if line and not line.startswith("#"):
            word, rest = line.split(maxsplit=1)
            yield word, rest


class Image:
    """What the Dockerfile makes, in a folder: its paths are mapped, and its commands run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("EO_", "PREFECT_", "PYTHON"))}
        self.hosts: dict[str, str] = {}

    def mapped(self, text: str) -> str:
        for path in ("/opt/eo-pygeoapi", "/var/lib/eo-pygeoapi", "/etc/eo-pygeoapi", "/var/cache/eo-pygeoapi"):
            text = text.replace(path, str(self.folder / path[1:]))
        text = text.replace("/run/secrets/", f"{self.folder}/secrets/").replace("/tmp/prefect", f"{self.folder}/home")
        for name, real in self.hosts.items():
            text = text.replace(name, real)
        return text

    def build(self) -> None:
        """Run the build stage as it is, with this interpreter for `python`."""
        source = self.folder / "src"
        source.mkdir()
        for word, rest in steps():
            if word == "COPY" and "--from" not in rest and "--chown" not in rest:
                *names, target = rest.split()
                for name in names:
                    copy(CHECKOUT / name, source / target)
            elif word == "RUN" and "apt-get" not in rest:
                run = self.mapped(rest).replace("python ", f"{sys.executable} ", 2)
                subprocess.run(["sh", "-ec", run], cwd=source, env=self.environment, check=True, capture_output=True)
            elif word == "ENV":
                for pair in shlex.split(self.mapped(rest)):
                    name, value = pair.split("=", 1)
                    self.environment[name] = value.replace("$PATH", self.environment["PATH"])
        for path in ("var/lib", "var/cache", "etc"):
            (self.folder / path / "eo-pygeoapi").mkdir(parents=True)
        config = self.folder / "etc/eo-pygeoapi/pygeoapi-config.yml"
        content = base_config()
        del content["resources"]["two-outputs"]  # a plugin of the tests, which is not in the image
        config.write_text(yaml.safe_dump(content))

    def command(self, service: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
        """The command of a service and its environment."""
        command = [self.mapped(part.replace("$$", "$")) for part in service["command"]]
        own = {name: self.mapped(value) for name, value in service.get("environment", {}).items()}
        return command, {**self.environment, **own}

    def healthy(self, service: Mapping[str, Any]) -> bool:
        kind, *command = service["healthcheck"]["test"]
        mapped = [self.mapped(part) for part in command]
        whole = ["sh", "-c", mapped[0]] if kind == "CMD-SHELL" else mapped
        return subprocess.run(whole, env=self.environment, capture_output=True).returncode == 0


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_command_of_the_two_files_runs(tmp_path: Path) -> None:
    services, image = compose()["services"], Image(tmp_path)
    image.build()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/postgres-password").write_text(PASSWORD)
    empty = tmp_path / "empty"
    empty.mkdir()
    prefect, web = free_port(), free_port()
    with ExitStack() as stack, postgres(tmp_path, PASSWORD) as port:
        assert services["postgres"]["environment"]["POSTGRES_USER"] == USER
        assert services["postgres"]["environment"]["POSTGRES_DB"] == DATABASE
        image.hosts = {
            "@postgres/": f"@127.0.0.1:{port}/",
            "http://prefect:4200": f"http://127.0.0.1:{prefect}",
            "127.0.0.1:4200": f"127.0.0.1:{prefect}",
            "--host 0.0.0.0 --port 4200": f"--host 127.0.0.1 --port {prefect}",
            "0.0.0.0:5000": f"127.0.0.1:{web}",
            "127.0.0.1:5000": f"127.0.0.1:{web}",
        }

        def start(name: str) -> subprocess.Popen[bytes]:
            command, environment = image.command(services[name])
            whole = ["env", "-i", *(f"{k}={v}" for k, v in environment.items()), "sh", "-c"]
            log = tmp_path / f"{name}.log"
            line = f"cd {shlex.quote(str(empty))} && exec {shlex.join(command)}"
            return stack.enter_context(running([*whole, line], log))

        start("prefect")
        until(lambda: image.healthy(services["prefect"]), 300)
        assert start("apply").wait(120) == 0, (tmp_path / "apply.log").read_text()
        worker, api = start("worker"), start("api")
        wait_for(f"http://127.0.0.1:{web}/conformance?f=json", api, tmp_path / "api.log", 180)
        until(lambda: image.healthy(services["worker"]) and image.healthy(services["api"]), 180)
        url = f"http://127.0.0.1:{web}/processes/hello-world/execution"
        answer = requests.post(url, json={"inputs": {"name": "Compose"}}, timeout=60)
        assert answer.json()["value"] == "Hello Compose!", answer.text
        begun = time.monotonic()
        worker.terminate()
        assert worker.wait(100) == 0 and time.monotonic() - begun < 30
    assert list(empty.iterdir()) == []
