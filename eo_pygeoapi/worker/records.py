"""Which worker of this machine has which run, and in which process: what remains when the worker itself is killed."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

from eo_pygeoapi.worker.processes import Process, boot_id


@dataclass(frozen=True)
class RunRecord:
    """One run that a worker has taken, or is about to (`taken` is false).

    `path` is where this is written, `folder` where the run works.
    """

    path: Path
    run_id: UUID
    worker: Process
    worker_name: str
    boot: str
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
        return Process(int(pid), int(started))

    @property
    def is_of_this_boot(self) -> bool:
        """Whether the machine has not started anew since."""
        return self.boot == boot_id()

    def write(self) -> "RunRecord":
        """Write it, whole or not at all; returns itself."""
        content = asdict(self) | {"path": "", "run_id": str(self.run_id)}
        unfinished = self.path.with_suffix(".new")
        unfinished.write_text(json.dumps(content))
        os.replace(unfinished, self.path)
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
    """The records of the workers that share a data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, run_id: UUID, worker_name: str) -> RunRecord:
        """Write that this process is about to take the run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{run_id}-{os.getpid()}.json"
        said_path(path).unlink(missing_ok=True)
        return RunRecord(path, run_id, Process.of(os.getpid()), worker_name, boot_id()).write()

    def all(self) -> list[RunRecord]:
        """Return all records; what cannot be read is none."""
        return [record for path in sorted(self.folder.glob("*.json")) if (record := _read(path))]

    def orphans(self) -> list[RunRecord]:
        """Return the records whose worker is gone."""
        return [record for record in self.all() if not record.is_of_this_boot or not record.worker.is_alive()]

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


def _read(path: Path) -> RunRecord | None:
    try:
        content = json.loads(path.read_text())
        launcher = content["launcher"]
        return RunRecord(
            path=path,
            run_id=UUID(content["run_id"]),
            worker=Process(**content["worker"]),
            worker_name=content["worker_name"],
            boot=content["boot"],
            taken=content["taken"],
            resume=content["resume"],
            launcher=Process(**launcher) if launcher else None,
            folder=content["folder"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
