"""What a source keeps of one product in one box: whole, verified, and found again by every run and worker.

The naming is that of `eo_pygeoapi/store/download_cache.py`. A download is written into a folder beside its
place and moved there only after it was found complete; what is found again is looked at again, and fetched anew
where it is damaged.
"""

import hashlib
import json
import logging
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import xarray as xr
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from eo_pygeoapi.errors import SourceError, SourceUnavailableError
from eo_pygeoapi.pipeline.formats.opening import open_variable
from eo_pygeoapi.store.download_cache import (
    ABOUT,
    LOCK,
    UNFINISHED,
    CachedFile,
    dates_text,
    file_name,
    parse,
    remove,
    sweep,
)

_LOG = logging.getLogger(__name__)
_WAIT = 6 * 3600  # seconds for another job to fetch the same data
_ONLY = ""  # a file holds one variable, whatever the provider calls it
_RETRY_DAYS = 7  # between two looks whether provisional data have become final

FinalFrom = Callable[[date], date]


@dataclass(frozen=True)
class ProductFolder:
    """The files of one product in one box.

    `name` is what messages call it, `step` numpy's unit of the time steps in its files; nothing where a file is a
    raster without a time axis.
    """

    path: Path
    name: str
    step: str
    looked_at: set[tuple[Path, int]] = field(default_factory=set, repr=False, compare=False)
    """Files found good, as they were at a moment, so that one request looks at each once."""

    @classmethod
    def of(cls, cache: Path, source: str, product: str, name: str, step: str, key: Mapping[str, object]) -> (
        "ProductFolder"
    ):  # fmt: skip
        """Return the folder whose files depend on the source, the product and everything in `key`; make it."""
        about = {"source": source, "product": product, **key}
        text = json.dumps(about, sort_keys=True)
        path = cache / source / f"{product}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        folder = cls(path, name, step)
        try:
            path.mkdir(parents=True, exist_ok=True)
            if not (path / ABOUT).exists():
                _write_whole(path / ABOUT, text + "\n")
        except OSError as error:
            raise SourceError(f"{name}: cannot keep downloads in {path}: {error.strerror}") from error
        return folder

    @contextmanager
    def locked(self, say: Callable[[str], None]) -> Iterator[None]:
        """Hold the folder, so that two jobs that need the same data fetch them once."""
        lock = FileLock(self.path / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"waits for another job that fetches {self.name}")
            try:
                lock.acquire(timeout=_WAIT, poll_interval=0.5)
            except Timeout as error:
                raise SourceUnavailableError(f"{self.name}: another job has been fetching it for hours") from error
        try:
            sweep(self.path)
            yield
        finally:
            lock.release()

    @contextmanager
    def unfinished(self) -> Iterator[Path]:
        """Make a folder for what is being downloaded, on the same file system; it is gone afterwards.

        Its name tells whoever kills this process that it is this one's.
        """
        prefix = f"{UNFINISHED}{platform.node()}-{os.getpid()}-"
        with tempfile.TemporaryDirectory(prefix=prefix, dir=self.path, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def keep(self, unfinished: Path, variable: str, first: date, last: date, *, provisional: bool = False) -> Path:
        """Move a file to its place, after having seen that it holds these days.

        Raises SourceUnavailableError where it does not, for another download may. A final file takes the place of
        provisional ones.
        """
        if problem := self._problem(unfinished, first, last):
            raise SourceUnavailableError(
                f"{self.name}: what was received for {dates_text(first, last)} {problem}; try again later"
            )
        path = self.path / file_name(variable, first, last, provisional=provisional, suffix=unfinished.suffix)
        os.replace(unfinished, path)
        for file in self._files(variable):
            if file.provisional and file.path != path and first <= file.first and file.last <= last:
                remove(file.path)
        return path

    def covering(
        self, variable: str, wanted: Sequence[date], today: date, final_from: FinalFrom | None = None
    ) -> tuple[list[CachedFile], list[date]]:
        """Return the files that hold the wanted days, as few as it goes, and the days that none holds.

        A day is in one file only; final ones and long ones come first. Damaged files are removed, as is what is
        provisional when `final_from` says that its final data are there by now.
        """
        missing, files = set(wanted), []
        for file in sorted(self._files(variable), key=lambda file: (file.provisional, file.first - file.last)):
            held = missing & _days(file)
            if held and self._good(file, today, final_from):
                files.append(file)
                missing -= held
        return files, sorted(missing)

    def _files(self, variable: str) -> list[CachedFile]:
        found = (parse(path) for path in self.path.iterdir())
        return [file for file in found if file and file.variable == variable]

    def _good(self, file: CachedFile, today: date, final_from: FinalFrom | None) -> bool:
        try:
            if file.provisional and final_from and _expired(file, today, final_from(file.last)):
                return False
            version = (file.path, file.path.stat().st_mtime_ns)
        except FileNotFoundError:
            return False
        if version in self.looked_at:
            return True
        if problem := self._problem(file.path, file.first, file.last):
            _LOG.warning("%s: %s %s; it is fetched again", self.name, file.path.name, problem)
            remove(file.path)
            return False
        self.looked_at.add(version)
        return True

    def _problem(self, path: Path, first: date, last: date) -> str:
        """Return what is wrong with a file that is to hold these days, or nothing."""
        try:
            data = open_variable(str(path), _ONLY, path.name)
        except SourceError as error:
            return f"cannot be used: {str(error).removeprefix(f'{path.name}: ')}"
        if not self.step:
            return ""
        if "time" not in data.dims:
            return "has no time axis"
        held = data["time"].values
        data.close()
        expected = _steps(first, last, self.step)
        if np.array_equal(held.astype("M8[ns]"), expected):
            return ""
        return f"holds {held.size} time steps, not the {expected.size} of its days"


def _write_whole(path: Path, text: str) -> None:
    """Write a file that others read, which some may write at the same time."""
    descriptor, new = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with open(descriptor, "w") as file:
        file.write(text)
    os.replace(new, path)


def _steps(first: date, last: date, unit: str) -> NDArray[np.datetime64]:
    """Return the starts of the time steps of these days."""
    ends = (np.datetime64(day, "D").astype(f"M8[{unit}]") for day in (first, last + timedelta(1)))
    begin, stop = (int(end.astype("int64")) for end in ends)
    return np.arange(begin, stop).astype(f"M8[{unit}]").astype("M8[ns]")


def _days(file: CachedFile) -> set[date]:
    return {file.first + timedelta(n) for n in range((file.last - file.first).days + 1)}


def _expired(file: CachedFile, today: date, final_from: date) -> bool:
    if today < final_from:
        return False
    return file.fetched < final_from or (today - file.fetched).days >= _RETRY_DAYS


def opened(paths: Sequence[str], name: str) -> list[xr.DataArray]:
    """Open kept files lazily, each cut to the days that those before it do not hold, in the order of time."""
    seen: set[date] = set()
    parts: list[xr.DataArray] = []
    for path in paths:
        data = open_variable(path, _ONLY, name)
        file = parse(Path(path))
        held = _days(file) if file else set()
        if again := seen & held:
            fresh = ~np.isin(data["time"].values.astype("M8[D]"), np.array(sorted(again), "M8[D]"))
            data = data.isel(time=np.flatnonzero(fresh))
        seen |= held
        if data.sizes["time"]:
            parts.append(data)
    return sorted(parts, key=lambda part: part["time"].values[0])
