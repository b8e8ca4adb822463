"""Tokens over HTTP: a web process of its own beside a Prefect server without a worker."""

import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from eo_pygeoapi.api.http.tokens import TokenFile
from eo_pygeoapi.commands.configuration.applying import apply_to_prefect
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.jobs.exposure import is_loopback, refuse_open_server
from eo_pygeoapi.settings import Settings
from tests.command_line import eo_pygeoapi
from tests.stack import PROCESS, base_config
from tests.web import web

SAMPLE = {"datasetId": "sample-temperature", "start": "2025-07-01", "end": "2025-07-31"}
EXECUTION = f"/processes/{PROCESS}/execution"
NOWHERE = "/jobs/00000000-0000-0000-0000-000000000000"


@dataclass
class Server:
    url: str
    tokens: TokenFile
    values: dict[str, str]

    def ask(self, method: str, path: str, token: str = "", **kwargs: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.values.get(token, token)}"} if token else {}
        return requests.request(method, self.url + path, headers=headers, timeout=30, **kwargs)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("access")
    tokens = TokenFile(folder / "tokens.json")
    values = {
        "reader": tokens.create("reader", ["read"]),
        "importer": tokens.create("importer", ["execute"]),
        "bound": tokens.create("bound", ["execute"], "national"),
    }
    config = base_config()
    sample = config["resources"]["sample-temperature"]
    public = {**sample, "eo": {**sample["eo"], "public": True}}
    public["providers"] = [{**sample["providers"][0], "data": "open"}]
    config["resources"]["open"] = public
    with web(folder / "web", config, prefect_api, {"EO_API_TOKENS_FILE": str(tokens.path)}) as url:
        settings = Settings(PREFECT_API_URL=prefect_api)  # type: ignore[call-arg]
        apply_to_prefect(folder / "web" / "pygeoapi-config.yml", settings)
        yield Server(url, tokens, values)


NEEDS = [
    ("POST", EXECUTION, "execute"),
    ("DELETE", NOWHERE, "execute"),
    ("GET", "/jobs?f=json", "read"),
    ("HEAD", "/jobs?f=json", "read"),
    ("GET", f"{NOWHERE}?f=json", "read"),
    ("GET", f"{NOWHERE}/results", "read"),
    ("GET", f"{NOWHERE}/payload-preview", "read"),
    ("GET", f"{NOWHERE}/files/values.csv", "read"),
    ("GET", "/datasets/sample-temperature/history", "read"),
    ("GET", "/metrics", "read"),
    ("GET", "/collections/sample-temperature/items?f=json", "read"),
    ("GET", "/collections/sample-temperature/items/x?f=json", "read"),
    ("POST", "/collections/sample-temperature/items?f=json", "read"),
]


@pytest.mark.requirement("oas30/security")
@pytest.mark.parametrize(("method", "path", "scope"), NEEDS)
def test_what_needs_a_token_is_refused_without_one_and_with_another_scope(
    server: Server, method: str, path: str, scope: str
) -> None:
    for token in ("", "eo_guessed"):
        refused = server.ask(method, path, token, json={} if method == "POST" else None)
        assert refused.status_code == 401 and refused.headers["WWW-Authenticate"].startswith("Bearer")
        if method != "HEAD":
            assert refused.json()["status"] == 401 and "eo-pygeoapi token create" in refused.json()["detail"]
            assert "guessed" not in refused.text
    if scope == "execute":
        wrong = server.ask(method, path, "reader", json={} if method == "POST" else None)
        assert wrong.status_code == 403 and 'scope="execute"' in wrong.headers["WWW-Authenticate"]
        assert wrong.json()["detail"] == "token 'reader' has the scope read; needed: execute"
    else:
        assert server.ask(method, path, "reader", json={}).status_code not in (401, 403)


@pytest.mark.parametrize(
    "path",
    ["/", "/conformance", "/openapi?f=json", "/processes?f=json", "/collections?f=json", "/health",
     "/collections/sample-temperature?f=json", "/collections/open/items?f=json"],
)  # fmt: skip
def test_what_the_service_says_of_itself_and_public_values_are_open(server: Server, path: str) -> None:
    assert server.ask("GET", path).ok


