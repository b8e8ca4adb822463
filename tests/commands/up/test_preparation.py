"""What `up` does once at its start, in a process that ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from eo_pygeoapi.commands.running import CONFIG, OPENAPI
from eo_pygeoapi.commands.up.children import Children
from eo_pygeoapi.commands.up.preparation import Preparation
from eo_pygeoapi.errors import ConfigError, EoError
from eo_pygeoapi.settings import Settings
from tests.stack import base_config

HELD = ("prefect", "pygeoapi", "numpy", "shapely", "requests", "httpx", "jsonschema")


def settings(folder: Path, **server: object) -> Settings:
    config = base_config()
    config["server"] |= server
    path = folder / "my-config.yml"
    path.write_text(yaml.safe_dump(config))
    (folder / "data").mkdir()
    return Settings().placed(path, folder / "data")


@pytest.fixture
def children(tmp_path: Path) -> Children:
    return Children(tmp_path, tmp_path / "log")


def test_it_says_where_the_api_listens_and_writes_what_the_processes_read(tmp_path: Path, children: Children) -> None:
    given = settings(tmp_path, bind={"host": "127.0.0.1", "port": 5999})
    with Preparation(given, children) as preparation:
        checked = preparation.check()
        assert (checked.host, checked.port) == ("127.0.0.1", 5999)
        preparation.write(6001)
    assert yaml.safe_load((given.data_dir / CONFIG).read_text())["server"]["bind"]["port"] == 6001
    assert (given.data_dir / OPENAPI).exists() and (given.data_dir / "sample" / "temperature.nc").exists()


def test_all_mistakes_are_raised(tmp_path: Path, children: Children) -> None:
    given = settings(tmp_path, bind={"host": "127.0.0.1", "port": "none"}, url=5)
    with Preparation(given, children) as preparation, pytest.raises(ConfigError) as raised:
        preparation.check()
    assert len(raised.value.problems) == 2, raised.value.problems


def test_an_error_of_prefect_is_raised(tmp_path: Path, children: Children) -> None:
    with Preparation(settings(tmp_path), children) as preparation:
        preparation.check()
        preparation.write(6001)
        with pytest.raises(EoError, match=r"the Prefect server at http://127\.0\.0\.1:9/api cannot be reached"):
            preparation.apply("http://127.0.0.1:9/api")


def test_a_process_that_is_killed_is_an_error(tmp_path: Path, children: Children) -> None:
    with Preparation(settings(tmp_path), children) as preparation:
        preparation.check()
        os.kill(preparation.pid, signal.SIGKILL)
        with pytest.raises(EoError, match=r"the process that prepares the start ended with status -9"):
            preparation.write(6001)


def test_up_itself_holds_none_of_the_libraries() -> None:
    code = f"import sys, eo_pygeoapi.commands.up.local; print([name for name in {HELD!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
