"""Old files of the data folder: logs of processes, downloads, and problems that are over."""

import re
import shutil
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.validate import validate_inputs
from eo_pygeoapi.errors import InputError
from eo_pygeoapi.gateway.schedules import run_inputs
from eo_pygeoapi.store.download_cache import CachedFile, prune
from eo_pygeoapi.store.shared_cache import prune_shared
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.old_jobs import Removed
from eo_pygeoapi.watch.problems import CLOSED

_LOST_ERROR = re.compile(r"[0-9a-f]{32}")
_PUT_ASIDE = re.compile(r".+-(\d{4}-\d\d-\d\d)\.log")


def remove_logs(folder: Path, keep: timedelta, now: datetime, *, dry_run: bool) -> Removed:
    """Begin every log of `up` anew each day, and remove the days that are too old.

    The processes append to their logs, so that one that is emptied under them goes on; a line that is written in the
    moment between copying and emptying is lost.
    """
    removed, first = Removed("logs"), (now - keep).date()
    for path in sorted(folder.glob("*.log")):
        match = _PUT_ASIDE.fullmatch(path.name)
        if match and date.fromisoformat(match[1]) < first:
            removed.add(path.stat().st_size)
            if not dry_run:
                path.unlink(missing_ok=True)
        elif not match and not dry_run and path.stat().st_size:
            target = path.with_name(f"{path.stem}-{now:%Y-%m-%d}.log")
            with path.open("rb+") as source, target.open("ab") as copy:
                shutil.copyfileobj(source, copy)
                source.truncate(0)
    return removed


def remove_downloads(
    cache: Path,
    keep: timedelta,
    now: datetime,
    datasets: Mapping[str, Dataset],
    busy: Collection[str],
    *,
    dry_run: bool,
    shared: ResultStore | None = None,
) -> Removed:
    """Remove downloads that are too old, but for what the next runs need, and sources that jobs are reading.

    Those in the object store `shared` go with their copies here.
    """
    by_source: dict[str, list[Dataset]] = {}
    for dataset in datasets.values():
        by_source.setdefault(dataset.source, []).append(dataset)
    first_days = {source: _first_needed(some, now) for source, some in by_source.items()}

    def spared(source: str, file: CachedFile | None) -> bool:
        first = first_days.get(source)
        return source in busy or (file is not None and first is not None and file.last >= first)

    done = prune(cache, keep / timedelta(1), dry_run=dry_run, spared=spared)
    removed = Removed("downloads", done.files, done.size)
    if shared:
        count, size = prune_shared(shared, (now - keep).timestamp(), dry_run=dry_run, spared=spared)
        removed = Removed("downloads", removed.count + count, removed.size + size)
    for path in cache.glob("weights/*"):  # of fine grids: they are computed again where they are needed
        if path.stat().st_mtime < (now - keep).timestamp():
            removed.add(path.stat().st_size)
            if not dry_run:
                path.unlink(missing_ok=True)
    return removed


def _first_needed(datasets: Iterable[Dataset], now: datetime) -> date:
    """Return the first day that a run of a schedule would need now, and of the current month if that is earlier."""
    days = [now.date().replace(day=1)]
    for dataset in datasets:
        for schedule in dataset.schedules:
            try:
                execution = validate_inputs(run_inputs(dataset, schedule), {dataset.id: dataset}, now)
            except InputError:
                continue
            days.append(execution.interval.start)
        days.append(now.astimezone(ZoneInfo(dataset.time_zone)).date().replace(day=1))
    return min(days)


def remove_dead_letters(folder: Path, keep: timedelta, now: datetime, *, dry_run: bool) -> Removed:
    """Remove the old messages that Prefect's services could not use, which it puts aside and never removes."""
    removed = Removed("messages that Prefect could not use")
    for path in folder.glob("*"):
        stat = path.stat()
        if stat.st_mtime < (now - keep).timestamp():
            removed.add(stat.st_size)
            if not dry_run:
                path.unlink(missing_ok=True)
    return removed


def remove_lost_errors(store: ResultStore, *, dry_run: bool) -> Removed:
    """Remove the errors of steps that have failed.

    Prefect puts them at the top of the results store, under names that it makes up, and never reads or removes them.
    """
    removed = Removed("errors of steps")
    for name, size in store.sizes().items():
        if _LOST_ERROR.fullmatch(name):
            removed.add(size)
            if not dry_run:
                store.delete(name)
    return removed


def remove_closed_problems(store: ResultStore, keep: timedelta, now: datetime, *, dry_run: bool) -> Removed:
    """Remove problems that were over before the jobs that are kept."""
    removed = Removed("problems")
    for entry in store.stored(CLOSED):
        if entry.written < (now - keep).astimezone(UTC):
            removed.add(entry.size)
            if not dry_run:
                store.delete(entry.key)
    return removed