def test_a_preflight_needs_no_token(server: Server) -> None:
    headers = {"Origin": "https://maps.example.org", "Access-Control-Request-Method": "POST"}
    assert requests.options(server.url + EXECUTION, headers=headers, timeout=30).ok


def test_who_may_execute_may_see_and_dismiss_it(server: Server, prefect_api: str) -> None:
    made = server.ask("POST", EXECUTION, "importer", json={"inputs": SAMPLE})
    assert made.status_code == 201, made.text
    gateway = PrefectGateway(prefect_api, read_timeout=30.0)
    assert gateway.runs.get(made.json()["jobID"]).by == "token importer"
    gateway.close()
    job = f"/jobs/{made.json()['jobID']}"
    assert server.ask("GET", f"{job}?f=json", "importer").json()["status"] == "accepted"
    assert server.ask("DELETE", job, "importer").json()["status"] == "dismissed"


def test_a_bound_token_is_for_its_connection_however_the_input_is_written(server: Server) -> None:
    other = server.ask("POST", EXECUTION, "bound", json={"inputs": SAMPLE})
    assert other.status_code == 403 and "for the DHIS2 connection 'national', not 'default'" in other.text
    for target in ({"connection": "default"}, {"value": {"connection": "default"}, "mediaType": "application/json"}):
        assert server.ask("POST", EXECUTION, "bound", json={"inputs": {**SAMPLE, "dhis2": target}}).status_code == 403
    own = server.ask("POST", EXECUTION, "bound", json={"inputs": {**SAMPLE, "dhis2": {"connection": "national"}}})
    assert own.status_code == 201, own.text
    assert server.ask("DELETE", f"/jobs/{own.json()['jobID']}", "bound").ok
    theirs = server.ask("POST", EXECUTION, "importer", json={"inputs": SAMPLE}).json()["jobID"]
    assert server.ask("DELETE", f"/jobs/{theirs}", "bound").status_code == 403
    assert server.ask("DELETE", f"/jobs/{theirs}", "importer").ok


def test_a_bound_token_stops_and_removes_no_backfill_of_another_connection(server: Server) -> None:
    backfill = server.ask("POST", "/processes/eo-backfill/execution", "importer", json={"inputs": SAMPLE})
    job = f"/jobs/{backfill.json()['jobID']}"
    refused = server.ask("DELETE", job, "bound")
    assert refused.status_code == 403 and "not 'default'" in refused.text
    assert server.ask("GET", f"{job}?f=json", "bound").json()["status"] == "accepted"
    assert server.ask("DELETE", job, "importer").ok


def test_a_revoked_token_is_refused_at_once(server: Server) -> None:
    value = server.tokens.create("short", ["read"])
    assert server.ask("GET", "/jobs?f=json", value).ok
    server.tokens.revoke("short")
    assert server.ask("GET", "/jobs?f=json", value).status_code == 401


@pytest.mark.requirement("oas30/security")
def test_the_openapi_document_says_where_tokens_are_needed(server: Server) -> None:
    document = server.ask("GET", "/openapi?f=json").json()
    assert document["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    assert document["paths"][EXECUTION]["post"]["security"] == [{"token": []}]
    assert document["paths"]["/jobs"]["get"]["security"] == [{"token": []}]
    assert "security" not in document["paths"]["/processes"]["get"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "api.example.org"])
def test_a_server_for_other_machines_needs_tokens(host: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="EO_API_TOKENS_FILE"):
        refuse_open_server(host, Settings())
    refuse_open_server(host, Settings(EO_INSECURE=True))  # type: ignore[call-arg]
    refuse_open_server(host, Settings(EO_API_TOKENS_FILE=tmp_path / "x"))  # type: ignore[call-arg]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_alone_needs_none(host: str) -> None:
    refuse_open_server(host, Settings())


