"""The cache of downloads in an object store, for workers that share no disk.

Each worker reads copies on its own disk (`download_cache.py`). Before a job looks for files of a product it copies
those that it lacks, and it stores there what it has downloaded. `lock-PART` beside the files says who downloads a part,
such as a month: its holder writes it anew every few seconds, and whoever waits takes it over when it has not changed
for two minutes.
Where two workers hold it at once after all, both download the same files, and each file is whole.
"""

import hashlib
import logging
import os
import platform
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from eo_pygeoapi.errors import ResultsError, SourceUnavailableError
from eo_pygeoapi.store.download_cache import SHARED, CachedFile, Product, parse, read_about, remove
from eo_pygeoapi.store.store import MissingResultError, ResultStore, StoredEntry

LOCK = "lock"
CALLED = "download cache"  # in messages
_JUST_FETCHED = 3600  # seconds within which a new file may not be in the store yet
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """How often, in seconds, a lock is written and looked at, and after how long without a change it is free."""

    written: float = 15
    looked_at: float = 1
    given_up: float = 120


def shared_store(url: str) -> ResultStore | None:
    """Return the object store at this address, None where workers share none."""
    return ResultStore(url, CALLED) if url else None


@dataclass(frozen=True)
class SharedFolder:
    """The files of one product in the object store, under `prefix`, and their copies in the folder `copies`."""

    store: ResultStore
    prefix: str
    copies: Path
    pace: Pace = Pace()
    _copied: set[str] = field(default_factory=set, repr=False, compare=False)

    def files(self, variable: str) -> dict[StoredEntry, CachedFile]:
        """Return the files of a variable in the store. Raises ResultsError."""
        found = {entry: parse(self.copies / entry.key.rpartition("/")[2]) for entry in self.store.stored(self.prefix)}
        return {entry: file for entry, file in found.items() if file and file.variable == variable}

    def pull(self, wanted: Callable[[CachedFile], bool], variable: str) -> None:
        """Copy those of the wanted files here that are not here, or older. Raises ResultsError."""
        for entry, file in self.files(variable).items():
            if wanted(file) and not _is_as_new(file.path, entry):
                _LOG.info("copies %s from the shared cache", entry.key)
                with suppress(MissingResultError):  # removed since it was listed
                    self.store.copy_to(entry.key, file.path)
                    os.utime(file.path, (entry.written.timestamp(),) * 2)
                    self._copied.add(file.path.name)

    def push(self, path: Path) -> None:
        """Store a new file. Raises ResultsError."""
        key = f"{self.prefix}/{path.name}"
        with self.store.new_file(key) as draft:
            shutil.copyfile(path, draft)
        self._copied.discard(path.name)
        for entry in self.store.stored(key):
            os.utime(path, (entry.written.timestamp(),) * 2)

    def drop(self, path: Path) -> None:
        """Remove a file that another one replaces. Raises ResultsError."""
        self.store.delete(f"{self.prefix}/{path.name}")

    def drop_damaged(self, path: Path) -> None:
        """Remove a damaged file where it is the store's own that is damaged, and not the copy. Raises ResultsError."""
        if path.name in self._copied:
            self.drop(path)

    @contextmanager
    def locked(self, say: Callable[[], None], seconds: float, part: str) -> Iterator[None]:
        """Hold the lock of a part while the block runs; `say` is called once where it must be waited for.

        The caller holds the lock of this machine's copies of the part. So one that this machine is said to hold was
        left behind, by a job that was killed or could not reach the store at its end, and is taken at once.

        Raises SourceUnavailableError where another worker holds it for so many seconds, and ResultsError.
        """
        key = f"{self.prefix}/{LOCK}-{part}"
        owner = hashlib.sha256(f"{platform.node()} {self.copies}".encode()).hexdigest()
        self._take(key, owner, say, seconds)
        ended = threading.Event()
        keeping = threading.Thread(target=self._keep, args=(key, owner, ended), daemon=True)
        keeping.start()
        try:
            yield
        finally:
            ended.set()
            keeping.join()
            with suppress(ResultsError):  # else it is taken over in two minutes
                if self._holder(key).startswith(owner):
                    self.store.delete(key)

    def _take(self, key: str, owner: str, say: Callable[[], None], seconds: float) -> None:
        begun = changed = time.monotonic()
        seen = ""
        while not self.store.create_bytes(key, f"{owner} 0".encode()):
            holder, now = self._holder(key), time.monotonic()
            if holder.startswith(owner):
                return
            if holder != seen:
                if not seen:
                    say()
                seen, changed = holder, now
            elif now - changed > self.pace.given_up:
                _LOG.warning("%s is free: its holder has given no sign of life for %.0f s", key, now - changed)
                self.store.delete(key)
                continue
            if now - begun > seconds:
                raise SourceUnavailableError(f"{key}: another worker has been fetching it for hours")
            time.sleep(self.pace.looked_at)

    def _keep(self, key: str, owner: str, ended: threading.Event) -> None:
        number = 0
        while not ended.wait(self.pace.written):
            number += 1
            with suppress(ResultsError):  # the next one may be written
                if not self._holder(key).startswith(owner):
                    return
                self.store.write_text(key, f"{owner} {number}")

    def _holder(self, key: str) -> str:
        try:
            return self.store.read_bytes(key).decode()
        except MissingResultError:
            return ""


def _is_as_new(path: Path, entry: StoredEntry) -> bool:
    try:
        return path.stat().st_mtime >= entry.written.timestamp() - 0.01
    except FileNotFoundError:
        return False


def prune_shared(
    store: ResultStore,
    before: float,
    names: Sequence[str] = (),
    *,
    dry_run: bool,
    spared: Callable[[str, CachedFile | None], bool] = lambda _source, _file: False,
) -> tuple[int, int]:
    """Remove files that were stored before this time; returns their number and bytes. Raises ResultsError.

    `names` are products or sources, none means all; `spared` gets the source and the file and tells whether it stays.
    """
    removed = size = 0
    for entry in store.stored():
        source = entry.key.partition("/")[0]
        if names and not any(entry.key.startswith(f"{name}/") for name in names):
            continue
        if entry.written.timestamp() < before and not spared(source, parse(Path(entry.key))):
            removed, size = removed + 1, size + entry.size
            if not dry_run:
                store.delete(entry.key)
    return removed, size


def shared_products(store: ResultStore, cache: Path) -> list[Product]:
    """Return the products in the object store; what copies in `cache` say of them is theirs. Raises ResultsError."""
    found: dict[str, list[tuple[StoredEntry, CachedFile]]] = {}
    for entry in store.stored():
        if file := parse(cache / entry.key):
            found.setdefault(entry.key.rpartition("/")[0], []).append((entry, file))
    return [
        Product(
            folder=cache / name,
            name=name,
            files=len(files),
            size=sum(entry.size for entry, _ in files),
            first=min(file.first for _, file in files),
            last=max(file.last for _, file in files),
            provisional=sum(file.provisional for _, file in files),
            unfinished=0,
            about=read_about(cache / name),
        )
        for name, files in found.items()
    ]


def drop_copies(store: ResultStore, cache: Path, now: float | None = None) -> int:
    """Remove copies of files that the object store no longer holds; returns their number. Raises ResultsError.

    So what housekeeping removes there goes on every host, also where no watch runs.
    """
    now = now or time.time()
    kept, removed = {entry.key for entry in store.stored()}, 0
    for mark in cache.glob(f"*/*/{SHARED}"):
        for path in filter(parse, mark.parent.iterdir()):
            with suppress(FileNotFoundError):
                if str(path.relative_to(cache)) not in kept and now - path.stat().st_ctime > _JUST_FETCHED:
                    remove(path)
                    removed += 1
    return removed


def local_copies(paths: list[str], cache: Path, store: ResultStore) -> list[str]:
    """Return the paths of files of the cache on this machine, copying here what a step has fetched on another one.

    Paths outside of a cache stay as they are. Raises ResultsError.
    """
    return [_local_copy(path, cache, store) for path in paths]


def _local_copy(text: str, cache: Path, store: ResultStore) -> str:
    path = Path(text)
    if "://" in text or path.exists() or not parse(path) or len(path.parts) < 3:
        return text
    key = "/".join(path.parts[-3:])
    here = cache / key
    if not here.exists():
        here.parent.mkdir(parents=True, exist_ok=True)
        with suppress(MissingResultError):  # the source says what is missing
            store.copy_to(key, here)
    return str(here)
