"""The hooks of both flows: tell the subscriber of an execution how its job goes, and tidy up behind a job."""

import logging
import threading
from datetime import UTC, datetime
from typing import TypedDict

from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import FlowStateHook

from eo_pygeoapi.contract.status import PROCESS_ID
from eo_pygeoapi.errors import EoError, ResultsError
from eo_pygeoapi.gateway.job import STARTED_BY, Job, Progress
from eo_pygeoapi.gateway.schedules import inputs_of
from eo_pygeoapi.jobs.backfills import stop
from eo_pygeoapi.jobs.callbacks import Subscriber
from eo_pygeoapi.jobs.documents import JobLinks, status_document
from eo_pygeoapi.jobs.executions import Executions
from eo_pygeoapi.jobs.import_record import note_import
from eo_pygeoapi.jobs.webhooks import Webhooks
from eo_pygeoapi.settings import process_settings
from eo_pygeoapi.store.backfills import Backfill
from eo_pygeoapi.store.chains import Chain
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.recounting import count_again
from eo_pygeoapi.store.store import ResultStore
from flows.surroundings import base_url, enabled_datasets, prefect

IN_PROGRESS_SECONDS = 10.0

_in_progress: dict[str, threading.Thread] = {}


def on_running(flow: Flow[..., object], flow_run: FlowRun, state: State) -> None:
    """Tell the subscriber that the job runs, in a thread beside the work."""
    subscriber = Subscriber.of(flow_run, process_settings(), base_url)
    if subscriber is None or "inProgressUri" not in subscriber.callbacks.uris:
        return
    thread = threading.Thread(target=subscriber.tell_in_progress, daemon=True)
    _in_progress[str(flow_run.id)] = thread
    thread.start()


def on_end(flow: Flow[..., object], flow_run: FlowRun, state: State) -> None:
    """Tell the subscriber how the job has ended; says nothing while Prefect will try it again."""
    subscriber = Subscriber.of(flow_run, process_settings(), base_url)
    if subscriber is None:
        return
    if thread := _in_progress.pop(str(flow_run.id), None):
        thread.join(IN_PROGRESS_SECONDS)  # so that the two arrive in their order
    subscriber.tell_end()


def call_webhooks(flow: Flow[..., object], flow_run: FlowRun, state: State) -> None:
    """Post the document of an import that has changed something in DHIS2, where its dataset says to whom."""
    settings = process_settings()
    store = ResultStore(settings.results)
    try:
        chain = Chain.of(JobFolder(store, str(flow_run.id)))
        if chain is None or not any(link.webhook and not link.has_ended for link in chain.links):
            return
        with prefect() as gateway:
            job = gateway.runs.get(str(flow_run.id))
            details = Executions(gateway, store, settings).details(job)
        document = status_document(job, JobLinks(base_url()), details)
        Webhooks(settings.notify_url).tell(chain, document).keep(store)
    except EoError as error:
        logging.getLogger(__name__).warning("the webhooks of job %s were not called: %s", flow_run.id, error)


def wake_parent(flow: Flow[..., object], flow_run: FlowRun, state: State) -> None:
    """Have the backfill that an import is a part of look at once at what came of it."""
    if not (parent := flow_run.labels.get(STARTED_BY)):
        return
    try:
        with prefect() as gateway:
            gateway.runs.wake(str(parent))
    except EoError as error:  # it looks by itself, only later
        logging.getLogger(__name__).info("the job %s was not woken: %s", parent, error)


def on_first_running(flow: Flow[..., object], flow_run: FlowRun, state: State) -> None:
    """Tell the subscriber that a backfill has begun; it goes on many times."""
    if Backfill.of(JobFolder(ResultStore(process_settings().results), str(flow_run.id))) is None:
        on_running(flow, flow_run, state)


def stop_parts(flow: Flow[..., object], flow_run: FlowRun, state: State) -> None:
    """Stop the jobs of a backfill that is dismissed, also in Prefect."""
    settings = process_settings()
    try:
        with prefect() as gateway:
            folder = JobFolder(ResultStore(settings.results), str(flow_run.id))
            stop(folder, gateway.runs.cancel, gateway.runs.with_keys)
    except EoError as error:
        logging.getLogger(__name__).warning("the jobs of the backfill %s were not stopped: %s", flow_run.id, error)


def delete_steps(flow: Flow[..., object], flow_run: FlowRun, state: State) -> None:
    """Delete the intermediate results of a job that has succeeded; a job that failed may be resumed from them."""
    settings = process_settings()
    if settings.keep_steps:
        return
    try:
        JobFolder(ResultStore(settings.results), str(flow_run.id)).delete_steps()
    except ResultsError as error:
        logging.getLogger(__name__).warning("the intermediate results of job %s stay: %s", flow_run.id, error)


def keep_in_history(flow: Flow[..., object], flow_run: FlowRun, state: State) -> None:
    """Write the line of an import into the history of its dataset; it is kept when the job is gone.

    Then count what is asked of the dataset every minute.
    """
    settings = process_settings()
    store = ResultStore(settings.results)
    try:
        datasets = enabled_datasets()
        inputs = inputs_of(flow_run, (flow_run.parameters or {}).get("inputs") or {}, lambda: datasets)
        parameters = {**flow_run.parameters, "inputs": inputs}
        ended = flow_run.model_copy(update={"state": state, "parameters": parameters})
        process_id = str(parameters.get("process_id", PROCESS_ID))
        deployment = str(inputs.get("datasetId", "")) if process_id == PROCESS_ID else process_id
        job = Job.from_flow_run(ended, deployment, process_id, Progress(), settings.secrets())
        note_import(store, job, dataset := datasets.get(job.dataset), datetime.now(UTC))
        if dataset is not None:
            count_again(store, dataset)
    except EoError as error:
        logging.getLogger(__name__).warning("job %s is not in the import history yet: %s", flow_run.id, error)


type Hook = FlowStateHook[..., object]


class Hooks(TypedDict):
    """The hooks as keyword arguments of `@flow`."""

    on_running: list[Hook]
    on_completion: list[Hook]
    on_failure: list[Hook]
    on_crashed: list[Hook]
    on_cancellation: list[Hook]


HOOKS = Hooks(
    on_running=[on_running],
    on_completion=[on_end, delete_steps],
    on_failure=[on_end],
    on_crashed=[on_end],
    on_cancellation=[],
)
# the history first: it is quick, and a subscriber may take minutes to answer
UNDO_HOOKS = Hooks(
    on_running=[on_running],
    on_completion=[keep_in_history, on_end, delete_steps],
    on_failure=[keep_in_history, on_end],
    on_crashed=[keep_in_history, on_end],
    on_cancellation=[keep_in_history],
)
IMPORT_HOOKS = Hooks(
    on_running=[on_running],
    on_completion=[keep_in_history, on_end, call_webhooks, delete_steps, wake_parent],
    on_failure=[keep_in_history, on_end, wake_parent],
    on_crashed=[keep_in_history, on_end, wake_parent],
    on_cancellation=[keep_in_history, wake_parent],
)
BACKFILL_HOOKS = Hooks(
    on_running=[on_first_running],
    on_completion=[on_end, call_webhooks],
    on_failure=[on_end],
    on_crashed=[on_end],
    on_cancellation=[stop_parts],
)
