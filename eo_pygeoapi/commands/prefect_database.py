"""Prefect's database, dumped and loaded by its own means: SQLite's backup, or `pg_dump` and `pg_restore`."""

import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Protocol
from urllib.parse import unquote, urlsplit

from eo_pygeoapi.errors import ConfigError, EoError
from eo_pygeoapi.files import replacing
from eo_pygeoapi.redaction import redact
from eo_pygeoapi.settings import Settings

_VARIABLE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"


class DatabaseError(EoError):
    """A database cannot be dumped or loaded."""


class Database(Protocol):
    """Where Prefect keeps jobs and schedules."""

    @property
    def kind(self) -> Literal["sqlite", "postgresql"]:
        """Which program it is of."""

    def exists(self) -> bool:
        """Return whether there is something in it."""

    def dump(self, target: Path) -> None:
        """Write all of it, as of one moment, into a file."""

    def load(self, source: Path, replace: bool) -> None:
        """Read all of it from a file, in place of what is there where that is wanted."""


@dataclass(frozen=True)
class Sqlite:
    """A file; it may be in use while it is dumped."""

    path: Path
    kind: Literal["sqlite"] = "sqlite"

    def __str__(self) -> str:  # noqa: D105
        return str(self.path)

    def exists(self) -> bool:
        """Return whether the file is there."""
        return self.path.exists()

    def dump(self, target: Path) -> None:
        """Copy it as SQLite does, with what stands in its log."""
        if not self.exists():
            raise DatabaseError(f"{self.path} is not there; set PREFECT_HOME or {_VARIABLE}")
        try:
            with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as source:
                with closing(sqlite3.connect(target)) as copy:
                    source.backup(copy)
        except sqlite3.Error as error:
            raise DatabaseError(f"{self.path}: {error}") from error

    def load(self, source: Path, replace: bool) -> None:
        """Put the file in place, without the log of the one before."""
        with closing(sqlite3.connect(source)) as dumped:
            found = dumped.execute("PRAGMA integrity_check").fetchone()[0]
        if found != "ok":
            raise DatabaseError(f"the database in the backup is damaged: {found}")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for ending in ("-wal", "-shm"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        with replacing(self.path, mode=0o600) as draft:
            shutil.copyfile(source, draft)


@dataclass(frozen=True)
class PostgreSql:
    """A database of a PostgreSQL server, whose client programs do the work."""

    host: str
    port: int
    name: str
    user: str
    password: str
    kind: Literal["postgresql"] = "postgresql"

    def __str__(self) -> str:  # noqa: D105
        return f"{self.name} at {self.host}:{self.port}"

    def exists(self) -> bool:
        """Return whether it has tables."""
        query = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
        return self._run("psql", "--tuples-only", "--no-align", "--command", query).strip() != "0"

    def dump(self, target: Path) -> None:
        """Dump it in PostgreSQL's own format, in one transaction."""
        self._run("pg_dump", "--format=custom", "--no-owner", f"--file={target}")

    def load(self, source: Path, replace: bool) -> None:
        """Load it in one transaction."""
        emptied = ["--clean", "--if-exists"] if replace else []
        self._run("pg_restore", "--no-owner", "--single-transaction", "--exit-on-error", *emptied, str(source))

    def _run(self, program: str, *arguments: str) -> str:
        try:
            with TemporaryDirectory(prefix="eo-pygeoapi-") as folder:  # which nobody else may read
                passwords = Path(folder, "pgpass")
                passwords.touch(mode=0o600)
                escaped = self.password.replace("\\", "\\\\").replace(":", "\\:")
                passwords.write_text(f"*:*:*:*:{escaped}\n")
                server = {"host": self.host, "port": self.port, "user": self.user, "dbname": self.name}
                server |= {"passfile": passwords}
                named = " ".join(f"{name}={_quoted(value)}" for name, value in server.items())
                command = [program, "--no-password", f"--dbname={named}", *arguments]
                done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise DatabaseError(
                f"{program} is not installed; install PostgreSQL's client programs (postgresql-client)"
            ) from error
        if done.returncode:
            raise DatabaseError(f"{program}: {redact(done.stderr.strip(), [self.password])}")
        return done.stdout


def _quoted(value: object) -> str:
    """Return a value as connection strings of PostgreSQL have it."""
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


def database_of(settings: Settings) -> Database:
    """Return Prefect's database: the one of its own variable, else the file in its folder."""
    url = settings.prefect_database.get_secret_value()
    if not url:
        return Sqlite((settings.prefect_home or settings.data_dir / "prefect") / "prefect.db")
    parts = urlsplit(url)
    kind = parts.scheme.partition("+")[0]
    if kind == "sqlite":
        return Sqlite(Path(parts.path.removeprefix("/") if not parts.path.startswith("//") else parts.path[1:]))
    if kind != "postgresql":
        raise ConfigError(f"{_VARIABLE}: {kind!r} is not allowed; allowed: sqlite+aiosqlite, postgresql+asyncpg")
    return PostgreSql(
        host=parts.hostname or "localhost",
        port=parts.port or 5432,
        name=parts.path.removeprefix("/"),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )
