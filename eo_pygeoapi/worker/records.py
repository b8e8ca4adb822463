"""Which worker has which run, and in which process: files that survive the death of the worker."""

import fcntl
import json
import os
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO
from uuid import UUID, uuid4

from eo_pygeoapi.files import write_whole
from eo_pygeoapi.worker.processes import Process, place

FOLDER, POLLED, ANSWERED = "runs", "polled", "answered"
POLLED_LONG_AGO = 86400.0  # seconds; each container has a name of its own


@dataclass(frozen=True)
class RunRecord:
    """One run that a worker has taken, or is about to (`taken` is false).

    `path` is the file of this record, `folder` the run's working folder, `worker` the name of the worker's lock, and
    `place` where its process numbers are valid.
    """

    path: Path
    run_id: UUID
    worker: str
    worker_name: str
    place: str
    taken: bool = False
    resume: int = 0
    launcher: Process | None = None
    folder: str = ""

    @property
    def process(self) -> Process | None:
        """The process that executes the run, once it has written its number; the launcher until then."""
        try:
            pid, started = self._said.read_text().split()
        except (OSError, ValueError):
            return self.launcher
        return Process(int(pid), float(started))

    @property
    def is_here(self) -> bool:
        """Whether its process numbers are valid here: not in another container, nor after the machine's restart."""
        return self.place == place()

    @classmethod
    def read(cls, path: Path) -> "RunRecord | None":
        """Read a record; None if the file is unreadable."""
        try:
            content = json.loads(path.read_text())
            launcher = Process(**content["launcher"]) if content["launcher"] else None
            return cls(**content | {"path": path, "run_id": UUID(content["run_id"]), "launcher": launcher})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self) -> "RunRecord":
        """Write it, whole or not at all; returns itself."""
        content = asdict(self) | {"path": "", "run_id": str(self.run_id)}
        write_whole(self.path, json.dumps(content))
        return self

    def forget(self) -> None:
        """Remove the record of a settled run, and the run's working folder."""
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.path.unlink(missing_ok=True)
        self._said.unlink(missing_ok=True)

    @property
    def _said(self) -> Path:
        return said_path(self.path)


def said_path(record: Path) -> Path:
    """Return the file into which the run's process writes its number and start time."""
    return record.with_suffix(".process")


class Records:
    """The records of the workers that share a data folder, in containers or on several machines.

    A worker is alive while it holds the lock on its file: the kernel releases the lock however the worker dies.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._worker = f"worker-{uuid4()}.lock"
        self._lock: TextIO | None = None

    def enter(self) -> None:
        """Take the lock that shows that this worker is alive."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / self._worker
        while self._lock is None:
            lock = path.open("w")
            fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists() and os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                self._lock = lock
            else:  # another worker has just removed the file, for it was not locked yet
                lock.close()

    def leave(self) -> None:
        """Release the lock; the next worker settles the records that are left."""
        if self._lock is not None:
            self._lock.close()
            (self.folder / self._worker).unlink(missing_ok=True)

    def polled(self) -> None:
        """Note that a worker has just polled for runs, and on which machine; health checks read this.

        Where nothing can be written they find no worker, and none could start a run.
        """
        with suppress(OSError):
            (self.folder / POLLED).touch()
            (self.folder / f"{POLLED}-{platform.node()}").touch()

    def answered(self) -> None:
        """Note that Prefect has answered a worker, so that runs could be started now."""
        with suppress(OSError):
            (self.folder / ANSWERED).touch()

    def last_answered(self) -> float | None:
        """Return when a worker with this folder could last start runs (seconds since 1970); None if none ever could."""
        try:
            return (self.folder / ANSWERED).stat().st_mtime
        except OSError:
            return None

    def begin(self, run_id: UUID, worker_name: str, purpose: str = "run") -> RunRecord:
        """Write a record: this worker is about to take the run, or to call its hooks."""
        path = self.folder / f"{run_id}-{self._worker[7:15]}-{purpose}.json"
        said_path(path).unlink(missing_ok=True)
        return RunRecord(path, run_id, self._worker, worker_name, place()).write()

    def all(self) -> list[RunRecord]:
        """Return all readable records."""
        return [record for path in sorted(self.folder.glob("*.json")) if (record := RunRecord.read(path))]

    def is_alive(self, worker: str) -> bool:
        """Tell whether the worker with this lock is alive."""
        try:
            with (self.folder / worker).open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        return False

    def forget_dead_workers(self) -> None:
        """Remove the lock files of dead workers without records."""
        left = {record.worker for record in self.all()}
        for path in self.folder.glob("worker-*.lock"):
            if path.name not in left and not self.is_alive(path.name):
                path.unlink(missing_ok=True)
        for path in self.folder.glob(f"{POLLED}-*"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > POLLED_LONG_AGO:
                    path.unlink()

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Yield whether this worker may look after orphans now: one at a time may."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "reaper.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
            yield True


def has_polled(data_dir: Path, since: float) -> bool:
    """Tell whether a worker with this data folder has asked for runs since then (seconds since 1970)."""
    try:
        return (data_dir / FOLDER / POLLED).stat().st_mtime >= since
    except OSError:
        return False