def test_tokens_are_made_listed_and_revoked_by_command(tmp_path: Path) -> None:
    def token(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return eo_pygeoapi("token", *arguments, environment=environment)

    own = {"EO_API_TOKENS_FILE": str(tmp_path / "tokens.json")}
    made = token("create", "maps", "--scope", "read", "--connection", "national", **own)
    assert made.returncode == 0 and made.stdout.startswith("eo_") and len(made.stdout.split()) == 1
    listed = token("list", **own)
    assert "maps" in listed.stdout and "national" in listed.stdout and made.stdout.strip() not in listed.stdout
    assert token("revoke", "maps", **own).returncode == 0
    assert token("revoke", "maps", **own).returncode == 1
    assert token("create", "x", "--scope", "write", **own).returncode == 2
    (tmp_path / "config.yml").write_text("{eo: {tenants: {north: {}}}, resources: {}}")
    own["PYGEOAPI_CONFIG"] = str(tmp_path / "config.yml")
    assert token("create", "of-north", "--scope", "read", "--tenant", "north", **own).returncode == 0
    assert token("create", "all", "--scope", "read", "--operator", **own).returncode == 0
    rows = [line.split()[:4] for line in token("list", **own).stdout.splitlines()]
    assert ["of-north", "read", "north", "any"] in rows and ["all", "read,", "operator", "none"] in rows
    unknown = token("create", "x", "--scope", "read", "--tenant", "south", **own)
    assert unknown.returncode == 1 and "--tenant: 'south' is not allowed; allowed: north" in unknown.stderr
    both = token("create", "x", "--scope", "read", "--tenant", "north", "--operator", **own)
    assert both.returncode == 1 and "--tenant and --operator exclude each other" in both.stderr
    without = token("list", EO_API_TOKENS_FILE="")
    assert without.returncode == 1 and "EO_API_TOKENS_FILE is not set" in without.stderr


# Where the server listens


def addresses_for_others() -> list[str]:
    """The addresses at which other machines may reach this one."""
    found = [a.address for nic in psutil.net_if_addrs().values() for a in nic if a.family == socket.AF_INET]
    return [address for address in found if not is_loopback(address)]


@pytest.mark.skipif(not addresses_for_others(), reason="this machine has no address for others")
@pytest.mark.parametrize("app", ["eo_pygeoapi.flask_app:APP", "pygeoapi.flask_app:APP"])
def test_what_listens_for_others_executes_nothing_whatever_the_file_says(tmp_path: Path, app: str) -> None:
    config = base_config()
    assert config["server"]["bind"]["host"] == "127.0.0.1"
    with web(tmp_path, config, "http://127.0.0.1:9/api", app=app, host="0.0.0.0") as url:
        others = f"http://{addresses_for_others()[0]}:{url.rpartition(':')[2]}"
        assert requests.get(f"{others}/conformance?f=json", timeout=30).ok
        refused = requests.post(others + EXECUTION, json={"inputs": SAMPLE}, timeout=30)
        assert refused.status_code == 403 and "other machines can reach this server" in refused.text, refused.text
        assert "EO_INSECURE=true" in refused.text
        dismissed = requests.delete(others + NOWHERE, timeout=30)
        assert dismissed.status_code == 403 and "other machines can reach this server" in dismissed.text
        if app.startswith("eo_"):  # what reads is closed, too; at the loopback address everything is open
            assert requests.get(f"{others}/jobs?f=json", timeout=30).status_code == 403
            assert requests.get(f"{url}/jobs?f=json", timeout=30).status_code == 503  # Prefect is away


@pytest.mark.skipif(not addresses_for_others(), reason="this machine has no address for others")
def test_what_listens_for_others_executes_where_the_environment_says_so(tmp_path: Path) -> None:
    away, open_to_all = "http://127.0.0.1:9/api", {"EO_INSECURE": "true"}
    with web(tmp_path, base_config(), away, open_to_all, host="0.0.0.0") as url:
        others = f"http://{addresses_for_others()[0]}:{url.rpartition(':')[2]}"
        assert requests.post(others + EXECUTION, json={"inputs": SAMPLE}, timeout=30).status_code == 503
