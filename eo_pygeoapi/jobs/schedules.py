"""The schedules of datasets: how they stand, and what a person does with them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from eo_pygeoapi.contract.documents import Link
from eo_pygeoapi.contract.operations import ScheduleDocument
from eo_pygeoapi.datasets.block import Dataset, Schedule
from eo_pygeoapi.datasets.schedule_times import times_after
from eo_pygeoapi.datasets.validate import named_dataset, raise_without_days, validate_inputs
from eo_pygeoapi.errors import EoError, NoSuchScheduleError
from eo_pygeoapi.gateway.deployments import CONFIGURATION
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job import SCHEDULE, Job
from eo_pygeoapi.gateway.schedules import run_inputs
from eo_pygeoapi.gateway.standings import Standing, left_paused, row_of, standings_of
from eo_pygeoapi.jobs.documents import last_run
from eo_pygeoapi.jobs.targets import connection_asked
from eo_pygeoapi.redaction import redact
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.pauses import Pause, Pauses

TIMES_SHOWN = 5
LONGEST_REASON = 500


@dataclass(frozen=True)
class Schedules:
    """The schedules of the datasets that `datasets` returns."""

    gateway: PrefectGateway
    pauses: Pauses
    datasets: Callable[[], Mapping[str, Dataset]]
    settings: Settings

    def standings(self) -> list[Standing]:
        """Return how every schedule stands, in the order of the configuration file."""
        deployments, kept = self.gateway.deployments.read(), self.pauses.all()
        return [
            standing
            for dataset in self.datasets().values()
            for standing in standings_of(dataset, deployments.get(dataset.id), kept, self.settings)
        ]

    def standing(self, dataset_id: str, name: str) -> Standing:
        """Return how one schedule stands; NoSuchDatasetError or NoSuchScheduleError where there is none."""
        dataset, schedule = self.find(dataset_id, name)
        pause = self.pauses.get(dataset_id, name)
        kept = {(dataset_id, name): pause} if pause else {}
        found = standings_of(dataset, self.gateway.deployments.read().get(dataset_id), kept, self.settings)
        return next(standing for standing in found if standing.schedule == schedule)

    def pause(self, dataset_id: str, name: str, reason: str, person: str) -> Standing:
        """Pause a schedule until a person resumes it; of one that is paused already, the new reason counts."""
        dataset, schedule = self.find(dataset_id, name)
        before = self.pauses.get(dataset_id, name)
        said = redact(reason.strip()[:LONGEST_REASON], self.settings.secrets())
        at = before.at if before else datetime.now(UTC)
        # first what is kept: a pause that only Prefect knew would end with the next change of the schedule
        self.pauses.put(dataset_id, name, Pause(at=at, reason=said, by=person))
        try:
            self._set_active(dataset, schedule, False)
        except EoError:
            with suppress(EoError):
                if before is None:
                    self.pauses.forget(dataset_id, name)
                else:
                    self.pauses.put(dataset_id, name, before)
            raise
        return self.standing(dataset_id, name)

    def resume(self, dataset_id: str, name: str) -> Standing:
        """End the pause of a person; what the file or missing credentials pause stays paused."""
        standing = self.standing(dataset_id, name)
        if standing.paused_by == "person":
            self._set_active(standing.dataset, standing.schedule, True)
        self.pauses.forget(dataset_id, name)
        return self.standing(dataset_id, name)

    def run(self, dataset_id: str, name: str) -> Job:
        """Make a job of a schedule now, whether it is paused or not; dates count from today."""
        dataset, schedule = self.find(dataset_id, name)
        inputs = run_inputs(dataset, schedule)
        raise_without_days(validate_inputs(inputs, self.datasets(), datetime.now(UTC)))
        labels = {SCHEDULE: schedule.name, CONFIGURATION: dataset.version}
        return self.gateway.runs.submit(dataset.id, {"inputs": inputs}, labels=labels)

    def last_runs(self, dataset: Dataset) -> dict[str, Job]:
        """Return the newest job of each schedule of a dataset that has one."""
        wanted, found = {schedule.name for schedule in dataset.schedules}, dict[str, Job]()
        if not wanted:
            return found
        for job in self.gateway.runs.newest(dataset.id):
            if job.schedule in wanted:
                found.setdefault(job.schedule, job)
            if len(found) == len(wanted):
                break
        return found

    def find(self, dataset_id: str, name: str) -> tuple[Dataset, Schedule]:
        """Return a dataset and its schedule; NoSuchDatasetError or NoSuchScheduleError where there is none."""
        dataset = named_dataset(dataset_id, self.datasets())
        if schedule := dataset.schedule(name):
            return dataset, schedule
        names = ", ".join(schedule.name for schedule in dataset.schedules) or "none"
        raise NoSuchScheduleError(f"dataset {dataset_id!r} has no schedule {name!r} (there are: {names})")

    def connection(self, dataset_id: str, name: str) -> str:
        """Return the DHIS2 connection of a schedule's jobs; NoSuchDatasetError or NoSuchScheduleError as `find`."""
        dataset, schedule = self.find(dataset_id, name)
        return connection_asked(schedule.inputs, dataset)

    def _set_active(self, dataset: Dataset, schedule: Schedule, active: bool) -> None:
        """Have Prefect pause a schedule, or resume one that nothing else pauses; one that it does not have waits."""
        deployment = self.gateway.deployments.read().get(dataset.id)
        row = row_of(deployment, schedule.name)
        if deployment is None or row is None or (active and schedule.name in left_paused(deployment)):
            return
        inputs = {"inputs": run_inputs(dataset, schedule)}
        self.gateway.deployments.set_active(deployment, row, active, inputs)


def schedule_document(standing: Standing, last: Job | None, now: datetime, links: Sequence[Link]) -> ScheduleDocument:
    """Return the document of a schedule."""
    schedule = standing.schedule
    known = {
        "reason": standing.reason,
        "paused_since": standing.since,
        "person": standing.person,
        "last_run": last and last_run(last),
    }
    return ScheduleDocument(
        dataset=standing.dataset.id,
        name=schedule.name,
        cron=schedule.cron,
        timezone=schedule.timezone,
        inputs=dict(schedule.inputs),
        catch_up=schedule.catch_up,
        active=standing.active,
        paused_by=standing.paused_by,
        next=list(islice(times_after(schedule, now), TIMES_SHOWN)),
        links=list(links),
        **{name: value for name, value in known.items() if value},
    )
