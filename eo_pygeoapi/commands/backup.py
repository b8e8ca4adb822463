"""One file with all that cannot be made again: Prefect's database, the results store, the configuration and the tokens.

A system may run while it is written. The database is copied first, by its own means and as of one moment; results that
come later do no harm, for jobs that the copy knows as running are settled as if their machine had been lost.
"""

import errno
import importlib.metadata
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, ValidationError

from eo_pygeoapi.commands.prefect_database import Database, database_of
from eo_pygeoapi.commands.running import running_stack
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.files import write_whole
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.store import MissingResultError, ResultStore

MANIFEST, DATABASE, RESULTS = "manifest.json", "database", "results/"
CONFIG, TOKENS = "pygeoapi-config.yml", "tokens.json"
NOT_TO_BE_WRITTEN = (errno.EACCES, errno.EPERM, errno.EROFS)  # not by this user, or by nobody, as in a container
_ROUNDS = 10  # files that are merged while we look vanish, and others come

Say = Callable[[str], None]


class BackupError(EoError):
    """A backup cannot be written or read, or would replace what is there."""


class Manifest(BaseModel):
    """What a backup holds, and of which versions."""

    version: str
    prefect: str
    created: datetime
    database: Literal["sqlite", "postgresql", "none"]
    results: list[str]
    files: list[str]


