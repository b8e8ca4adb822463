"""Prefect's process worker on our work pool, with the interpreter that runs this one."""

import asyncio
import os
import signal
import sys
from typing import Any

from prefect.workers.process import ProcessJobConfiguration, ProcessWorker

from eo_pygeoapi.gateway import WORK_POOL


class ImportJobConfiguration(ProcessJobConfiguration):
    """Runs start with this interpreter by its full path: a bare `python` may not be on PATH, or be another."""

    def prepare_for_flow_run(self, *args: Any, **kwargs: Any) -> None:
        """Set the command where the deployment names none."""
        self.command = self.command or f"{sys.executable} -m prefect.engine"
        super().prepare_for_flow_run(*args, **kwargs)


class ImportWorker(ProcessWorker):
    """The process worker that `eo-pygeoapi worker` starts."""

    type = "process"
    job_configuration = ImportJobConfiguration


def run_worker(name: str | None = None) -> None:
    """Work until SIGTERM or SIGINT."""
    worker = ImportWorker(work_pool_name=WORK_POOL, name=name, create_pool_if_not_found=True)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        asyncio.run(worker.start(with_healthcheck=False))
    except KeyboardInterrupt:
        pass


def _interrupt(_signal: int, _frame: Any) -> None:
    os.kill(os.getpid(), signal.SIGINT)
