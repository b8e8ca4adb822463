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
        target = "worker" if name == "worker" else "api"
        assert services[name]["build"] == {"context": ".", "target": target}, name
        assert services[name]["image"] == f"eo-pygeoapi:{target}" and services[name]["init"], name
    worker = services["worker"]
    given = int(worker["environment"]["EO_STOP_GRACE_SECONDS"])
    assert worker["stop_signal"] == "SIGTERM" and int(worker["stop_grace_period"].removesuffix("s")) >= given + 60
    # the container listens everywhere inside; the guard is told what is published of it
    host, _, _ = services["api"]["ports"][0].partition(":")
    assert services["api"]["environment"]["EO_BIND"] == services["apply"]["environment"]["EO_BIND"] == host
    assert host == "127.0.0.1" and COMPOSE.read_text().count("${EO_BIND:-127.0.0.1}") == 2
    for target in IMAGES:
        assert [rest for word, rest in stages()[target] if word == "USER"] == ["eo"]
    for name, service in services.items():
        assert service["mem_limit"] and service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name
    assert "EO_API_TOKENS_FILE" in services["api"]["environment"]
    server, client = services["prefect"]["environment"], services["worker"]["environment"]
    assert server["PREFECT_SERVER_API_AUTH_STRING"] == client["PREFECT_API_AUTH_STRING"] == f"eo:{PASSWORD}"
    # of a single file that is mounted, a container goes on to see the one before an edit
    assert services["worker"]["volumes"][0] == services["api"]["volumes"][0] == "./config:/etc/eo-pygeoapi:ro"
    assert PASSWORD not in COMPOSE.read_text() and "PASSWORD: " not in COMPOSE.read_text()


def test_a_backup_of_the_containers_names_what_they_have() -> None:
    document = (CHECKOUT / "docs" / "operations.md").read_text()
    (dump,) = re.findall(r"^docker compose exec --no-TTY (\S+) pg_dump (.*) > ", document, re.MULTILINE)
    services, said = compose()["services"], shlex.split(dump[1])
    environment = services[dump[0]]["environment"]
    assert said[said.index("--username") + 1] == environment["POSTGRES_USER"] and said[-1] == environment["POSTGRES_DB"]
    (kept,) = re.findall(
        r"^docker compose exec api eo-pygeoapi backup --without-database (\S+)$", document, re.MULTILINE
    )
    assert f"docker compose cp api:{kept} " in document
    assert not services["api"]["environment"]["EO_RESULTS_URL"].startswith(str(Path(kept).parent))


def test_a_password_of_prefect_must_be_given() -> None:
    assert COMPOSE.read_text().count("${PREFECT_PASSWORD:?") == 2


COMPOSED = {"api": "requirements-api.txt", "worker": "requirements.txt"}  # the targets, and what each has installed
IMAGES = {**COMPOSED, "kubernetes": "requirements-kubernetes.txt"}
PINNED = (*IMAGES.values(), "requirements-build.txt")
REQUIREMENTS = {name: (CHECKOUT / ".ci" / name).read_text() for name in PINNED}


@pytest.mark.parametrize("target", IMAGES)
def test_an_edit_of_the_code_installs_no_library(target: str) -> None:
    """A layer is made anew where it, or one before it in its stage, has changed."""
    stages = dict(stages_of(target))
    installing = {name for name, steps in stages.items() if any("--requirement" in rest for _, rest in steps)}
    for name in installing:
        assert not [rest for _, rest in stages[name] if "eo_pygeoapi " in rest or "pyproject" in rest]
    assert target not in installing and "package" not in installing
    assert f"--requirement {IMAGES[target]}" in " ".join(rest for name in installing for _, rest in stages[name])
    copied = [rest.split()[0] for word, rest in stages[target] if word == "COPY" and "--from" in rest]
    assert copied[0].removeprefix("--from=") in installing and copied[1:] == ["--from=package"]


