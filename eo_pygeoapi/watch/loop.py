"""The watch: look every minute at what is wrong, keep it, and tell the channels. `eo-pygeoapi watch` runs it.

It is a process of its own: it needs no worker and no web process, so it can say that these are gone. It is the only
writer of problems and messages.
"""

import logging
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from eo_pygeoapi.contract.models import ImportSummary
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.config_file import read_config
from eo_pygeoapi.datasets.operations import EVENTS, Event, Operations
from eo_pygeoapi.datasets.read import inspect_datasets, inspect_operations
from eo_pygeoapi.errors import EngineUnavailableError, EoError
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.connections import token_facts
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch import detect
from eo_pygeoapi.watch.channels import Channels, Outbox
from eo_pygeoapi.watch.detect import Failure, Refusal
from eo_pygeoapi.watch.freshness import Facts
from eo_pygeoapi.watch.messages import Teller
from eo_pygeoapi.watch.missed import MissedSchedules
from eo_pygeoapi.watch.problems import ALIVE, Book, Condition
from eo_pygeoapi.watch.survey import survey

PREFECT_AWAY_AFTER = timedelta(minutes=5)
OF_PREFECT = tuple(event for event in EVENTS if event != "disk")  # nobody can tell of these while Prefect is away
_LOG = logging.getLogger(__name__)


@dataclass
class Watch:
    """Looks after the datasets of one configuration file."""

    settings: Settings
    gateway: PrefectGateway
    store: ResultStore
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))  # from when on it has looked without a long gap
    looked: datetime | None = None
    prefect_away_since: datetime | None = None
    _missed: MissedSchedules = field(init=False)

    def __post_init__(self) -> None:
        """Begin to look for missed schedules."""
        self._missed = MissedSchedules(self.gateway.runs.newest, self.begun)

    def run(self, stop: threading.Event) -> None:
        """Look again and again until `stop` is set; no error ends it."""
        while not stop.is_set():
            try:
                self.look(datetime.now(UTC))
            except EoError as error:
                _LOG.warning("cannot look: %s", error)
            except Exception:  # a watch that ends is worse than one that has missed a look
                _LOG.exception("unexpected error")
            stop.wait(self.settings.watch_seconds)

    def look(self, now: datetime) -> None:
        """Look once: what is wrong now, whom to tell, and what is to be sent."""
        if self.looked and now - self.looked > detect.NO_WORKER_AFTER:
            self.begun = now  # the machine slept, or its clock was set: the workers had no time to report
        self.looked = now
        datasets, operations = self._configured()
        book = Book(self.store)
        outbox = Outbox(self.store, Channels(self.settings))
        conditions = [*self._conditions(datasets, now), *outbox.conditions(now)]
        changes = book.update(conditions, now, OF_PREFECT if self.prefect_away_since else ())
        for problem in changes.opened:
            _LOG.warning("%s", problem.message)
        for problem in changes.closed:
            _LOG.info("over: %s", problem.message)
        base_url = str(read_config(self.settings.config)["server"]["url"]).rstrip("/")
        Teller(book, operations.notify, datasets, outbox.put, base_url).tell(changes, now)
        outbox.flush(now)
        self.store.write_json(ALIVE, {"at": now.isoformat()})

    def _configured(self) -> tuple[Mapping[str, Dataset], Operations]:
        """Return what the file says now, as far as it is right: one mistake does not end the watch of the others."""
        config = read_config(self.settings.config)
        datasets, _ = inspect_datasets(config, self.settings.config.absolute().parent)
        return datasets, inspect_operations(config)[0]

    def _conditions(self, datasets: Mapping[str, Dataset], now: datetime) -> Iterator[Condition]:
        yield from self._of_the_disk(now)
        try:
            found = survey(self.gateway, self.store, datasets.values())
            last_alive = self.gateway.details.last_sign_of_life()
        except EngineUnavailableError:
            yield from self._of_prefect(now)
            return
        self.prefect_away_since = None
        yield from detect.workers(max(last_alive or self.begun, self.begun), now)
        yield from detect.failures(self._failures(found))
        yield from detect.refusals(self._refusals(found))
        yield from detect.late(found, now.date())
        yield from detect.missed(self._missed.find(found, now))
        yield from self._expiring(found, now)

    def _of_prefect(self, now: datetime) -> Iterator[Condition]:
        self.prefect_away_since = self.prefect_away_since or now
        if now - self.prefect_away_since >= PREFECT_AWAY_AFTER:
            yield Condition(
                event="worker",
                cause="Prefect",
                since=self.prefect_away_since,
                message="The Prefect server does not answer: no job starts, and no schedule runs.",
                what_to_do="Look at its log, and start it again.",
            )

    def _of_the_disk(self, now: datetime) -> Iterator[Condition]:
        folder = Path(self.settings.data_dir).absolute()
        if folder.exists():
            usage = shutil.disk_usage(folder)
            yield from detect.disk(str(folder), usage.free, usage.total, now)

    def _expiring(self, found: Sequence[Facts], now: datetime) -> Iterator[Condition]:
        of_connection: dict[str, list[Facts]] = {}
        for facts in found:
            of_connection.setdefault(facts.dataset.dhis2.connection, []).append(facts)
        for connection, some in of_connection.items():
            yield from detect.expiring(connection, token_facts(self.store, connection), now, some)

    def _failures(self, found: Sequence[Facts]) -> Iterator[Failure]:
        for facts in found:
            if facts.last_run is not None and facts.last_run.status == "failed":
                yield Failure(facts, facts.last_run, self._event_of(facts.last_run.id))

    def _event_of(self, job_id: str) -> Event:
        """Return what kind of problem a failed job is, as the error that ended it said."""
        kept = JobFolder(self.store, job_id).read_json(job_folder.ERROR, default={})
        return next((event for event in EVENTS if event == kept.get("event")), "failed")

    def _refusals(self, found: Sequence[Facts]) -> Iterator[Refusal]:
        for facts in found:
            if (job := facts.last_run) is None or job.status != "successful":
                continue
            kept = JobFolder(self.store, job.id).read_json(job_folder.SUMMARY, default={}).get("importSummary")
            if not kept:
                continue
            summary = ImportSummary.model_validate(kept)
            if not summary.dry_run and summary.rejected_count:
                reason = summary.rejected[0].reason if summary.rejected else summary.reason
                yield Refusal(facts, summary.rejected_count, reason, job.id, job.updated)
