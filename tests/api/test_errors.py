"""Errors of every kind as programs and people get them, without a Prefect server: with `server.gzip`, and as pages."""

import html
import re
from collections.abc import Iterator

import pytest
import requests

from tests.stack import PROCESS, base_config, collection
from tests.web import web

CHROME = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
ERRORS = [
    ("GET", "/nope", 404, "not found"),
    ("GET", "/jobs/nope", 404, "there is no job 'nope'"),
    ("GET", "/jobs?limit=0", 400, "limit: '0' is not allowed"),
    ("GET", "/jobs", 503, "the Prefect server"),
    ("GET", "/jobs/00000000-0000-0000-0000-000000000000/results", 503, "the Prefect server"),
    ("PUT", "/jobs", 405, "not allowed"),
    ("GET", "/processes/nope", 404, "there is no process 'nope'"),
    ("POST", "/processes/nope/execution", 404, "there is no process 'nope'"),
    ("POST", "/processes/echo/execution", 400, "the body is not JSON"),
    ("GET", "/datasets/nope", 404, "there is no dataset 'nope'"),
    ("GET", "/collections/nope", 404, "Collection not found"),
    ("GET", "/collections/nope/items", 404, "Collection not found"),
    ("GET", "/collections/rain/items?limit=-1", 400, "limit"),
    ("GET", "/collections/rain/items?bbox=1,2,3", 400, "bbox"),
    ("GET", "/collections/rain/items?level=x", 400, "level"),
    ("GET", "/collections/rain/items?crs=http://[", 400, "http://["),
    ("GET", "/collections/rain/items?bbox=1,2,3,4&bbox-crs=http://[", 400, "http://["),
    ("GET", "/collections/rain/items/nothing", 404, "nothing"),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config = base_config()
    config["server"]["gzip"] = True
    config["resources"]["rain"] = collection("rain", source="chirps3", orgUnits={"source": "dhis2", "level": 2})
    with web(tmp_path_factory.mktemp("web"), config, "http://127.0.0.1:9/api") as address:
        yield address


@pytest.mark.parametrize(("method", "path", "status", "says"), ERRORS)
def test_who_takes_gzip_can_read_every_error(url: str, method: str, path: str, status: int, says: str) -> None:
    answer = requests.request(method, url + path, headers={"Accept-Encoding": "gzip"}, timeout=60)

    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert (
        says in answer.json()["detail"] and answer.headers["Vary"] == "Accept, Accept-Language, Origin, Accept-Encoding"
    )


@pytest.mark.parametrize(("method", "path", "status", "says"), ERRORS)
def test_clients_that_take_json_alone_get_errors_as_json(
    url: str, method: str, path: str, status: int, says: str
) -> None:
    answer = requests.request(method, url + path, headers={"Accept": "application/json"}, timeout=60)

    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json")
    assert says in answer.json()["detail"] and answer.json()["status"] == status


@pytest.mark.parametrize("browser", [CHROME, FIREFOX, "text/html"])
@pytest.mark.parametrize(("method", "path", "status", "says"), ERRORS)
def test_browsers_get_a_page(url: str, browser: str, method: str, path: str, status: int, says: str) -> None:
    answer = requests.request(method, url + path, headers={"Accept": browser}, timeout=60)

    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (status, "text/html")
    shown = html.unescape(re.sub(r"<[^>]+>", "", answer.text))
    assert says.lower() in shown.lower() and "<script" not in answer.text


def test_what_an_unknown_format_was_asked_for_is_said_in_a_page_to_browsers(url: str) -> None:
    for path in ("/jobs?f=nope", "/collections/rain?f=nope", "/processes/nope?f=html"):
        assert "text/html" in requests.get(url + path, headers={"Accept": CHROME}, timeout=60).headers["Content-Type"]
    for asked in ({"Accept": "*/*"}, {"Accept": "application/json, text/html;q=0.9"}, {"Accept": None}):
        answer = requests.get(f"{url}/processes/nope", headers=asked, timeout=60)
        assert answer.headers["Content-Type"] == "application/problem+json"
    answer = requests.get(f"{url}/processes/nope?f=json", headers={"Accept": CHROME}, timeout=60)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_what_is_not_an_error_is_compressed_for_those_who_take_it(url: str) -> None:
    for path in ("/processes/echo", "/collections/rain/items", "/openapi", "/conformance?f=html", "/processes?f=html"):
        plain = requests.get(url + path, headers={"Accept-Encoding": "identity"}, timeout=60)
        small = requests.get(url + path, headers={"Accept-Encoding": "gzip"}, timeout=60)
        assert (plain.status_code, "Content-Encoding" in plain.headers) == (200, False), path
        assert (
            small.headers["Content-Encoding"] == "gzip"
            and small.headers["Vary"] == "Accept, Accept-Language, Origin, Accept-Encoding"
        ), path
        assert int(small.headers["Content-Length"]) < len(plain.content) and len(small.content) == len(plain.content)
        refused = requests.get(url + path, headers={"Accept-Encoding": "gzip;q=0"}, timeout=60)
        assert "Content-Encoding" not in refused.headers, path


@pytest.mark.parametrize(
    "path",
    ["/processes", "/processes/echo", "/collections", "/collections/rain", "/collections/rain/items", "/openapi"],
)
def test_a_slash_at_the_end_of_an_address_changes_nothing(url: str, path: str) -> None:
    plain, slash = (requests.get(f"{url}{path}{end}?f=json", timeout=60) for end in ("", "/"))

    assert slash.status_code == 200 and slash.url.endswith("/?f=json")
    without_time = [{k: v for k, v in answer.json().items() if k != "timeStamp"} for answer in (plain, slash)]
    assert without_time[0] == without_time[1]


def test_a_callback_or_an_input_that_is_no_url_is_said_so(url: str) -> None:
    for address in ("http://[", "http://[::1", "http://a..b/", "http://h:port/", "http://\ud800/"):
        subscriber = {"inputs": {"text": "x"}, "subscriber": {"successUri": address}}
        reference = {"inputs": {"text": {"href": address}}}
        for body, name in ((subscriber, "subscriber.successUri"), (reference, "input text.href")):
            answer = requests.post(f"{url}/processes/echo/execution", json=body, timeout=60)
            assert answer.status_code == 400, answer.text
            assert name in answer.json()["detail"] and "allowed: an absolute http or https URL" in answer.text


def test_the_link_execute_leads_browsers_to_how_to_execute(url: str) -> None:
    for process in (PROCESS, "echo"):
        document = requests.get(f"{url}/processes/{process}", timeout=60).json()
        (link,) = {link["href"].split("?")[0] for link in document["links"] if link["rel"].endswith("execute")}
        page = requests.get(link, headers={"Accept": CHROME}, timeout=60)
        assert (page.status_code, page.url) == (200, f"{url}/processes/{process}?f=html#execute")
        assert 'id="execute"' in page.text and f"curl {url}/processes/{process}/execution" in page.text
        refused = requests.get(link, timeout=60)
        assert refused.status_code == 405 and set(refused.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}
