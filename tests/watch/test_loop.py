"""The watch, beside a real Prefect server: what it sees without any worker or web process."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Failed

from eo_pygeoapi.contract.status import PROCESS_ID
from eo_pygeoapi.errors import Dhis2CredentialError, EoError, SourceUnavailableError
from eo_pygeoapi.gateway.deployments import IMPORT_FLOW, DeploymentSpec, entrypoint_of
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.jobs.results import keep_error
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.connections import TokenFacts, note_token
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.loop import Watch
from eo_pygeoapi.watch.problems import ALIVE, Book
from tests.servers import free_port
from tests.watch.receiver import Receiver

FILE = """
server: {url: "http://eo.example/"}
eo: {notify: {ops: {}}}
resources: {rain: {type: collection, title: Rain, eo: {source: chirps3}}}
"""
MINUTE = timedelta(minutes=1)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "pygeoapi-config.yml"
    path.write_text(FILE)
    return path


def watch(config: Path, receiver: Receiver, api: str) -> Watch:
    settings = Settings().model_copy(update={"config": config, "data_dir": config.parent})
    settings = settings.with_blocks({"EO_NOTIFY_OPS_URL": receiver.url})
    gateway = PrefectGateway(api, read_timeout=30.0)
    return Watch(settings, gateway, ResultStore(str(config.parent / "results")), datetime.now(UTC))


def titles(receiver: Receiver) -> list[str]:
    return [got["title"] for got in receiver.got]


def test_no_worker_is_told_once(config: Path, receiver: Receiver, prefect_api: str) -> None:
    looking = watch(config, receiver, prefect_api)
    gateway = looking.gateway
    gateway.ensure_work_pool()
    # a worker of another test may have lived here before
    begun = max(looking.begun, gateway.details.last_sign_of_life() or looking.begun)

    looking.look(begun + MINUTE)
    assert titles(receiver) == []
    looking.look(begun + 11 * MINUTE)
    looking.look(begun + 12 * MINUTE)
    assert titles(receiver) == ["eo_pygeoapi: no worker is alive"]
    assert "All problems: http://eo.example/problems" in receiver.got[0]["message"]
    assert looking.store.read_json(ALIVE) == {"at": (begun + 12 * MINUTE).isoformat()}
    gateway.close()


def test_workers_have_time_to_report_after_the_machine_slept(
    config: Path, receiver: Receiver, prefect_api: str
) -> None:
    looking = watch(config, receiver, prefect_api)
    looking.gateway.ensure_work_pool()
    awake = looking.begun + timedelta(days=1)

    looking.look(looking.begun)
    looking.look(awake)
    looking.look(awake + 9 * MINUTE)
    assert titles(receiver) == []
    looking.look(awake + 10 * MINUTE)
    assert titles(receiver) == ["eo_pygeoapi: no worker is alive"]
    looking.gateway.close()


def test_a_prefect_that_is_away_is_told_after_a_while_and_when_it_is_over(config: Path, receiver: Receiver) -> None:
    looking = watch(config, receiver, f"http://127.0.0.1:{free_port()}/api")

    looking.look(looking.begun)
    looking.look(looking.begun + 4 * MINUTE)
    assert titles(receiver) == []
    looking.look(looking.begun + 5 * MINUTE)
    assert [problem.message for problem in Book(looking.store).open()] == [
        "The Prefect server does not answer: no job starts, and no schedule runs."
    ]
    assert len(titles(receiver)) == 1


def test_a_mistake_in_the_file_does_not_end_the_watch_of_the_rest(config: Path, receiver: Receiver) -> None:
    document = yaml.safe_load(FILE)
    document["resources"]["bad"] = {"type": "collection", "eo": {"source": "nope"}}
    config.write_text(yaml.safe_dump(document))
    looking = watch(config, receiver, f"http://127.0.0.1:{free_port()}/api")

    looking.look(looking.begun)
    assert looking.store.exists(ALIVE)


def test_a_token_that_expires_soon_is_told_until_a_job_has_met_a_new_one(
    config: Path, receiver: Receiver, prefect_api: str
) -> None:
    looking = watch(config, receiver, prefect_api)
    now = looking.begun
    note_token(looking.store, "default", TokenFacts(expires=now + timedelta(days=13), tokens=1))
    looking.look(now)
    looking.look(now + MINUTE)
    (problem,) = Book(looking.store).open()
    assert (problem.event, problem.dataset, problem.since) == ("credential", "rain", now - timedelta(days=1))

    note_token(looking.store, "default", TokenFacts(expires=now + timedelta(days=300), tokens=1))
    looking.look(now + 2 * MINUTE)
    told = "rain: a credential is not accepted, or expires soon"
    assert titles(receiver) == [told, f"Recovered: {told}"]
    looking.gateway.close()


def test_jobs_that_fail_one_after_the_other_for_one_cause_are_one_message(
    config: Path, receiver: Receiver, prefect_api: str
) -> None:
    looking, jobs = with_jobs(config, receiver, prefect_api)

    fail(looking, jobs[0], SourceUnavailableError("no answer for July"))
    looking.look(datetime.now(UTC))
    assert titles(receiver) == []  # the other job is under way
    fail(looking, jobs[1], SourceUnavailableError("half an answer for August"))
    looking.look(datetime.now(UTC))
    looking.look(datetime.now(UTC))
    assert titles(receiver) == ["2 datasets: a job failed"]
    looking.gateway.close()


def test_jobs_that_fail_for_an_expired_token_are_no_problem_beside_it(
    config: Path, receiver: Receiver, prefect_api: str
) -> None:
    looking, jobs = with_jobs(config, receiver, prefect_api)
    note_token(looking.store, "default", TokenFacts(expires=looking.begun, tokens=1))
    fail(looking, jobs[0], Dhis2CredentialError("401"))
    looking.look(datetime.now(UTC))
    assert titles(receiver) == []
    fail(looking, jobs[1], Dhis2CredentialError("401"))
    looking.look(datetime.now(UTC))

    assert len(titles(receiver)) == 1 and [problem.kind for problem in Book(looking.store).open()] == ["credential"]
    looking.gateway.close()


def with_jobs(config: Path, receiver: Receiver, api: str) -> tuple[Watch, list[str]]:
    """Return a watch of two datasets, each of which has a job that waits, and the ids of the jobs."""
    names, document = [f"{name}-{uuid4()}" for name in ("rain", "heat")], yaml.safe_load(FILE)
    document["resources"] = {name: {"type": "collection", "eo": {"source": "chirps3"}} for name in names}
    config.write_text(yaml.safe_dump(document))
    looking, nothing = watch(config, receiver, api), dict[str, object]()
    looking.gateway.ensure_work_pool()
    for name in names:
        spec = DeploymentSpec(name, IMPORT_FLOW, entrypoint_of(PROCESS_ID), "", nothing, nothing, "1")
        looking.gateway.deployments.put(spec)
    return looking, [looking.gateway.runs.submit(name, {"inputs": {"datasetId": name}}).id for name in names]


def fail(looking: Watch, job: str, error: EoError) -> None:
    """Let a job end with an error."""
    keep_error(JobFolder(looking.store, job), error, str(error))
    with (
        temporary_settings({PREFECT_API_URL: looking.gateway.api_url}),
        get_client(sync_client=True) as client,
    ):
        client.set_flow_run_state(UUID(job), Failed(message=str(error)), force=True)
