"""The cache of downloads: how its files are named, and what operations staff may want to know and throw away.

`<cache>/<source>/<product>-<key>/<variable>_<dates>.nc` (or `.tif`) holds a variable of a product in a box, for the
days that its name says: a year, month or day, or two of these with `_` between. `.provisional` before the suffix marks
what the provider will replace. `<key>` is a hash of all that the content depends on, and `about.json` beside the files
says what that was. What is being downloaded stands in a folder `.unfinished-…` until it was found complete;
the job that downloads holds `.lock` beside it, and the folder's name says which process that is.
"""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from eo_pygeoapi.dates import days_of
from eo_pygeoapi.json_types import JsonObject

ABOUT = "about.json"
LOCK = ".lock"
UNFINISHED = ".unfinished-"
_DATE = r"\d{4}(?:-\d\d(?:-\d\d)?)?"
_NAME = re.compile(
    rf"(?P<variable>.+?)_(?P<first>{_DATE})(?:_(?P<last>{_DATE}))?(?P<provisional>\.provisional)?\.(nc|tif)"
)
_SECONDS_A_DAY = 86400
_ABANDONED = 3600  # seconds after which nobody writes an unfinished download any more, where no lock tells


@dataclass(frozen=True)
class CachedFile:
    """A file of the cache, as its name tells."""

    path: Path
    variable: str
    first: date
    last: date
    provisional: bool = False

    @property
    def fetched(self) -> date:
        """The day on which it was downloaded."""
        return date.fromtimestamp(self.path.stat().st_mtime)


def file_name(variable: str, first: date, last: date, *, provisional: bool = False, suffix: str = ".nc") -> str:
    """Return the name of a file with these days."""
    return f"{variable}_{dates_text(first, last)}{'.provisional' if provisional else ''}{suffix}"


def parse(path: Path) -> CachedFile | None:
    """Read the name of a file; None where it is not one of ours."""
    match = _NAME.fullmatch(path.name)
    if not match:
        return None
    try:
        first = days_of(match["first"])[0]
        last = days_of(match["last"] or match["first"])[1]
    except ValueError:
        return None
    return CachedFile(path, match["variable"], first, last, bool(match["provisional"]))


def dates_text(first: date, last: date) -> str:
    """Write days as short as it goes: 2025, 2025-07, 2025-07-01 or 2025-07-01_2025-07-09."""
    for text in (f"{first:%Y}", f"{first:%Y-%m}", f"{first:%Y-%m-%d}"):
        if days_of(text) == (first, last):
            return text
    return f"{first:%Y-%m-%d}_{last:%Y-%m-%d}"


def days_text(days: Sequence[date]) -> str:
    """Write ascending days for people: 2025-07-01 to 2025-07-09, 2025-07-12."""
    texts = [dates_text(first, last).replace("_", " to ") for first, last in runs(days)]
    return ", ".join(texts[:3]) + (", …" if len(texts) > 3 else "")


@dataclass(frozen=True)
class Product:
    """What the cache holds of one product in one box."""

    folder: Path
    name: str
    files: int
    size: int
    first: date | None
    last: date | None
    provisional: int
    unfinished: int
    about: JsonObject


def products(cache: Path) -> list[Product]:
    """Return what the cache holds, by source and product; files of the source `file` are one product."""
    folders = [folder for source in _folders(cache) for folder in _folders(source)]
    return [_product(cache, folder) for folder in folders]


def _product(cache: Path, folder: Path) -> Product:
    paths = list(_files(folder))
    known = [file for path in paths if (file := parse(path))]
    sizes = [_size(path) for path in paths]
    return Product(
        folder=folder,
        name=str(folder.relative_to(cache)),
        files=len(known) or len(paths),
        size=sum(sizes),
        first=min((file.first for file in known), default=None),
        last=max((file.last for file in known), default=None),
        provisional=sum(file.provisional for file in known),
        unfinished=sum(1 for path in folder.iterdir() if path.name.startswith(UNFINISHED)),
        about=_about(folder),
    )


@dataclass(frozen=True)
class Pruned:
    """What `prune` removed, or in a dry run would."""

    files: int
    size: int


def _never(_source: str, _file: CachedFile | None) -> bool:
    return False


def prune(
    cache: Path,
    older_than: float,
    names: Sequence[str] = (),
    *,
    dry_run: bool = False,
    spared: Callable[[str, CachedFile | None], bool] = _never,
) -> Pruned:
    """Remove files that were last downloaded more than so many days ago, and downloads that nobody will finish.

    `names` are products as `products` names them, or sources; none means all. `spared` is told the source and the file,
    None where its name is not one of ours, and says whether an old file stays. What a run needs it downloads again.
    """
    now = time.time()
    removed = size = 0
    for product in products(cache):
        if names and not any(product.name == name or product.name.startswith(f"{name}/") for name in names):
            continue
        source = product.name.partition("/")[0]
        old = [p for p in _old(product.folder, now - older_than * _SECONDS_A_DAY) if not spared(source, parse(p))]
        for path in [*_leftovers(product.folder), *old]:
            removed, size = removed + 1, size + _total(path)
            if not dry_run:
                remove(path)
        if not dry_run and not any(path.name not in (ABOUT, LOCK) for path in product.folder.iterdir()):
            shutil.rmtree(product.folder, ignore_errors=True)
    return Pruned(removed, size)


def _leftovers(folder: Path) -> list[Path]:
    """Return what was left of downloads that were killed: where there is a lock, nobody holds it; else it is old."""
    return [path for path in _unfinished(folder) if _is_abandoned(path)]


def _unfinished(folder: Path) -> list[Path]:
    found = folder.rglob(f"{UNFINISHED}*")
    return [path for path in found if not any(part.name.startswith(UNFINISHED) for part in path.parents)]


def _is_abandoned(path: Path) -> bool:
    lock = path.parent / LOCK
    if lock.exists():  # a download may wait for hours for its provider, without writing anything
        return not _is_held(lock)
    written = [_written(file) for file in (path, *path.rglob("*"))]
    return time.time() - max(written) > _ABANDONED


def _is_held(lock: Path) -> bool:
    try:
        with FileLock(lock, timeout=0):
            return False
    except (Timeout, OSError):
        return True


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # removed, or moved to its place, in the meantime
        return time.time()


def _old(folder: Path, before: float) -> list[Path]:
    return [path for path in _files(folder) if path.name != ABOUT and path.stat().st_mtime < before]


def sweep(folder: Path) -> None:
    """Remove what was left of downloads that were killed, in a folder whose lock the caller holds."""
    for path in _unfinished(folder):
        remove(path)


def sweep_cache(cache: Path) -> int:
    """Remove what was left in the whole cache of downloads that were killed; returns how many."""
    found = _leftovers(cache)
    for path in found:
        remove(path)
    return len(found)


def remove(path: Path) -> None:
    """Remove a file or folder that another process may have removed already."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def _total(path: Path) -> int:
    return sum(_size(file) for file in path.rglob("*")) if path.is_dir() else _size(path)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:  # removed in the meantime
        return 0


def _folders(path: Path) -> list[Path]:
    return sorted(child for child in path.iterdir() if child.is_dir()) if path.is_dir() else []


def _about(folder: Path) -> dict[str, object]:
    try:
        about: JsonObject = json.loads((folder / ABOUT).read_text())
    except (OSError, ValueError):
        return {}
    return about


def runs(days: Sequence[date]) -> list[tuple[date, date]]:
    """Return the first and last day of each run of consecutive days; `days` ascend."""
    found: list[tuple[date, date]] = []
    for day in days:
        if found and day - found[-1][1] == timedelta(1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found
