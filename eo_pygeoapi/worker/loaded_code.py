"""Whether the code on disk is still what a process has loaded; a fork has what its parent had loaded.

Import this before the code that it is about.
"""

import os
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

STALE = 76  # exit status of a process that ends because of it, and is to be replaced
_OWN_PACKAGES = ("eo_pygeoapi", "flows")


def is_newer_on_disk() -> bool:
    """Tell whether a file of ours, or what is installed beside us, has changed since this module was imported."""
    return modified(_AT_IMPORT) != _AT_IMPORT


def modified(files: Iterable[Path]) -> dict[Path, float]:
    """Return the time of each file's last change; 0 if it is gone."""
    return {file: _modified(file) for file in files}


def _modified(file: Path) -> float:
    try:
        return os.stat(file).st_mtime
    except OSError:
        return 0.0


def _files() -> Iterator[Path]:
    """Yield the files of our packages, and the folders that the others are installed in."""
    for name in _OWN_PACKAGES:
        spec = find_spec(name)
        for folder in spec.submodule_search_locations or () if spec else ():
            yield from Path(folder).rglob("*.py")
    yield from {Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")}


_AT_IMPORT = modified(_files())
