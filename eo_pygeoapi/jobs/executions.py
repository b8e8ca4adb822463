"""From an execute request to a job, and from a job to its answer: what the manager and the API module share."""

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from eo_pygeoapi.contract.status import BACKFILL_ID, COMPANIONS, FINAL, PROCESS_ID
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.registry import shared_registry
from eo_pygeoapi.datasets.validate import raise_without_days, validate_inputs
from eo_pygeoapi.datasets.viewer import OPERATOR, Viewer
from eo_pygeoapi.errors import (
    EngineUnavailableError,
    EoError,
    InputError,
    NoSuchJobError,
    NotAppliedError,
    ResultNotAvailableError,
    ResultNotReadyError,
)
from eo_pygeoapi.gateway.deployments import CONFIGURATION
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job import AWAITING_ANALYTICS, BY, DATASET, PUT_OFF, Job
from eo_pygeoapi.gateway.work_pool import of_tenant
from eo_pygeoapi.jobs import described_inputs, outbound
from eo_pygeoapi.jobs.backfills import shown_backfill, stop
from eo_pygeoapi.jobs.companions import Seen, accept
from eo_pygeoapi.jobs.documents import FILES, Details
from eo_pygeoapi.jobs.held_parts import delete_held, hold_features, hold_subscriber
from eo_pygeoapi.jobs.removal import remove_job
from eo_pygeoapi.jobs.request import ExecuteBody, misplaced, parse_request
from eo_pygeoapi.jobs.results import JSON, results_media_type
from eo_pygeoapi.jobs.schedules import Schedules
from eo_pygeoapi.jobs.targets import connection_of
from eo_pygeoapi.json_types import JsonMapping, JsonObject
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.backfills import may_run
from eo_pygeoapi.store.chains import Chain
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.pauses import Pauses
from eo_pygeoapi.store.store import ResultStore

WAITING = ("Scheduled", "Late")
NO_WORKER = "no worker is running; start one with `eo-pygeoapi worker`"
EMPTY_LIST_BYTES = 3  # an import that is not published yet may have left such lists
ENDED_FIRST = FINAL - {"dismissed"}  # a job that ends so while it is being stopped is removed like any ended job
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.1, 0.5
FETCH_SECONDS, FETCH_BYTES = 10.0, 10_000_000


class JobFailedError(EoError):
    """A job failed; the error carries the reason, the HTTP status and the OGC code that the worker recorded."""

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.failed_status = status
        self.failed_code = code


