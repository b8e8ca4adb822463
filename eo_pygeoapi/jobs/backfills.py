"""The job of a backfill: it starts a job for each of its parts, and between two looks at them it has no process.

The newest part comes first. A part whose job died is started again, as often as the dataset's policy tries anything;
all else that may pass, the part's own job tries again by that policy. A part that failed for good is listed, and the
rest goes on. Nothing is started twice: each try of a part has a key, of which Prefect makes one run.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf

from eo_pygeoapi.contract.backfill import BackfillInputs
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import EoError, NoSuchJobError
from eo_pygeoapi.gateway.attempts import in_words
from eo_pygeoapi.gateway.job import AWAITING_RETRY, Job
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.backfills import Backfill, KeptPart, children, keep_child
from eo_pygeoapi.store.job_folder import JobFolder

SOONEST, LATEST = timedelta(seconds=15), timedelta(minutes=5)
_PATTERNS = ((timedelta(minutes=1), "a minute"), (timedelta(hours=1), "an hour"), (timedelta(days=1), "a day"))
_LOG = logging.getLogger(__name__)

Submit = Callable[[JsonObject, str], Job]  # inputs of an import and key, of which there is only one run


@dataclass(frozen=True)
class Overseer:
    """Looks after the jobs of one backfill.

    `lacking` returns the ids of the units to compute in a part, None for all that were asked for; there may be none.
    """

    folder: JobFolder
    dataset: Dataset
    inputs: BackfillInputs
    submit: Submit
    get: Callable[[str], Job]
    lacking: Callable[[KeptPart], Sequence[str] | None]
    at_once: int
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def look(self, backfill: Backfill) -> tuple[Backfill, datetime | None]:
        """Look at the jobs and start more; returns how far it is, and when to look again: None where it has ended."""
        busy: list[Job] = []
        for part in backfill.parts:
            if part.status == "started" and part.job_id:
                backfill, job = self._looked_at(backfill, part)
                busy += [job] if job else []
        backfill.keep(self.folder)
        backfill, started = self._started(backfill, busy)
        backfill.keep(self.folder)
        if not backfill.left:
            return backfill, None
        now = self.now()
        if not busy and not started and (starts := backfill.starts(now)) > now:
            return backfill, starts
        return backfill, now + min(max(backfill.pace(now) or SOONEST, SOONEST), LATEST)

    def in_words(self, backfill: Backfill) -> str:
        """Return `12 of 480 months done, 3.1 a minute, ends about 14:30 on 3 December (UTC)`."""
        chunks, now, zone = backfill.chunks, self.now(), backfill.zone
        words = [f"{chunks.done} of {chunks.total} {parts_in_words(backfill)} done"]
        if chunks.failed:
            words.append(f"{chunks.failed} failed")
        if pace := backfill.pace(now):
            words.append(rate_in_words(pace))
        if ends := backfill.ends(now):
            words.append(f"ends about {in_words(ends, now, zone)}")
        if backfill.left and (starts := backfill.starts(now)) > now:
            words.append(f"sleeps until {in_words(starts, now, zone)}")
        return ", ".join(words)

    def _looked_at(self, backfill: Backfill, part: KeptPart) -> tuple[Backfill, Job | None]:
        """Return how far the job of a part is; with the job, where it has not ended."""
        try:
            job = self.get(part.job_id)
        except NoSuchJobError:
            gone = part.model_copy(update={"status": "failed", "message": "its job was removed"})
            return backfill.replaced(gone), None
        if job.status in ("accepted", "running"):
            return backfill, job
        if job.status == "successful":
            kept = JobFolder(self.folder.store, job.id).read_json(job_folder.SUMMARY, default={})
            times = {"began": job.started, "finished": job.finished or self.now()}
            done = part.model_copy(update={"status": "done", "message": "", **times})
            return backfill.replaced(done).counted(kept.get("importSummary", {})), None
        died = job.state_name == "Crashed" and part.tries <= self.dataset.policy.retries
        _LOG.warning("%s: job %s is %s: %s%s", part.id, job.id, job.status, job.message, "; started again" * died)
        state = {"status": "waiting" if died else "failed", "message": job.message}
        return backfill.replaced(part.model_copy(update=state)), None

    def _started(self, backfill: Backfill, busy: Sequence[Job]) -> tuple[Backfill, int]:
        """Start the jobs of the next parts, and of those that were just to be started when the process died.

        Jobs that wait to be tried again take no place; but where as many wait as may run, their provider is away.
        """
        waiting = sum(job.state_name == AWAITING_RETRY for job in busy)
        places = self.at_once - (len(busy) - waiting) if waiting < self.at_once else 0
        begun = [part for part in backfill.left if part.status == "started" and not part.job_id]
        may_start = backfill.starts(now := self.now()) <= now
        fresh = [part for part in backfill.left if part.status == "waiting" and may_start]
        started = 0
        for part in [*begun, *fresh]:
            if started >= places and part not in begun:
                break
            backfill, was_started = self._start(backfill, part)
            started += was_started
        return backfill, started

    def _start(self, backfill: Backfill, part: KeptPart) -> tuple[Backfill, bool]:
        """Start the job of a part, unless nothing is lacking in it."""
        units = self.lacking(part)
        if units is not None and not units:
            done = part.model_copy(update={"status": "done", "message": "nothing is missing"})
            return backfill.replaced(done), False
        if part.status == "waiting":
            part = part.model_copy(update={"status": "started", "tries": part.tries + 1, "job_id": "", "message": ""})
            backfill = backfill.replaced(part)
            backfill.keep(self.folder)
        days = {"start": part.start.isoformat(), "end": part.end.isoformat()}
        asked = self.inputs.of_import(dry_run=False)
        asked.pop("datetime", None)
        if units is not None:
            asked = {name: value for name, value in asked.items() if name not in ("orgUnitLevel", "parentOrgUnit")}
            asked["orgUnitIds"] = list(units)
        job = self.submit({**asked, **days}, part.key(backfill.job_id))
        keep_child(self.folder, job.id)
        backfill = backfill.replaced(part.model_copy(update={"job_id": job.id}))
        backfill.keep(self.folder)
        return backfill, True


def shown_backfill(folder: JobFolder, now: datetime) -> JsonObject:
    """Return what the document of a backfill says of its parts; nothing before it has begun."""
    if (backfill := Backfill.of(folder)) is None:
        return {}
    pace, shown = backfill.pace(now), JsonObject(chunks=backfill.chunks.to_json(), childJobs=children(folder))
    if backfill.failed:
        shown["failedParts"] = [part.to_json() for part in backfill.failed]
    if pace and backfill.left:
        shown["rate"] = rate_in_words(pace)
    if ends := backfill.ends(now):
        shown["ends"] = ends.isoformat(timespec="minutes")
    return shown


def parts_in_words(backfill: Backfill) -> str:
    """Return what the parts are called."""
    name = "month" if any("-" in part.id for part in backfill.parts) else "year"
    return name if len(backfill.parts) == 1 else f"{name}s"


def rate_in_words(pace: timedelta) -> str:
    """Return `3.1 a minute`, by the shortest time in which there is at least one."""
    for time, words in _PATTERNS:
        if pace <= time:
            return f"{time / pace if pace else inf:.1f} {words}"
    return f"one in {pace / timedelta(days=1):.1f} days"


def stop(folder: JobFolder, cancel: Callable[[str], Job], by_key: Callable[[Sequence[str]], Sequence[str]]) -> None:
    """Stop the jobs of a backfill that is dismissed, also one that was being started as it was; ended ones stay."""
    if (backfill := Backfill.of(folder)) is None:
        return
    started = [part for part in backfill.parts if part.status == "started"]
    lost = by_key([part.key(backfill.job_id) for part in started if not part.job_id])
    for job_id in [*(part.job_id for part in started if part.job_id), *lost]:
        try:
            cancel(job_id)
        except EoError as error:
            _LOG.warning("job %s of the backfill %s was not stopped: %s", job_id, backfill.job_id, error)
