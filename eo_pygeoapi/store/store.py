"""The results store: the files that jobs write, by key, in a folder or an object store.

| key | what |
|---|---|
| `jobs/{jobID}/…` | the files of a job; see `job_folder.py` |
| `requests/{id}/…` | what of a request is too large or too private for Prefect; see `jobs/held_parts.py` |
| `published/{datasetId}/…` | the latest value of every unit and period; see `published.py` |
| `coverage/…`, `history/…` | what there is, and which imports there were; see `coverage.py`, `history.py` |
| `sent/…` | what was sent to DHIS2 last; see `pipeline/dhis2/sent.py` |
| `workers/{name}.json` | which release a running worker is of; see `workers.py` |
| `schedules/{datasetId}/…` | which schedules a person has paused; see `pauses.py` |
"""

import json
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from eo_pygeoapi.errors import ResultsError, StoreUnavailableError
from eo_pygeoapi.files import replacing
from eo_pygeoapi.json_types import JsonMapping
from eo_pygeoapi.redaction import redact

# object stores: what is put there appears at once and whole, and renaming it would copy it
_WHOLE_PUTS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "cos", "obs", "hf"})
# what the clients of object stores raise where the store does not answer; they are not imported here
_AWAY = frozenset({"HTTPClientError", "ConnectionError", "ClientConnectionError", "ServerTimeoutError"})
_KEY = "a relative path whose parts are not empty, do not start with a dot and hold no backslash or control character"


class MissingResultError(ResultsError):
    """The store answers, and holds nothing under this key."""


@dataclass(frozen=True)
class StoredEntry:
    """A file of the store: how large it is, and when it was written."""

    key: str
    size: int
    written: datetime


