"""Landing page, conformance, API definition, process list and descriptions, encodings."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
import requests
from openapi_spec_validator import validate

from eo_pygeoapi.jobs.described_inputs import check
from tests.ogc.uris import CONFORMANCE, assert_problem, href, hrefs
from tests.stack import CHECKOUT, PROCESS, Stack

requirement = pytest.mark.requirement

PROCESSES = [PROCESS, "echo"]
SCHEMA_WORDS = set(
    "title multipleOf maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength pattern maxItems minItems "
    "uniqueItems maxProperties minProperties required enum type not allOf oneOf anyOf items properties "
    "additionalProperties description format default nullable readOnly writeOnly example deprecated "
    "contentMediaType contentEncoding contentSchema".split()
)


@requirement("core/http", "core/landingpage-op", "core/landingpage-success", "job-list/job-list-landing-page")
def test_the_landing_page_links_to_everything(stack: Stack) -> None:
    answer = stack.get("/", headers={"Accept": "application/json"})
    assert answer.status_code == 200 and answer.raw.version == 11
    page = answer.json()
    assert href(page, "REL:conformance") == f"{stack.url}/conformance"
    assert href(page, "REL:processes") == f"{stack.url}/processes"
    assert f"{stack.url}/jobs" in hrefs(page, "REL:job-list")
    assert hrefs(page, "service-desc") and hrefs(page, "service-doc")


@requirement(
    "core/api-definition-op", "core/api-definition-success", "oas30/oas-definition-1", "oas30/oas-definition-2"
)
def test_every_definition_answers_in_its_own_type(stack: Stack) -> None:
    links = [link for link in stack.get("/").json()["links"] if link["rel"] in ("service-desc", "service-doc")]
    assert ("service-desc", "application/vnd.oai.openapi+json;version=3.0") in {(o["rel"], o["type"]) for o in links}
    for link in links:
        answer = requests.get(link["href"], headers={"Accept": link["type"]}, timeout=30)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith(link["type"].split(";")[0])
        assert link["rel"] == "service-desc" or {"html", "body"} <= Page(answer.text).tags
    document = stack.get("/openapi")
    assert document.headers["Content-Type"] == "application/vnd.oai.openapi+json;version=3.0"


@requirement(
    "oas30/oas-definition-1",
    "oas30/oas-impl",
    "oas30/completeness",
    "oas30/exceptions-codes",
    "job-list/limit-definition",
    "job-list/status-definition",
    "job-list/type-definition",
    "job-list/processID-definition",
    "job-list/datetime-definition",
    "job-list/duration-definition",
)
def test_the_openapi_document_is_valid_whole_and_refers_to_nothing_elsewhere(stack: Stack) -> None:
    document = stack.get("/openapi").json()
    validate(document)
    assert document["openapi"].startswith("3.0.")
    assert '"$ref": "http' not in json.dumps(document) and re.search(r'"enum": \[\]', json.dumps(document)) is None
    operations = [o for path in document["paths"].values() for m, o in path.items() if m in ("get", "post", "delete")]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    described = {(path, method) for path, found in document["paths"].items() for method in found}
    assert described >= {
        ("/processes", "get"),
        (f"/processes/{PROCESS}", "get"),
        (f"/processes/{PROCESS}/execution", "post"),
        ("/jobs", "get"),
        ("/jobs/{jobId}", "get"),
        ("/jobs/{jobId}", "delete"),
        ("/jobs/{jobId}/results", "get"),
    }
    parameters = {p["name"] for p in document["paths"]["/jobs"]["get"]["parameters"] if "name" in p}
    assert parameters >= {"limit", "offset", "status", "type", "processID", "datetime", "minDuration", "maxDuration"}
    execution = document["paths"]["/processes/echo/execution"]["post"]["responses"]
    assert set(execution) >= {"200", "201", "204", "400", "401", "403", "404", "413", "503", "default"}
    errors = {"401", "403", "404", "503", "default"}
    assert set(document["paths"]["/jobs/{jobId}"]["delete"]["responses"]) >= {"200", *errors}
    assert set(document["paths"]["/jobs/{jobId}/results"]["get"]["responses"]) >= {"200", "204", *errors}


@requirement("core/conformance-op", "core/conformance-success", "conformance-declaration")
def test_the_declaration_holds_all_eight_classes(stack: Stack) -> None:
    declared = stack.get("/conformance").json()["conformsTo"]
    ours = {uri.removeprefix(CONFORMANCE) for uri in declared if uri.startswith(CONFORMANCE)}
    assert ours == {"core", "ogc-process-description", "json", "html", "oas30", "job-list", "dismiss", "callback"}
    assert not [uri for uri in declared if "ogcapi-features-4" in uri]  # nobody can write to a dataset
    page = stack.get("/conformance?f=html").text
    assert f"{CONFORMANCE}dismiss" in page


@requirement("core/process-list", "core/process-list-success", "core/pl-links")
def test_the_process_list_is_as_the_standard_says(stack: Stack) -> None:
    document = stack.get("/processes").json()
    assert hrefs(document, "self") and hrefs(document, "alternate")
    assert {process["id"] for process in document["processes"]} >= set(PROCESSES)
    for process in document["processes"]:
        assert isinstance(process["version"], str)
        assert set(process["jobControlOptions"]) <= {"sync-execute", "async-execute", "dismiss"}
        assert set(process["outputTransmission"]) <= {"value", "reference"}
        assert all(isinstance(word, str) for word in process["keywords"]) and process["links"]
        assert all(entry.keys() <= {"title", "role", "href"} for entry in process.get("metadata", []))


@requirement("core/pl-limit-definition", "core/pl-limit-response", "core/next-1", "core/next-2", "core/next-3")
def test_the_process_list_comes_in_pages(stack: Stack) -> None:
    for wrong in ("0", "abc", "-1"):
        assert_problem(stack.get(f"/processes?limit={wrong}"), 400, "invalid-query-parameter-value")
    assert stack.get("/processes?limit=10000").status_code == 200
    every = [process["id"] for process in stack.get("/processes").json()["processes"]]
    seen, url = [], f"{stack.url}/processes?limit=1"
    while url:
        page = requests.get(url, timeout=30).json()
        assert len(page["processes"]) == 1
        seen += [process["id"] for process in page["processes"]]
        url = next(iter(hrefs(page, "next")), "")
    assert seen == every


@requirement("core/process", "core/process-success", "execute-link", "jobControlOptions-has-dismiss")
@pytest.mark.parametrize("process", [*PROCESSES, "hello-world"])
def test_a_description_says_how_to_execute(stack: Stack, process: str) -> None:
    answer = stack.get(f"/processes/{process}")
    assert answer.status_code == 200
    description = answer.json()
    listed = next(p for p in stack.get("/processes").json()["processes"] if p["id"] == process)
    assert all(description[name] == listed[name] for name in ("id", "version", "title", "jobControlOptions"))
    assert description["inputs"] and description["outputs"] and "dismiss" in description["jobControlOptions"]
    assert href(description, "REL:execute").split("?")[0] == f"{stack.url}/processes/{process}/execution"


@requirement("core/process-exception/no-such-process")
def test_an_unknown_process_is_said_so(stack: Stack) -> None:
    assert_problem(stack.get("/processes/nope"), 404, "no-such-process")


@requirement(
    "ogc-process-description/json-encoding",
    "ogc-process-description/inputs-def",
    "ogc-process-description/input-def",
    "ogc-process-description/outputs-def",
    "ogc-process-description/output-def",
    "ogc-process-description/input-mixed-type",
    "ogc-process-description/output-mixed-type",
)
@pytest.mark.parametrize("process", PROCESSES)
def test_inputs_and_outputs_are_described_in_openapi_words(stack: Stack, process: str) -> None:
    description = stack.get(f"/processes/{process}").json()
    for entry in [*description["inputs"].values(), *description["outputs"].values()]:
        assert isinstance(entry.get("minOccurs", 1), int)
        most = entry.get("maxOccurs", 1)
        assert most == "unbounded" or isinstance(most, int)
        assert_openapi_schema(entry["schema"])
        if "default" in entry["schema"]:
            assert entry["minOccurs"] == 0


def assert_openapi_schema(schema: dict[str, Any]) -> None:
    assert set(schema) <= SCHEMA_WORDS, set(schema) - SCHEMA_WORDS
    assert isinstance(schema.get("type", ""), str) and schema.get("type") != "null"
    assert "anyOf" not in schema
    assert all(isinstance(schema.get(name, True), bool) for name in ("exclusiveMinimum", "exclusiveMaximum"))
    for inner in [*schema.get("properties", {}).values(), *schema.get("oneOf", []), *schema.get("allOf", [])]:
        assert_openapi_schema(inner)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            assert_openapi_schema(schema[name])


@requirement("description-example-is-valid")
@pytest.mark.parametrize("process", PROCESSES)
def test_the_example_is_a_valid_request(stack: Stack, process: str) -> None:
    description = stack.get(f"/processes/{process}").json()
    check(description["inputs"], description["example"]["inputs"])


@requirement("description-example-is-valid")
def test_the_requests_in_the_documents_are_valid(stack: Stack) -> None:
    described = stack.get(f"/processes/{PROCESS}").json()["inputs"]
    described["datasetId"]["schema"].pop("enum")  # the documents tell of other datasets too
    found = []
    for path in (CHECKOUT / "README.md", *(CHECKOUT / "docs").glob("*.md")):
        text = path.read_text()
        found += [json.JSONDecoder().raw_decode(text, m.start())[0] for m in re.finditer(r'\{"inputs":', text)]
    assert len(found) > 2
    for document in found:
        check(described, document["inputs"])


class Page(HTMLParser):
    """Collects tags and the targets of links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.targets: set[str] = set()
        self.elsewhere: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attrs)
        if tag == "a" and given.get("href"):
            self.targets.add(str(given["href"]))
        loads = given.get("src") if tag in ("script", "img", "iframe") else None
        loads = given.get("href") if tag == "link" and given.get("rel") in ("stylesheet", "icon") else loads
        if loads and loads.startswith(("http", "//")):
            self.elsewhere.append(loads)


