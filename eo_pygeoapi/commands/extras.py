"""What the extras of this package bring, and which commands need them."""

import importlib.metadata

from packaging.requirements import Requirement

from eo_pygeoapi.errors import NotInstalledError

WORKER = "worker"  # what jobs compute with


def missing_from(extra: str) -> list[str]:
    """Return the packages of an extra that are not installed."""
    declared = map(Requirement, importlib.metadata.requires("eo-pygeoapi") or ())
    wanted = [r.name for r in declared if r.marker and r.marker.evaluate({"extra": extra}) != r.marker.evaluate()]
    return [name for name in wanted if not _is_installed(name)]


def need_worker() -> None:
    """Raise NotInstalledError unless jobs can be executed with what is installed here."""
    if missing := missing_from(WORKER):
        raise NotInstalledError(
            f"the libraries that jobs compute with are not installed: {', '.join(missing)}; install them by "
            f"`pip install 'eo-pygeoapi[{WORKER}]'`, or use the image `eo-pygeoapi:{WORKER}`"
        )


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
