"""Analytics of one DHIS2, which the jobs that import into it share.

A run of analytics takes from a minute to hours, and shows all values that were there when it began. So one run serves
all jobs that had imported by then, whoever started it: a job starts one only where none has begun since its import,
and while an older one runs it waits for the end of that.

    analytics/{connection}.json    the run that a job of ours has started last
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel

from eo_pygeoapi.errors import Dhis2Error
from eo_pygeoapi.pipeline.dhis2 import analytics
from eo_pygeoapi.pipeline.dhis2.client import Connect, Dhis2
from eo_pygeoapi.store.chains import KeptLink
from eo_pygeoapi.store.store import ResultStore

GIVE_UP_AFTER = timedelta(hours=24)
EARLIER = "an earlier run of analytics goes on; the next one is for this"


class Started(BaseModel):
    """A run of analytics that a job of ours has started."""

    task: str
    at: datetime


@dataclass(frozen=True)
class Analytics:
    """The analytics of one connection; `turn` is held while a run is started."""

    store: ResultStore
    connection: str
    connect: Connect
    turn: Callable[[], AbstractContextManager[object]]

    def look(self, link: KeptLink, imported: datetime, now: datetime) -> KeptLink:
        """Start a run where one is needed, and return how far it is; a DHIS2 that is away is asked again later."""
        try:
            with self.connect() as dhis2:
                looked = self._looked(dhis2, link, imported, now)
        except Dhis2Error as error:
            looked = link.model_copy(
                update={"message": str(error)} | ({} if error.transient else _ended("failed", now))
            )
        if looked.has_ended or now - imported < GIVE_UP_AFTER:
            return looked
        said = f"DHIS2's analytics has not ended {GIVE_UP_AFTER // timedelta(hours=1)} hours after the import"
        return looked.model_copy(update={"message": f"{said}: {looked.message}"} | _ended("failed", now))

    def _looked(self, dhis2: Dhis2, link: KeptLink, imported: datetime, now: datetime) -> KeptLink:
        if since := analytics.visible_since(dhis2, imported, now):
            return link.model_copy(update={"message": None} | _ended("successful", since))
        if not link.task:
            with self.turn():
                kept = self.store.read_json(self._key, default=None)
                last = Started.model_validate(kept) if kept else None
                if last is not None and last.at >= imported:
                    task = last.task
                elif last and now - last.at < GIVE_UP_AFTER and not analytics.look(dhis2, last.task, now).ended:
                    task = ""  # while an older one of ours runs, none is started
                elif task := dhis2.start_analytics():
                    self.store.write_json(self._key, Started(task=task, at=now).model_dump(mode="json"))
                begun = {"status": "running", "started": now, "task": task}
                link = link.model_copy(update=begun if task else {"message": EARLIER})
        if not link.task:
            return link
        seen = analytics.look(dhis2, link.task, now)
        if seen.failed:
            return link.model_copy(update={"message": f"DHIS2's analytics failed: {seen.says}"} | _ended("failed", now))
        if seen.ended:
            at = max(seen.ended, imported)  # its clock is read some time after ours
            return link.model_copy(update={"message": None} | _ended("successful", at))
        return link.model_copy(update={"message": seen.says or "DHIS2 has not begun it yet"})

    @property
    def _key(self) -> str:
        return f"analytics/{self.connection}.json"


def _ended(status: str, at: datetime) -> dict[str, object]:
    return {"status": status, "finished": at}
