"""The configurations of docs/reverse-proxy.md, run as they stand there, with TLS, by nginx and Apache themselves."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from eo_pygeoapi.api.http.forwarded import external_address
from eo_pygeoapi.api.http.tokens import TokenFile
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.settings import Settings
from tests.servers import free_port, running
from tests.stack import CHECKOUT, base_config
from tests.standins.dhis2_route import route
from tests.web import web

DOCUMENT = (CHECKOUT / "docs" / "reverse-proxy.md").read_text()
NGINX, APACHE = (shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin") for name in ("nginx", "apache2"))
APACHE_MODULES = "mpm_event authz_core ssl proxy proxy_http headers alias".split()
JOB = "/jobs/00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for localhost, `crt.pem`, and its key, `key.pem`."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    more = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "crt.pem")]
    subprocess.run([*command, *more, *files], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> TokenFile:
    return TokenFile(tmp_path_factory.mktemp("tokens") / "tokens.json")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, tokens: TokenFile) -> Iterator[tuple[str, str]]:
    """The API as the proxies find it, and a token."""
    folder = tmp_path_factory.mktemp("api")
    token = tokens.create("ada", ["read"])
    more = {"EO_API_TOKENS_FILE": str(tokens.path), "EO_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8"}
    config = base_config()
    config["eo"] = {"tenants": {"south": {"title": "Health in the South", "connections": ["south"]}}}
    with web(folder / "web", config, "http://127.0.0.1:9/api", more) as url:
        yield url, token


@pytest.fixture(scope="module")
def more_tokens(tokens: TokenFile) -> dict[str, str]:
    """Other tokens by the names of who has them; nobody has made the last one."""
    return {
        "importer": tokens.create("importer", ["execute"]),
        "bound": tokens.create("bound", ["execute"], connection="south"),
        "tenant": tokens.create("tenant", ["execute"], connection="south", tenant="south"),
        "guessed": "eo_guessed",
    }


def as_it_stands(language: str, folder: Path, tls: Path, port: int, api_port: str) -> Path:
    """Write the configuration of the document, with the ports and the certificate of here."""
    (text,) = re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    for there, here in (
        ("443", str(port)),
        ("127.0.0.1:5000", f"127.0.0.1:{api_port}"),
        ("/etc/ssl/certs/eo.example.org.pem", str(tls / "crt.pem")),
        ("/etc/ssl/private/eo.example.org.key", str(tls / "key.pem")),
    ):
        assert there in text
        text = text.replace(there, here)
    path = folder / "site.conf"
    path.write_text(text)
    return path


def nginx_command(site: Path, folder: Path) -> list[str]:
    main = folder / "nginx.conf"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"  {kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    main.write_text(
        f"daemon off; pid {folder}/pid; error_log stderr; events {{}}\n"
        f"http {{\n  access_log off;\n{temporary}  include {site};\n}}\n"
    )
    assert NGINX
    return [NGINX, "-c", str(main), "-p", str(folder), "-e", "stderr"]


def apache_command(site: Path, folder: Path, port: int) -> list[str]:
    main = folder / "apache.conf"
    loaded = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in APACHE_MODULES)
    user = "User www-data\nGroup www-data\n" if os.getuid() == 0 else ""
    main.write_text(
        f"ServerName localhost\nServerRoot {folder}\nPidFile {folder}/pid\nErrorLog /dev/stderr\nListen {port}\n"
        f"Mutex sem\n{loaded}{user}Include {site}\n"
    )
    assert APACHE
    return [APACHE, "-X", "-f", str(main)]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("nginx", marks=pytest.mark.skipif(not NGINX, reason="nginx is not installed")),
        pytest.param("apache", marks=pytest.mark.skipif(not APACHE, reason="Apache is not installed")),
    ],
)
def proxy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificate: Path, api: tuple[str, str]
) -> Iterator[tuple[requests.Session, str]]:
    """A session that trusts the certificate, and the address of the API behind the proxy."""
    folder, port = tmp_path_factory.mktemp(request.param), free_port()
    site = as_it_stands(request.param, folder, certificate, port, api[0].rpartition(":")[2])
    command = nginx_command(site, folder) if request.param == "nginx" else apache_command(site, folder, port)
    session = requests.Session()
    session.trust_env, session.verify = False, str(certificate / "crt.pem")
    log = folder / "log"
    with running(command, log) as process:
        url = f"https://localhost:{port}/climate"
        for _ in range(100):
            try:
                session.get(f"{url}/health", timeout=5)
                break
            except requests.ConnectionError:
                assert process.poll() is None, log.read_text()
        yield session, url


def test_links_pages_and_redirects_lead_to_the_proxy(proxy: tuple[requests.Session, str], api: tuple[str, str]) -> None:
    session, url = proxy
    assert session.get(url, timeout=60).url == f"{url}/"
    landing = session.get(f"{url}/?f=json", timeout=60)
    hrefs = [link["href"] for link in landing.json()["links"]]
    assert any(href == f"{url}/processes" for href in hrefs) and api[0] not in landing.text
    assert session.get(next(h for h in hrefs if h.endswith("/processes")), timeout=60).json()["processes"]
    for path in ("/?f=html", "/processes?f=html", "/collections/sample-temperature?f=html", "/openapi?f=json", "/nope"):
        page = session.get(url + path, timeout=60)
        assert api[0] not in page.text, path
        assert "Strict-Transport-Security" in page.headers
    assert f'href="{url}/jobs"' in session.get(f"{url}/?f=html", timeout=60).text
    asked = session.get(f"{url}/collections/sample-temperature?f=json&links=relative", timeout=60).text
    assert '"./' not in asked and '"../collections/' in asked


def test_a_person_signs_in_over_tls(proxy: tuple[requests.Session, str], api: tuple[str, str]) -> None:
    session, url = proxy
    origin = {"Origin": url.removesuffix("/climate"), "Sec-Fetch-Site": "same-origin"}
    refused = session.get(f"{url}{JOB}?f=html", timeout=60)
    assert refused.status_code == 401 and f"{url}/sign-in?f=html" in refused.text

    answer = session.post(
        f"{url}/sign-in?f=html", data={"token": api[1], "next": "/problems?f=html"}, headers=origin, timeout=60,
    )  # fmt: skip
    assert answer.url == f"{url}/problems?f=html", answer.text
    cookie = answer.history[0].headers["Set-Cookie"]
    assert "Secure" in cookie and "Path=/climate" in cookie and "HttpOnly" in cookie
    policy = answer.headers["Content-Security-Policy"]
    assert f"form-action 'self' {url.removesuffix('/climate')};" in policy
    session.cookies.clear()


def _operations(api: str) -> list[tuple[str, str, bool]]:
    """Every operation of the OpenAPI document: method, path of something that is not there, whether it is closed."""
    paths = requests.get(f"{api}/openapi?f=json", timeout=60).json()["paths"]
    ids = {"{jobId}": JOB.rpartition("/")[2], "{datasetId}": "sample-temperature"}
    return [
        (
            method.upper(),
            re.sub(r"\{\w+\}", lambda found: ids.get(found[0], "x"), path),
            bool(operation.get("security")),
        )
        for path, found in paths.items()
        for method, operation in found.items()
        if method in ("get", "post", "put", "delete")
    ]


def _asked(
    session: requests.Session, url: str, operations: list[tuple[str, str, bool]], token: str
) -> list[tuple[str, str, int]]:
    headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    found = []
    for method, path, _ in operations:
        answer = session.request(method, url + path, headers=headers, json={}, timeout=60, allow_redirects=False)
        found.append((method, path, answer.status_code))
    return found


@pytest.fixture(scope="module")
def directly(api: tuple[str, str], more_tokens: dict[str, str]) -> dict[str, list[tuple[str, str, int]]]:
    """What every operation answers to each token, without a proxy."""
    operations, direct = _operations(api[0]), requests.Session()
    assert len(operations) >= 40
    return {token: _asked(direct, api[0], operations, token) for token in ("", api[1], *more_tokens.values())}


def test_every_route_of_the_document_needs_the_token_that_it_says(
    directly: dict[str, list[tuple[str, str, int]]], api: tuple[str, str], more_tokens: dict[str, str]
) -> None:
    closed = {(method, path) for method, path, needs in _operations(api[0]) if needs}
    refused = {
        token: {(method, path) for method, path, status in found if status in (401, 403)}
        for token, found in directly.items()
    }
    assert refused[""] == refused[more_tokens["guessed"]] == closed
    assert {method for method, _ in refused[api[1]]} <= {"POST", "DELETE", "PUT"} and refused[api[1]]
    assert not refused[more_tokens["importer"]]


def test_a_token_of_a_tenant_finds_none_of_what_is_not_its_own(
    directly: dict[str, list[tuple[str, str, int]]], api: tuple[str, str], more_tokens: dict[str, str]
) -> None:
    """The sample is of no tenant: a token that is only bound to a connection reads it, one of a tenant does not."""
    of_the_sample = [
        {path: status for method, path, status in directly[token] if method == "GET" and "/sample-temperature" in path}
        for token in (api[1], more_tokens["bound"], more_tokens["tenant"])
    ]
    reader, bound, tenant = of_the_sample
    assert reader == bound and 200 in reader.values() and len(tenant) > 3
    assert set(tenant.values()) == {404}, tenant


def test_every_route_answers_each_token_alike_by_a_proxy(
    proxy: tuple[requests.Session, str], api: tuple[str, str], directly: dict[str, list[tuple[str, str, int]]]
) -> None:
    operations = _operations(api[0])
    for token, expected in directly.items():
        assert _asked(*proxy, operations, token) == expected


def test_every_route_answers_each_token_alike_by_a_route_of_dhis2(
    api: tuple[str, str], directly: dict[str, list[tuple[str, str, int]]]
) -> None:
    operations = _operations(api[0])
    for token, expected in directly.items():
        with route(api[0], {"Authorization": f"ApiToken {token}"} if token else {}) as url:
            assert _asked(requests.Session(), url, operations, "a header that a Route drops") == expected


def test_headers_count_from_trusted_addresses_alone(api: tuple[str, str], tmp_path: Path) -> None:
    sent = {"X-Forwarded-Host": "evil.example.org", "X-Forwarded-Proto": "https"}
    trusted = requests.get(f"{api[0]}/?f=json", headers=sent, timeout=60)
    assert "https://evil.example.org/processes" in trusted.text  # this machine is trusted here

    for more, config in (({}, "http://localhost:1"), ({"EO_TRUSTED_PROXIES": "127.0.0.1"}, "https://eo.example.org")):
        changed = base_config()
        changed["server"]["url"] = config
        folder = tmp_path / config.rpartition("/")[2].replace(":", "")
        with web(folder, changed, "http://127.0.0.1:9/api", more) as url:
            assert "evil" not in requests.get(f"{url}/?f=json", headers=sent, timeout=60).text


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({"HOST": "eo.example.org"}, "http://eo.example.org"),
        ({"HOST": "evil, eo.example.org:8443", "PROTO": "http,https"}, "https://eo.example.org:8443"),
        ({"HOST": "[::1]:80", "PREFIX": "/a/b/"}, "http://[::1]:80/a/b"),
        ({}, ""),
        ({"HOST": "eo.example.org", "PROTO": "javascript"}, ""),
        ({"HOST": 'eo"><script>', "PROTO": "https"}, ""),
        ({"HOST": "eo.example.org", "PREFIX": "/a/../b<"}, ""),
        ({"HOST": "eo.example.org", "PREFIX": "//evil.example.org"}, ""),
        ({"HOST": "eo.example.org@evil"}, ""),
    ],
)
def test_an_address_that_cannot_be_meant_is_none(headers: dict[str, str], address: str) -> None:
    assert external_address({f"HTTP_X_FORWARDED_{name}": value for name, value in headers.items()}) == address


def test_what_is_no_network_is_a_mistake() -> None:
    assert len(Settings(EO_TRUSTED_PROXIES="127.0.0.1 10.0.0.0/8,::1").proxies()) == 3  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="EO_TRUSTED_PROXIES: 'proxy'"):
        Settings(EO_TRUSTED_PROXIES="proxy").proxies()  # type: ignore[call-arg]
