"""Which worker of this machine has which run, and in which process: what remains when the worker itself is killed."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO
from uuid import UUID, uuid4

from eo_pygeoapi.files import write_whole
from eo_pygeoapi.worker.processes import Process, place

FOLDER, POLLED, ANSWERED = "runs", "polled", "answered"


@dataclass(frozen=True)
class RunRecord:
    """One run that a worker has taken, or is about to (`taken` is false).

    `path` is where this is written, `folder` where the run works, `worker` the name of the worker's lock, `place` where
    the process numbers mean something.
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
        """The process that executes the run, as it said itself; the launcher until then."""
        try:
            pid, started = self._said.read_text().split()
        except (OSError, ValueError):
            return self.launcher
        return Process(int(pid), float(started))

    @property
    def is_here(self) -> bool:
        """Whether its processes would be found here: not those of another container, nor from before a restart."""
        return self.place == place()

    def write(self) -> "RunRecord":
        """Write it, whole or not at all; returns itself."""
        content = asdict(self) | {"path": "", "run_id": str(self.run_id)}
        write_whole(self.path, json.dumps(content))
        return self

    def forget(self) -> None:
        """Remove it, and what the run left behind: it is settled."""
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.path.unlink(missing_ok=True)
        self._said.unlink(missing_ok=True)

    @property
    def _said(self) -> Path:
        return said_path(self.path)


def said_path(record: Path) -> Path:
    """Return the file in which the process that executes the run writes its number and when it started."""
    return record.with_suffix(".process")


class Records:
    """The records of the workers that share a data folder, be they in containers or on other machines.

    A worker lives as long as it holds the lock on its file: the kernel frees it however the worker dies.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._worker = f"worker-{uuid4()}.lock"
        self._lock: TextIO | None = None

    def enter(self) -> None:
        """Take the lock that says that this worker lives."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / self._worker
        while self._lock is None:
            lock = path.open("w")
            fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists() and os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                self._lock = lock
            else:  # between the two lines it looked like a dead worker's, and was removed
                lock.close()

    def leave(self) -> None:
        """Give the lock back; what is not settled is for the next worker."""
        if self._lock is not None:
            self._lock.close()
            (self.folder / self._worker).unlink(missing_ok=True)

    def polled(self) -> None:
        """Say, for those who ask whether this worker is well, that it asks for runs."""
        (self.folder / POLLED).touch()

    def answered(self) -> None:
        """Remember that runs could be started now: there is a worker, and Prefect has answered it."""
        (self.folder / ANSWERED).touch()

    def last_answered(self) -> float | None:
        """Return when a worker with this folder could last start runs (seconds since 1970); None where none ever."""
        try:
            return (self.folder / ANSWERED).stat().st_mtime
        except OSError:
            return None

    def begin(self, run_id: UUID, worker_name: str, purpose: str = "run") -> RunRecord:
        """Write that this worker is about to take the run, or to call its hooks."""
        path = self.folder / f"{run_id}-{self._worker[7:15]}-{purpose}.json"
        said_path(path).unlink(missing_ok=True)
        return RunRecord(path, run_id, self._worker, worker_name, place()).write()

    def all(self) -> list[RunRecord]:
        """Return all records; what cannot be read is none."""
        return [record for path in sorted(self.folder.glob("*.json")) if (record := _read(path))]

    def is_alive(self, worker: str) -> bool:
        """Return whether the worker with this lock lives."""
        try:
            with (self.folder / worker).open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        return False

    def forget_dead_workers(self) -> None:
        """Remove the locks of dead workers that left nothing."""
        left = {record.worker for record in self.all()}
        for path in self.folder.glob("worker-*.lock"):
            if path.name not in left and not self.is_alive(path.name):
                path.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Yield whether we may look after orphans now: one worker at a time does."""
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


def _read(path: Path) -> RunRecord | None:
    try:
        content = json.loads(path.read_text())
        launcher = content["launcher"]
        return RunRecord(
            path=path,
            run_id=UUID(content["run_id"]),
            worker=content["worker"],
            worker_name=content["worker_name"],
            place=content["place"],
            taken=content["taken"],
            resume=content["resume"],
            launcher=Process(**launcher) if launcher else None,
            folder=content["folder"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
