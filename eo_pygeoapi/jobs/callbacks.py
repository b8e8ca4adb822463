"""Callbacks: tell the subscriber of an execution that its job runs, has succeeded, or has failed.

The hooks of the flows call this. A callback never changes the state of a job: one that fails, is answered with an error
or is redirected is retried and then given up.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from prefect.client.schemas.objects import FlowRun
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from eo_pygeoapi.contract.status import FINAL
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.jobs import outbound
from eo_pygeoapi.jobs.documents import JobLinks, status_document
from eo_pygeoapi.jobs.held_parts import held_subscriber
from eo_pygeoapi.jobs.outbound import OutboundError
from eo_pygeoapi.jobs.results import Encoded, encode, read_outputs
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.store import ResultStore

ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 1.0
ANSWER_SECONDS = 5.0
NO_OUTPUT = Encoded(204)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Callbacks:
    """The subscriber of one job, and how to call it."""

    uris: Mapping[str, str]
    allow_private: bool
    pause: Callable[[float], None] = time.sleep

    def post(self, name: str, body: bytes, media_type: str) -> bool:
        """Post to the URI called `name`, with retries; returns whether the subscriber took it."""
        uri = self.uris.get(name)
        if not uri:
            return False
        retrying = Retrying(
            retry=retry_if_exception_type(OutboundError),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(FIRST_PAUSE_SECONDS),
            sleep=self.pause,
            reraise=True,
        )
        headers, private = {"Content-Type": media_type}, self.allow_private
        try:
            for attempt in retrying:
                with attempt:
                    reply = outbound.request(
                        "POST", uri, body=body, headers=headers, seconds=ANSWER_SECONDS, allow_private=private
                    )
                    if reply.status >= 300:
                        raise OutboundError(f"answered with {reply.status}")
                number, outcome = attempt.retry_state.attempt_number, attempt.retry_state.outcome
                if outcome is not None and outcome.failed:
                    _LOG.warning("callback %s, attempt %d of %d: %s", name, number, ATTEMPTS, outcome.exception())
        except OutboundError:
            return False
        return True


@dataclass(frozen=True)
class Subscriber:
    """The subscriber of one job; `base_url` returns the address of the API, for the links of a document."""

    job_id: str
    callbacks: Callbacks
    settings: Settings
    store: ResultStore
    base_url: Callable[[], str]

    @classmethod
    def of(cls, flow_run: FlowRun, settings: Settings, base_url: Callable[[], str]) -> Self | None:
        """Return the subscriber that a flow run's execute request named; None where it named none."""
        request = (flow_run.parameters or {}).get("request")
        if not isinstance(request, Mapping) or "subscriberKey" not in request:
            return None
        store = ResultStore(settings.results)
        try:
            uris = held_subscriber(request, store)
        except EoError as error:
            _LOG.warning("the subscriber of job %s cannot be read: %s", flow_run.id, error)
            return None
        callbacks = Callbacks(uris, settings.allow_private_callbacks)
        return cls(str(flow_run.id), callbacks, settings, store, base_url)

    def tell_in_progress(self) -> None:
        """Post the status of a job that runs."""
        with _logged():
            self._post_status("inProgressUri", self._job())

    def tell_end(self) -> None:
        """Post the results of a successful job or the status of a failed one; nothing while Prefect will try again."""
        with _logged():
            job = self._job()
            if job.status == "successful":
                outputs, links = read_outputs(self.store, job), self._links()
                encoded = encode(outputs, job.request, lambda id_: links.output(job.id, id_)) if outputs else NO_OUTPUT
                self.callbacks.post("successUri", encoded.body, encoded.headers.get("Content-Type", "application/json"))
            elif job.status == "failed":
                self._post_status("failedUri", job)
            elif job.status not in FINAL:
                _LOG.info("job %s is %s again; its subscriber is told at the end", self.job_id, job.status)

    def _post_status(self, name: str, job: Job) -> None:
        document = status_document(job, self._links())
        self.callbacks.post(name, json.dumps(document, ensure_ascii=False).encode(), "application/json")

    def _job(self) -> Job:
        gateway = PrefectGateway(self.settings.prefect_api_url, secrets=self.settings.secrets(), read_timeout=10.0)
        try:
            return gateway.runs.get(self.job_id)
        finally:
            gateway.close()

    def _links(self) -> JobLinks:
        return JobLinks(self.base_url())


@contextmanager
def _logged() -> Iterator[None]:
    try:
        yield
    except EoError as error:
        _LOG.warning("callback not sent: %s", error)
