"""What an import is followed by, wired: the same jobs, connections and configuration file as the import itself."""

from datetime import UTC, datetime
from functools import partial

from prefect.client.schemas.objects import FlowRun

from eo_pygeoapi.datasets.validate import Execution
from eo_pygeoapi.datasets.viewer import Viewer
from eo_pygeoapi.gateway import turns
from eo_pygeoapi.gateway.attempts import in_words, put_off
from eo_pygeoapi.gateway.deployments import CONFIGURATION
from eo_pygeoapi.gateway.job import AWAITING_ANALYTICS, IMPORTED, STARTED_BY, Job
from eo_pygeoapi.gateway.progress import RunProgress
from eo_pygeoapi.gateway.schedules import zone_of
from eo_pygeoapi.gateway.work_pool import SCHEDULED
from eo_pygeoapi.jobs.analytics import Analytics
from eo_pygeoapi.jobs.chains import Follower
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.redaction import redact
from eo_pygeoapi.settings import process_settings
from eo_pygeoapi.store.chains import Chain
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from flows.surroundings import connection_of, enabled_datasets, own_run, prefect


def begin(folder: JobFolder, execution: Execution, words: str) -> Chain | None:
    """Keep what is to be done after an import that has just ended; None where its dataset says nothing."""
    if not execution.dataset.after:
        return None
    chain = Chain.after(folder.job_id, execution.dataset, execution.interval, words, datetime.now(UTC))
    chain.keep(folder.store)
    return chain


def follow(chain: Chain, store: ResultStore, progress: RunProgress) -> str:
    """Do what is to be done now, and return in words what came of it and of the import.

    Where DHIS2's analytics takes long, the run is put off, and goes on here.
    """
    settings, run, enabled = process_settings(), own_run(), enabled_datasets()
    tenant = Viewer(enabled[chain.dataset].tenant if chain.dataset in enabled else "")
    datasets = tenant.datasets(enabled)  # what follows touches nothing of another
    progress.wait(f"{IMPORTED}{chain.next_in_words()}")
    with prefect() as gateway:
        # a process that follows is a job of the same tenant
        runs, job = gateway.seen_by(tenant).runs, chain.job_id

        def submit(deployment: str, parameters: JsonObject, key: str) -> Job:
            labels, about = {STARTED_BY: job}, datasets.get(str(parameters["inputs"].get("datasetId")))
            if about is not None:
                labels[CONFIGURATION] = about.version
            return runs.submit(deployment, parameters, SCHEDULED, labels, key)

        follower = Follower(
            store,
            datasets,
            submit,
            partial(_analytics, store, job),
            lambda text: redact(text, settings.secrets()),
        )
        chain, again = follower.follow(chain)
    if again is not None:
        put_off(
            run,
            AWAITING_ANALYTICS,
            again,
            f"{IMPORTED}{chain.next_in_words()}, looks again at {_at(run, chain, again)}",
        )
    return chain.in_words(partial(_at, run, chain))


def _analytics(store: ResultStore, job_id: str, name: str) -> Analytics | None:
    connect = connection_of(name)
    return Analytics(store, name, connect, partial(turns.turn, job_id, name, "analytics")) if connect else None


def _at(run: FlowRun, chain: Chain, moment: datetime) -> str:
    dataset = enabled_datasets().get(chain.dataset)
    return in_words(moment, datetime.now(UTC), zone_of(run, dataset) if dataset else "UTC")
