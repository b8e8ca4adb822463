"""A backup holds all that cannot be made again, also of a running system, and is put back whole or not at all."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
import requests
import yaml
from pydantic import SecretStr

from eo_pygeoapi.commands.backup import BackupError, restore_backup, write_backup
from eo_pygeoapi.commands.prefect_database import DatabaseError, PostgreSql, Sqlite, database_of
from eo_pygeoapi.commands.running import STATE
from eo_pygeoapi.commands.up.left_over import born
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.store import ResultStore
from tests import postgres
from tests.stack import base_config, up


def settings_in(folder: Path) -> Settings:
    given = {
        "data_dir": folder / "data",
        "config": folder / "config.yml",
        "api_tokens_file": folder / "tokens.json",
        "prefect_home": folder / "data" / "prefect",
        "results_url": "",
        "prefect_database": SecretStr(""),
    }
    return Settings().model_copy(update=given)


@pytest.fixture
def system(tmp_path: Path) -> Settings:
    """An installation with a database in use, results, a configuration and tokens."""
    settings = settings_in(tmp_path / "there")
    home = settings.data_dir / "prefect"
    home.mkdir(parents=True)
    settings.config.write_text("resources: {}\n")
    assert settings.api_tokens_file
    settings.api_tokens_file.write_text('{"tokens": []}')
    store = ResultStore(settings.results)
    store.write_text("sent/national/a.json", "1")
    store.write_text("jobs/1/result.json", "2")
    with closing(sqlite3.connect(home / "prefect.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE flow_run (id)")
        database.execute("INSERT INTO flow_run VALUES (1)")
        database.commit()
    return settings


def runs(settings: Settings) -> int:
    database = database_of(settings)
    assert isinstance(database, Sqlite)
    with closing(sqlite3.connect(database.path)) as opened:
        return int(opened.execute("SELECT count(*) FROM flow_run").fetchone()[0])


def test_a_backup_of_a_system_in_use_is_put_back_elsewhere(system: Settings, tmp_path: Path) -> None:
    elsewhere, file, said = settings_in(tmp_path / "elsewhere"), tmp_path / "backups" / "b.tar.gz", list[str]()
    with closing(sqlite3.connect(system.data_dir / "prefect" / "prefect.db")) as in_use:
        in_use.execute("INSERT INTO flow_run VALUES (2)")
        in_use.commit()  # it stands in the log of the database alone
        in_use.execute("INSERT INTO flow_run VALUES (3)")
        manifest = write_backup(system, file)
    assert (manifest.database, manifest.results) == ("sqlite", ["jobs/1/result.json", "sent/national/a.json"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and os.listdir(file.parent) == [file.name]

    restore_backup(elsewhere, file, said.append)

    assert runs(elsewhere) == 2
    store = ResultStore(elsewhere.results)
    assert {key: store.read_bytes(key) for key in store.keys()} == {
        "jobs/1/result.json": b"2", "sent/national/a.json": b"1",
    }  # fmt: skip
    assert elsewhere.config.read_text() == "resources: {}\n" and len(said) == 4
    assert elsewhere.api_tokens_file and stat.S_IMODE(elsewhere.api_tokens_file.stat().st_mode) == 0o600


def test_nothing_that_is_there_goes_unless_it_is_to(system: Settings, tmp_path: Path) -> None:
    file = tmp_path / "b.tar.gz"
    write_backup(system, file)
    store = ResultStore(system.results)
    store.write_text("jobs/2/result.json", "later")
    store.write_text("jobs/1/result.json", "changed")
    system.config.write_text("resources: {edited: {}}\n")

    with pytest.raises(BackupError, match=r"not empty: .*results and .*prefect.db; give --replace"):
        restore_backup(system, file, print)
    assert store.read_bytes("jobs/2/result.json") == b"later"
    restore_backup(system, file, print, replace=True)
    assert store.keys() == ["jobs/1/result.json", "sent/national/a.json"]
    assert store.read_bytes("jobs/1/result.json") == b"2" and system.config.read_text() == "resources: {}\n"


def test_a_part_that_was_lost_is_put_back_by_itself(system: Settings, tmp_path: Path) -> None:
    """Results alone: a backup without the database leaves the one that is there."""
    file = tmp_path / "b.tar.gz"
    write_backup(system, file, with_database=False)
    ResultStore(system.results).delete("jobs")
    ResultStore(system.results).delete("sent")

    assert restore_backup(system, file, print).database == "none"
    assert len(ResultStore(system.results).keys()) == 2 and runs(system) == 1


class MergingStore(ResultStore):
    """While it is read, two files become one, as housekeeping does it."""

    def copy_to(self, key: str, path: Path) -> None:
        if key == "coverage/a":
            self.write_text("coverage/c", "a and b")
            self.delete("coverage/b")
        super().copy_to(key, path)
        if key == "coverage/a":
            self.delete("coverage/a")


def test_files_that_are_merged_meanwhile_are_neither_lost_nor_doubled(system: Settings, tmp_path: Path) -> None:
    from eo_pygeoapi.commands.backup import _add_results

    store = MergingStore(system.results)
    for name in ("a", "b"):
        store.write_text(f"coverage/{name}", name)
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        keys = _add_results(store, archive, tmp_path / "part")

    assert keys == ["coverage/c", "jobs/1/result.json", "sent/national/a.json"]


def test_what_is_no_backup_or_cut_off_is_refused(system: Settings, tmp_path: Path) -> None:
    elsewhere, file = settings_in(tmp_path / "elsewhere"), tmp_path / "b.tar.gz"
    write_backup(system, file)
    whole = file.read_bytes()
    for content in (b"nothing", b"", whole[: len(whole) // 2]):
        file.write_bytes(content)
        with pytest.raises(BackupError, match=r"b\.tar\.gz"):
            restore_backup(elsewhere, file, print)
    assert not elsewhere.data_dir.exists() or not ResultStore(elsewhere.results).keys()


def test_a_running_system_is_not_overwritten(system: Settings, tmp_path: Path) -> None:
    file = tmp_path / "b.tar.gz"
    write_backup(system, file)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        state = {"pid": process.pid, "edited": "", "host": "", "port": 1, "prefect_port": 1, "pids": {}}
        state["births"] = {"up": born(process.pid)}
        (system.data_dir / STATE).write_text(json.dumps(state))
        try:
            with pytest.raises(BackupError, match=r"a system runs from .*; stop it first"):
                restore_backup(system, file, print, replace=True)
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("url", "database"),
    [
        ("sqlite+aiosqlite:////var/lib/p.db", Sqlite(Path("/var/lib/p.db"))),
        ("sqlite+aiosqlite:///p.db", Sqlite(Path("p.db"))),
        ("postgresql+asyncpg://u:p%40ss@db:5433/prefect", PostgreSql("db", 5433, "prefect", "u", "p@ss")),
    ],
)
def test_the_database_is_the_one_that_prefect_uses(tmp_path: Path, url: str, database: object) -> None:
    settings = settings_in(tmp_path).model_copy(update={"prefect_database": SecretStr(url)})
    assert database_of(settings) == database
    wrong = settings.model_copy(update={"prefect_database": SecretStr("mysql://u:hidden@x/y")})
    with pytest.raises(ConfigError, match="'mysql' is not allowed") as raised:
        database_of(wrong)
    assert "hidden" not in str(raised.value) and "hidden" not in repr(wrong)


def test_a_database_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"prefect\.db is not there; set PREFECT_HOME or"):
        write_backup(settings_in(tmp_path), tmp_path / "b.tar.gz")
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_postgresql_is_dumped_and_loaded_by_its_own_programs(system: Settings, tmp_path: Path) -> None:
    with postgres.postgres(tmp_path) as port:
        settings = system.model_copy(update={"prefect_database": SecretStr(postgres.url(port))})
        database, file = database_of(settings), tmp_path / "b.tar.gz"
        assert isinstance(database, PostgreSql) and not database.exists()
        database._run("psql", "--command", "CREATE TABLE flow_run AS SELECT 7 AS id")
        assert write_backup(settings, file).database == "postgresql"
        database._run("psql", "--command", "UPDATE flow_run SET id = 8")

        with pytest.raises(BackupError, match="not empty"):
            restore_backup(settings, file, print)
        restore_backup(settings, file, print, replace=True)
        assert database._run("psql", "--tuples-only", "--command", "SELECT id FROM flow_run").strip() == "7"
        with pytest.raises(BackupError, match="holds a postgresql database, and this installation uses sqlite"):
            restore_backup(system, file, print, replace=True)


@pytest.mark.slow
def test_a_restored_system_has_its_jobs_results_and_pauses_and_goes_on(tmp_path: Path) -> None:
    config = base_config()
    sample = {"datasetId": "sample-temperature", "start": "2025-07-01", "end": "2025-07-31"}
    first = tmp_path / "first"
    first.mkdir()
    with up(first, config, {}) as stack:
        job = stack.submit(**sample)
        before = stack.ended(job)
        made = stack.command("backup", str(tmp_path / "b.tar.gz"), "--data-dir", str(stack.folder))
        assert made.returncode == 0, made.stderr
    second = tmp_path / "second"
    arguments = ["--data-dir", str(second / "data"), "--config", str(second / "config.yml")]
    done = stack.command("restore", str(tmp_path / "b.tar.gz"), *arguments)
    assert done.returncode == 0, done.stderr
    with up(second, yaml.safe_load((second / "config.yml").read_text()), {}) as restored:
        after = restored.get(f"{job}?f=json").json()
        assert {n: after[n] for n in ("status", "message", "finished")} == {
            n: before[n] for n in ("status", "message", "finished")
        }
        assert len(restored.features("sample-temperature")) == 186
        assert requests.get(f"{restored.url}{job}/results", timeout=60).json()["rowCount"] == 186
        assert restored.ended(restored.submit(**sample))["status"] == "successful"
