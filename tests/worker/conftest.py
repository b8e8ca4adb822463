from collections.abc import Iterator

import pytest

from tests.worker.farm import Farm, Worker, farm


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    with farm(tmp_path_factory.mktemp("farm")) as running:
        yield running


@pytest.fixture(scope="module")
def shared(servers: Farm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker with a zygote, for tests that do not end it."""
    yield servers.worker(tmp_path_factory.mktemp("shared") / "data", zygote=True)
    servers.end_workers()


@pytest.fixture
def work(servers: Farm) -> Iterator[Farm]:
    """The servers; the workers that a test starts are stopped after it."""
    yield servers
    servers.end_workers()
