"""What the commands share that execute one of our processes: make the job, follow it, and read its result."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from eo_pygeoapi.contract.status import FINAL
from eo_pygeoapi.json_types import JsonMapping, JsonObject

if TYPE_CHECKING:
    from eo_pygeoapi.gateway.job import Job
    from eo_pygeoapi.jobs.executions import Executions
    from eo_pygeoapi.settings import Settings

SECONDS_BETWEEN_LOOKS = 1.0


def stack_settings(config: Path | None, data_dir: Path | None) -> "Settings":
    """Return the settings for the stack that runs on this data folder, else for PREFECT_API_URL."""
    from eo_pygeoapi.commands.running import in_stack, running_stack
    from eo_pygeoapi.settings import process_settings

    settings = process_settings().placed(config, data_dir)
    if running := running_stack(settings.data_dir):
        settings = in_stack(settings.model_copy(update={"config": config or Path(running.edited)}), running)
    return settings


@contextmanager
def executions(config: Path | None, data_dir: Path | None) -> Iterator["Executions"]:
    """Yield the executions of the stack that runs on this data folder, else of PREFECT_API_URL."""
    from eo_pygeoapi.gateway.gateway import PrefectGateway
    from eo_pygeoapi.jobs.executions import Executions
    from eo_pygeoapi.store.store import ResultStore

    settings = stack_settings(config, data_dir)
    gateway = PrefectGateway(settings.prefect_api_url, secrets=settings.secrets(), read_timeout=30.0)
    try:
        yield Executions(gateway, ResultStore(settings.results), settings)
    finally:
        gateway.close()


def execute(there: "Executions", process_id: str, inputs: JsonMapping) -> "Job":
    """Make a job of one of the import's companions, by the same checks as a request's; InputError names mistakes."""
    from eo_pygeoapi.jobs.request import ExecuteBody
    from eo_pygeoapi.process import describe_companion

    description = describe_companion(process_id, there.datasets())
    return there.submit(process_id, description, ExecuteBody(dict(inputs)))


def result_of(there: "Executions", job: "Job", out: Console) -> JsonObject:
    """Wait for a job with a line that says how far it is, and return its result; EoError where it has none."""
    from eo_pygeoapi.jobs.results import RESULT, read_output

    ended = followed(there, job, out)
    there.raise_unless_successful(ended)
    result: Any = read_output(there.store, ended, RESULT).value
    return dict(result)


def followed(there: "Executions", job: "Job", out: Console, seconds: float = SECONDS_BETWEEN_LOOKS) -> "Job":
    """Return a job when it has ended; until then a terminal shows how far it is, and other programs see nothing."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        task = bar.add_task(job.message, total=100)
        while job.status not in FINAL:
            job = there.wait(job, seconds)
            bar.update(task, completed=job.progress, description=job.message)
    return job
