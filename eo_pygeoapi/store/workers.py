"""Which release each worker is of: `workers/{name}.json`, written when it starts and deleted when it stops."""

import importlib.metadata
from datetime import UTC, datetime, timedelta

from eo_pygeoapi.contract.models import Model
from eo_pygeoapi.store.store import ResultStore

FOLDER = "workers"
_KILLED_LONG_AGO = timedelta(days=7)


class Release(Model):
    """The versions of this package and of Prefect that a process runs."""

    version: str
    prefect: str

    @classmethod
    def of_this_process(cls) -> "Release":
        """Return what is installed here."""
        return cls(version=importlib.metadata.version("eo-pygeoapi"), prefect=importlib.metadata.version("prefect"))


def note_worker(store: ResultStore, name: str) -> None:
    """Say which release the worker is of, and forget workers that were killed long ago. Raises ResultsError."""
    for entry in store.stored(FOLDER):
        if datetime.now(UTC) - entry.written > _KILLED_LONG_AGO:
            store.delete(entry.key)
    store.write_json(_key(name), Release.of_this_process().to_json())


def forget_worker(store: ResultStore, name: str) -> None:
    """Say that the worker has stopped. Raises ResultsError."""
    store.delete(_key(name))


def release_of(store: ResultStore, name: str) -> Release | None:
    """Return the release of a worker, None of one that has not said it. Raises ResultsError."""
    said = store.read_json(_key(name), default=None)
    return Release.model_validate(said) if said else None


def _key(name: str) -> str:
    return f"{FOLDER}/{name.lstrip('.')}.json"
