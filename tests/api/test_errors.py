"""Errors of every kind as programs and people get them, without a Prefect server: with `server.gzip`, and as pages."""

import gzip
import html
import http.client
import json
import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

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
    ("GET", "/collections/nope", 404, "there is no collection 'nope' (there are: sample-temperature, rain)"),
    ("GET", "/collections/nope/items", 404, "there is no collection 'nope' (there are: sample-temperature, rain)"),
    ("GET", "/collections/nope/schema", 404, "there is no collection 'nope'"),
    ("POST", "/collections/nope/items", 404, "there is no collection 'nope'"),
    ("GET", "/collections/rain/items?limit=-1", 400, "1 or more"),
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


# what pygeoapi overlooks, or refuses without saying what is allowed; their pages say it beside the field
WRONG_ITEMS = [
    ("DELETE", "/collections/rain/items/x", 405, "The values of a dataset come from jobs alone"),
    ("PUT", "/collections/rain/items/x", 405, "delete them. Allowed: GET, HEAD, OPTIONS."),
    ("POST", "/collections/rain/items/x", 405, "Allowed: GET, HEAD, OPTIONS."),
    ("GET", "/collections/rain/tiles", 404, "collection 'rain' is a dataset, and has items, schema and queryables"),
    ("GET", "/collections/rain/position", 404, "collection 'rain' is a dataset"),
    ("GET", "/collections/rain/items?limit=-1", 400, "limit: '-1' is not allowed"),
    ("GET", "/collections/rain/items?limit=x", 400, "limit: 'x' is not allowed; allowed: 1 or more"),
    ("GET", "/collections/rain/items?offset=-1", 400, "offset: '-1' is not allowed; allowed: 0 or more"),
    ("GET", "/collections/rain/items?bbox=1,2,3", 400, "bbox: '1,2,3' is not allowed; allowed: west,south,east,north"),
    ("GET", "/collections/rain/items?bbox=1,9,3,2", 400, "bbox: '1,9,3,2' is not allowed"),
    ("GET", "/collections/rain/items?properties=colour", 400, "properties: 'colour' is not allowed; allowed: orgUnit"),
    ("GET", "/collections/rain/items?sortby=-colour", 400, "sortby: '-colour' is not allowed; allowed: orgUnit"),
    (
        "GET",
        "/collections/rain/items?resulttype=some",
        400,
        "resulttype: 'some' is not allowed; allowed: results",
    ),
    ("GET", "/collections/rain/items?skipGeometry=maybe", 400, "skipGeometry: 'maybe' is not allowed"),
    (
        "GET",
        "/collections/rain/items?orgUnit=a&orgUnit=b",
        400,
        "orgUnit: is given twice, as 'a' and 'b'",
    ),
    ("GET", "/collections/rain/items?filter={}&filter-lang=cql2-json", 400, "filter-lang: 'cql2-json' is not allowed"),
    ("GET", "/jobs?limit=1&limit=2", 400, "limit: is given twice, as '1' and '2'"),
    ("GET", "/collections/rain/items?filter=value >", 400, "filter: not understood; allowed: CQL2 text such as"),
]


@pytest.mark.parametrize(("method", "path", "status", "says"), WRONG_ITEMS)
def test_what_is_wrong_with_a_request_for_items_is_said_with_what_is_allowed(
    url: str, method: str, path: str, status: int, says: str
) -> None:
    answer = requests.request(method, url + path, timeout=60)

    assert (answer.status_code, says in answer.json()["detail"]) == (status, True)


MISSPELT = [
    ("GET", "/collections/rain/items?orgunit=x", "'orgunit'; allowed: limit, offset, bbox"),
    ("GET", "/collections/rain/items?date=2025", "'date'; allowed: limit"),
    ("GET", "/jobs?Status=failed", "'Status'; allowed: limit, offset, status"),
    ("GET", "/jobs?dataset=rain&since=2025", "'since'; allowed: limit"),
    ("GET", "/processes?page=2", "'page'; allowed: limit, offset, f, lang, l, links"),
    ("POST", "/processes/echo/execution?Mode=async", "'Mode'; allowed: mode"),
    ("GET", "/jobs/1/logs?Limit=1", "'Limit'; allowed: limit"),
    ("GET", "/jobs/1/files/features.geojson?level=1", "'level'; allowed: simplify"),
    ("GET", "/datasets/rain/latest?Level=1", "'Level'; allowed: level"),
    ("GET", "/datasets/rain/coverage?begin=2025-01-01", "'begin'; allowed: start"),
    ("GET", "/datasets/rain/history?since=2025", "'since'; allowed: limit"),
    ("GET", "/schedules?datasets=rain", "'datasets'; allowed: dataset"),
    ("GET", "/problems?State=open", "'State'; allowed: state"),
]


@pytest.mark.parametrize(("method", "path", "says"), MISSPELT)
def test_a_parameter_that_is_misspelt_is_refused(url: str, method: str, path: str, says: str) -> None:
    answer = requests.request(method, url + path, timeout=60)

    assert answer.status_code == 400 and answer.json()["detail"].startswith(f"unknown parameter {says}")


@pytest.mark.parametrize("asked", ["f=xml", "f=png", "f=jsonld", "f=csv"])
@pytest.mark.parametrize("path", ["/collections/nope", "/collections/nope/items", "/collections/rain/items/nothing"])
def test_an_error_is_a_problem_document_whatever_was_asked_for(url: str, path: str, asked: str) -> None:
    for answer in (
        requests.get(f"{url}{path}?{asked}", timeout=60),
        requests.get(url + path, headers={"Accept": "image/png"}, timeout=60),
    ):
        assert answer.status_code in (400, 404)
        assert answer.headers["Content-Type"] == "application/problem+json" and answer.json()["detail"]


