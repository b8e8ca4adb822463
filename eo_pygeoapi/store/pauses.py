"""Which schedules a person has paused, since when, and why.

    schedules/{dataset}/{schedule}.json   while it is paused

A pause stands here and not in Prefect, so that it outlives everything that happens there: a deployment that is made
anew, a schedule whose times changed, a lost database.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel

from eo_pygeoapi.store.store import ResultStore

FOLDER = "schedules"


class Pause(BaseModel):
    """That a person has paused a schedule; `by` is who, as far as it is known."""

    at: datetime
    reason: str = ""
    by: str = ""


@dataclass(frozen=True)
class Pauses:
    """The pauses of one results store, by dataset and name of the schedule."""

    store: ResultStore

    def all(self) -> Mapping[tuple[str, str], Pause]:
        """Return every pause, also of schedules that the configuration file no longer has."""
        found = {}
        for key in self.store.keys(FOLDER):
            dataset, _, name = key.removeprefix(f"{FOLDER}/").removesuffix(".json").rpartition("/")
            if (pause := self._read(key)) is not None:
                found[dataset, name] = pause
        return found

    def get(self, dataset: str, name: str) -> Pause | None:
        """Return the pause of a schedule; None where no person has paused it."""
        return self._read(_key(dataset, name))

    def put(self, dataset: str, name: str, pause: Pause) -> None:
        """Keep a pause, in place of an earlier one."""
        self.store.write_json(_key(dataset, name), pause.model_dump(mode="json"))

    def forget(self, dataset: str, name: str) -> None:
        """Forget the pause of a schedule, where there is one."""
        self.store.delete(_key(dataset, name))

    def _read(self, key: str) -> Pause | None:
        kept = self.store.read_json(key, default=None)
        return Pause.model_validate(kept) if kept else None


def in_words(pause: Pause) -> str:
    """Say that a person has paused something, since when, and why."""
    who = f"a person ({pause.by})" if pause.by else "a person"
    reason = f": {pause.reason}" if pause.reason else ""
    return f"is paused by {who} since {pause.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC{reason}"


def _key(dataset: str, name: str) -> str:
    return f"{FOLDER}/{dataset}/{name}.json"
