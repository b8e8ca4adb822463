from pathlib import Path

import pytest
from typer.testing import CliRunner

from eo_pygeoapi.cli import app
from eo_pygeoapi.commands.configuration.applying import edited_file
from eo_pygeoapi.commands.configuration.packaged import edited_or_packaged, packaged_config, write_packaged
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.settings import DEFAULT_CONFIG
from tests.stack import CHECKOUT

SHIPPED = (CHECKOUT / "pygeoapi-config.yml").read_bytes()


def test_init_writes_the_shipped_file_and_overwrites_none(tmp_path: Path) -> None:
    target = tmp_path / "mine.yml"
    write_packaged(target)
    assert target.read_bytes() == SHIPPED
    target.write_text("edited")
    with pytest.raises(ConfigError, match=r"mine\.yml is there already, and was left as it is; --force overwrites it"):
        write_packaged(target)
    assert target.read_text() == "edited"
    write_packaged(target, force=True)
    assert target.read_bytes() == SHIPPED


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot write .*nowhere/mine\.yml: No such file or directory"):
        write_packaged(tmp_path / "nowhere" / "mine.yml")


def test_what_runs_without_a_file_is_the_packaged_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert edited_or_packaged(DEFAULT_CONFIG) == packaged_config()
    assert edited_or_packaged(Path("named.yml")) == Path("named.yml")  # somebody means this one
    write_packaged(DEFAULT_CONFIG)
    assert edited_or_packaged(DEFAULT_CONFIG) == DEFAULT_CONFIG


def test_apply_takes_what_init_wrote_after_up_had_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    started_with = tmp_path / "other.yml"
    assert edited_file(DEFAULT_CONFIG, packaged_config()) == packaged_config()
    write_packaged(DEFAULT_CONFIG)
    assert edited_file(DEFAULT_CONFIG, packaged_config()) == DEFAULT_CONFIG
    assert edited_file(DEFAULT_CONFIG, started_with) == started_with
    assert edited_file(Path("named.yml"), started_with) == Path("named.yml")


def test_the_command_says_what_it_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYGEOAPI_CONFIG", raising=False)
    done = CliRunner().invoke(app, ["init"])
    assert done.exit_code == 0 and done.output.startswith("wrote pygeoapi-config.yml")
    assert DEFAULT_CONFIG.read_bytes() == SHIPPED
