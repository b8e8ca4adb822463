"""Which DHIS2 connection a job, or a request for one, is about: a token may be bound to one."""

from collections.abc import Callable, Mapping

from eo_pygeoapi.contract.status import COMPANIONS, PROCESS_ID, UNDO_ID
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import NoSuchJobError
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.json_types import JsonMapping


def connection_asked(inputs: JsonMapping, dataset: Dataset | None) -> str:
    """Return the connection that the inputs of an import name, else the dataset's; empty where none is known."""
    target = inputs.get("dhis2")
    asked = target.get("connection") if isinstance(target, Mapping) else None
    return str(asked or (dataset.dhis2.connection if dataset else ""))


def connection_of(job: Job, datasets: Mapping[str, Dataset], get: Callable[[str], Job]) -> str | None:
    """Return the connection that a job is about, None where it is of a process that has none.

    Empty where it is not known any more: its dataset is not enabled. An undo is about that of the job it takes back.
    """
    if job.process_id == PROCESS_ID:
        return connection_asked(job.inputs, datasets.get(job.deployment))
    if job.process_id not in COMPANIONS:
        return None
    dataset, undone = datasets.get(job.dataset), None
    if job.process_id == UNDO_ID:
        try:
            undone = get(str(job.inputs.get("jobId")))
        except NoSuchJobError:  # removed since
            pass
    return connection_asked(undone.inputs if undone else {}, dataset)