def write_backup(settings: Settings, target: Path, with_database: bool = True) -> Manifest:
    """Write everything into one file, which appears whole or not at all and is readable by this user alone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=target.parent) as name:
        folder = Path(name)
        unfinished = folder / "archive"
        unfinished.touch(mode=0o600)
        with tarfile.open(unfinished, "w:gz", compresslevel=1) as archive:
            database = database_of(settings) if with_database else None
            if database:
                database.dump(folder / DATABASE)
                archive.add(folder / DATABASE, DATABASE)
            files = _add_files(settings, archive)
            keys = _add_results(ResultStore(settings.results), archive, folder / "part")
            manifest = Manifest(
                version=importlib.metadata.version("eo-pygeoapi"),
                prefect=importlib.metadata.version("prefect"),
                created=datetime.now(UTC),
                database=database.kind if database else "none",
                results=keys,
                files=files,
            )
            _add_text(archive, MANIFEST, manifest.model_dump_json(indent=1))
        os.replace(unfinished, target)
    return manifest


def restore_backup(settings: Settings, source: Path, say: Say, replace: bool = False) -> Manifest:
    """Put everything where these settings say it lies; refuses to replace what is there, unless it is to.

    With `replace` the results are afterwards those of the backup, and no others.
    """
    if running_stack(settings.data_dir):
        raise BackupError(f"a system runs from {settings.data_dir}; stop it first")
    store = ResultStore(settings.results)
    with _opened(source) as archive:
        manifest = _manifest_of(archive, source)
        database = database_of(settings) if manifest.database != "none" else None
        _refuse(manifest, database, store, settings, replace)
        if database:
            _restore_database(archive, database, replace)
            say(f"Prefect's database: {manifest.database}, as of {manifest.created:%Y-%m-%d %H:%M} UTC")
        for key in set(store.keys()) - set(manifest.results):
            store.delete(key)
        wanted = set(manifest.results)
        for member in archive:  # of several copies of a file the last one stays
            if (key := member.name.removeprefix(RESULTS)) != member.name and key in wanted:
                with store.new_file(key) as path:
                    _extract(archive, member, path)
        say(f"results store: {len(wanted)} files")
        for name, path in _files(settings).items():
            if name in manifest.files:
                _restore_beside(archive, name, path, replace, say)
    return manifest


def _files(settings: Settings) -> dict[str, Path]:
    """Return the files beside the store, by their names in a backup."""
    running = running_stack(settings.data_dir)
    found = {CONFIG: Path(running.edited) if running else settings.config}
    return found | ({TOKENS: settings.api_tokens_file} if settings.api_tokens_file else {})


def _add_files(settings: Settings, archive: tarfile.TarFile) -> list[str]:
    present = {name: path for name, path in _files(settings).items() if path.is_file()}
    for name, path in present.items():
        archive.add(path, name)
    return list(present)


def _add_results(store: ResultStore, archive: tarfile.TarFile, part: Path) -> list[str]:
    """Add what the store holds, until all of what it holds at one moment has been added; returns these keys."""
    added = set[str]()
    for _ in range(_ROUNDS):
        present = store.keys()
        for key in present:
            if key not in added:
                try:
                    store.copy_to(key, part)
                except MissingResultError:  # merged into another one meanwhile
                    continue
                archive.add(part, f"{RESULTS}{key}")
                added.add(key)
        if added.issuperset(now := store.keys()):
            return now
    raise BackupError(f"the results store kept changing while it was read ({_ROUNDS} times); try again")


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    content = text.encode()
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = len(content), int(datetime.now(UTC).timestamp()), 0o600
    archive.addfile(member, io.BytesIO(content))


@contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(source, "r:gz") as archive:
            yield archive
    except (OSError, EOFError, tarfile.TarError) as error:
        raise BackupError(f"{source}: cannot be read: {error}") from error


def _manifest_of(archive: tarfile.TarFile, source: Path) -> Manifest:
    try:
        content = archive.extractfile(MANIFEST)
        assert content is not None, "the manifest is a file"
        return Manifest.model_validate_json(content.read())
    except (KeyError, ValidationError) as error:
        raise BackupError(f"{source} is not what `eo-pygeoapi backup` writes, or was cut off") from error


def _refuse(
    manifest: Manifest, database: Database | None, store: ResultStore, settings: Settings, replace: bool
) -> None:
    """Raise BackupError for what cannot be restored here, before anything is changed."""
    if unsafe := [key for key in manifest.results if ".." in PurePosixPath(key).parts or key.startswith("/")]:
        raise BackupError(f"the backup names a file outside the store: {unsafe[0]!r}")
    if database and database.kind != manifest.database:
        raise BackupError(
            f"the backup holds a {manifest.database} database, and this installation uses {database.kind}; "
            "set PREFECT_SERVER_DATABASE_CONNECTION_URL to one of its kind"
        )
    there = [settings.results] if store.keys() else []
    if database and database.exists():
        there.append(str(database))
    if there and not replace:
        raise BackupError(f"not empty: {' and '.join(there)}; give --replace to put the backup in their place")


def _restore_database(archive: tarfile.TarFile, database: Database, replace: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="eo-pygeoapi-") as name:
        dumped = Path(name) / DATABASE
        _extract(archive, DATABASE, dumped)
        database.load(dumped, replace)


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo | str, path: Path) -> None:
    """Write a file of a backup to a path."""
    content = archive.extractfile(member)
    assert content is not None, "it is a file"
    with path.open("wb") as stream:
        shutil.copyfileobj(content, stream, 1 << 20)


def _restore_beside(archive: tarfile.TarFile, name: str, path: Path, replace: bool, say: Say) -> None:
    """Put a file back; what is there stays unless it is to be replaced."""
    content = archive.extractfile(name)
    assert content is not None, "it is a file"
    text = content.read().decode()
    there = path.read_text(encoding="utf-8") if path.exists() else None
    if there == text:
        say(f"{path}: the same")
        return
    if there is not None and not replace:
        say(f"{path} is another one, and stays; --replace puts the backup's in its place")
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text, mode=0o600 if name == TOKENS else 0o644)
    except OSError as error:
        if error.errno not in NOT_TO_BE_WRITTEN:
            raise
        by_hand = f"tar --extract --to-stdout --file {archive.name!r} {name}"
        say(f"{path} is not to be written by this user, and stays; `{by_hand}` prints the backup's")
        return
    say(f"{path}")
