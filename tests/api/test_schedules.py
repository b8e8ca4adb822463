"""Schedules over HTTP: a web process with tokens, and one without, beside a Prefect server without a worker."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from eo_pygeoapi.api.http.tokens import TokenFile
from eo_pygeoapi.commands.configuration.applying import apply_to_prefect
from eo_pygeoapi.settings import Settings
from tests.stack import base_config, collection
from tests.web import web
from tests.worker.farm import until

INPUTS = {"start": "-P3D", "end": "P0D", "dryRun": True}
DAILY = {"name": "daily", "cron": "30 0 * * *", "timezone": "Africa/Cairo", "inputs": INPUTS}
FAR = {**DAILY, "name": "far", "inputs": {**INPUTS, "dhis2": {"connection": "elsewhere"}}}
OFF = {"name": "off", "cron": "0 6 * * MON", "active": False, "inputs": INPUTS, "catchUp": "none"}


@dataclass
class Server:
    """A web process, and the tokens that it knows."""

    url: str
    tokens: dict[str, str]

    def ask(self, method: str, path: str, token: str = "executor", **kwargs: Any) -> requests.Response:
        """Ask, and ask again where a busy Prefect was too slow."""
        kwargs.setdefault("headers", {})
        if self.tokens:
            kwargs["headers"]["Authorization"] = f"Bearer {self.tokens[token]}"

        def answer() -> list[requests.Response]:
            found = requests.request(method, self.url + path, timeout=30, allow_redirects=False, **kwargs)
            return [] if found.status_code == 503 else [found]

        return until(answer)[0]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Iterator[Server]:
    """Where nobody is asked for a token, as on one's own machine."""
    with _server(tmp_path_factory.mktemp("schedules"), prefect_api, "feed", False) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Iterator[Server]:
    """Where tokens are needed."""
    with _server(tmp_path_factory.mktemp("guarded"), prefect_api, "guarded-feed", True) as running:
        yield running


@contextmanager
def _server(folder: Path, prefect_api: str, dataset: str, with_tokens: bool) -> Iterator[Server]:
    config, tokens, environment = base_config(), dict[str, str](), dict[str, str]()
    feed = {
        "orgUnits": {"source": "geojson", "href": "x.json"},
        "schedules": [DAILY, OFF, FAR] if with_tokens else [DAILY, OFF],
    }
    config["resources"][dataset] = collection(dataset, source="file", options={"href": "x.nc"}, **feed)
    if with_tokens:
        file = TokenFile(folder / "tokens.json")
        environment["EO_API_TOKENS_FILE"] = str(file.path)
        tokens |= {"reader": file.create("reader", ["read"]), "executor": file.create("ops", ["execute"])}
        tokens |= {"bound": file.create("bound", ["execute"], "elsewhere")}
    with web(folder / "web", config, prefect_api, environment) as url:
        settings = Settings().model_copy(update={"prefect_api_url": prefect_api, "data_dir": folder / "web"})
        apply_to_prefect(folder / "web" / "my-config.yml", settings)
        yield Server(url, tokens)


def test_each_schedule_says_when_it_runs_next_and_what_paused_it(server: Server) -> None:
    found = server.ask("GET", "/schedules?f=json&dataset=feed").json()["schedules"]
    assert [(s["name"], s["active"], s["pausedBy"]) for s in found] == [("daily", True, None), ("off", False, "file")]
    daily, off = found
    assert daily["inputs"] == INPUTS and daily["catchUp"] == "latest" and "lastRun" not in daily
    times = [datetime.fromisoformat(time) for time in daily["next"]]
    assert len(times) == 5 and times == sorted(times) and times[0] > datetime.now(UTC)
    assert all(time.utcoffset() is not None and (time.hour, time.minute) in ((0, 30), (1, 30)) for time in times)
    assert off["reason"] == "the configuration file says `active: false`" and off["catchUp"] == "none"
    nothing = server.ask("GET", "/schedules?f=json&dataset=nothing")
    assert nothing.status_code == 404 and nothing.json()["detail"].startswith(
        "there is no dataset 'nothing' (there are:"
    )
    for link in daily["links"]:
        assert requests.get(link["href"], timeout=30).ok, link


def test_a_person_pauses_resumes_and_runs_it(server: Server) -> None:
    begun = datetime.now(UTC)
    paused = server.ask("POST", "/schedules/feed/daily/pause", json={"reason": "the rain is <wrong>"}).json()
    assert (paused["active"], paused["pausedBy"], paused["reason"]) == (False, "person", "the rain is <wrong>")
    assert datetime.fromisoformat(paused["pausedSince"]) >= begun and len(paused["next"]) == 5

    made = server.ask("POST", "/schedules/feed/daily/run")
    assert made.status_code == 201 and made.headers["Location"].endswith(f"/jobs/{made.json()['jobID']}")
    job = server.ask("GET", f"/jobs/{made.json()['jobID']}?f=json").json()
    assert job["inputs"] == {**INPUTS, "datasetId": "feed"} and job["status"] == "accepted"
    last = server.ask("GET", "/schedules/feed/daily?f=json").json()["lastRun"]
    assert last == {"jobID": made.json()["jobID"], "status": "accepted"}

    page = server.ask("GET", "/schedules/feed/daily?f=html").text
    assert "by a person" in page and "the rain is &lt;wrong&gt;" in page and "Resume" in page and "<script" not in page
    resumed = server.ask("POST", "/schedules/feed/daily/resume").json()
    assert resumed["active"] and resumed["pausedBy"] is None and "reason" not in resumed
    server.ask("DELETE", f"/jobs/{made.json()['jobID']}")


