"""The watch, beside a real Prefect server: what it sees without any worker or web process."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Failed

from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.status import BACKFILL_ID, COMPANIONS, PROCESS_ID, UNDO_ID
from eo_pygeoapi.errors import Dhis2CredentialError, EoError, SourceUnavailableError
from eo_pygeoapi.gateway.deployments import IMPORT_FLOW, DeploymentSpec, entrypoint_of
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.specs import process_spec
from eo_pygeoapi.jobs.results import keep_error
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.chains import Chain
from eo_pygeoapi.store.connections import TokenFacts, note_token
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.watch.loop import Watch, disks
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
    note_token(looking.store, "default", TokenFacts(expires=now + timedelta(days=13), tokens=1), now)
    looking.look(now)
    looking.look(now + MINUTE)
    (problem,) = Book(looking.store).open()
    assert (problem.event, problem.dataset, problem.since) == ("credential", "rain", now - timedelta(days=1))

    note_token(looking.store, "default", TokenFacts(expires=now + timedelta(days=300), tokens=1), now)
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
    note_token(looking.store, "default", TokenFacts(expires=looking.begun, tokens=1), looking.begun)
    fail(looking, jobs[0], Dhis2CredentialError("401"))
    looking.look(datetime.now(UTC))
    assert titles(receiver) == []
    fail(looking, jobs[1], Dhis2CredentialError("401"))
    looking.look(datetime.now(UTC))

    assert len(titles(receiver)) == 1 and [problem.kind for problem in Book(looking.store).open()] == ["credential"]
    now = datetime.now(UTC)
    # the first of the next jobs has logged in with a new token; the last ones of the others failed for the old one
    note_token(looking.store, "default", TokenFacts(expires=now + timedelta(days=300), tokens=1), now)
    looking.look(now + MINUTE)
    assert [title.split(":")[0] for title in titles(receiver)[1:]] == ["Recovered"] and not Book(looking.store).open()
    looking.gateway.close()


def test_a_backfill_that_failed_or_has_lost_parts_is_told_until_another_one_succeeds(
    config: Path, receiver: Receiver, prefect_api: str
) -> None:
    looking, _ = with_jobs(config, receiver, prefect_api)
    (rain, heat) = yaml.safe_load(config.read_text())["resources"]
    for process in COMPANIONS:
        looking.gateway.deployments.put(process_spec(process))

    def submit(process: str, dataset: str, **inputs: Any) -> str:
        given = {"datasetId": dataset, "dryRun": False, **inputs}
        return looking.gateway.runs.submit(process, {"inputs": given, "request": {"dataset": dataset}}).id

    def told() -> list[str]:
        looking.look(datetime.now(UTC))
        found, receiver.got[:] = [got["message"].splitlines()[0] for got in receiver.got], []
        return found

    # a dry run is looked at by who asked for it
    fail(looking, submit(BACKFILL_ID, rain, dryRun=True), EoError("no units"))
    assert told() == []

    # one that fails as a whole
    fail(looking, submit(BACKFILL_ID, rain), EoError("0 of 2 years done; failed: 2020, 2019: gone"))
    whole = f"The backfill of {rain} failed: 0 of 2 years done; failed: 2020, 2019: gone"
    assert told() == [whole]
    end(looking, submit(BACKFILL_ID, rain, dryRun=True))
    assert told() == []

    # one that ends without some of its parts is the same problem, in other words
    partly = submit(BACKFILL_ID, rain)
    part = {"id": "2019", "start": "2019-01-01", "end": "2019-12-31", "status": "failed", "message": "gone"}
    parts = [part, {**part, "id": "2020", "status": "done"}]
    kept = {"job_id": partly, "begun": looking.begun.isoformat(), "parts": parts}
    JobFolder(looking.store, partly).write_json("backfill.json", kept)
    end(looking, partly)
    assert told() == []
    (problem,) = Book(looking.store).open()
    assert problem.message == f"The backfill of {rain} has ended without 2019: gone"
    assert (problem.event, problem.dataset, problem.job_id) == ("failed", rain, partly)

    # an undo of another dataset is one of its own
    undo = submit(UNDO_ID, heat, jobId="x")
    fail(looking, undo, Dhis2CredentialError("401"))
    assert told() == [f"The undo of {heat} failed: 401"]
    assert [p.event for p in Book(looking.store).open()] == ["failed", "credential"]

    end(looking, submit(BACKFILL_ID, rain))
    assert told() == [f"This is over: {whole}"]
    looking.gateway.runs.delete(undo)
    assert told() == [f"This is over: The undo of {heat} failed: 401"]
    looking.gateway.close()


def test_a_dry_run_that_a_person_asked_for_is_no_problem_and_ends_none(
    config: Path, receiver: Receiver, prefect_api: str
) -> None:
    looking, (rain, heat) = with_jobs(config, receiver, prefect_api)
    (first, second) = sorted(looking.look(datetime.now(UTC))[0], reverse=True)
    end(looking, heat)
    fail(looking, submitted(looking, second, dryRun=True, orgUnitIds=["nosuch"]), EoError("no unit nosuch"))
    looking.look(datetime.now(UTC))
    assert titles(receiver) == []

    fail(looking, rain, EoError("no room"))
    looking.look(datetime.now(UTC))
    end(looking, submitted(looking, first, dryRun=True))
    looking.look(datetime.now(UTC))
    assert titles(receiver) == [f"{first}: a job failed"]
    end(looking, submitted(looking, first))
    looking.look(datetime.now(UTC))
    assert titles(receiver)[1:] == [f"Recovered: {first}: a job failed"]
    looking.gateway.close()


def test_refused_values_are_a_problem_until_an_import_has_none(
    config: Path, receiver: Receiver, prefect_api: str
) -> None:
    looking, (rain, _) = with_jobs(config, receiver, prefect_api)
    first = max(looking.look(datetime.now(UTC))[0])

    def ended(job: str, rejected: int, dry_run: bool = False) -> list[str]:
        summary = {"status": "WARNING", "dryRun": dry_run, "rejectedCount": rejected}
        JobFolder(looking.store, job).write_json("summary.json", {"importSummary": summary})
        end(looking, job)
        return opened()

    def opened() -> list[str]:
        looking.look(datetime.now(UTC))
        return [problem.message for problem in Book(looking.store).open() if problem.event == "refused"]

    refused = [f"DHIS2 refused 5 values of {first}: "]
    assert ended(rain, 5) == refused
    assert ended(submitted(looking, first, dryRun=True), 0, dry_run=True) == refused
    fail(looking, submitted(looking, first), EoError("no room"))
    assert opened() == refused
    assert ended(submitted(looking, first), 0) == []
    looking.gateway.close()


def test_what_follows_each_import_and_always_fails_is_one_problem(
    config: Path, receiver: Receiver, prefect_api: str
) -> None:
    looking, _ = with_jobs(config, receiver, prefect_api)
    document = yaml.safe_load(config.read_text())
    first = max(document["resources"])
    document["resources"][first]["eo"] |= {
        "dhis2": {"connection": "default", "dataElement": "RAIN"}, "after": [{"analytics": True}]
    }  # fmt: skip
    config.write_text(yaml.safe_dump(document))
    dataset = looking.look(datetime.now(UTC))[0][first]
    days = Interval(start=date(2026, 1, 8), end=date(2026, 1, 9))
    for number in range(3):
        begun = Chain.after(str(UUID(int=number)), dataset, days, "x", looking.begun)
        begun.keep(looking.store)
        looking.look(datetime.now(UTC))
        broken = {"status": "failed", "message": "no authority", "finished": looking.begun}
        begun.replaced(0, begun.links[0].model_copy(update=broken)).keep(looking.store)
        looking.look(datetime.now(UTC))
    assert titles(receiver) == [f"{first}: a job failed"]
    looking.gateway.close()


def test_a_mistake_in_the_file_ends_no_problem_and_silences_no_channel(
    config: Path, receiver: Receiver, prefect_api: str
) -> None:
    looking, (rain, _) = with_jobs(config, receiver, prefect_api)
    right = yaml.safe_load(config.read_text())
    first = max(right["resources"])
    fail(looking, rain, EoError("no room"))
    looking.look(datetime.now(UTC))
    again = Watch(looking.settings, looking.gateway, looking.store, looking.begun)
    now = datetime.now(UTC)

    def wrong(**eo: Any) -> str:
        document = yaml.safe_load(yaml.safe_dump(right))
        document["resources"][first]["eo"]["late"] = "10 days"
        document["eo"] |= eo
        return yaml.safe_dump(document)

    def heard() -> list[str]:
        return [title for title in titles(receiver) if "no worker" not in title]

    told = [f"{first}: a job failed"]
    # also for a watch that has never seen a right file, and one that is no YAML
    for text in (wrong(), wrong(retention={"jobs": "400 days"}), wrong(notify={"ops": {}, "boss": {"remind": "x"}})):
        config.write_text(text)
        for one in (looking, again):
            one.look(now)
        assert heard() == told
    config.write_text("eo: [")
    for minutes in (1, 10):
        looking.look(now + minutes * MINUTE)
    assert heard()[1:] == ["eo_pygeoapi: the configuration file has mistakes"]
    config.write_text(yaml.safe_dump(right))
    looking.look(now + 11 * MINUTE)
    assert heard()[2:] == ["Recovered: eo_pygeoapi: the configuration file has mistakes"]
    looking.gateway.close()


def test_files_of_a_dataset_that_cannot_be_read_hold_up_no_other(
    config: Path, receiver: Receiver, prefect_api: str
) -> None:
    looking, (_, heat) = with_jobs(config, receiver, prefect_api)
    first, second = sorted(looking.look(datetime.now(UTC))[0], reverse=True)
    looking.store.write_bytes(f"boundaries/{first}.json", b"")
    fail(looking, heat, EoError("no room"))
    looking.look(datetime.now(UTC))
    assert sorted(titles(receiver)) == sorted([f"{first}: its files cannot be read", f"{second}: a job failed"])
    looking.store.delete(f"boundaries/{first}.json")
    looking.look(datetime.now(UTC))
    assert titles(receiver)[2:] == [f"Recovered: {first}: its files cannot be read"]
    looking.gateway.close()


def test_a_disk_is_looked_at_once_and_each_that_is_written_to(tmp_path: Path) -> None:
    settings = Settings().model_copy(update={"data_dir": tmp_path, "results_url": "s3://x", "cache_url": "/proc"})
    assert sorted(disks(settings)) == sorted([Path("/proc"), tmp_path])  # a disk of its own on every machine
    here = settings.model_copy(update={"results_url": f"file://{tmp_path}/r", "cache_url": str(tmp_path / "nowhere")})
    assert disks(here) == [tmp_path]


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
    return looking, [submitted(looking, name) for name in names]


def submitted(looking: Watch, dataset: str, **inputs: Any) -> str:
    """Return the id of a new job that imports a dataset, unless the inputs say something else."""
    return looking.gateway.runs.submit(dataset, {"inputs": {"datasetId": dataset, "dryRun": False, **inputs}}).id


def fail(looking: Watch, job: str, error: EoError) -> None:
    """Let a job end with an error."""
    keep_error(JobFolder(looking.store, job), error, str(error))
    end(looking, job, Failed(message=str(error)))


def end(looking: Watch, job: str, state: State[Any] | None = None) -> None:
    """Let a job end, with success where nothing else is said."""
    with (
        temporary_settings({PREFECT_API_URL: looking.gateway.api_url}),
        get_client(sync_client=True) as client,
    ):
        client.set_flow_run_state(UUID(job), state or Completed(), force=True)
