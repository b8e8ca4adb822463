"""An empty SQLite database for a new Prefect server: it would take a dozen seconds to make one by its migrations.

`empty_prefect.sql` is what Prefect's migrations make, as a text. Its last migration is one of the installed Prefect, or
the file is not used; of a newer Prefect the server goes on from there. The text is written again, by the installed
Prefect, with `python -m eo_pygeoapi.commands.up.empty_database`.
"""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from eo_pygeoapi.errors import EoError
from eo_pygeoapi.files import replacing

_TEXT = Path(__file__).with_name("empty_prefect.sql")
_DATABASE = "prefect.db"
_MIGRATIONS = "server/database/_migrations/versions/sqlite"


def make_empty(prefect_home: Path, environ: Mapping[str, str], migrations: Path | None = None) -> bool:
    """Make the database of a Prefect server in its folder; return whether that was to do, and could be done.

    Nothing is made where there is a database, where the environment names another, or where the installed Prefect,
    whose files are in `migrations`, does not know the last migration of ours. EoError where it cannot be written.
    """
    if (prefect_home / _DATABASE).exists() or any(n.startswith("PREFECT_") and "_DATABASE_" in n for n in environ):
        return False
    text = _TEXT.read_text()
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(text)
        ((last,),) = database.execute("SELECT version_num FROM alembic_version")
        if not list((migrations or _installed()).glob(f"*_{last}_*.py")):
            return False
        try:
            with replacing(prefect_home / _DATABASE, mode=0o600) as draft, closing(sqlite3.connect(draft)) as target:
                database.backup(target)
                target.execute("PRAGMA journal_mode=WAL")  # as Prefect sets it
        except sqlite3.Error as error:
            raise EoError(f"{prefect_home / _DATABASE} cannot be written: {error}") from error
    return True


def _installed() -> Path:
    spec = find_spec("prefect")
    assert spec is not None and spec.origin is not None  # we depend on it
    return Path(spec.origin).parent / _MIGRATIONS


def by_migrations(environ: Mapping[str, str]) -> str:
    """Return what the migrations of the installed Prefect make, as a text."""
    with TemporaryDirectory(prefix="eo-pygeoapi-") as home:
        kept = {name: value for name, value in environ.items() if not name.startswith("PREFECT_")}
        subprocess.run(
            [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"],
            env={**kept, "PREFECT_HOME": home},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with closing(sqlite3.connect(Path(home, _DATABASE))) as database:
            lines = "\n".join(database.iterdump()).splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"


if __name__ == "__main__":
    _TEXT.write_text(by_migrations(os.environ))
