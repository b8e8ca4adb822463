"""The empty database that a new stack begins with is the one that Prefect itself would make."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from eo_pygeoapi.commands.up.empty_database import by_migrations, make_empty


def dumped(path: Path) -> str:
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
        return "\n".join(database.iterdump())


def statements(text: str) -> list[list[str]]:
    """The statements, each as its lines in order: the migrations put constraints and indexes in any order."""
    return sorted(sorted(line.strip().rstrip(",") for line in part.splitlines()) for part in text.split(";\n"))


@pytest.mark.slow
def test_it_is_what_the_migrations_of_the_installed_prefect_make(tmp_path: Path) -> None:
    assert make_empty(tmp_path, {})
    ours, theirs = statements(dumped(tmp_path / "prefect.db") + "\n"), statements(by_migrations(os.environ))
    assert len(ours) > 100 and ours == theirs


def test_nobody_else_may_read_it_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    assert make_empty(tmp_path, {"PREFECT_LOGGING_LEVEL": "WARNING"})
    assert (tmp_path / "prefect.db").stat().st_mode & 0o077 == 0
    assert 'CREATE TABLE "flow_run" (' in dumped(tmp_path / "prefect.db")
    assert {path.name for path in tmp_path.iterdir()} <= {"prefect.db", "prefect.db-wal", "prefect.db-shm"}


def test_a_database_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "prefect.db").write_bytes(b"of a ministry")
    assert not make_empty(tmp_path, {})
    assert (tmp_path / "prefect.db").read_bytes() == b"of a ministry"


@pytest.mark.parametrize(
    "name",
    [
        "PREFECT_SERVER_DATABASE_CONNECTION_URL",
        "PREFECT_API_DATABASE_CONNECTION_URL",
        "PREFECT_SERVER_DATABASE_HOST",
    ],
)
def test_another_database_is_the_operators_affair(name: str, tmp_path: Path) -> None:
    assert not make_empty(tmp_path, {name: "postgresql+asyncpg://db/prefect"})
    assert list(tmp_path.iterdir()) == []


def test_a_prefect_that_does_not_know_its_last_migration_makes_its_own(tmp_path: Path) -> None:
    older, home = tmp_path / "migrations", tmp_path / "home"
    older.mkdir()
    home.mkdir()
    (older / "2022_01_20_115236_9725c1cbee35_initial_migration.py").touch()
    assert not make_empty(home, {}, older)
    assert list(home.iterdir()) == []
