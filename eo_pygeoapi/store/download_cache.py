"""The cache of downloads: the names of its files, and its listing and pruning for operations staff.

`<cache>/<source>/<product>-<key>/<variable>_<dates>.nc` (or `.tif`) holds a variable of a product in a box, for the
days in its name: a year, month or day, or two of these with `_` between. `.provisional` before the suffix marks data
that the provider will replace. `<key>` is a hash of all that the content depends on; `about.json` beside them lists
that. A job downloads into a folder `.unfinished-….PART`, whose name says which process it is and what it fetches,
such as the month `2025-07`, and moves the files when they are complete; meanwhile it holds `.lock-PART` beside them.
"""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from eo_pygeoapi.dates import days_of
from eo_pygeoapi.json_types import JsonObject

ABOUT = "about.json"
LOCK = ".lock"
SHARED = ".shared"  # in a folder of copies of what lies in an object store
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
    """One product in one box, as the cache holds it."""

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
    """Return the products in the cache, by source; files of the source `file` are one product."""
    found = []
    for folder in [folder for source in _folders(cache) for folder in _folders(source)]:
        paths = list(_files(folder))
        known = [file for path in paths if (file := parse(path))]
        found.append(
            Product(
                folder=folder,
                name=str(folder.relative_to(cache)),
                files=len(known) or len(paths),
                size=sum(map(_size, paths)),
                first=min((file.first for file in known), default=None),
                last=max((file.last for file in known), default=None),
                provisional=sum(file.provisional for file in known),
                unfinished=sum(1 for path in folder.iterdir() if path.name.startswith(UNFINISHED)),
                about=read_about(folder),
            )
        )
    return found


def read_about(folder: Path) -> JsonObject:
    """Return what a folder says of its product; nothing where it cannot be read."""
    about: JsonObject = {}
    with suppress(OSError, ValueError):
        about = json.loads((folder / ABOUT).read_text())
    return about


@dataclass(frozen=True)
class Pruned:
    """The files that `prune` removed, or in a dry run would remove."""

    files: int
    size: int


def prune(
    cache: Path,
    older_than: float,
    names: Sequence[str] = (),
    *,
    dry_run: bool = False,
    spared: Callable[[str, CachedFile | None], bool] = lambda _source, _file: False,
) -> Pruned:
    """Remove files downloaded more than `older_than` days ago, and downloads that nobody will finish.

    `names` are products as `products` names them, or sources; none means all. `spared` gets the source and the file,
    None where its name is not one of ours, and returns whether an old file stays. A run downloads again what it needs.
    """
    before = time.time() - older_than * _SECONDS_A_DAY
    removed = size = 0
    for product in products(cache):
        if names and not any(product.name == name or product.name.startswith(f"{name}/") for name in names):
            continue
        source = product.name.partition("/")[0]
        files = [path for path in _files(product.folder) if path.name != ABOUT and path.stat().st_mtime < before]
        for path in [*_leftovers(product.folder), *(path for path in files if not spared(source, parse(path)))]:
            removed, size = removed + 1, size + _size(path)
            if not dry_run:
                remove(path)
        if not dry_run and all(_is_beside(path.name) for path in product.folder.iterdir()):
            shutil.rmtree(product.folder, ignore_errors=True)
    return Pruned(removed, size)


def _leftovers(folder: Path) -> list[Path]:
    """Return what killed downloads left: nobody holds the part's lock beside it, or where there is none, it is old."""
    found = []
    for path in _unfinished(folder):
        lock = path.parent / lock_name(path.suffix.removeprefix("."))
        if lock.exists():  # a download may wait for hours for its provider, without writing anything
            with suppress(Timeout, OSError), FileLock(lock, timeout=0):
                found.append(path)
            continue
        with suppress(OSError):  # a process has just removed a file, or moved it to its place
            written = [file.stat().st_mtime for file in (path, *path.rglob("*"))]
            if time.time() - max(written) > _ABANDONED:
                found.append(path)
    return found


def _unfinished(folder: Path) -> list[Path]:
    found = folder.rglob(f"{UNFINISHED}*")
    return [path for path in found if not any(part.name.startswith(UNFINISHED) for part in path.parents)]


def _is_beside(name: str) -> bool:
    """Tell whether it is the name of what lies beside the files of a product."""
    return name in (ABOUT, SHARED) or name.startswith(LOCK)


def lock_name(part: str) -> str:
    """Return the name of the file that a job locks while it fetches a part of a product, such as a month."""
    return f"{LOCK}-{part}"


def sweep(folder: Path, part: str) -> None:
    """Remove what killed downloads of a part left, whose lock the caller holds."""
    for path in _unfinished(folder):
        if path.suffix == f".{part}":
            remove(path)


def sweep_cache(cache: Path) -> int:
    """Remove what killed downloads left in the whole cache; returns how many there were."""
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


def _size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    size = 0
    for file in path.rglob("*") if path.is_dir() else [path]:
        with suppress(OSError):  # removed in the meantime
            size += file.stat().st_size if file.is_file() else 0
    return size


def _folders(path: Path) -> list[Path]:
    return sorted(child for child in path.iterdir() if child.is_dir()) if path.is_dir() else []


def runs(days: Sequence[date]) -> list[tuple[date, date]]:
    """Return the first and last day of each run of consecutive days; `days` ascend."""
    found: list[tuple[date, date]] = []
    for day in days:
        if found and day - found[-1][1] == timedelta(1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found
