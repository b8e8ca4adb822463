# before anything that loads eccodes: with the two in the other order the interpreter dies at exit
import pyproj  # noqa: F401, I001

from collections.abc import Iterator

import pytest

from tests.servers import prefect_server


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prefect server without a worker: runs stay as they are."""
    with prefect_server(tmp_path_factory.mktemp("prefect")) as api:
        yield api
