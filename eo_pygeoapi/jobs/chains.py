"""Chains: what an import that has changed something in DHIS2 is followed by, each thing once, in the order of the file.

DHIS2's analytics is waited for; jobs are started, and go on by themselves; webhooks are called when the import's own
job has ended, for whoever is called may ask for its results. What fails is said, and keeps nothing else from being
done. What has been done is kept with the job, so that a job that goes on after its process died does nothing twice.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from eo_pygeoapi.contract.models import ImportSummary, Interval
from eo_pygeoapi.contract.periods import first_period_in
from eo_pygeoapi.contract.status import PROCESS_ID
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.companion_inputs import CHECKS
from eo_pygeoapi.errors import EoError, InputError
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.gateway.patience import while_away
from eo_pygeoapi.gateway.schedules import run_inputs
from eo_pygeoapi.jobs.analytics import Analytics
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.store.chains import Chain, KeptLink
from eo_pygeoapi.store.store import ResultStore

# so long analytics is waited for in the job's process; then the job is put off, until it looks again
WAITED_FOR = timedelta(seconds=20)
LOOKS = (1.0, 2.0, 3.0, 5.0)  # seconds between looks while it is; the last holds for all that follow
SOONEST, LATEST = timedelta(seconds=30), timedelta(minutes=5)
_PREFECT_SECONDS = 60.0

_LOG = logging.getLogger(__name__)

Submit = Callable[[str, JsonObject, str], Job]  # deployment, parameters and key, of which there is only one run


def has_changed(summary: ImportSummary) -> bool:
    """Return whether an import has changed something in DHIS2."""
    return not summary.dry_run and summary.imported + summary.updated + summary.deleted > 0


@dataclass(frozen=True)
class Follower:
    """Does what an import is followed by, but for webhooks."""

    store: ResultStore
    datasets: Mapping[str, Dataset]  # those of the tenant whose chain it is
    submit: Submit
    analytics: Callable[[str], Analytics | None]  # of a connection; None where there is none of this name
    clean: Callable[[str], str] = str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep

    def follow(self, chain: Chain) -> tuple[Chain, datetime | None]:
        """Do what is not done yet; returns what came of it, and when to go on where DHIS2's analytics takes longer."""
        again = while_away(_PREFECT_SECONDS, self.sleep)
        for number, link in enumerate(chain.links):
            if link.has_ended or link.webhook:
                continue
            if link.analytics:
                done = self._analytics(chain, number, link)
            else:
                try:
                    deployment, parameters = self._what_to_run(chain, link)
                    job = again(self.submit, deployment, parameters, f"after {chain.job_id} {number}")
                    ended = {"status": "successful", "job_id": job.id, "finished": self.now()}
                    done = link.model_copy(update=ended)
                except EoError as error:
                    done = self._failed(link, str(error))
            if done.message:
                done = done.model_copy(update={"message": self.clean(done.message)})
            _LOG.info("%s: %s%s", done.name, done.status, f", {done.message}" if done.message else "")
            chain = chain.replaced(number, done)
            chain.keep(self.store)
            if not done.has_ended:
                now = self.now()  # the longer it takes, the more seldom it is looked at
                return chain, now + min(max((now - chain.imported) / 4, SOONEST), LATEST)
        return chain, None

    def _analytics(self, chain: Chain, number: int, link: KeptLink) -> KeptLink:
        analytics, begun = self.analytics(chain.connection), self.now()
        if analytics is None:
            return self._failed(link, f"there is no DHIS2 connection {chain.connection!r}")
        pauses = iter(LOOKS)
        while True:
            link = analytics.look(link, chain.imported, self.now())
            chain.replaced(number, link).keep(self.store)
            if link.has_ended or self.now() - begun >= WAITED_FOR:
                return link
            self.sleep(next(pauses, LOOKS[-1]))

    def _what_to_run(self, chain: Chain, link: KeptLink) -> tuple[str, JsonObject]:
        """Return the deployment and the parameters of a link's job.

        A dataset is imported for the days of the import; where no period lies in them, for those of its first schedule.
        """
        name = link.dataset
        if link.process in CHECKS:  # again, for the file may have been changed since
            about = CHECKS[link.process](link.inputs, self.datasets, self.now())
            if link.process == PROCESS_ID:
                return about.id, {"inputs": link.inputs}
        if not name:
            return link.process, {"process_id": link.process, "inputs": link.inputs, "request": {}}
        if (dataset := self.datasets.get(name)) is None:
            raise InputError(f"dataset {name!r} is not enabled any more")
        interval = Interval(start=chain.start, end=chain.end)
        if first_period_in(interval, dataset.period_type):
            days = {"start": chain.start.isoformat(), "end": chain.end.isoformat()}
            return name, {"inputs": {"datasetId": name, **days, "dryRun": False}}
        if not dataset.schedules:
            raise InputError(
                f"no {dataset.period_type} period lies within {chain.start} to {chain.end}, and dataset {name!r} has "
                "no schedule whose dates could be taken"
            )
        return name, {"inputs": run_inputs(dataset, dataset.schedules[0]) | {"dryRun": False}}

    def _failed(self, link: KeptLink, said: str) -> KeptLink:
        return link.model_copy(update={"status": "failed", "message": said, "finished": self.now()})
