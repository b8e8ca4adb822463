"""What is published: the wheel, what it says it needs, and what somebody has who installs nothing else."""

import ast
import importlib.metadata
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.stack import CHECKOUT

PACKAGES = ("eo_pygeoapi", "flows")
UV = shutil.which("uv") or ""
OUTSIDE = dict(os.environ)  # as it is before tests, for uv asks the registry
needs_uv = pytest.mark.skipif(not UV, reason="uv is not installed")


def imported() -> Iterator[tuple[str, str]]:
    """Yield each top-level module that our code imports, and the file that does."""
    for path in (path for package in PACKAGES for path in (CHECKOUT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            else:
                continue
            yield from ((name.partition(".")[0], str(path.relative_to(CHECKOUT))) for name in names)


def test_every_imported_package_is_declared() -> None:
    requirements = map(Requirement, importlib.metadata.requires("eo-pygeoapi") or ())
    declared = {canonicalize_name(requirement.name) for requirement in requirements}
    providers = importlib.metadata.packages_distributions()
    missing: dict[str, str] = {}
    for module, file in imported():
        if module in sys.stdlib_module_names or module in PACKAGES:
            continue
        if not declared & {canonicalize_name(name) for name in providers.get(module, ())}:
            missing[module] = file
    assert missing == {}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [UV, "build", "--wheel", "--quiet", "--out-dir", str(folder), str(CHECKOUT)]
    subprocess.run(command, check=True, env=OUTSIDE, capture_output=True, text=True)
    (built,) = folder.glob("*.whl")
    return built


@needs_uv
def test_the_wheel_holds_all_that_the_checkout_has_and_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert archive.read("eo_pygeoapi/pygeoapi-config.yml") == (CHECKOUT / "pygeoapi-config.yml").read_bytes()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        about = Parser().parsestr(archive.read(metadata).decode())
    ours = {
        str(path.relative_to(CHECKOUT))
        for package in PACKAGES
        for path in (CHECKOUT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert ours <= names
    assert {"eo_pygeoapi/py.typed", "flows/py.typed"} <= names
    assert not [name for name in names if name.startswith("tests/")]
    assert "Typing :: Typed" in about.get_all("Classifier", [])
    assert {"distributed", "s3"} <= set(about.get_all("Provides-Extra", []))
    assert about["License-Expression"] == "Apache-2.0"


@needs_uv
@pytest.mark.slow
def test_an_installed_wheel_starts_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    constraints, venv, empty = tmp_path / "constraints.txt", tmp_path / "venv", tmp_path / "empty"
    script = [sys.executable, str(CHECKOUT / ".ci/constraints.py"), str(CHECKOUT / "pyproject.toml")]
    constraints.write_text(subprocess.run(script, check=True, capture_output=True, text=True).stdout)
    empty.mkdir()
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, str(venv)], check=True, env=OUTSIDE)
    install = [UV, "pip", "install", "--quiet", "--constraint", str(constraints), "--python", str(venv / "bin/python")]
    subprocess.run([*install, str(wheel)], check=True, cwd=empty, env=OUTSIDE)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("EO_", "PYTHON", "PYGEOAPI"))}
        command = [str(venv / "bin/eo-pygeoapi"), *arguments]
        return subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True)

    assert run("--version").stdout == f"eo-pygeoapi {importlib.metadata.version('eo-pygeoapi')}\n"
    assert "`eo-pygeoapi init` writes one" in run("check").stderr
    assert run("init").returncode == 0
    checked = run("check")
    assert checked.returncode == 0 and "no mistakes; 5 datasets enabled" in checked.stdout, checked.stderr
    assert [path.name for path in empty.iterdir()] == ["pygeoapi-config.yml"]
