"""The watch: look every minute at what is wrong, keep it, and tell the channels. `eo-pygeoapi watch` runs it.

It is a process of its own: it needs no worker and no web process, so it can say that these are gone. It is the only
writer of problems and messages.
"""

import logging
import shutil
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from eo_pygeoapi.contract.models import ImportSummary
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.operations import EVENTS, Event, Operations
from eo_pygeoapi.errors import EngineUnavailableError, EoError, NoSuchJobError, ResultsError
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.gateway.job_filter import JobFilter
from eo_pygeoapi.json_types import JsonMapping
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.chains import Chain
from eo_pygeoapi.store.connections import TokenFacts, token_facts
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.newest_days import NewestDay, keep_newest_day, newest_day
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch import companions, detect, overdue
from eo_pygeoapi.watch.channels import Channels, Outbox
from eo_pygeoapi.watch.configuration import Configuration
from eo_pygeoapi.watch.daily import DailyHousekeeping
from eo_pygeoapi.watch.detect import Failure, Refusal
from eo_pygeoapi.watch.failed_jobs import failure_of
from eo_pygeoapi.watch.freshness import Facts
from eo_pygeoapi.watch.messages import Teller
from eo_pygeoapi.watch.missed import MissedSchedules
from eo_pygeoapi.watch.numbers import MOST_ACTIVE, Counting
from eo_pygeoapi.watch.problems import ALIVE, Book, Condition, KeptProblem
from eo_pygeoapi.watch.survey import survey
from eo_pygeoapi.watch.unkept import Unkept

STOP_SECONDS = 10.0  # for housekeeping to come to the end of what it is removing
HOUSEKEEPING_AFTER = timedelta(minutes=5)  # a start has enough to do
FLURRY = timedelta(hours=1)  # so long after the first of several jobs that fail for one cause the others may come
FORGOTTEN_AFTER = timedelta(minutes=2)
PREFECT_AWAY_AFTER = timedelta(minutes=5)
PROVIDERS_ASKED_EVERY = timedelta(hours=1)
OF_PREFECT = tuple(event for event in EVENTS if event != "disk")  # nobody can tell of these while Prefect is away
OF_FILES: tuple[Event, ...] = ("late", "stale-provider", "credential")  # what a dataset's files tell
_LOG = logging.getLogger(__name__)
# what a look saw: facts of the datasets, and the last sign of life of a worker; None where Prefect did not answer
Seen = tuple[Sequence[Facts] | None, datetime | None]


