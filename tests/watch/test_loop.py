"""The watch, beside a real Prefect server: what it sees without any worker or web process."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.connections import TokenFacts, note_token
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