class Executions:
    """Submits executions to the gateway and reads what they leave in the store, of what the viewer sees."""

    def __init__(self, gateway: PrefectGateway, store: ResultStore, settings: Settings) -> None:
        self.gateway = gateway
        self.store = store
        self._settings = settings
        self._registry = shared_registry(settings.config)
        self.viewer = OPERATOR

    def seen_by(self, viewer: Viewer) -> "Executions":
        """Return the same for what a viewer sees; all else is as if it were not there."""
        if viewer == self.viewer:
            return self
        seen = copy.copy(self)
        seen.viewer, seen.gateway = viewer, self.gateway.seen_by(viewer)
        return seen

    def _may_run(self, job_id: str) -> list[str]:
        return may_run(JobFolder(self.store, job_id))

    def submit(self, process_id: str, description: JsonMapping, body: ExecuteBody) -> Job:
        """Check a request against the process description and make it a job; a refused one leaves nothing behind."""
        check_url = partial(outbound.check_url, allow_private=self._settings.allow_private_callbacks)
        described = description.get("inputs", {})
        if mistakes := misplaced(body.others, described):
            raise InputError(mistakes)
        request = parse_request(body, list(description.get("outputs", {})), check_url)
        if self.viewer.name:
            request[BY] = f"token {self.viewer.name}"
        inputs = described_inputs.resolve(described, body.inputs, self._fetch)
        if process_id in COMPANIONS:
            accepted = accept(process_id, inputs, Seen(self.datasets(), self.gateway.runs.get, self._may_run))
            self.viewer.permit(accepted.connection)
            request[DATASET] = accepted.dataset.id
            labels = {CONFIGURATION: accepted.dataset.version}
            return self._submit_other(process_id, accepted.inputs, request, body, accepted.dataset.tenant, labels)
        if process_id != PROCESS_ID:
            described_inputs.check(described, inputs)
            return self._submit_other(process_id, inputs, request, body, self.viewer.tenant)
        datasets, wanted = self.datasets(), inputs.get("datasetId")
        if isinstance(wanted, str) and wanted not in datasets:
            self._registry.raise_if_not_applied(wanted, self.viewer)
        execution = validate_inputs(inputs, datasets, datetime.now(UTC))
        raise_without_days(execution)
        self.viewer.permit(execution.dataset.dhis2.connection)
        with self._held_unless_refused(request):
            kept, held = hold_features(inputs, self.store)
            request |= held
            request |= hold_subscriber(body.subscriber, self.store)
            parameters, labels = {"inputs": kept, "request": request}, {CONFIGURATION: execution.dataset.version}
            return self.gateway.runs.submit(execution.dataset.id, parameters, labels=labels)

    def wait(self, job: Job, seconds: float) -> Job:
        """Return the job once it has ended, or after so many seconds as it is then.

        It ignores an unreachable Prefect: the job exists, and a client that gets an error would execute it again.
        """
        until, pause = time.monotonic() + seconds, FIRST_POLL_SECONDS
        while job.status not in FINAL and (left := until - time.monotonic()) > 0:
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, LONGEST_POLL_SECONDS)
            with suppress(EngineUnavailableError):
                job = self.gateway.runs.get(job.id)
        return job

    def raise_unless_successful(self, job: Job) -> None:
        """Raise the error that a request for the results gets, unless the job has succeeded."""
        if job.status == "successful":
            return
        if job.status == "failed":
            kept: JsonMapping = JobFolder(self.store, job.id).read_json(job_folder.ERROR, default={})
            raise JobFailedError(job.message, int(kept.get("status", 500)), str(kept.get("code", EoError.code)))
        if job.status == "dismissed":
            raise ResultNotAvailableError(f"job {job.id} was dismissed and has no results")
        raise ResultNotReadyError(f"job {job.id} is {job.status}; its results are not ready")

    def dismiss(self, job_id: str) -> Job:
        """Stop a job that has not ended, or remove one that has; returns it as dismissed, which the standard requires.

        The job's message says which of the two happened.
        """
        job = self.gateway.runs.get(job_id)
        if (connection := self.connection_of(job)) is not None:
            self.viewer.permit(connection)
        if job.status not in FINAL and (stopped := self.gateway.runs.cancel(job_id)).status not in ENDED_FIRST:
            if job.process_id == BACKFILL_ID:
                stop(JobFolder(self.store, job_id), self.gateway.runs.cancel, self.gateway.runs.with_keys)
            return replace(stopped, status="dismissed", message="dismissed")
        remove_job(self.gateway, self.store, job)
        return replace(
            job, status="dismissed", removed=True, message=f"removed, with its files and log; it was {job.status}"
        )

    def connection_of(self, job: Job) -> str | None:
        """Return the DHIS2 connection that a job is about, as `targets.connection_of`."""
        return connection_of(job, self._registry.datasets(), self.gateway.runs.get)

    def details(self, job: Job) -> Details:
        """Return the details of one job; reads one short file of it at most."""
        begun = job.is_ours and (job.status != "accepted" or job.state_name in PUT_OFF)
        files, summary = self._left_behind(job) if begun else ((), None)
        chain = Chain.of(JobFolder(self.store, job.id)) if job_folder.AFTER in files else None
        message, more = "", JsonObject()
        if chain:
            links = []
            for link in chain.links:  # a job that was started is as far as it is now
                with suppress(NoSuchJobError):
                    if link.job_id:
                        status = self.gateway.runs.get(link.job_id).status
                        link = link.model_copy(update={"status": "waiting" if status == "accepted" else status})
                links.append(link.shown())
            more = {"after": links, "childJobs": [link.job_id for link in chain.links if link.job_id]}
        if job.process_id == BACKFILL_ID and begun:
            more |= shown_backfill(JobFolder(self.store, job.id), datetime.now(UTC))
        if job.state_name in WAITING:
            place = self.gateway.runs.place_in_queue(job)
            message = job.message if self.gateway.details.workers() else f"{job.message}: {NO_WORKER}"
            message += f" (number {place} in the queue)" if place else ""
        return Details(
            message=message,
            steps=self.gateway.details.steps(job) if begun and job.process_id == PROCESS_ID else (),
            import_summary=summary,
            files=[name for name in files if name != job_folder.AFTER],
            results_type=results_media_type(self.store, job) if job.status == "successful" else JSON,
            more=more,
        )

    def datasets(self) -> Mapping[str, Dataset]:
        """Return the enabled datasets that the viewer sees, by id."""
        return self.viewer.datasets(self._registry.datasets())

    def prefect_pages(self) -> str:
        """Return where Prefect's own pages are; empty for those who may not see what these show, which is all."""
        tenants = any(dataset.tenant for dataset in self._registry.datasets().values())
        return "" if tenants and not self.viewer.operator else self.gateway.ui_url()

    @property
    def schedules(self) -> Schedules:
        """The schedules of the enabled datasets."""
        return Schedules(self.gateway, Pauses(self.store), self.datasets, self._settings)

    def raise_unless_applied(self) -> None:
        """Raise NotAppliedError where Prefect does not know the datasets yet.

        Under `up`, which applies before it says that it runs, Prefect must know all datasets. Elsewhere one is enough:
        a new dataset in the file is no reason for a server to stop.
        """
        enabled = self._registry.datasets()
        missing = self.gateway.deployments.missing(enabled)
        if missing and (self._registry.is_of_up or len(missing) == len(enabled)):
            seen = [name for name in missing if self.viewer.sees(enabled[name].tenant)]
            raise NotAppliedError(f"not applied yet{f': {", ".join(seen)}' if seen else ''}")

    # Inside

    def _submit_other(
        self,
        process_id: str,
        inputs: JsonMapping,
        request: JsonObject,
        body: ExecuteBody,
        tenant: str,
        labels: Mapping[str, str] = {},
    ) -> Job:
        """Make a job of any process but the import."""
        with self._held_unless_refused(request):
            request |= hold_subscriber(body.subscriber, self.store)
            parameters = {"process_id": process_id, "inputs": inputs, "request": request}
            return self.gateway.runs.submit(of_tenant(process_id, tenant), parameters, labels=labels)

    @contextmanager
    def _held_unless_refused(self, request: JsonMapping) -> Iterator[None]:
        """Delete the parts that the store holds for `request` when the block raises, for then there is no job."""
        try:
            yield
        except BaseException:
            with suppress(EoError):
                delete_held(request, self.store)
            raise

    def _fetch(self, url: str) -> bytes:
        allow = self._settings.allow_private_callbacks
        reply = outbound.request("GET", url, seconds=FETCH_SECONDS, largest=FETCH_BYTES, allow_private=allow)
        if reply.status != 200:
            raise InputError(f"{url!r} was answered with {reply.status}")
        return reply.body

    def _left_behind(self, job: Job) -> tuple[Sequence[str], JsonMapping | None]:
        """Return the names of the files of an import that are not empty, and its summary."""
        folder = JobFolder(self.store, job.id)
        sizes, kept = folder.sizes(), JsonObject()
        names = {name for name, size in sizes.items() if size > EMPTY_LIST_BYTES}
        if job.status in FINAL or job.state_name == AWAITING_ANALYTICS:
            # jobs of earlier versions have their summary in their result alone
            read = next((name for name in (job_folder.SUMMARY, job_folder.RESULT) if name in names), None)
            kept = folder.read_json(read, default={}) if read else {}
        if job_folder.VALUES in names:
            names.add(job_folder.FEATURES)
        names.difference_update(kept.get("empty", ()))
        listed = (job_folder.PREVIEW, *FILES, job_folder.AFTER)
        return [name for name in listed if name in names], kept.get("importSummary")
