"""The hooks of both flows: tell the subscriber of an execution how its job goes, and tidy up behind a job."""

import logging
import threading
from typing import TypedDict

from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import FlowStateHook

from eo_pygeoapi.errors import ResultsError
from eo_pygeoapi.jobs.callbacks import Subscriber
from eo_pygeoapi.settings import process_settings
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from flows.surroundings import base_url

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


def delete_steps(flow: Flow[..., object], flow_run: FlowRun, state: State) -> None:
    """Delete the intermediate results of a job that has succeeded; a job that failed may be resumed from them."""
    settings = process_settings()
    if settings.keep_steps:
        return
    try:
        JobFolder(ResultStore(settings.results), str(flow_run.id)).delete_steps()
    except ResultsError as error:
        logging.getLogger(__name__).warning("the intermediate results of job %s stay: %s", flow_run.id, error)


type Hook = FlowStateHook[..., object]


class Hooks(TypedDict):
    """The hooks as keyword arguments of `@flow`."""

    on_running: list[Hook]
    on_completion: list[Hook]
    on_failure: list[Hook]
    on_crashed: list[Hook]


HOOKS = Hooks(on_running=[on_running], on_completion=[on_end, delete_steps], on_failure=[on_end], on_crashed=[on_end])
