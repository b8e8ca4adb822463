"""What providers said of the newest day that they have, for the watch and the web process; only the watch asks them.

providers/{key}.json   the newest day, and when the provider was asked; `key` is of the source and its options
"""

import hashlib
from datetime import date, datetime

from pydantic import BaseModel

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.store.store import ResultStore


class NewestDay(BaseModel):
    """The newest day of a provider; None where it did not say, or has not been asked."""

    day: date | None = None
    final: date | None = None  # of which it has final data, where newer ones are provisional
    asked: datetime | None = None


def newest_day(store: ResultStore, dataset: Dataset) -> NewestDay:
    """Return what the provider of a dataset said last. Raises ResultsError."""
    return NewestDay.model_validate(store.read_json(_key(dataset), default={}))


def keep_newest_day(store: ResultStore, dataset: Dataset, newest: NewestDay) -> None:
    """Keep what the provider of a dataset says; datasets with the same source and options share it."""
    store.write_json(_key(dataset), newest.model_dump(mode="json"))


def _key(dataset: Dataset) -> str:
    text = f"{dataset.source} {dataset.options.model_dump_json()}"
    return f"providers/{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"