@dataclass
class Watch:
    """Looks after the datasets of one configuration file."""

    settings: Settings
    gateway: PrefectGateway
    store: ResultStore
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    prefect_away_since: datetime | None = None
    _seen: Seen = (None, None)
    _waiting: set[str] = field(default_factory=set)  # problems of which it is not known yet whether they are over
    _counting: Counting = field(init=False)
    _missed: MissedSchedules = field(init=False)
    _configuration: Configuration = field(init=False)

    def __post_init__(self) -> None:
        """Begin to look for missed schedules, and to count."""
        self._configuration = Configuration(self.settings.config)
        self._counting = Counting(self.gateway, self.store)
        self._missed = MissedSchedules(self.gateway.runs.newest, self.begun)

    def run(self, stop: threading.Event) -> None:
        """Look again and again until `stop` is set, and keep house once a day; no error ends it."""
        daily = DailyHousekeeping(self.settings, self.store)
        unkept = Unkept(Channels(self.settings))
        while not stop.is_set():
            now = datetime.now(UTC)
            try:
                datasets, operations = self.look(now)
                unkept.worked(operations.notify, now)
                if now - self.begun >= HOUSEKEEPING_AFTER:
                    daily.begin_if_due(datasets, operations.retention, now)
            except EoError as error:
                _LOG.warning("cannot look: %s", error)
                if isinstance(error, ResultsError):
                    unkept.failed(str(error), self._configuration.operations.notify, now)
            except Exception:  # a watch that ends is worse than one that has missed a look
                _LOG.exception("unexpected error")
            stop.wait(self.settings.watch_seconds)
        daily.end(STOP_SECONDS)

    def look(self, now: datetime) -> tuple[Mapping[str, Dataset], Operations]:
        """Look once: what is wrong now, whom to tell, and what is to be sent; returns what the file says.

        It says it as far as it is right, and else what it said before: a mistake does not end the watch.
        """
        said = self._configuration
        said.read(now)
        datasets, operations = said.datasets, said.operations
        book = Book(self.store)
        outbox = Outbox(self.store, Channels(self.settings))
        conditions = [*self._conditions(datasets, now), *said.conditions(now)]
        conditions += outbox.conditions(operations.notify, now)
        changes = book.update(conditions, now, OF_PREFECT if self.prefect_away_since else (), self._held)
        for problem in changes.opened:
            _LOG.warning("%s", problem.message)
        for problem in changes.closed:
            _LOG.info("over: %s", problem.message)
        Teller(book, operations.notify, datasets, outbox.put, said.base_url).tell(changes, now)
        for given_up in outbox.flush(now):
            book.unheard(given_up.problem, given_up.channel)
        try:
            self._counting.keep(*self._seen, Path(self.settings.data_dir).absolute(), now)
        except EoError as error:  # a look is a look without the numbers behind `/metrics`
            _LOG.warning("cannot count: %s", error)
        self.store.write_json(ALIVE, {"at": now.isoformat()})
        return datasets, operations

    def _conditions(self, datasets: Mapping[str, Dataset], now: datetime) -> Iterator[Condition]:
        for folder in disks(self.settings):
            usage = shutil.disk_usage(folder)
            yield from detect.disk(str(folder), usage.free, usage.total, now)
        self._seen, self._waiting = (None, None), set()
        self._ask_providers(datasets.values(), now)
        try:
            found = survey(self.gateway, self.store, datasets.values())
            last_alive = self.gateway.details.last_sign_of_life()
        except EngineUnavailableError:
            self.prefect_away_since = self.prefect_away_since or now
            if now - self.prefect_away_since >= PREFECT_AWAY_AFTER:
                yield Condition(
                    event="worker",
                    cause="Prefect",
                    since=self.prefect_away_since,
                    message="The Prefect server does not answer: no job starts, and no schedule runs.",
                    what_to_do="Look at its log, and start it again.",
                )
            return
        self.prefect_away_since, self._seen = None, (found, last_alive)
        missed = self._missed.find(found, now)
        # after a gap, as when the machine slept, the workers had no time to report either
        yield from detect.workers(last_alive, now, self._missed.since)
        failures = list(detect.without_stale(self._failures(found, now)))
        yield from detect.failures(failures, self._may_follow(found, now) if failures else lambda _: False)
        yield from companions.conditions(companions.last_companions(self.gateway, self.store, datasets))
        yield from detect.refusals(self._refusals(found))
        yield from detect.doubts(self._doubts(found))
        yield from detect.chains(self._chains(found, now))
        catching_up = self._missed.catches_up(now)
        yield from overdue.late(found, now.date(), catching_up=catching_up)
        yield from overdue.stale(found, now.date())
        yield from overdue.missed(missed, catching_up=catching_up)
        yield from overdue.paused(found, now)
        yield from detect.unreadable(found, now)
        yield from self._expiring(found, now, {failure.token_of for failure in failures})

    def _ask_providers(self, datasets: Iterable[Dataset], now: datetime) -> None:
        """Ask each provider for its newest day, where it was not asked within the last hour."""
        for dataset in datasets:
            known = newest_day(self.store, dataset)
            if known.asked and now - known.asked < PROVIDERS_ASKED_EVERY:
                continue
            said = NewestDay(day=known.day, final=known.final, asked=now)
            try:
                said.day = dataset.options.newest(now.date(), self.settings.value)
                said.final = dataset.options.newest_final(now.date(), self.settings.value)
            except Exception as error:  # sources of other packages may raise anything
                _LOG.warning("dataset %s: the provider does not say its newest day: %s", dataset.id, error)
            keep_newest_day(self.store, dataset, said)

    def _expiring(self, found: Sequence[Facts], now: datetime, told: Collection[str]) -> Iterator[Condition]:
        """Yield a condition for each token that expires, but those of connections that are `told` with failed jobs."""
        of_connection: dict[str, list[Facts]] = {}
        for facts in found:
            if facts.dataset.dhis2.connection not in told:
                of_connection.setdefault(facts.dataset.dhis2.connection, []).append(facts)
        for connection, some in of_connection.items():
            yield from detect.expiring(connection, token_facts(self.store, connection), now, some)

    def _failures(self, found: Sequence[Facts], now: datetime) -> Iterator[Failure]:
        for facts in found:
            if (job := facts.last_run) is not None and job.status == "failed":
                event, away = failure_of(self.store, job)
                connection = facts.dataset.dhis2.connection
                token = token_facts(self.store, connection) if event == "credential" else TokenFacts()
                if token.noted and token.noted > job.updated:
                    continue  # another job has logged in since, with a new token: the next one will tell
                has_expired = token.expires is not None and token.expires <= now
                yield Failure(facts, job, event, away, connection if has_expired else "")

    def _may_follow(self, found: Sequence[Facts], now: datetime) -> Callable[[Failure], bool]:
        """Return what tells whether jobs are under way that may fail for the cause of a failure, soon after it."""
        jobs, _ = self.gateway.runs.list(MOST_ACTIVE, 0, JobFilter(statuses=("accepted", "running")))
        active = {job.deployment for job in jobs}
        busy = [facts.dataset for facts in found if facts.dataset.id in active]
        return lambda failure: now - failure.job.updated < FLURRY and any(map(failure.may_hit, busy))

    def _chains(self, found: Sequence[Facts], now: datetime) -> Iterator[tuple[Facts, Chain]]:
        """Yield the last chain of each dataset that has one; a job that it started is as far as it is now."""
        for facts in found:
            if not facts.dataset.after or (chain := Chain.latest(self.store, facts.dataset.id)) is None:
                continue
            for number, link in enumerate(chain.links):
                if not link.has_ended:
                    self._waiting.add(detect.problem_of_link(facts, link.name))
                failed: dict[str, object] = {}
                with suppress(NoSuchJobError):
                    if link.process and link.job_id and (job := self.gateway.runs.get(link.job_id)).status == "failed":
                        failed = {"message": job.message, "finished": job.finished}
                    elif link.webhook and not link.has_ended:
                        ended = self.gateway.runs.get(chain.job_id).finished
                        if ended is not None and now - ended > FORGOTTEN_AFTER:
                            failed = {"message": "it was not called, for the process of the job ended before that"}
                if failed:
                    chain = chain.replaced(number, link.model_copy(update={"status": "failed", **failed}))
            yield facts, chain

    def _refusals(self, found: Sequence[Facts]) -> Iterator[Refusal]:
        for facts in found:
            job = facts.last_import
            if job is None or not (kept := self._summary(job).get("importSummary")):
                continue
            summary = ImportSummary.model_validate(kept)
            if summary.rejected_count:
                reason = summary.rejected[0].reason if summary.rejected else summary.reason
                yield Refusal(facts, summary.rejected_count, reason, job.id, job.updated)

    def _doubts(self, found: Sequence[Facts]) -> Iterator[tuple[Facts, Job, str]]:
        for facts in found:
            if (job := facts.last_good) is not None and (said := self._summary(job).get("doubts")):
                yield facts, job, str(said)

    def _summary(self, job: Job | None) -> JsonMapping:
        """Return what a job has kept of its result."""
        found: JsonMapping = JobFolder(self.store, job.id).read_json(job_folder.SUMMARY, default={}) if job else {}
        return found

    def _held(self, problem: KeptProblem) -> bool:
        """Tell whether nobody can say if a problem is over: its dataset cannot be read, or something is still done."""
        unreadable = {facts.dataset.id for facts in self._seen[0] or () if facts.unreadable}
        own = problem.kind in OF_FILES and not unreadable.isdisjoint(problem.datasets)
        return own or problem.id in self._waiting or self._configuration.holds(problem)


def disks(settings: Settings) -> list[Path]:
    """Return a folder on each disk of this machine that data, results or downloads are written to."""
    given = (settings.data_dir, settings.results, settings.cache)
    folders = [Path(str(one).removeprefix("file://")).absolute() for one in given if _is_local(str(one))]
    return list({folder.stat().st_dev: folder for folder in reversed(folders) if folder.exists()}.values())


def _is_local(address: str) -> bool:
    return "://" not in address or address.startswith("file://")