class ResultStore:
    """Files under keys such as `jobs/{jobID}/result.json`, at a path or an fsspec URL.

    It holds the address alone, so every process on every machine that reaches the address sees the same. A file appears
    under its key at once and whole: object stores promise that, elsewhere we rename a draft.
    Every method raises ResultsError for an unsafe key and for a store that cannot be reached.
    """

    def __init__(self, url: str, called: str = "results store") -> None:
        """Take the address, and what messages call this store."""
        self._url, self._called = url, called

    def __repr__(self) -> str:
        """Show the address without what may be secret in it."""
        return f"ResultStore({redact(self._url)!r})"

    def read_bytes(self, key: str) -> bytes:
        """Return the bytes under the key; MissingResultError when there are none."""
        with self._translated("read", key):
            return cast(bytes, self._files.cat_file(self._path(key)))

    def read_json(self, key: str, default: Any = ...) -> Any:
        """Return the JSON value under the key; where there is none, `default`, or MissingResultError without one."""
        try:
            return json.loads(self.read_bytes(key))
        except MissingResultError:
            if default is ...:
                raise
            return default
        except ValueError as error:
            raise ResultsError(f"{self._called}: {key!r} is not JSON") from error

    def open(self, key: str) -> BinaryIO:
        """Open a file for reading in pieces; MissingResultError when there is nothing."""
        with self._translated("read", key):
            return cast(BinaryIO, self._files.open(self._path(key), "rb"))

    def copy_to(self, key: str, path: Path) -> None:
        """Copy a file to a local path, which gets it whole or not at all; MissingResultError when there is nothing."""
        with self._translated("read", key), replacing(path) as draft:
            self._files.get_file(self._path(key), str(draft))

    def local_path(self, key: str) -> Path | None:
        """Return the local path of the file, or None where the store is elsewhere."""
        path = self._path(key)
        return Path(path) if self._is_local else None

    def write_bytes(self, key: str, value: bytes) -> None:
        """Write bytes under the key, over what was there."""
        with self.new_file(key) as path:
            path.write_bytes(value)

    def create_bytes(self, key: str, value: bytes) -> bool:
        """Write bytes under a key that holds nothing, in one step; False where it holds something."""
        path = self._path(key)
        try:
            with self._translated("write", key):
                if self._is_local:
                    Path(path).parent.mkdir(parents=True, exist_ok=True)
                self._files.pipe_file(path, value, mode="create")
        except ResultsError as error:
            if _is_there_already(error):
                return False
            raise
        return True

    def write_text(self, key: str, value: str) -> None:
        """Write text under the key, as UTF-8."""
        self.write_bytes(key, value.encode())

    def write_json(self, key: str, value: object) -> None:
        """Write a JSON value under the key; ResultsError for values that JSON does not have, such as NaN."""
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise ResultsError(f"{self._called}: cannot write {key!r}: not JSON: {error}") from error
        self.write_bytes(key, text)

    @contextmanager
    def new_file(self, key: str) -> Iterator[Path]:
        """Yield a local path to write to; the file appears under the key when the block ends without an error."""
        path = self._path(key)
        try:
            if self._is_local:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                with replacing(Path(path)) as draft:
                    yield draft
                    # a rename survives a power cut before the content does, unless the content is on the disk
                    with draft.open("rb+") as stream:
                        os.fsync(stream.fileno())
                return
            with tempfile.TemporaryDirectory(prefix="eo-pygeoapi-") as folder:
                yield (draft := Path(folder, Path(path).name))
                with self._translated("write", key):
                    protocols = self._files.protocol
                    if not _WHOLE_PUTS.isdisjoint([protocols] if isinstance(protocols, str) else protocols):
                        self._files.put_file(str(draft), path)
                        return
                    beside = path.rpartition("/")[0]
                    sent = f"{beside}/.{uuid.uuid4().hex}.tmp"
                    self._files.makedirs(beside, exist_ok=True)
                    try:
                        self._files.put_file(str(draft), sent)
                        self._files.mv(sent, path)
                    except BaseException:
                        with suppress(Exception):
                            self._files.rm_file(sent)
                        raise
        except OSError as error:
            raise _cannot(self._called, "write", key, error) from error

    def exists(self, key: str) -> bool:
        """Return whether there is a file under the key."""
        try:
            # not `exists`, which answers False when the store is away
            with self._translated("read", key):
                return bool(self._files.info(self._path(key))["type"] == "file")
        except MissingResultError:
            return False

    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys in a folder and below, sorted: `jobs/1` holds `jobs/1/result.json`, not `jobs/10/…`."""
        with self._translated("list", prefix):
            return sorted(self._key(entry) for entry in self._walk(self._path(prefix) if prefix else self._root))

    def sizes(self, folder: str = "") -> dict[str, int]:
        """Return the files that lie in a folder itself, name and bytes, in one listing; none if there is no folder."""
        try:
            with self._translated("list", folder):
                found = self._files.ls(self._path(folder) if folder else self._root, detail=True)
        except MissingResultError:
            return {}
        sizes = {entry["name"].rpartition("/")[2]: int(entry["size"]) for entry in found if entry["type"] == "file"}
        return {name: size for name, size in sizes.items() if not name.startswith(".")}

    def stored(self, prefix: str = "") -> list[StoredEntry]:
        """Return what is kept in a folder and below, with sizes and times, sorted by key."""
        with self._translated("list", prefix):
            found = list(self._walk(self._path(prefix) if prefix else self._root))
        kept = []
        for entry in found:
            names = (name for name in ("mtime", "LastModified", "last_modified", "updated") if name in entry)
            said = entry.get(next(names, ""))
            if isinstance(said, int | float):
                said = datetime.fromtimestamp(said, UTC)
            elif isinstance(said, str):
                said = datetime.fromisoformat(said)
            # now, where what lies behind fsspec does not say
            written = said.astimezone(UTC) if isinstance(said, datetime) else datetime.now(UTC)
            kept.append(StoredEntry(self._key(entry), int(entry.get("size") or 0), written))
        return sorted(kept, key=lambda entry: entry.key)

    def delete(self, prefix: str) -> None:
        """Delete a key, or the keys in a folder and below; where there are none, nothing happens."""
        try:
            with self._translated("delete", prefix):
                self._files.rm(self._path(prefix), recursive=True)
        except MissingResultError:
            return

    def url(self, key: str) -> str:
        """Return the key's address as fsspec takes it."""
        return str(self._files.unstrip_protocol(self._path(key)))

    def _walk(self, folder: str) -> Iterator[dict[str, Any]]:
        # not `find`, which leaves out what it cannot read
        try:
            entries = self._files.ls(folder, detail=True)
        except FileNotFoundError:
            return
        for entry in entries:
            name = entry["name"].rstrip("/")
            if name.rpartition("/")[2].startswith("."):
                continue
            if entry["type"] == "directory":
                yield from self._walk(name)
            else:
                yield entry

    def _key(self, entry: JsonMapping) -> str:
        return str(entry["name"])[len(self._root) :].strip("/")

    def _path(self, key: str) -> str:
        parts = key.split("/")
        if any(not part or part.startswith(".") or "\\" in part or not part.isprintable() for part in parts):
            raise ResultsError(f"{self._called}: {key!r} is no key; allowed: {_KEY}")
        return f"{self._root}/{key}"

    @cached_property
    def _place(self) -> tuple[Any, str]:
        try:
            # listings must not be cached: other processes write here
            files, root = fsspec.core.url_to_fs(self._url, use_listings_cache=False)
        except (ImportError, ValueError, OSError) as error:
            raise ResultsError(f"{self._called} {redact(self._url)}: {redact(str(error))}") from error
        return files, root.rstrip("/")

    @property
    def _files(self) -> Any:
        return self._place[0]

    @property
    def _root(self) -> str:
        return self._place[1]

    @property
    def _is_local(self) -> bool:
        return isinstance(self._files, LocalFileSystem)

    @contextmanager
    def _translated(self, action: str, key: str) -> Iterator[None]:
        try:
            yield
        except ResultsError:
            raise
        except FileNotFoundError as error:
            if action == "write":
                raise _cannot(self._called, action, key, error) from error
            raise MissingResultError(f"{self._called}: there is no {key!r}") from error
        except Exception as error:  # the libraries behind fsspec raise errors of their own
            raise _cannot(self._called, action, key, error) from error