PAGES = ["/", "/conformance", "/processes", f"/processes/{PROCESS}", "/processes/echo", "/jobs"]


@requirement("json/definition", "html/definition")
@pytest.mark.parametrize("path", PAGES)
def test_json_is_the_default_and_pages_are_for_those_who_ask(stack: Stack, path: str) -> None:
    for accept in ("application/json", "", "*/*", None, "application/json, text/html;q=0.5"):
        answer = stack.get(path, headers={"Accept": accept})
        assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("application/json")
    browser = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    for answer in (stack.get(path, headers=browser), stack.get(f"{path}?f=html")):
        assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html")
        assert {"html", "body"} <= Page(answer.text).tags


@requirement("html/content")
@pytest.mark.parametrize("path", PAGES)
def test_every_link_of_a_document_is_on_its_page(stack: Stack, path: str) -> None:
    document, page = stack.get(f"{path}?f=json").json(), Page(stack.get(f"{path}?f=html").text)
    wanted = {link["href"] for link in document.get("links", []) if link["rel"] not in ("self", "alternate")}
    assert {target.split("?")[0] for target in wanted} <= {target.split("?")[0] for target in page.targets}


@pytest.mark.parametrize("path", [*PAGES, "/collections", "/collections/sample-temperature"])
def test_pages_load_nothing_from_other_hosts(stack: Stack, path: str) -> None:
    elsewhere = [target for target in Page(stack.get(f"{path}?f=html").text).elsewhere if stack.url not in target]
    assert elsewhere == []