def test_items_are_asked_for_in_the_formats_that_they_have(url: str) -> None:
    answer = requests.get(f"{url}/collections/rain/items?f=xml", timeout=60)

    assert answer.status_code == 400
    assert answer.json()["detail"] == "f: 'xml' is not allowed; allowed: json, html, jsonld, csv"


@pytest.mark.parametrize(
    ("media_type", "body", "status", "says"),
    [
        (None, b"", 415, "an empty body is not allowed; allowed: a filter as CQL2 JSON"),
        ("application/json", b"", 415, "an empty body is not allowed"),
        ("application/geo+json", b"{}", 415, "a body of type application/geo+json is not allowed"),
        ("application/json", b"[1", 400, "the filter in the body is not understood; allowed: CQL2 as JSON such as"),
        ("text/plain", b"\xff", 400, "the body is not UTF-8 text"),
    ],
)
def test_a_filter_in_a_body_that_is_none_is_refused(
    url: str, media_type: str | None, body: bytes, status: int, says: str
) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    for accept in ("*/*", CHROME.replace("text/html", "text/x")):
        answer = requests.post(
            f"{url}/collections/rain/items", data=body, headers={**headers, "Accept": accept}, timeout=60
        )
        assert (answer.status_code, says in answer.json()["detail"]) == (status, True)


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
    for address in ("http://[", "http://[::1", "http://a..b/", "http://h:port/"):
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


# Methods

PATHS = [
    "/", "/conformance", "/processes", "/processes/echo", "/processes/echo/execution", "/processes/nope/execution",
    "/collections", "/collections/rain", "/collections/rain/schema", "/collections/rain/items",
    "/collections/rain/items/x", "/collections/sample-temperature/items/a/b", "/jobs", "/jobs/nope",
    "/jobs/nope/results", "/datasets", "/datasets/rain", "/schedules", "/problems", "/health", "/sign-in", "/sign-out",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_methods_that_an_address_does_not_have_are_405_with_those_that_it_has(url: str, path: str) -> None:
    options = requests.options(url + path, timeout=60)
    assert (options.status_code, options.content, "Content-Type" in options.headers) == (204, b"", False)
    has = options.headers["Allow"].split(", ")
    assert has == sorted(has) and "OPTIONS" in has and ("HEAD" in has) == ("GET" in has)
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - {*has}:
        refused = requests.request(method, url + path, timeout=60)
        assert (refused.status_code, refused.headers["Allow"]) == (405, options.headers["Allow"]), method
        assert refused.json()["detail"].endswith(f"Allowed: {refused.headers['Allow']}.")


# What never reaches the service

REFUSED = [
    (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431, "limit request headers fields size"),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "Request Line is too large"),
    (b"<script>\r\n\r\n", 400, "Invalid Request Line"),
    (b"GET / HTTP/1.1\r\nHost: x\r\nX<script>: y\r\n\r\n", 400, "Invalid HTTP header name"),
    (b"POST /jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: odd\r\n\r\n", 501, "Unsupported transfer coding"),
]


@pytest.mark.parametrize(("sent", "status", "says"), REFUSED)
def test_what_the_web_server_itself_refuses_is_a_problem_too(url: str, sent: bytes, status: int, says: str) -> None:
    with socket.create_connection(("localhost", urlsplit(url).port or 0), timeout=60) as connection:
        connection.sendall(sent)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        document = json.loads(answer.read())

    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert document["status"] == status and says.lower() in document["detail"].lower()


# Bodies

EXECUTION, ITEMS = "/processes/echo/execution", "/collections/rain/items"
CQL = [
    (b'{"op":">","args":[{"property":{}},1]}', "unknown property {}; allowed: orgUnit"),
    (b'{"op":"like","args":[{"property":"name"},5]}', "filter: 5 is not allowed; allowed: a text as the pattern"),
    (b'{"op":"in","args":[{"property":"orgUnit"},5]}', "filter: not supported; allowed: comparisons"),
]
BODIES = [
    (EXECUTION, {}, b'{"inputs": {"text": "\\ud800"}}', 400, "the body has half a character"),
    (EXECUTION, {"Content-Encoding": "gzip"}, gzip.compress(b"{}"), 415, "Content-Encoding: 'gzip' is not allowed"),
    (EXECUTION, {}, b'{"inputs": {%s}}' % b",".join(b'"k%d":1' % i for i in range(2_000)), 400, "more mistakes"),
    *[(ITEMS, {}, body, 400, says) for body, says in CQL],
]


@pytest.mark.parametrize(("path", "headers", "body", "status", "says"), BODIES)
def test_a_body_that_is_not_understood_is_an_error_that_says_why(
    url: str, path: str, headers: dict[str, str], body: bytes, status: int, says: str
) -> None:
    sent = {"Content-Type": "application/json", **headers}
    answer = requests.post(url + path, data=body, headers=sent, timeout=60)
    assert (answer.status_code, says in answer.json()["detail"]) == (status, True), answer.text[:500]


@pytest.mark.parametrize(
    ("rest", "says"),
    [
        (b"Content-Length: 100\r\n\r\n{}", "the body ends after 2 of 100 bytes"),
        (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "the body cannot be read"),
    ],
)
def test_a_body_that_does_not_come_whole_is_a_400(url: str, rest: bytes, says: str) -> None:
    with socket.create_connection(("localhost", urlsplit(url).port or 0), timeout=60) as connection:
        connection.sendall(f"POST {EXECUTION} HTTP/1.1\r\nHost: x\r\n".encode() + rest)
        connection.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (answer.status, says in json.loads(answer.read())["detail"]) == (400, True)
