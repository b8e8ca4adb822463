"""Callbacks: tell the subscriber of an execution that its job runs, has succeeded, or has failed.

The hooks of both flows call these functions. Whatever happens here, the state of the job is what the work made it: a
subscriber who does not answer, answers with an error or redirects is tried again and then left alone.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from prefect.client.schemas.objects import Flow, FlowRun, State

from eo_pygeoapi.contract.status import FINAL
from eo_pygeoapi.datasets.config_file import read_config
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
IN_PROGRESS_SECONDS = 10.0

_LOG = logging.getLogger(__name__)
_in_progress: dict[str, threading.Thread] = {}


@dataclass(frozen=True)
class Callbacks:
    """The subscriber of one job, and how to call it."""

    uris: Mapping[str, str]
    allow_private: bool
    pause: Callable[[float], None] = time.sleep

    def post(self, name: str, body: bytes, media_type: str) -> bool:
        """Post to the URI called `name`, again and again for a while; returns whether it was taken."""
        uri = self.uris.get(name)
        if not uri:
            return False
        for attempt in range(ATTEMPTS):
            if attempt:
                self.pause(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
            why = self._post_once(uri, body, media_type)
            if why is None:
                return True
            _LOG.warning("callback %s, attempt %d of %d: %s", name, attempt + 1, ATTEMPTS, why)
        return False

    def _post_once(self, uri: str, body: bytes, media_type: str) -> str | None:
        """Return why it was not taken, or None."""
        headers = {"Content-Type": media_type}
        try:
            reply = outbound.request(
                "POST", uri, body=body, headers=headers, seconds=ANSWER_SECONDS, allow_private=self.allow_private
            )
        except OutboundError as error:
            return str(error)
        return None if reply.status < 300 else f"answered with {reply.status}"


def on_running(flow: Flow, flow_run: FlowRun, state: State[Any]) -> None:
    """Tell the subscriber that the job runs, beside the work."""
    subject = _subject(flow_run)
    if subject is None or "inProgressUri" not in subject.callbacks.uris:
        return
    thread = threading.Thread(target=_quietly, args=(subject.tell_status, "inProgressUri"), daemon=True)
    _in_progress[str(flow_run.id)] = thread
    thread.start()


def on_end(flow: Flow, flow_run: FlowRun, state: State[Any]) -> None:
    """Tell the subscriber how the job has ended; nothing while Prefect will try it again."""
    subject = _subject(flow_run)
    if subject is None:
        return
    if thread := _in_progress.pop(str(flow_run.id), None):
        thread.join(IN_PROGRESS_SECONDS)  # so that the two arrive in their order
    _quietly(subject.tell_end)


def _quietly(tell: Callable[..., None], *arguments: Any) -> None:
    try:
        tell(*arguments)
    except EoError as error:
        _LOG.warning("callback not sent: %s", error)


@dataclass(frozen=True)
class _Subject:
    """One job, and who wants to know of it."""

    job_id: str
    callbacks: Callbacks
    settings: Settings
    store: ResultStore

    def tell_status(self, name: str) -> None:
        """Post the job's status."""
        self._post_status(name, self._job())

    def tell_end(self) -> None:
        """Post the results of a successful job, the status of a failed one."""
        job = self._job()
        if job.status == "successful":
            encoded = self._results(job)
            self.callbacks.post("successUri", encoded.body, encoded.headers.get("Content-Type", "application/json"))
        elif job.status == "failed":
            self._post_status("failedUri", job)
        elif job.status not in FINAL:
            _LOG.info("job %s is %s again; its subscriber is told at the end", self.job_id, job.status)

    def _post_status(self, name: str, job: Job) -> None:
        document = status_document(job, self._links())
        self.callbacks.post(name, json.dumps(document, ensure_ascii=False).encode(), "application/json")

    def _results(self, job: Job) -> Encoded:
        outputs, links = read_outputs(self.store, job), self._links()
        if not outputs:
            return Encoded(204)
        return encode(outputs, job.request, lambda id_: links.output(job.id, id_))

    def _job(self) -> Job:
        gateway = PrefectGateway(self.settings.prefect_api_url, secrets=self.settings.secrets(), read_timeout=10.0)
        try:
            return gateway.get(self.job_id)
        finally:
            gateway.close()

    def _links(self) -> JobLinks:
        from pygeoapi.util import get_base_url  # slow to import, and only needed here

        return JobLinks(get_base_url(read_config(self.settings.config)))


def _subject(flow_run: FlowRun) -> _Subject | None:
    """Return whom to tell of a run; None for nobody."""
    request = (flow_run.parameters or {}).get("request")
    if not isinstance(request, Mapping) or "subscriberKey" not in request:
        return None
    settings = Settings()
    store = ResultStore(settings.results)
    try:
        uris = held_subscriber(request, store)
    except EoError as error:
        _LOG.warning("the subscriber of job %s cannot be read: %s", flow_run.id, error)
        return None
    callbacks = Callbacks(uris, settings.allow_private_callbacks)
    return _Subject(str(flow_run.id), callbacks, settings, store)


# what a flow is decorated with
HOOKS: dict[str, Any] = {
    "on_running": [on_running],
    "on_completion": [on_end],
    "on_failure": [on_end],
    "on_crashed": [on_end],
}