@requirement("http-head", "core/cross-origin", "core/access-control-expose-headers")
def test_head_and_cors(stack: Stack) -> None:
    for path in ("/", "/jobs", "/processes/echo", "/jobs/nope"):
        head, get = requests.head(stack.url + path, timeout=30), stack.get(path)
        assert (head.status_code, head.headers["Content-Type"]) == (get.status_code, get.headers["Content-Type"])
        assert head.content == b""
    origin = {"Origin": "https://example.org"}
    answer = stack.get("/jobs", headers=origin)
    assert answer.headers["Access-Control-Allow-Origin"] in ("*", origin["Origin"])
    made = stack.execute({"inputs": {"text": "x"}}, "echo", Prefer="respond-async", **origin)
    for each in (answer, made):
        assert each.headers["Access-Control-Expose-Headers"] in ("*", "Location")
    assert made.status_code == 201 and made.headers["Access-Control-Allow-Origin"]
    requests.delete(made.headers["Location"], timeout=30)
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, prefer, authorization",
    }
    preflight = requests.options(f"{stack.url}/processes/echo/execution", headers=origin | asked, timeout=30)
    assert preflight.status_code == 204
    allowed = preflight.headers["Access-Control-Allow-Headers"].lower()
    assert allowed == "*" or {"content-type", "prefer", "authorization"} <= set(allowed.replace(" ", "").split(","))


@requirement("core/problem-details")
def test_errors_of_the_framework_are_problems_too(stack: Stack) -> None:
    assert_problem(stack.get("/nope"), 404)
    assert_problem(stack.get("/collections/nope"), 404)
    refused = requests.put(f"{stack.url}/jobs", timeout=30)
    assert_problem(refused, 405)
    assert "GET" in refused.headers["Allow"]
    assert_problem(stack.get("/jobs?f=nope"), 400, "invalid-query-parameter-value")
    large = requests.post(f"{stack.url}/processes/echo/execution", data=b" " * (33 * 1024 * 1024), timeout=60)
    assert_problem(large, 413)
    page = stack.get("/jobs/nope", headers={"Accept": "text/html"})
    assert page.status_code == 404 and page.headers["Content-Type"].startswith("text/html")


def test_what_is_not_acceptable_is_no_server_error(stack: Stack) -> None:
    for headers in ({"Accept": "text/html;q=0"}, {"Accept-Language": "de;q=0"}, {"Accept": ";;q=,"}):
        assert stack.get("/jobs", headers=headers).status_code == 200
