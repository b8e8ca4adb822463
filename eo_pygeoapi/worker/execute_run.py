"""The process of one run: it prepares itself, then Prefect's engine executes the flow. `python -m` for a cold start.

It ends by itself or by SIGKILL. It blocks SIGTERM and SIGINT, which systemd or a terminal sends to all processes at
once: the worker handles them and gives its runs time to end.
"""

import logging
import os
import random
import runpy
import signal
import sys
import warnings
from collections.abc import MutableMapping
from pathlib import Path
from uuid import UUID

import setproctitle

from eo_pygeoapi.files import write_whole
from eo_pygeoapi.worker.processes import Process, die_with
from eo_pygeoapi.worker.records import said_path

RECORD = "EO_RUN_RECORD"
PARENT = "EO_RUN_PARENT"
HOOKS_ONLY = "EO_RUN_HOOKS_ONLY"
_log = logging.getLogger(__name__)


def execute_run(environ: MutableMapping[str, str]) -> None:
    """Execute the flow run that PREFECT__FLOW_RUN_ID names; exits the interpreter as Prefect's engine does."""
    run_id = environ["PREFECT__FLOW_RUN_ID"]
    setproctitle.setproctitle(f"eo-pygeoapi job {run_id}")
    prepare(environ.get(RECORD))
    from eo_pygeoapi.worker.clock import ahead_of_server  # not above: they load Prefect
    from eo_pygeoapi.worker.run_client import one_client, plain_signs_of_life
    from eo_pygeoapi.worker.run_log import name_job
    from eo_pygeoapi.worker.suspension import observe_beside

    name_job(run_id)
    if environ.pop(HOOKS_ONLY, ""):
        run_hooks(UUID(run_id))
        return
    observe_beside()
    plain_signs_of_life(ahead_of_server(environ))
    sys.argv = ["prefect.engine", run_id]
    with one_client(), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a preloaded library is imported already
        runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)


def prepare(record: str | None) -> None:
    """Block signals, write this process into the run's record, and seed random numbers anew after a fork."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    if record:
        own = Process.of(os.getpid())
        write_whole(said_path(Path(record)), f"{own.pid} {own.started}")
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def run_hooks(run_id: UUID) -> None:
    """Call the flow's hooks for the state of a run whose own process died before it could."""
    from prefect.client.schemas.objects import StateType
    from prefect.flow_engine import load_flow, load_flow_run

    run = load_flow_run(flow_run_id=run_id)
    flow, state = load_flow(run), run.state
    if state is None:
        return
    hooks = {
        StateType.CRASHED: flow.on_crashed_hooks,
        StateType.CANCELLED: flow.on_cancellation_hooks,
        StateType.FAILED: flow.on_failure_hooks,
    }
    for hook in hooks.get(state.type, []):
        try:
            hook(flow=flow, flow_run=run, state=state)
        except Exception:
            _log.exception("the hook %s failed", getattr(hook, "__name__", hook))


if __name__ == "__main__":
    die_with(int(os.environ.get(PARENT, os.getppid())))
    execute_run(os.environ)
