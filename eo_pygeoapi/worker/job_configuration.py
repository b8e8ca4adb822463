"""What the process of a run is started with: our launcher, and the environment."""

import shlex
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import get_current_settings
from prefect.workers.process import ProcessJobConfiguration

from eo_pygeoapi.worker.run_process import LAUNCHER

COMMAND = shlex.join([sys.executable, "-I", "-S", str(LAUNCHER)])


@cache
def prefect_environment() -> Mapping[str, str]:
    """Return the settings of Prefect as variables; a worker's do not change, and to write them takes 20 ms."""
    return get_current_settings().to_environment_variables(exclude_unset=True)


def environment_of_runs(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of every run before its deployment adds variables, given that of the worker."""
    return {**environ, **prefect_environment()}


class ImportJobConfiguration(ProcessJobConfiguration):
    """Starts runs with our launcher, and with this interpreter by its full path."""

    @classmethod
    def _base_environment(cls) -> dict[str, str]:
        return dict(prefect_environment())

    def prepare_for_flow_run(
        self, flow_run: FlowRun, deployment: DeploymentResponse | None = None, *args: Any, **kwargs: Any
    ) -> None:
        """Set the command if the deployment names none, and name the flow, so that the run need not ask for it."""
        self.command = self.command or COMMAND
        super().prepare_for_flow_run(flow_run, deployment, *args, **kwargs)
        # nothing is to be fetched before the import
        if deployment and not (deployment.pull_steps or deployment.path or deployment.storage_document_id):
            self.env["PREFECT__FLOW_ENTRYPOINT"] = deployment.entrypoint
