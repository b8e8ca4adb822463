"""When tokens expire, as an import learns it from DHIS2 and leaves it for the watch."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from eo_pygeoapi.errors import Dhis2CredentialError
from eo_pygeoapi.pipeline.dhis2.client import connect
from eo_pygeoapi.settings import Dhis2Connection
from eo_pygeoapi.store.connections import TokenFacts, token_facts
from eo_pygeoapi.store.store import ResultStore
from tests.pipeline.dhis2.imports import TARGET, TODAY, Importer, connector, july
from tests.standins.dhis2 import StandIn, running

DAY = 86400


@pytest.fixture(scope="module", params=["2.42", "2.43"])
def server(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    with running(request.param, today=TODAY) as dhis2:
        yield dhis2


@pytest.fixture
def dhis2(server: StandIn) -> StandIn:
    server.reset()
    return server


def make_token(dhis2: StandIn, days: float) -> tuple[str, datetime]:
    """Make a token that is good for so many days; returns it and when it expires."""
    milliseconds = int((time.time() + days * DAY) * 1000)
    with httpx.Client(base_url=dhis2.url, auth=(dhis2.username, dhis2.password)) as client:
        answer = client.post("/api/apiToken", json={"version": 2, "expire": milliseconds, "attributes": []})
    return str(answer.json()["response"]["key"]), datetime.fromtimestamp(milliseconds / 1000, UTC)


def learned(dhis2: StandIn, folder: Path, **login: Any) -> TokenFacts:
    """Make a dry run; returns what the store then knows of its connection."""
    Importer(folder)(dhis2, july(), dry_run=True, connect=connector(dhis2, **login))
    facts = token_facts(ResultStore(str(folder)), TARGET.connection)
    assert facts.noted is not None
    return facts.model_copy(update={"noted": None})


def test_a_job_leaves_when_its_token_expires(dhis2: StandIn, tmp_path: Path) -> None:
    key, expires = make_token(dhis2, 10)
    assert learned(dhis2, tmp_path, token=SecretStr(key)) == TokenFacts(expires=expires, tokens=1)


def test_of_several_good_ones_the_first_to_expire_counts(dhis2: StandIn, tmp_path: Path) -> None:
    key, _ = make_token(dhis2, 300)
    _, sooner = make_token(dhis2, 20)
    make_token(dhis2, -1)
    assert learned(dhis2, tmp_path, token=SecretStr(key)) == TokenFacts(expires=sooner, tokens=2)


def test_after_a_change_to_a_password_nothing_expires(dhis2: StandIn, tmp_path: Path) -> None:
    key, _ = make_token(dhis2, 10)
    assert learned(dhis2, tmp_path, token=SecretStr(key)).tokens == 1
    assert learned(dhis2, tmp_path) == TokenFacts()
    assert len(dhis2.log("GET", "/api/apiToken")) == 1  # who logs in with a password asks nothing


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_dhis2_that_does_not_say_keeps_no_import_from_being_made(dhis2: StandIn, tmp_path: Path, status: int) -> None:
    key, expires = make_token(dhis2, 10)
    before = learned(dhis2, tmp_path, token=SecretStr(key))
    dhis2.faults({"path": "/api/apiToken", "status": status, "body": {"message": "no"}})
    assert learned(dhis2, tmp_path, token=SecretStr(key)) == before == TokenFacts(expires=expires, tokens=1)


def test_an_expired_token_is_an_error_of_credentials(dhis2: StandIn) -> None:
    key, _ = make_token(dhis2, -1)
    connection = Dhis2Connection(url=dhis2.url, token=SecretStr(key))
    with connect(connection) as api, pytest.raises(Dhis2CredentialError, match="token has expired") as caught:
        api.me()
    assert key not in str(caught.value) and caught.value.event == "credential"