def _cannot(called: str, action: str, key: str, error: Exception) -> ResultsError:
    said = f"{called}: cannot {action} {key!r}: {type(error).__name__}: {redact(str(error))}"
    return StoreUnavailableError(said) if _may_pass(error) else ResultsError(said)


def _causes(error: BaseException | None) -> list[BaseException]:
    """Return an error and what it was raised from: s3fs wraps what botocore says in an OSError."""
    found: list[BaseException] = []
    while error is not None:
        found.append(error)
        error = error.__cause__
    return found


def _response(error: BaseException) -> dict[str, Any]:
    response = getattr(error, "response", None)
    return response if isinstance(response, dict) else {}


def _may_pass(error: BaseException) -> bool:
    """Tell whether a store that is elsewhere was away: no answer in time, none at all, or one of 5xx."""
    for cause in _causes(error):
        code = _response(cause).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        names = {kind.__name__ for kind in type(cause).__mro__}
        if isinstance(cause, ConnectionError | TimeoutError) or int(code) >= 500 or not names.isdisjoint(_AWAY):
            return True
    return False


def _is_there_already(error: BaseException) -> bool:
    """Tell whether a key was not created because it is there, or because another process creates it just now."""
    codes = {_response(cause).get("Error", {}).get("Code") for cause in _causes(error)}
    there = any(isinstance(cause, FileExistsError) for cause in _causes(error))
    return there or not codes.isdisjoint({"PreconditionFailed", "ConditionalRequestConflict"})
