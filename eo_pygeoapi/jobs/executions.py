"""From an execute request to a job, and from a job to its answer: what the manager and the API module share."""

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NoReturn

from eo_pygeoapi.contract.status import FINAL, PROCESS_ID
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.registry import shared_registry
from eo_pygeoapi.datasets.validate import validate_inputs
from eo_pygeoapi.datasets.viewer import OPERATOR, Viewer
from eo_pygeoapi.errors import (
    EngineUnavailableError,
    EoError,
    InputError,
    NotAppliedError,
    ResultNotAvailableError,
    ResultNotReadyError,
)
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.jobs import described_inputs, outbound
from eo_pygeoapi.jobs.documents import FILES, Details
from eo_pygeoapi.jobs.held_parts import delete_held, hold_features, hold_subscriber
from eo_pygeoapi.jobs.request import ExecuteBody, parse_request
from eo_pygeoapi.jobs.results import JSON, results_media_type
from eo_pygeoapi.json_types import JsonMapping, JsonObject
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore

WAITING = ("Scheduled", "Late")
ENDED_FIRST = FINAL - {"dismissed"}  # of a job that was to be stopped: it is dealt with as one that has ended
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.1, 0.5
FETCH_SECONDS, FETCH_BYTES = 10.0, 10_000_000


