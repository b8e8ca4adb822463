"""Keep the files of one product in one box, whole and checked, for all runs and workers.

`eo_pygeoapi/store/download_cache.py` defines the names. A source downloads into a folder beside the place of a file and
moves the file there after a check. Each run checks the files again, and fetches damaged ones anew.
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

from eo_pygeoapi.errors import SourceError, SourceUnavailableError
from eo_pygeoapi.files import write_whole
from eo_pygeoapi.pipeline.formats.opening import open_variable
from eo_pygeoapi.store.download_cache import (
    ABOUT,
    SHARED,
    UNFINISHED,
    CachedFile,
    dates_text,
    file_name,
    lock_name,
    parse,
    remove,
    sweep,
)
from eo_pygeoapi.store.shared_cache import SharedFolder
from eo_pygeoapi.store.store import ResultStore

_LOG = logging.getLogger(__name__)
_WAIT = 6 * 3600  # seconds for another job to fetch the same data
ALL = "all"  # the part of a source that locks a product as a whole
_ONLY = ""  # a file holds one variable of any name
_RETRY_DAYS = 7  # between two requests for final data in place of provisional ones

FinalFrom = Callable[[date], date]


@dataclass(frozen=True)
class ProductFolder:
    """The files of one product in one box.

    Messages call it `name`; `step` is numpy's unit of the time steps in its files, '' for rasters without a time axis.
    """

    path: Path
    name: str
    step: str
    about: str = field(repr=False, compare=False)
    shared: SharedFolder | None = field(default=None, repr=False, compare=False)
    looked_at: set[tuple[Path, int]] = field(default_factory=set, repr=False, compare=False)
    """Good files with the time of their last change, so that one request checks each once."""

    @classmethod
    def of(
        cls,
        cache: Path,
        source: str,
        product: str,
        name: str,
        step: str,
        key: Mapping[str, object],
        shared: ResultStore | None = None,
    ) -> "ProductFolder":
        """Return the folder for a source, a product and everything in `key`; it is made when it is needed.

        Its files are copies of those in the object store `shared`, where there is one.
        """
        about = {"source": source, "product": product, **key}
        text = json.dumps(about, sort_keys=True)
        prefix = f"{source}/{product}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        path = cache / prefix
        return cls(path, name, step, text, SharedFolder(shared, prefix, path) if shared else None)

    def make(self) -> None:
        """Make the folder, and write what it holds beside the files."""
        path = self.path
        try:
            path.mkdir(parents=True, exist_ok=True)
            if self.shared:
                (path / SHARED).touch()
            for last in (False, False, True):
                try:
                    if not (path / ABOUT).exists():
                        write_whole(path / ABOUT, self.about + "\n")
                    break
                except FileNotFoundError:  # housekeeping has removed the folder, which was empty
                    if last:
                        raise
        except OSError as error:
            raise SourceError(f"{self.name}: cannot keep downloads in {path}: {error.strerror}") from error

    @contextmanager
    def locked(self, say: Callable[[str], None], part: str = ALL) -> Iterator[None]:
        """Make the folder and lock a part, such as the month `2025-07`: of two jobs that need it one fetches it.

        Who has waited looks again whether it is there. Jobs that fetch other parts do not wait.
        """
        self.make()
        with self._locked_here(say, part):
            sweep(self.path, part)
            if self.shared is None:
                yield
                return
            called = self._called(part)
            with self.shared.locked(lambda: say(f"waits for another worker that fetches {called}"), _WAIT, part):
                yield

    def _called(self, part: str) -> str:
        return self.name if part == ALL else f"{self.name} {part}"

    @contextmanager
    def _locked_here(self, say: Callable[[str], None], part: str) -> Iterator[None]:
        lock, called = FileLock(self.path / lock_name(part)), self._called(part)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"waits for another job that fetches {called}")
            try:
                lock.acquire(timeout=_WAIT, poll_interval=0.5)
            except Timeout as error:
                raise SourceUnavailableError(f"{called}: another job has been fetching it for hours") from error
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def unfinished(self, part: str = ALL) -> Iterator[Path]:
        """Make a folder on the same file system for a download, and remove it afterwards.

        Its name holds the machine, the process and the part, so that whoever kills the process, or fetches the part
        next, can remove it.
        """
        prefix = f"{UNFINISHED}{platform.node()}-{os.getpid()}-"
        with tempfile.TemporaryDirectory(f".{part}", prefix, self.path, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def keep(self, unfinished: Path, variable: str, first: date, last: date, *, provisional: bool = False) -> Path:
        """Check that a file holds these days and move it to its place; a final file replaces provisional ones.

        Raises SourceUnavailableError where it lacks some, as another download may have them.
        """
        if problem := self._problem(unfinished, first, last):
            raise SourceUnavailableError(
                f"{self.name}: what was received for {dates_text(first, last)} {problem}; try again later"
            )
        path = self.path / file_name(variable, first, last, provisional=provisional, suffix=unfinished.suffix)
        os.replace(unfinished, path)
        if self.shared:
            self.shared.push(path)
        for file in self._files(variable):
            if file.provisional and file.path != path and first <= file.first and file.last <= last:
                remove(file.path)
                if self.shared:
                    self.shared.drop(file.path)
        return path

    def covering(
        self,
        variable: str,
        wanted: Sequence[date],
        today: date,
        final_from: FinalFrom | None = None,
        *,
        locked: bool = False,
    ) -> tuple[list[CachedFile], list[date]]:
        """Return the files with the wanted days, few and final ones first, and the days that no file holds.

        Passes over damaged files, which whoever holds the lock removes, and over provisional ones when, by
        `final_from`, the provider has final data by now.
        """
        missing, files = set(wanted), []
        if self.shared:
            self.shared.pull(lambda file: not missing.isdisjoint(_days(file)), variable)
        for file in sorted(self._files(variable), key=lambda file: (file.provisional, file.first - file.last)):
            held = missing & _days(file)
            if not held:
                continue
            try:
                if file.provisional and final_from and today >= final_from(file.last):
                    days_ago = (today - file.fetched).days
                    if file.fetched < final_from(file.last) or days_ago >= _RETRY_DAYS:
                        continue
                version = (file.path, file.path.stat().st_mtime_ns)
            except FileNotFoundError:
                continue
            if version not in self.looked_at:
                if problem := self._problem(file.path, file.first, file.last):
                    if locked:
                        _LOG.warning("%s: %s %s; it is fetched again", self.name, file.path.name, problem)
                        self._remove_damaged(file.path)
                    continue
                self.looked_at.add(version)
            files.append(file)
            missing -= held
        return files, sorted(missing)

    def held(
        self, variable: str, wanted: Sequence[date], today: date, final_from: FinalFrom | None = None
    ) -> set[date]:
        """Return which of the wanted days files hold by their names, but provisional ones that are final by now."""
        found, files = set[date](), self._files(variable) if self.path.is_dir() else []
        for file in [*files, *(self.shared.files(variable).values() if self.shared else ())]:
            if not (file.provisional and final_from and today >= final_from(file.last)):
                found |= _days(file)
        return found & set(wanted)

    def _remove_damaged(self, path: Path) -> None:
        if self.shared:
            self.shared.drop_damaged(path)
        remove(path)

    def _files(self, variable: str) -> list[CachedFile]:
        found = (parse(path) for path in self.path.iterdir())
        return [file for file in found if file and file.variable == variable]

    def _problem(self, path: Path, first: date, last: date) -> str:
        """Return what is wrong with a file that should hold these days, '' where it is good."""
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
        ends = (np.datetime64(day, "D").astype(f"M8[{self.step}]") for day in (first, last + timedelta(1)))
        begin, stop = (int(end.astype("int64")) for end in ends)
        expected = np.arange(begin, stop).astype(f"M8[{self.step}]").astype("M8[ns]")
        if np.array_equal(held.astype("M8[ns]"), expected):
            return ""
        return f"holds {held.size} time steps, not the {expected.size} of its days"


def _days(file: CachedFile) -> set[date]:
    return {file.first + timedelta(n) for n in range((file.last - file.first).days + 1)}


def opened(paths: Sequence[str], name: str) -> list[xr.DataArray]:
    """Open kept files lazily, in the order of time; a day comes from the first file that holds it."""
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
