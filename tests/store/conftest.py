import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from eo_pygeoapi.store.store import ResultStore
from tests.standins import s3


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.StandIn]:
    """An object store, and the environment of its clients."""
    with s3.serving(tmp_path_factory.mktemp("s3")) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ResultStore:
    if request.param == "folder":
        return ResultStore(str(tmp_path / "results"))
    if request.param == "memory":
        return ResultStore(f"memory://{uuid.uuid4()}/results")
    server: s3.StandIn = request.getfixturevalue("s3_server")
    return ResultStore(server.new_bucket())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what publishes on S3 by hand: each file is some requests there, and these tests write hundreds."""
    for item in items:
        if item.path.name == "test_published.py" and "[s3" in item.name:
            item.add_marker(pytest.mark.slow)