def test_all_that_is_installed_is_pinned_by_version_and_hash() -> None:
    for name, text in REQUIREMENTS.items():
        for entry in re.split(r"\n(?=\S)", text.strip()):
            assert re.match(r"[\w.-]+==[\w.]+( ; [^\\]+)? \\\n", entry), (name, entry[:80])
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), (name, entry[:80])
    images = re.findall(r"^ARG PYTHON=(\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    images += [service["image"] for service in compose()["services"].values() if "build" not in service]
    assert len(images) == 2 and all(re.fullmatch(r"\w+:[\d.]+\.\d+-[\w-]+", image) for image in images), images


def test_the_image_has_the_versions_that_were_tested() -> None:
    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    tested = {r.name: str(r.specifier) for r in map(Requirement, project["tool"]["uv"]["constraint-dependencies"])}
    extras = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"], *extras["s3"]]
    for target, more in (("api", []), ("worker", extras["worker"]), ("kubernetes", extras["kubernetes"])):
        name = IMAGES[target]
        installed = {r.name: str(r.specifier) for r in pinned(name)}
        assert {n: version for n, version in installed.items() if tested[n] != version and n != "prefect"} == {}, name
        assert {Requirement(text).name for text in [*wanted, *more]} <= set(installed), name


def test_the_image_of_the_api_is_the_worker_s_without_the_science() -> None:
    api, worker = ({r.name for r in pinned(name)} for name in COMPOSED.values())
    assert api < worker
    assert not [name for name in worker if name.startswith("prefect-")]  # each process of Prefect would import it
    science = {"xarray", "pandas", "geopandas", "rioxarray", "exactextract", "dhis2eo", "netcdf4", "scipy", "zarr"}
    assert science <= worker - api


def pinned(name: str) -> list[Requirement]:
    return [Requirement(line.removesuffix(" \\")) for line in REQUIREMENTS[name].splitlines() if "==" in line]


Stage = list[tuple[str, str]]  # instructions, and what follows them


def stages() -> dict[str, Stage]:
    """The stages of the Dockerfile by name, each with its FROM first."""
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text())
    found: dict[str, Stage] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            word, rest = line.split(maxsplit=1)
            if word == "FROM":
                rest, _, name = rest.partition(" AS ")
                found[name] = []
            if found:
                found[name].append((word, rest))
    return found


def stages_of(target: str) -> Iterator[tuple[str, Stage]]:
    """Yield the stages that an image is made of, in the order of the file."""
    known, wanted = stages(), {target}
    for name, steps in reversed(known.items()):
        if name in wanted:
            wanted |= {rest for word, rest in steps if word == "FROM"}
            wanted |= {found for _, rest in steps for found in re.findall(r"--from=(\S+)", rest)}
    yield from ((name, steps) for name, steps in known.items() if name in wanted)