def test_the_buttons_of_the_pages_are_plain_forms(server: Server) -> None:
    assert "daily" in (page := server.ask("GET", "/schedules?f=html").text) and "<script" not in page
    # on a narrow screen each row is a card, whose cells say what they are
    assert 'title="30 0 * * *">every day at 00:30</span> (Africa/Cairo)' in page and "every Monday at 06:00" in page
    assert '<table class="stacked">' in page and 'data-label="Next"' in page and 'data-label="Last job"' in page
    own = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    sent = server.ask("POST", "/schedules/feed/daily/pause?f=html", data={"reason": "a & b"}, headers=own)
    assert sent.status_code == 303 and sent.headers["Location"].endswith("/schedules/feed/daily?f=html")
    assert server.ask("GET", "/schedules/feed/daily?f=json").json()["reason"] == "a & b"
    assert server.ask("POST", "/schedules/feed/daily/resume?f=html", headers=own).status_code == 303
    sent = server.ask("POST", "/schedules/feed/daily/run?f=html", headers=own)
    assert sent.status_code == 303 and "/jobs/" in sent.headers["Location"]
    server.ask("DELETE", sent.headers["Location"].removeprefix(server.url).removesuffix("?f=html"))


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
     {"Sec-Fetch-Site": "same-site"}],
)  # fmt: skip
@pytest.mark.parametrize("action", ["pause", "resume", "run"])
def test_a_form_on_a_page_of_another_site_does_nothing(server: Server, headers: dict[str, str], action: str) -> None:
    refused = server.ask("POST", f"/schedules/feed/daily/{action}", data={"reason": "x"}, headers=dict(headers))
    assert refused.status_code == 403 and "a page of another site cannot do this" in refused.json()["detail"]
    assert server.ask("GET", "/schedules/feed/daily?f=json").json()["active"]


@pytest.mark.parametrize(
    ("method", "path", "given", "status", "says"),
    [
        ("GET", "/schedules/nothing/daily", {}, 404, "there is no dataset 'nothing'"),
        ("POST", "/schedules/feed/weekly/run", {}, 404, "has no schedule 'weekly' (there are: daily, off)"),
        ("POST", "/schedules/feed/daily/pause", {"json": {"why": "x"}}, 400, "why: is not known here; allowed: reason"),
        ("POST", "/schedules/feed/daily/pause", {"json": {"reason": 5}}, 400, "reason: 5 is not allowed; allowed: a"),
        ("POST", "/schedules/feed/daily/pause", {"json": [1]}, 400, "the body is not a JSON object"),
        ("POST", "/schedules/feed/daily/run", {"json": {"start": "2025"}}, 400, "start: is not known here; allowed: n"),
        ("POST", "/schedules/feed/daily/pause", {"data": "x", "headers": {"Content-Type": "text/plain"}}, 415, "text"),
        ("GET", "/schedules/feed/daily/run", {}, 405, ""),
    ],
)  # fmt: skip
def test_mistakes_are_named(
    server: Server, method: str, path: str, given: dict[str, Any], status: int, says: str
) -> None:
    answer = server.ask(method, path, **given)
    assert answer.status_code == status and says in answer.json()["detail"], answer.text


def test_who_may_read_may_not_change(guarded: Server) -> None:
    assert requests.get(f"{guarded.url}/schedules?f=json", timeout=30).status_code == 401
    assert guarded.ask("GET", "/schedules/guarded-feed/daily?f=json", "reader").ok
    for action in ("pause", "resume", "run"):
        path = f"/schedules/guarded-feed/daily/{action}"
        assert requests.post(guarded.url + path, timeout=30).status_code == 401
        assert guarded.ask("POST", path, "reader").status_code == 403
        bound = guarded.ask("POST", path, "bound")
        assert bound.status_code == 403 and "is for the DHIS2 connection 'elsewhere'" in bound.text
    for action in ("pause", "resume", "run"):  # of a schedule with a connection of its own, that one counts
        assert guarded.ask("POST", f"/schedules/guarded-feed/far/{action}", "bound").ok
    paused = guarded.ask("POST", "/schedules/guarded-feed/daily/pause", json={"reason": "x"}).json()
    assert paused["person"] == "ops"
    assert guarded.ask("POST", "/schedules/guarded-feed/daily/resume").json()["active"]
