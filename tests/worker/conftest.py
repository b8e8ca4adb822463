from collections.abc import Iterator

import pytest

from tests.worker.farm import Farm, Worker, farm


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    with farm(tmp_path_factory.mktemp("farm")) as running:
        yield running


@pytest.fixture
def shared(servers: Farm, tmp_path_factory: pytest.TempPathFactory) -> Worker:
    """A worker with a zygote, for tests that do not end it; its dataset is tried again after two seconds, twice."""
    return servers.shared_worker(tmp_path_factory)


@pytest.fixture
def work(servers: Farm) -> Iterator[Farm]:
    """The servers without a worker and without jobs that wait; workers that a test starts are stopped after it."""
    servers.end_workers()
    servers.dismiss_waiting()
    yield servers
    servers.end_workers()
