"""Which schedules did not run when they were due: Prefect made no run, skipped it, or nobody starts it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from eo_pygeoapi.datasets.schedule_times import latest_until
from eo_pygeoapi.gateway.job import PUT_OFF, Job
from eo_pygeoapi.gateway.runs import NEWEST_LOOKED_AT
from eo_pygeoapi.gateway.schedules import NOT_RUN
from eo_pygeoapi.gateway.standings import Standing
from eo_pygeoapi.watch.freshness import Facts

Why = Literal["no run", "skipped", "waits"]
GRACE = timedelta(minutes=30)  # longer than a run usually waits, or is made up for
WAITS_TOO_LONG = timedelta(hours=6)
# a watch that has not looked for so long gives the workers a grace to make up for what was missed meanwhile
GAP = timedelta(minutes=10)
# the runs of earlier times may be deleted by now
LONG_AGO = timedelta(days=30)


@dataclass(frozen=True)
class Missed:
    """A schedule that did not run at a time when it was due."""

    standing: Standing
    due: datetime
    why: Why


@dataclass
class MissedSchedules:
    """Finds missed times; `newest` yields the jobs of a dataset, the newest first.

    `since` is from when on the watch has looked again and again.
    """

    newest: Callable[[str], Iterator[Job]]
    since: datetime
    _looked: datetime | None = None
    _ran: dict[str, datetime] = field(default_factory=dict)  # until when each schedule is known to have run

    def catches_up(self, now: datetime) -> bool:
        """Tell whether the workers may still be making up for what was missed while nobody watched."""
        return now - self.since < GRACE

    def find(self, found: Sequence[Facts], now: datetime) -> list[Missed]:
        """Return the schedules that have not run since the last time that is past by the grace."""
        if self._looked is not None and now - self._looked > GAP:
            self.since = now
        self._looked = now
        missed: list[Missed] = []
        for facts in found:
            due: dict[str, datetime] = {}  # when each must have run last, unless it is known to have
            for standing in facts.standings:
                if standing.paused_by is not None:
                    continue
                time = latest_until(standing.schedule, now - GRACE)
                begun = max(standing.changed or self.since, now - LONG_AGO)
                if time and time > begun and time > self._ran.get(standing.name, begun):
                    due[standing.schedule.name] = time
            if due:
                why = self._why(facts.dataset.id, due, now)
                missed += [Missed(s, due[n], why[n]) for s in facts.standings if (n := s.schedule.name) in why]
        return missed

    def _why(self, dataset: str, due: Mapping[str, datetime], now: datetime) -> dict[str, Why]:
        """Return the schedules of a dataset that have not run since they were due, and why."""
        why: dict[str, Why] = dict.fromkeys(due, "no run")
        looked_at = 0
        for job in self.newest(dataset):
            if job.created < min(due.values()) or not why:
                return why
            looked_at += 1
            name = job.schedule
            if name not in why or job.created < due[name]:
                continue
            if job.status == "accepted":
                has_run = job.attempts > 1 or job.state_name in PUT_OFF or job.message.startswith("attempt ")
            else:  # it has begun, or a person has dismissed it
                has_run = job.status != "dismissed" or not job.message.startswith(NOT_RUN)
            if has_run:
                self._ran[f"{dataset}/{name}"] = job.created
                del why[name]
            elif job.status == "dismissed":
                why[name] = "skipped"
            elif now - job.created >= WAITS_TOO_LONG:
                why[name] = "waits"
            elif now - job.created >= GRACE:
                del why[name]  # it will run; others are before it
        # with so many newer jobs a run of the schedule may be among those before
        return why if looked_at < NEWEST_LOOKED_AT else {name: word for name, word in why.items() if word != "no run"}
