"""`Dockerfile` and `docker-compose.yml` without Docker: the file against the specification, and every command run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from compose_spec import PyCompose
from packaging.requirements import Requirement

from tests.postgres import DATABASE, USER, postgres
from tests.servers import free_port, running, wait_for
from tests.stack import CHECKOUT, base_config
from tests.worker.farm import until

COMPOSE, DOCKERFILE = CHECKOUT / "docker-compose.yml", CHECKOUT / "Dockerfile"
PASSWORD = "a-database-password"


def compose(**variables: str) -> dict[str, Any]:
    """The file with its variables replaced as Compose does, by their defaults where there are some."""
    given = {"PREFECT_PASSWORD": PASSWORD, **variables}
    text = re.sub(
        r"(?<!\$)\$\{(\w+):([-?])([^}]*)\}",
        lambda found: given.get(found[1]) or (found[3] if found[2] == "-" else ""),
        COMPOSE.read_text(),
    )
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
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"prefect": ["127.0.0.1:4200:4200"], "api": ["127.0.0.1:5000:5000"]}
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
    for name, service in services.items():
        assert service["mem_limit"] and service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name
    assert "EO_API_TOKENS_FILE" in services["api"]["environment"]
    server, client = services["prefect"]["environment"], services["worker"]["environment"]
    assert server["PREFECT_SERVER_API_AUTH_STRING"] == client["PREFECT_API_AUTH_STRING"] == f"eo:{PASSWORD}"
    # of a single file that is mounted, a container goes on to see the one before an edit
    assert services["worker"]["volumes"][0] == services["api"]["volumes"][0] == "./config:/etc/eo-pygeoapi:ro"
    assert PASSWORD not in COMPOSE.read_text() and "PASSWORD: " not in COMPOSE.read_text()


def test_a_password_of_prefect_must_be_given() -> None:
    assert COMPOSE.read_text().count("${PREFECT_PASSWORD:?") == 2


def test_an_edit_of_the_code_installs_no_library() -> None:
    """A layer is made anew where it, or one before it in its stage, has changed."""
    stages: list[list[str]] = []
    for word, rest in steps():
        if word == "FROM":
            stages.append([])
        elif stages:
            stages[-1].append(f"{word} {rest}")
    libraries, package, image = stages
    assert not [step for step in libraries if "eo_pygeoapi " in step or "pyproject" in step]
    assert [step for step in libraries if "--requirement requirements.txt" in step]
    assert not [step for step in (*package, *image) if "--requirement" in step]
    heavy, light = (next(i for i, step in enumerate(image) if f"--from={stage}" in step) for stage in PARTS)
    assert heavy < light


PARTS = ("libraries", "package")
REQUIREMENTS = {name: (CHECKOUT / ".ci" / name).read_text() for name in ("requirements.txt", "requirements-build.txt")}


def test_all_that_is_installed_is_pinned_by_version_and_hash() -> None:
    for name, text in REQUIREMENTS.items():
        for entry in re.split(r"\n(?=\S)", text.strip()):
            assert re.match(r"[\w.-]+==[\w.]+( ; [^\\]+)? \\\n", entry), (name, entry[:80])
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), (name, entry[:80])
    images = re.findall(r"^ARG PYTHON=(\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    images += [service["image"] for service in compose()["services"].values() if service["image"] != "eo-pygeoapi"]
    assert len(images) == 2 and all(re.fullmatch(r"\w+:[\d.]+\.\d+-[\w-]+", image) for image in images), images


def test_the_image_has_the_versions_that_were_tested() -> None:
    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    tested = {r.name: str(r.specifier) for r in map(Requirement, project["tool"]["uv"]["constraint-dependencies"])}
    pinned = [
        Requirement(line.removesuffix(" \\")) for line in REQUIREMENTS["requirements.txt"].splitlines() if "==" in line
    ]
    installed = {requirement.name: str(requirement.specifier) for requirement in pinned}
    assert {name: version for name, version in installed.items() if tested[name] != version and name != "prefect"} == {}
    wanted = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["s3"]]
    assert {Requirement(text).name for text in wanted} <= set(installed)


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
        for path in (
            "/opt/eo-pygeoapi",
            "/var/lib/eo-pygeoapi",
            "/etc/eo-pygeoapi",
            "/var/cache/eo-pygeoapi",
            "/wheels",
        ):
            text = text.replace(path, str(self.folder / path[1:]))
        text = text.replace("/run/secrets/", f"{self.folder}/secrets/").replace("/tmp/prefect", f"{self.folder}/home")
        text = text.replace("/tmp/web.pid", f"{self.folder}/web.pid")
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
        mapped = [self.mapped(part.replace("$$", "$")) for part in command]
        whole = ["sh", "-c", mapped[0]] if kind == "CMD-SHELL" else mapped
        return subprocess.run(whole, env=self.environment, capture_output=True).returncode == 0


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def look_at_prefect(server: str) -> None:
    """Prefect asks for the password, and its pages are whole at a path."""
    assert requests.post(f"{server}/api/flow_runs/filter", json={}, timeout=30).status_code == 401
    authorized = requests.post(f"{server}/api/flow_runs/filter", json={}, auth=("eo", PASSWORD), timeout=30)
    assert authorized.status_code == 200
    pages = f"{server}/prefect"
    settings = requests.get(f"{pages}/ui-settings", timeout=30).json()
    assert (settings["api_url"], settings["auth"]) == ("https://eo.example.org/prefect/api", "BASIC")
    page = requests.get(f"{pages}/", headers={"Accept": "text/html"}, timeout=30)
    assets = re.findall(r'(?:src|href)="(/[^"]+\.(?:js|css))"', page.text)
    assert page.ok and assets and all(asset.startswith("/prefect/") for asset in assets), page.text[:1000]
    assert all(requests.get(f"{server}{asset}", timeout=30).ok for asset in assets)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_command_of_the_two_files_runs(tmp_path: Path) -> None:
    services = compose(EO_PREFECT_PATH="/prefect", EO_PREFECT_URL="https://eo.example.org/prefect")["services"]
    image = Image(tmp_path)
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

        def run_in_api(*arguments: str) -> subprocess.CompletedProcess[str]:
            """What `docker compose exec api …` does."""
            _, environment = image.command(services["api"])
            command = [image.mapped("/opt/eo-pygeoapi/bin/eo-pygeoapi"), *arguments]
            return subprocess.run(command, env=environment, cwd=empty, capture_output=True, text=True, check=True)

        here = f"http://127.0.0.1:{web}"
        hello = {"url": f"{here}/processes/hello-world/execution", "json": {"inputs": {"name": "Compose"}}}
        assert requests.post(**hello, timeout=60).status_code == 401  # type: ignore[arg-type]
        token = run_in_api("token", "create", "me", "--scope", "execute").stdout.strip()
        known = {"Authorization": f"Bearer {token}"}
        answer = requests.post(**hello, headers=known, timeout=60)  # type: ignore[arg-type]
        assert answer.json()["value"] == "Hello Compose!", answer.text
        look_at_prefect(f"http://127.0.0.1:{prefect}")
        # an edit in the folder that is mounted, taken up by the one command
        config = tmp_path / "etc/eo-pygeoapi/pygeoapi-config.yml"
        content = yaml.safe_load(config.read_text())
        content["resources"]["hello-again"] = content["resources"]["hello-world"]
        config.write_text(yaml.safe_dump(content))
        assert "The running API takes it up now." in run_in_api("apply").stdout
        again = hello | {"url": f"{here}/processes/hello-again/execution"}
        until(lambda: requests.get(f"{here}/processes/hello-again?f=json", timeout=60).ok, 60)
        answer = requests.post(**again, headers=known, timeout=60)  # type: ignore[arg-type]
        assert answer.json()["value"] == "Hello Compose!", answer.text
        begun = time.monotonic()
        worker.terminate()
        assert worker.wait(100) == 0 and time.monotonic() - begun < 30
    assert list(empty.iterdir()) == []
