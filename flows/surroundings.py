"""What the flows share: the configuration file, read once in a process, the job's log, and how a run fails."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path

from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.config_file import read_config
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.errors import EoError, ResultsError
from eo_pygeoapi.gateway.attempts import try_again
from eo_pygeoapi.gateway.credentials import read_blocks, take_credentials
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job import attempts
from eo_pygeoapi.gateway.job_log import prepare_job_log
from eo_pygeoapi.gateway.schedules import is_unattended, zone_of
from eo_pygeoapi.jobs.results import keep_error
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.pipeline.dhis2 import client as dhis2
from eo_pygeoapi.redaction import redact
from eo_pygeoapi.settings import process_settings
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.shared_cache import shared_store
from eo_pygeoapi.store.store import ResultStore

_log = logging.getLogger(__name__)


@cache
def configuration() -> JsonObject:
    """Return the parsed configuration file."""
    return read_config(process_settings().config)


@cache
def enabled_datasets() -> dict[str, Dataset]:
    """Return the enabled datasets by id."""
    return read_datasets(configuration(), process_settings().config.absolute().parent)


def shared_cache() -> ResultStore | None:
    """Return the object store in which workers share their downloads, None where there is none."""
    return shared_store(process_settings().shared_cache)


def base_url() -> str:
    """Return the address of the API."""
    from pygeoapi.util import get_base_url  # slow to import, and only needed for callbacks

    return str(get_base_url(configuration()))


def own_run() -> FlowRun:
    """Return the flow run that this process executes, also from one of its tasks."""
    return FlowRunContext.get().flow_run  # type: ignore[union-attr,return-value]


def prepare_log() -> None:
    """Keep secrets, folders of this machine and Prefect's tracebacks of known errors out of the job's log."""
    prepare_job_log(process_settings().secrets(), without_folders)


def own_folder() -> JobFolder:
    """Take the credentials of Prefect's blocks, prepare the log, and return the folder of the run's own job."""
    take_credentials(read_blocks(), os.environ)
    prepare_log()
    return JobFolder(ResultStore(process_settings().results), str(flow_run.id))


def prefect() -> closing[PrefectGateway]:
    """Return a context that yields a gateway to Prefect, and closes it."""
    settings = process_settings()
    return closing(PrefectGateway(settings.prefect_api_url, secrets=settings.secrets(), read_timeout=10.0))


def of_one_download(dataset: Dataset) -> list[Dataset]:
    """Return the enabled datasets of the same source and units: their data may come with the same download."""
    own = (dataset.source, dataset.org_units)
    return [other for other in enabled_datasets().values() if (other.source, other.org_units) == own]


def without_folders(text: str) -> str:
    """Return a text for users: paths are relative to the configuration file's folder, or to the data folder."""
    settings = process_settings()
    folders = [settings.config.absolute().parent, settings.data_dir.absolute()]
    # under `up` the file that people edit lies elsewhere; a resumed run may do without the file
    if configuration.cache_info().currsize and (edited := (configuration().get("eo") or {}).get("origin")):
        folders.insert(0, Path(edited).parent)
    for folder in folders:
        text = text.replace(f"{folder}/", "")
    return text


def failed(folder: JobFolder, error: EoError) -> State:
    """End the run as failed: keep the error in the job's folder, where the API finds its HTTP status."""
    message = without_folders(redact(str(error), process_settings().secrets()))
    keep_error(folder, error, message)
    number, _ = attempts(own_run().labels)
    return Failed(message=f"{message} (after {number} attempts)" if number > 1 else message)


def outcome(
    folder: JobFolder, work: Callable[[], str], refused: Callable[[JobFolder, EoError], State] = failed
) -> State:
    """Return how a run ends whose work this is; the work says in words what came of it, or raises.

    `refused` ends the run where the work raises one of our own errors.
    """
    try:
        return Completed(message=f"finished: {work()}")
    except EoError as error:
        return refused(folder, error)
    except TimeoutError:
        raise
    except Exception as error:
        _log.exception("unexpected error")
        return failed(folder, EoError(f"unexpected {type(error).__name__}: {error}; see the logs of the run"))


@contextmanager
def where_the_store_fails(then: str) -> Iterator[None]:
    """Say also what it leaves, and what to do, where the results store fails."""
    try:
        yield
    except ResultsError as error:
        raise type(error)(f"{error}; {then}") from error


def connection_of(name: str) -> dhis2.Connect | None:
    """Return what opens the DHIS2 connection of a name; None where there is none of this name."""
    connection = process_settings().dhis2_connection(name)
    return partial(dhis2.connect, connection) if connection else None


def failed_for_now(folder: JobFolder, error: EoError) -> State:
    """End this process, and have the run tried again later, where its dataset's policy says so; else as `failed`.

    The policy is for runs that nobody waits for: those of schedules, and those that other jobs have started.
    """
    run = own_run()
    if error.later and is_unattended(run):
        inputs = run.parameters.get("inputs") or {}
        if (dataset := enabled_datasets().get(str(inputs.get("datasetId")))) is not None:
            said = without_folders(redact(str(error), process_settings().secrets()))
            try_again(run, dataset.policy, error, said, datetime.now(UTC), zone_of(run, dataset))
    return failed(folder, error)
