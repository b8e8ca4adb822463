"""What is done after an import, as it is kept: once with the job, and once more the last of each dataset."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Self

from pydantic import BaseModel, ConfigDict

from eo_pygeoapi.contract.documents import AfterLink
from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.status import FINAL
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.operations import Then
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.store.job_folder import AFTER, JobFolder
from eo_pygeoapi.store.store import ResultStore

LATEST = "chains"  # chains/{dataset}.json: that of the dataset's last import that had one


class KeptLink(AfterLink):
    """One thing to do, with what it needs for that."""

    inputs: JsonObject = {}
    task: str = ""  # of analytics: the path of DHIS2's notifications on it

    @classmethod
    def of(cls, then: Then) -> Self:
        """Return what the configuration file says, not done yet."""
        return cls.model_validate({**then.model_dump(exclude_defaults=True), "status": "waiting"})

    @property
    def name(self) -> str:
        """What it is, in words."""
        if self.analytics:
            return "analytics"
        kind = next(kind for kind in ("dataset", "webhook", "process") if getattr(self, kind))
        return f"{kind} {getattr(self, kind)}"

    @property
    def has_ended(self) -> bool:
        """Whether nothing is to be done about it any more."""
        return self.status in FINAL

    def shown(self) -> JsonObject:
        """Return it as clients see it."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"inputs", "task"})


class Chain(BaseModel):
    """What is done after one import: `imported` is when DHIS2 had its values, and `words` what came of the import."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    dataset: str
    connection: str
    start: date
    end: date
    imported: datetime
    words: str
    links: list[KeptLink]

    @classmethod
    def after(cls, job_id: str, dataset: Dataset, interval: Interval, words: str, now: datetime) -> Self:
        """Return what is to be done after the import of a dataset that has just ended."""
        return cls(
            job_id=job_id,
            dataset=dataset.id,
            connection=dataset.dhis2.connection,
            start=interval.start,
            end=interval.end,
            imported=now,
            words=words,
            links=[KeptLink.of(then) for then in dataset.after],
        )

    @classmethod
    def of(cls, folder: JobFolder) -> Self | None:
        """Return what is done after the import of a job; None where that is nothing, or not begun."""
        kept = folder.read_json(AFTER, default=None)
        return cls.model_validate(kept) if kept else None

    @classmethod
    def latest(cls, store: ResultStore, dataset: str) -> Self | None:
        """Return what was done last after an import of a dataset."""
        kept = store.read_json(f"{LATEST}/{dataset}.json", default=None)
        return cls.model_validate(kept) if kept else None

    def keep(self, store: ResultStore) -> None:
        """Write what came of it until now."""
        content = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        JobFolder(store, self.job_id).write_json(AFTER, content)
        store.write_json(f"{LATEST}/{self.dataset}.json", content)

    def next_in_words(self) -> str:
        """Return what is done next; webhooks are called when the job has ended."""
        link = next((link for link in self.links if not link.has_ended and not link.webhook), None)
        if link is None:
            return "nothing more is to be done"
        if link.analytics:
            return f"waits for DHIS2's analytics{f' ({link.message})' if link.message else ''}"
        return f"starts {link.name}"

    def in_words(self, at: Callable[[datetime], str]) -> str:
        """Return what came of the import and of what follows it; `at` words a moment."""
        said = [self.words]
        for link in self.links:
            if link.status == "failed":
                said.append(f"{link.name} failed: {link.message}")
            elif link.analytics and link.finished:
                said.append(f"visible in DHIS2 since {at(link.finished)}")
            elif link.job_id:
                said.append(f"{link.name} is started")
        return "; ".join(said)

    def replaced(self, number: int, link: KeptLink) -> Self:
        """Return it with another state of one link."""
        return self.model_copy(update={"links": [link if n == number else old for n, old in enumerate(self.links)]})