class JobFailedError(EoError):
    """A job failed; it carries the reason, the HTTP status and the code of what went wrong in the worker."""

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
        seen = copy.copy(self)
        seen.viewer, seen.gateway = viewer, self.gateway.seen_by(viewer)
        return seen

    def submit(self, process_id: str, description: JsonMapping, body: ExecuteBody) -> Job:
        """Check a request against the process description and make a job of it; nothing remains of a refused one."""
        request = parse_request(body, list(description.get("outputs", {})), self._check_url)
        described = description.get("inputs", {})
        inputs = described_inputs.resolve(described, body.inputs, self._fetch)
        if process_id == PROCESS_ID:
            return self._submit_import(inputs, request, body.subscriber)
        described_inputs.check(described, inputs)
        with self._held_unless_refused(request):
            request |= hold_subscriber(body.subscriber, self.store)
            return self.gateway.runs.submit(
                process_id, {"process_id": process_id, "inputs": inputs, "request": request}
            )

    def wait(self, job: Job, seconds: float) -> Job:
        """Return the job as it is when it has ended, or after so many seconds.

        A Prefect that is away meanwhile is no error: the job is made, and who hears of an error executes it again.
        """
        until, pause = time.monotonic() + seconds, FIRST_POLL_SECONDS
        while job.status not in FINAL and (left := until - time.monotonic()) > 0:
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, LONGEST_POLL_SECONDS)
            with suppress(EngineUnavailableError):
                job = self.gateway.runs.get(job.id)
        return job

    def raise_unless_successful(self, job: Job) -> None:
        """Raise the error that the results of a job are answered with, unless there are some."""
        if job.status == "successful":
            return
        if job.status == "failed":
            self._raise_failure(job)
        if job.status == "dismissed":
            raise ResultNotAvailableError(f"job {job.id} was dismissed and has no results")
        raise ResultNotReadyError(f"job {job.id} is {job.status}; its results are not ready")

    def dismiss(self, job_id: str) -> Job:
        """Stop a job that has not ended; remove one that has. Returns it as dismissed, as the standard wants of both.

        Its message says which of the two was done.
        """
        job = self.gateway.runs.get(job_id)
        if (dataset := self.datasets().get(job.deployment)) is not None:
            given = job.inputs.get("dhis2")
            asked = given.get("connection") if isinstance(given, Mapping) else None
            self.viewer.permit(str(asked or dataset.dhis2.connection))
        if job.status not in FINAL and (stopped := self.gateway.runs.cancel(job_id)).status not in ENDED_FIRST:
            return replace(stopped, status="dismissed", message="dismissed")
        # the files first: where the store is away the job stays listed, and can be deleted again
        delete_held(job.request, self.store)
        JobFolder(self.store, job_id).delete()
        self.gateway.runs.delete(job_id)
        return replace(job, status="dismissed", message=f"removed, with its files and log; it was {job.status}")

    def details(self, job: Job) -> Details:
        """Return what is told of a job where it is asked for alone; of its files only a short one is read."""
        begun = job.process_id == PROCESS_ID and job.status != "accepted"
        files, summary = self._left_behind(job) if begun else ((), None)
        return Details(
            message=self._waiting_message(job) if job.state_name in WAITING else "",
            steps=self.gateway.details.steps(job.id) if begun else (),
            import_summary=summary,
            files=files,
            results_type=results_media_type(self.store, job) if job.status == "successful" else JSON,
        )

    def datasets(self) -> Mapping[str, Dataset]:
        """Return the enabled datasets that the viewer sees, by id."""
        return self.viewer.datasets(self._registry.datasets())

    def raise_unless_applied(self) -> None:
        """Raise NotAppliedError where Prefect does not know the datasets yet.

        All of them under `up`, which applies before it says that it runs; elsewhere one is enough, for a server does
        not have to stop because its file has a new one.
        """
        enabled = self._registry.datasets()
        missing = self.gateway.deployments.missing(enabled)
        if missing and (self._registry.is_of_up or len(missing) == len(enabled)):
            seen = [name for name in missing if self.viewer.sees(enabled[name].tenant)]
            raise NotAppliedError(f"not applied yet{f': {", ".join(seen)}' if seen else ''}")

    # Inside

    def _submit_import(self, inputs: JsonMapping, request: JsonObject, subscriber: Any) -> Job:
        datasets = self.datasets()
        wanted = inputs.get("datasetId")
        if isinstance(wanted, str) and wanted not in datasets:
            self._registry.raise_if_not_applied(wanted, self.viewer)
        execution = validate_inputs(inputs, datasets, datetime.now(UTC))
        self.viewer.permit(execution.dataset.dhis2.connection)
        with self._held_unless_refused(request):
            inputs, held = hold_features(inputs, self.store)
            request |= held
            request |= hold_subscriber(subscriber, self.store)
            return self.gateway.runs.submit(execution.inputs.dataset_id, {"inputs": inputs, "request": request})

    @contextmanager
    def _held_unless_refused(self, request: JsonMapping) -> Iterator[None]:
        """Delete the held parts that `request` names by then, when the block raises: no job has come of it."""
        try:
            yield
        except BaseException:
            with suppress(EoError):
                delete_held(request, self.store)
            raise

    def _check_url(self, url: Any) -> None:
        outbound.check_url(url, allow_private=self._settings.allow_private_callbacks)

    def _fetch(self, url: str) -> bytes:
        allow = self._settings.allow_private_callbacks
        reply = outbound.request("GET", url, seconds=FETCH_SECONDS, largest=FETCH_BYTES, allow_private=allow)
        if reply.status != 200:
            raise InputError(f"{url!r} was answered with {reply.status}")
        return reply.body

    def _raise_failure(self, job: Job) -> NoReturn:
        kept: JsonMapping = JobFolder(self.store, job.id).read_json(job_folder.ERROR, default={})
        raise JobFailedError(job.message, int(kept.get("status", 500)), str(kept.get("code", EoError.code)))

    def _waiting_message(self, job: Job) -> str:
        place = self.gateway.runs.place_in_queue(job)
        queue = f"number {place} in the queue" if place else ""
        if self.gateway.details.workers():
            return f"{job.message} ({queue})" if queue else job.message
        no_worker = "no worker is running; start one with `eo-pygeoapi worker`"
        return f"{job.message}: {no_worker} ({queue})" if queue else f"{job.message}: {no_worker}"

    def _left_behind(self, job: Job) -> tuple[Sequence[str], JsonMapping | None]:
        """Return the names of the files that an import has left and that are not empty, and its summary."""
        folder = JobFolder(self.store, job.id)
        names, kept = folder.names(), JsonObject()
        if job.status in FINAL:
            # jobs of earlier versions have their summary in their result alone
            read = next((name for name in (job_folder.SUMMARY, job_folder.RESULT) if name in names), None)
            kept = folder.read_json(read, default={}) if read else {}
        if job_folder.VALUES in names:
            names.add(job_folder.FEATURES)
        names.difference_update(kept.get("empty", ()))
        return [name for name in (job_folder.PREVIEW, *FILES) if name in names], kept.get("importSummary")
