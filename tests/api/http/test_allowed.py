"""Pages show forms and buttons to those alone who may use them, and say to others what they lack."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from eo_pygeoapi.api.http.tokens import TokenFile
from eo_pygeoapi.commands.configuration.applying import apply_to_prefect
from eo_pygeoapi.settings import Settings
from tests.stack import PROCESS, base_config, collection
from tests.web import web

FORM = {"datasetId": "sample-temperature", "start": "2025-07-01", "end": "2025-07-02"}
SCHEDULE = {"name": "daily", "cron": "0 7 * * *", "inputs": {"start": "-P10D", "end": "-P3D"}}
CREATE = "eo-pygeoapi token create NAME --scope execute"


@dataclass
class Server:
    url: str
    job: str
    tokens: dict[str, str]

    def browser(self, name: str = "") -> requests.Session:
        """A browser that is signed in with the token of this name."""
        session = requests.Session()
        session.headers["Accept"] = "text/html,application/xhtml+xml,*/*;q=0.8"
        if name:
            session.post(f"{self.url}/sign-in", data={"token": self.tokens[name]}, timeout=60)
        return session

    def pages(self) -> list[str]:
        return [f"/processes/{PROCESS}", self.job, "/schedules", "/schedules/rain/daily"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("allowed")
    tokens = TokenFile(folder / "tokens.json")
    values = {"reader": tokens.create("reader", ["read"]), "importer": tokens.create("importer", ["execute"])}
    values["bound"] = tokens.create("bound", ["execute"], "elsewhere")
    config = base_config()
    config["resources"]["rain"] = collection(
        "rain",
        source="chirps3",
        orgUnits={"source": "dhis2", "level": 2},
        dhis2={"connection": "national"},
        schedules=[SCHEDULE],
    )
    with web(folder / "web", config, prefect_api, {"EO_API_TOKENS_FILE": str(tokens.path)}) as url:
        settings = Settings(PREFECT_API_URL=prefect_api)  # type: ignore[call-arg]
        apply_to_prefect(folder / "web" / "pygeoapi-config.yml", settings)
        allowed = {"Authorization": f"Bearer {values['importer']}"}
        made = requests.post(f"{url}/processes/{PROCESS}/execution", json={"inputs": FORM}, headers=allowed, timeout=60)
        yield Server(url, f"/jobs/{made.json()['jobID']}", values)


def forms(text: str) -> int:
    """Return how many forms of a page change something, the one to sign out aside."""
    return text.count('<form class="') and text.count('method="post"') - text.count("/sign-out?f=html")


def test_who_may_execute_has_all_forms(server: Server) -> None:
    for path in server.pages():
        page = server.browser("importer").get(f"{server.url}{path}", timeout=60)
        assert page.status_code == 200 and forms(page.text) > 0 and CREATE not in page.text, path


def test_who_may_only_read_has_no_form_and_is_told_why(server: Server) -> None:
    for path in server.pages():
        page = server.browser("reader").get(f"{server.url}{path}", timeout=60)
        assert page.status_code == 200 and forms(page.text) == 0, path
        assert "Token &#39;reader&#39; has the scope read; needed: execute" in page.text and CREATE in page.text, path
        assert "Run it again" not in page.text


def test_who_has_no_token_is_led_to_the_sign_in_and_back(server: Server) -> None:
    path = f"/processes/{PROCESS}"
    page = server.browser().get(f"{server.url}{path}", timeout=60).text

    assert forms(page) == 0 and "Sign in with a token that has the scope execute" in page
    assert f"/sign-in?f=html&amp;next=%2Fprocesses%2F{PROCESS}%3Ff%3Dhtml" in page


def test_a_token_for_one_connection_has_the_forms_of_its_own_datasets(server: Server) -> None:
    browser = server.browser("bound")
    process = browser.get(f"{server.url}/processes/{PROCESS}", timeout=60).text
    schedule = browser.get(f"{server.url}/schedules/rain/daily", timeout=60).text

    assert forms(process) == 1 and '<option value="rain" disabled>' in process
    assert forms(schedule) == 0 and "not &#39;national&#39;" in schedule
    assert f"{CREATE} --connection national" in schedule
    assert forms(browser.get(f"{server.url}/schedules", timeout=60).text) == 0


def test_a_refusal_is_a_page_that_says_what_is_missing_and_keeps_what_was_typed(server: Server) -> None:
    sent = f"{server.url}/processes/{PROCESS}/form?f=html"
    refused = server.browser("reader").post(sent, data=FORM, timeout=60)

    assert refused.status_code == 403 and refused.headers["Content-Type"].startswith("text/html")
    assert "You may not do that" in refused.text and "needed: execute" in refused.text and CREATE in refused.text
    assert "Sign in with another token" in refused.text
    wanted = refused.text.partition('role="button" href="')[2].partition('"')[0].replace("&amp;", "&")
    browser = server.browser()
    hidden = browser.get(wanted, timeout=60).text.partition('name="next" value="')[2].partition('"')[0]
    filled = browser.post(
        f"{server.url}/sign-in?f=html",
        data={"token": server.tokens["importer"], "next": hidden.replace("&amp;", "&")},
        timeout=60,
    )
    assert filled.url.startswith(f"{server.url}/processes/{PROCESS}?") and forms(filled.text) == 1
    assert 'name="start" value="2025-07-01"' in filled.text


def test_a_form_of_another_site_is_refused_by_a_page(server: Server) -> None:
    sent = f"{server.url}{server.job}/dismiss?f=html"
    refused = server.browser("importer").post(sent, headers={"Origin": "https://elsewhere.example.org"}, timeout=60)

    assert refused.status_code == 403 and "Open the page of this server itself" in refused.text
    assert "token create" not in refused.text and f'{server.job}?f=html">Back to the form</a>' in refused.text


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/jobs/nothing", 404, "There is no such job"),
        ("/nowhere", 404, "There is no such page"),
        ("/problems?state=odd", 400, "state: &#39;odd&#39; is not allowed"),
        ("/datasets/nothing", 404, "All datasets"),
    ],
)
def test_other_mistakes_are_pages_with_a_way_on(server: Server, path: str, status: int, said: str) -> None:
    page = server.browser("reader").get(f"{server.url}{path}", timeout=60)

    assert page.status_code == status and page.headers["Content-Type"].startswith("text/html")
    assert said in page.text and "Go on to" in page.text


def test_a_job_without_results_yet_leads_to_its_page(server: Server) -> None:
    page = server.browser("reader").get(f"{server.url}{server.job}/results", timeout=60)

    assert page.status_code == 404 and "The job has not ended yet" in page.text
    assert f'{server.job}?f=html">The job</a>' in page.text
