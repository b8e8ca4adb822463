from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.commands.online import unanswered
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.read import read_datasets
from eo_pygeoapi.settings import Settings
from tests.servers import free_port
from tests.standins import chc, dhis2


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chc.StandIn]:
    with chc.running(tmp_path_factory.mktemp("chc")) as server:
        yield server


def rain(base_url: str) -> dict[str, Dataset]:
    eo: dict[str, Any] = {
        "source": "chirps3",
        "options": {"baseUrl": base_url},
        "orgUnits": {"source": "dhis2", "level": 2},
        "dhis2": {"connection": "far"},
    }
    return read_datasets({"resources": {"rain": {"type": "collection", "eo": eo}}}, Path())


def test_what_answers_is_no_problem_and_what_does_not_is_named(
    dhis2_server: dhis2.StandIn, provider: chc.StandIn
) -> None:
    closed = f"http://127.0.0.1:{free_port()}"
    known = {"EO_DHIS2_FAR_URL": dhis2_server.url, "EO_DHIS2_FAR_USERNAME": dhis2_server.username}
    right = Settings().with_blocks({**known, "EO_DHIS2_FAR_PASSWORD": dhis2_server.password})
    assert list(unanswered(rain(provider.url), right)) == []
    wrong = Settings().with_blocks({**known, "EO_DHIS2_FAR_PASSWORD": "not-this-one"})
    (refused,) = unanswered(rain(provider.url), wrong)
    assert refused.startswith("DHIS2 connection 'far': ") and "401" in refused and "not-this-one" not in refused
    away = Settings().with_blocks({**known, "EO_DHIS2_FAR_URL": closed, "EO_DHIS2_FAR_PASSWORD": dhis2_server.password})
    first, second = unanswered(rain(closed), away)
    assert first.startswith("DHIS2 connection 'far': ") and second == f"{closed}: does not answer (ConnectionError)"
    assert list(unanswered(rain(provider.url), Settings())) == []  # a remark says that there is no connection