class Image:
    """What the Dockerfile makes, in a folder: its paths are mapped, and its commands run.

    Images in one folder share what containers mount; each has its own libraries.
    """

    def __init__(self, folder: Path, target: str, hosts: Mapping[str, str]) -> None:
        self.folder, self.target = folder, target
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("EO_", "PREFECT_", "PYTHON"))}
        self.hosts = hosts

    def mapped(self, text: str) -> str:
        for path in ("/opt/eo-pygeoapi", "/wheels"):
            text = text.replace(path, f"{self.folder}/{self.target}{path}")
        for path in ("/var/lib/eo-pygeoapi", "/etc/eo-pygeoapi", "/var/cache/eo-pygeoapi"):
            text = text.replace(path, f"{self.folder}{path}")
        text = text.replace("/run/secrets/", f"{self.folder}/secrets/").replace("/tmp/prefect", f"{self.folder}/home")
        text = text.replace("/tmp/web.pid", f"{self.folder}/web.pid")
        for name, real in self.hosts.items():
            text = text.replace(name, real)
        return text

    def build(self) -> None:
        """Run the steps of its stages as they are, with this interpreter for `python`."""
        source = self.folder / self.target / "src"
        source.mkdir(parents=True)
        for word, rest in (step for _, steps in stages_of(self.target) for step in steps):
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

    def command(self, service: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
        """The command of a service and its environment."""
        command = [self.mapped(part.replace("$$", "$")) for part in service["command"]]
        own = {name: self.mapped(value) for name, value in service.get("environment", {}).items()}
        return command, {**self.environment, **own}

    def healthy(self, service: Mapping[str, Any]) -> bool:
        kind, *command = service["healthcheck"]["test"]
        mapped = [self.mapped(part.replace("$$", "$")) for part in command]
        whole = ["sh", "-c", mapped[0]] if kind == "CMD-SHELL" else mapped
        return subprocess.run(whole, env=self.command(service)[1], capture_output=True).returncode == 0


def mounted(folder: Path) -> Path:
    """Make the folders that containers share, and a configuration file in them; returns it."""
    for path in ("var/lib", "var/cache", "etc"):
        (folder / path / "eo-pygeoapi").mkdir(parents=True)
    config = folder / "etc/eo-pygeoapi/pygeoapi-config.yml"
    content = base_config()
    del content["resources"]["two-outputs"]  # a plugin of the tests, which is not in the image
    config.write_text(yaml.safe_dump(content))
    return config


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def look_at_libraries(folder: Path) -> None:
    """The API's image has no science, and `eo-pygeoapi worker` in it says which extra is missing."""
    sizes = {}
    for target in COMPOSED:
        packages = next((folder / target / "opt/eo-pygeoapi/lib").glob("python*/site-packages"))
        sizes[target] = sum(file.stat().st_size for file in packages.rglob("*") if file.is_file()) / 2**20
        assert (packages / "xarray").exists() == (target == "worker")
    print({target: f"{size:.0f} MiB" for target, size in sizes.items()})
    command = [str(folder / "api/opt/eo-pygeoapi/bin/eo-pygeoapi"), "worker"]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 1 and "pip install 'eo-pygeoapi[worker]'" in refused.stderr, refused.stderr


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
    hosts: dict[str, str] = {}
    images = {f"eo-pygeoapi:{target}": Image(tmp_path, target, hosts) for target in COMPOSED}
    for built in images.values():
        built.build()
    config = mounted(tmp_path)
    look_at_libraries(tmp_path)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/postgres-password").write_text(PASSWORD)
    empty = tmp_path / "empty"
    empty.mkdir()
    prefect, web = free_port(), free_port()
    with ExitStack() as stack, postgres(tmp_path, PASSWORD) as port:
        assert services["postgres"]["environment"]["POSTGRES_USER"] == USER
        assert services["postgres"]["environment"]["POSTGRES_DB"] == DATABASE
        hosts |= {
            "@postgres/": f"@127.0.0.1:{port}/",
            "http://prefect:4200": f"http://127.0.0.1:{prefect}",
            "127.0.0.1:4200": f"127.0.0.1:{prefect}",
            "--host 0.0.0.0 --port 4200": f"--host 127.0.0.1 --port {prefect}",
            "0.0.0.0:5000": f"127.0.0.1:{web}",
            "127.0.0.1:5000": f"127.0.0.1:{web}",
        }

        def image(name: str) -> Image:
            return images[services[name]["image"]]

        def healthy(name: str) -> bool:
            return image(name).healthy(services[name])

        def start(name: str) -> subprocess.Popen[bytes]:
            command, environment = image(name).command(services[name])
            whole = ["env", "-i", *(f"{k}={v}" for k, v in environment.items()), "sh", "-c"]
            log = tmp_path / f"{name}.log"
            line = f"cd {shlex.quote(str(empty))} && exec {shlex.join(command)}"
            return stack.enter_context(running([*whole, line], log))

        start("prefect")
        until(lambda: healthy("prefect"), 300)
        assert start("apply").wait(120) == 0, (tmp_path / "apply.log").read_text()
        worker, api = start("worker"), start("api")
        start("watch")
        wait_for(f"http://127.0.0.1:{web}/conformance?f=json", api, tmp_path / "api.log", 180)
        until(lambda: healthy("worker") and healthy("api") and healthy("watch"), 180)

        def run_in_api(*arguments: str) -> subprocess.CompletedProcess[str]:
            """What `docker compose exec api …` does."""
            _, environment = image("api").command(services["api"])
            command = [image("api").mapped("/opt/eo-pygeoapi/bin/eo-pygeoapi"), *arguments]
            return subprocess.run(command, env=environment, cwd=empty, capture_output=True, text=True, check=True)

        here = f"http://127.0.0.1:{web}"
        hello = {"url": f"{here}/processes/hello-world/execution", "json": {"inputs": {"name": "Compose"}}}
        assert requests.post(**hello, timeout=60).status_code == 401  # type: ignore[arg-type]
        token = run_in_api("token", "create", "me", "--scope", "execute").stdout.strip()
        known = {"Authorization": f"Bearer {token}"}
        answer = requests.post(**hello, headers=known, timeout=60)  # type: ignore[arg-type]
        assert answer.json()["value"] == "Hello Compose!", answer.text
        look_at_prefect(f"http://127.0.0.1:{prefect}")
        import_ = f"{here}/processes/eo-aggregate-import"
        example = requests.get(f"{import_}?f=json", headers=known, timeout=60).json()["example"]
        answer = requests.post(f"{import_}/execution", json=example, headers=known, timeout=60)
        job = f"{here}/jobs/{answer.json()['jobID']}?f=json"
        until(lambda: requests.get(job, headers=known, timeout=60).json()["status"] not in ("accepted", "running"), 180)
        assert requests.get(job, headers=known, timeout=60).json()["status"] == "successful"
        # an edit in the folder that is mounted, taken up by the one command
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
