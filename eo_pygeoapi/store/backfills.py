"""How far a backfill is, as it is kept with its job: its parts, and the jobs that it has started for them.

    jobs/{jobID}/backfill.json    this
    jobs/{jobID}/children.json    the ids of all jobs that it has started, in that order

What is to be started is written down before it is, so that a job that is being dismissed, or whose process died, knows
every job that it may have started.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from eo_pygeoapi.contract.backfill import Chunks, FailedPart
from eo_pygeoapi.contract.chunks import Chunk
from eo_pygeoapi.contract.windows import Window
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.store.job_folder import BACKFILL, CHILDREN, JobFolder

PartStatus = Literal["waiting", "started", "done", "failed"]
_LOOKED_BACK = 10  # the rate is that of so many parts that were done last
COUNTS = ("imported", "updated", "unchanged", "kept", "rejected")


class KeptPart(BaseModel):
    """One part of a backfill; `tries` counts the jobs that were, or are just being, started for it."""

    model_config = ConfigDict(frozen=True)

    id: str
    start: date
    end: date
    status: PartStatus = "waiting"
    tries: int = 0
    job_id: str = ""
    message: str = ""
    began: datetime | None = None
    finished: datetime | None = None

    def key(self, parent: str) -> str:
        """Return the key of the job of its last try: there is only one run of it in Prefect."""
        return f"backfill {parent} {self.id} {self.tries}"


class Backfill(BaseModel):
    """A backfill: how far it is, and what DHIS2 has made of the parts that are done.

    `units` are the ids of those whose boundaries have changed, where only they are asked for; `known` those that there
    are, where only missing values are.
    """

    model_config = ConfigDict(frozen=True)

    job_id: str
    begun: datetime
    hours: str = ""
    zone: str = "UTC"
    parts: list[KeptPart]
    units: list[str] | None = None
    known: list[str] | None = None
    sums: dict[str, int] = {}

    @classmethod
    def of_chunks(cls, job_id: str, chunks: Sequence[Chunk], begun: datetime, hours: str, zone: str) -> Self:
        """Return one of which nothing is done, whose jobs start in these hours of a time zone."""
        parts = [KeptPart(id=chunk.id, start=chunk.interval.start, end=chunk.interval.end) for chunk in chunks]
        return cls(job_id=job_id, begun=begun, hours=hours, zone=zone, parts=parts)

    @classmethod
    def of(cls, folder: JobFolder) -> Self | None:
        """Return that of a job; None where it has not begun."""
        kept = folder.read_json(BACKFILL, default=None)
        return cls.model_validate(kept) if kept else None

    def keep(self, folder: JobFolder) -> None:
        """Write how far it is."""
        folder.write_json(BACKFILL, self.model_dump(mode="json", exclude_defaults=True))

    def replaced(self, part: KeptPart) -> Self:
        """Return it with another state of one part."""
        return self.model_copy(update={"parts": [part if part.id == old.id else old for old in self.parts]})

    def counted(self, summary: JsonObject) -> Self:
        """Return it with what DHIS2 has made of one more job's values."""
        found = {name: int(summary.get("rejectedCount" if name == "rejected" else
                                       "keptCount" if name == "kept" else name, 0)) for name in COUNTS}  # fmt: skip
        return self.model_copy(update={"sums": {name: self.sums.get(name, 0) + found[name] for name in COUNTS}})

    @property
    def window(self) -> Window:
        """When its jobs may start."""
        return Window.of(self.hours, self.zone)

    @property
    def chunks(self) -> Chunks:
        """How many parts there are, are done, and have failed."""
        states = [part.status for part in self.parts]
        return Chunks(total=len(states), done=states.count("done"), failed=states.count("failed"))

    @property
    def left(self) -> list[KeptPart]:
        """The parts that are neither done nor given up."""
        return [part for part in self.parts if part.status in ("waiting", "started")]

    @property
    def failed(self) -> list[FailedPart]:
        """The parts that are given up."""
        failed = [part for part in self.parts if part.status == "failed"]
        return [FailedPart(part=part.id, job_id=part.job_id, reason=part.message) for part in failed]

    def starts(self, now: datetime) -> datetime:
        """Return when the next job may start: in the window, and where it is not expected to run over its end.

        It is expected to take as long as the longest of those that ended last; what takes longer than the window is
        open starts at any time in it.
        """
        opens = self.window.opens(now)
        closes, longest = self.window.closes(opens), self._longest
        if closes is None or longest >= self.window.length or opens + longest <= closes:
            return opens
        return self.window.opens(closes)

    @property
    def _longest(self) -> timedelta:
        """The longest time that one of the jobs took that ended last; none where none has ended."""
        ended = sorted((part.finished, part.began) for part in self.parts if part.finished and part.began)
        return max((finished - began for finished, began in ended[-_LOOKED_BACK:]), default=timedelta(0))

    def ends(self, now: datetime) -> datetime | None:
        """Return when it ends at its pace; None before its first part has ended, and after the last."""
        pace = self.pace(now)
        return self.window.after(now, pace * len(self.left)) if pace and self.left else None

    def pace(self, now: datetime) -> timedelta | None:
        """Return the time from one part's end to the next's, by those that ended last; None where none has ended.

        Only hours count in which jobs may start. The time since the last end counts where that is longer than those
        before it took.
        """
        ends = sorted(part.finished for part in self.parts if part.finished)
        if not ends:
            return None
        count = min(len(ends), _LOOKED_BACK)
        before = self.window.open_between([self.begun, *ends][-count - 1], ends[-1])
        return max(before / count, (before + self.window.open_between(ends[-1], now)) / (count + 1))


def keep_child(folder: JobFolder, job_id: str) -> None:
    """Write down that a job has been started, unless it is already."""
    known = children(folder)
    if job_id not in known:
        folder.write_json(CHILDREN, [*known, job_id])


def may_run(folder: JobFolder) -> list[str]:
    """Return the ids of the jobs that a backfill had started and not seen end when it last looked at them."""
    backfill = Backfill.of(folder)
    started = [part.job_id for part in backfill.parts if part.status == "started" and part.job_id] if backfill else []
    return list(dict.fromkeys([*started, *children(folder)[-1:]]))


def children(folder: JobFolder) -> list[str]:
    """Return the ids of the jobs that a job has started, the first one first."""
    found: list[str] = folder.read_json(CHILDREN, default=[])
    return found
