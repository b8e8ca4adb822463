"""Pages with tokens: a browser signs in, uses the pages, and no page of another site can use its cookie."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from eo_pygeoapi.api.http.tokens import TokenFile
from eo_pygeoapi.commands.configuration.applying import apply_to_prefect
from eo_pygeoapi.settings import Settings
from tests.stack import PROCESS, base_config
from tests.web import web

FORM = {"datasetId": "sample-temperature", "start": "2025-07-01", "end": "2025-07-02"}
ELSEWHERE = {"Origin": "https://elsewhere.example.org", "Sec-Fetch-Site": "cross-site"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Iterator[tuple[str, TokenFile, str]]:
    """The address, the file of tokens, and a token that may execute."""
    folder: Path = tmp_path_factory.mktemp("sign-in")
    tokens = TokenFile(folder / "tokens.json")
    token = tokens.create("ada", ["execute"])
    more = {"EO_API_TOKENS_FILE": str(tokens.path), "EO_CORS_ORIGINS": "https://dhis2.example.org/"}
    with web(folder / "web", base_config(), prefect_api, more) as url:
        settings = Settings(PREFECT_API_URL=prefect_api)  # type: ignore[call-arg]
        apply_to_prefect(folder / "web" / "pygeoapi-config.yml", settings)
        yield url, tokens, token


def test_a_refused_page_leads_to_itself_by_way_of_the_sign_in(server: tuple[str, TokenFile, str]) -> None:
    url, _, token = server
    browser = requests.Session()
    refused = browser.get(f"{url}/jobs?f=html&status=failed", timeout=60)
    assert refused.status_code == 401
    sign_in = refused.text.partition('role="button" href="')[2].partition('"')[0].replace("&amp;", "&")
    wanted = browser.get(sign_in, timeout=60).text.partition('name="next" value="')[2].partition('"')[0]

    wrong = browser.post(f"{url}/sign-in?f=html", data={"token": "eo_guessed", "next": wanted}, timeout=60)
    assert wrong.status_code == 401 and "not known" in wrong.text and "guessed" not in wrong.text
    assert not browser.cookies
    signed_in = browser.post(
        f"{url}/sign-in?f=html", data={"token": token, "next": wanted.replace("&amp;", "&")}, timeout=60
    )
    assert signed_in.url == f"{url}/jobs?f=html&status=failed" and "Sign out: ada" in signed_in.text
    cookie = signed_in.history[0].headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie and "Max-Age=43200" in cookie
    assert "Secure" not in cookie  # plain HTTP here
    assert signed_in.headers["Cache-Control"] == "private, no-store"
    varies = {name.strip() for name in signed_in.headers["Vary"].split(",")}
    assert varies >= {"Accept", "Accept-Language", "Authorization", "Cookie", "Origin"}
    program = requests.get(f"{url}/jobs?f=json", headers={"Authorization": f"Bearer {token}"}, timeout=60)
    assert program.headers["Cache-Control"] == "private"

    out = browser.post(f"{url}/sign-out?f=html", timeout=60)
    assert out.status_code == 200 and browser.get(f"{url}/jobs?f=html", timeout=60).status_code == 401


def test_a_person_uses_the_forms_and_another_site_does_not(server: tuple[str, TokenFile, str]) -> None:
    url, tokens, _ = server
    browser = requests.Session()
    browser.post(f"{url}/sign-in", data={"token": tokens.create("grace", ["execute"])}, timeout=60)

    made = browser.post(f"{url}/processes/{PROCESS}/form?f=html", data=FORM, headers={"Origin": url}, timeout=60)
    assert made.status_code == 200 and made.history[0].status_code == 303
    job = made.url.partition("?")[0]
    for method, address, sent in (
        ("POST", f"{url}/processes/{PROCESS}/form", {"data": FORM}),
        ("POST", f"{url}/processes/{PROCESS}/execution", {"json": {"inputs": FORM}}),
        ("POST", f"{job}/dismiss", {}),
        ("DELETE", job, {}),
    ):
        refused = browser.request(method, address, headers=ELSEWHERE, timeout=60, **sent)
        assert refused.status_code == 403 and "another site" in refused.json()["detail"], address
    assert browser.post(f"{job}/dismiss?f=html", headers={"Origin": url}, timeout=60).ok

    tokens.revoke("grace")
    assert browser.get(f"{url}/jobs?f=html", timeout=60).status_code == 401


def test_who_may_only_read_executes_nothing_by_a_form(server: tuple[str, TokenFile, str]) -> None:
    url, tokens, _ = server
    browser = requests.Session()
    browser.post(f"{url}/sign-in", data={"token": tokens.create("reader", ["read"])}, timeout=60)

    assert browser.get(f"{url}/jobs?f=html", timeout=60).status_code == 200
    assert browser.post(f"{url}/processes/{PROCESS}/form", data=FORM, timeout=60).status_code == 403


@pytest.mark.parametrize("elsewhere", ["https://evil.example.org", "//evil.example.org", "/\\evil.example.org", "jobs"])
def test_the_sign_in_leads_nowhere_else(server: tuple[str, TokenFile, str], elsewhere: str) -> None:
    url, _, token = server
    answer = requests.post(
        f"{url}/sign-in", data={"token": token, "next": elsewhere}, timeout=60, allow_redirects=False
    )
    assert answer.headers["Location"] == f"{url}?f=html"


def test_with_tokens_only_named_sites_read_answers(server: tuple[str, TokenFile, str]) -> None:
    url, _, _ = server
    for origin, allowed in (("https://dhis2.example.org", "https://dhis2.example.org"), ("https://other.org", None)):
        answer = requests.get(f"{url}/collections?f=json", headers={"Origin": origin}, timeout=60)
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("path", [f"/processes/{PROCESS}", "/collections/sample-temperature"])
def test_requests_that_pages_show_have_the_header_that_they_need(server: tuple[str, TokenFile, str], path: str) -> None:
    url, _, token = server
    page = requests.get(f"{url}{path}?f=html", headers={"Authorization": f"Bearer {token}"}, timeout=60)
    shown = page.text.partition("<pre>curl")[2].partition("</pre>")[0]
    assert '-H "Authorization: Bearer $TOKEN"' in shown and token not in page.text
