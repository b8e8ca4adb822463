"""What a server says is redacted where it comes in, and a redirect to the login page is no address to go to."""

import base64
import gzip
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from eo_pygeoapi.errors import Dhis2CredentialError, Dhis2Error
from eo_pygeoapi.pipeline.dhis2.client import connect
from eo_pygeoapi.settings import Dhis2Connection
from tests.pipeline.dhis2.imports import TODAY, Importer, connector, july
from tests.standins.dhis2 import StandIn, running
from tests.standins.dhis2_metadata import BO

TOKEN = "d2pat_standin0000000001"
BASIC = base64.b64encode(b"admin:district").decode()


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with running("2.42", today=TODAY) as dhis2:
        yield dhis2


def conflicting(words: str) -> dict[str, Any]:
    conflict = {"object": words, "value": words, "errorCode": "E7619", "indexes": list(range(130))}
    counts = {"imported": 0, "updated": 0, "ignored": 130, "deleted": 0}
    summary = {"status": "WARNING", "description": words, "importCount": counts, "conflicts": [conflict]}
    return {"path": "/api/dataValueSets", "method": "POST", "status": 409, "body": json.dumps({"response": summary})}


@pytest.mark.parametrize(
    ("login", "said"),
    [
        ({"token": SecretStr(TOKEN)}, f"request with {TOKEN} was logged"),
        ({"token": SecretStr(TOKEN)}, f"Authorization: ApiToken {TOKEN}"),
        ({"password": SecretStr("district")}, "district"),
        ({"password": SecretStr("district")}, f"header {BASIC}"),
        ({"password": SecretStr("district")}, "somebody's d2pat_OtherToken00001"),
    ],
)
def test_a_conflict_that_repeats_a_secret_brings_it_nowhere(
    tmp_path: Path, server: StandIn, login: dict[str, Any], said: str
) -> None:
    server.reset()
    server.faults(conflicting(said))
    run = Importer(tmp_path)
    summary = run(server, july(), connect=connector(server, **login))
    assert summary.rejected_count == 130
    left = summary.model_dump_json() + "".join(text_of(path) for path in tmp_path.rglob("*") if path.is_file())
    for secret in (TOKEN, "district", BASIC, "OtherToken"):
        assert secret not in left
    assert "********" in summary.rejected[0].reason


def text_of(path: Path) -> str:
    """Return what a file holds, which may be compressed."""
    content = path.read_bytes()
    return (gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content).decode()


@pytest.mark.parametrize("path", ["/api/system/info", "/api/me"])
def test_other_answers_are_redacted_too(server: StandIn, path: str) -> None:
    server.reset()
    server.faults({"path": path, "status": 200, "body": json.dumps({"version": f"2.42 {TOKEN}", "username": TOKEN})})
    with connect(Dhis2Connection(url=server.url, token=SecretStr(TOKEN))) as api:
        assert TOKEN not in json.dumps([api.system_info(), api.me()])


def test_a_password_that_is_a_word_does_not_change_identifiers(server: StandIn) -> None:
    server.reset()
    units = [{"id": BO, "code": "district-1", "name": "Bo district"}]
    server.faults({"path": "/api/organisationUnits", "status": 200, "body": json.dumps({"organisationUnits": units})})
    login = Dhis2Connection(url=server.url, username="admin", password=SecretStr("district"))
    with connect(login) as api:
        (unit,) = api.found("organisationUnits", [BO], "id,code,name")
    assert (unit["code"], unit["name"]) == ("district-1", "Bo ********")


@contextmanager
def redirecting(location: str) -> Iterator[str]:
    """Serve what answers everything with a redirect."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:  # else the thread asks its closed socket for ever
            server.shutdown()


@pytest.mark.parametrize(
    "location", ["http://dhis2.test/dhis-web-login/", "/login/", "https://dhis2.test/login.action"]
)
def test_a_redirect_to_the_login_page_is_not_logged_in(location: str) -> None:
    with redirecting(location) as url, connect(Dhis2Connection(url=url, token=SecretStr(TOKEN))) as api:
        for ask in (api.system_info, lambda: api.data_value_sets({}, dry_run=True)):
            with pytest.raises(
                Dhis2CredentialError, match=r"not logged in: DHIS2 at .* with a redirect to its login page"
            ) as caught:
                ask()
            assert not caught.value.transient and TOKEN not in str(caught.value)


def test_another_redirect_says_to_set_the_address() -> None:
    with (
        redirecting("https://dhis2.test/api/me") as url,
        connect(Dhis2Connection(url=url, token=SecretStr(TOKEN))) as api,
        pytest.raises(Dhis2Error, match="set the address of this connection to where the redirect leads"),
    ):
        api.me()
