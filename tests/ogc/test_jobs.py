"""Job status, results and the job list."""

import json
import time
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import Message
from itertools import pairwise
from typing import Any, cast

import jsonschema
import pytest
import requests

from eo_pygeoapi.contract.documents import json_schema
from eo_pygeoapi.gateway.steps import IMPORT_STEPS
from tests.ogc.jobs import REASON, Jobs, taken
from tests.ogc.test_description import Page
from tests.ogc.uris import assert_problem, href, hrefs, relation
from tests.stack import PROCESS, Stack

requirement = pytest.mark.requirement
ECHOED = {"message": "teststring", "length": 10}


def assert_status_info(document: dict[str, Any]) -> None:
    jsonschema.validate(document, json_schema("job"), format_checker=jsonschema.FormatChecker())
    assert "null" not in json.dumps(document)
    assert (document["type"], document["id"]) == ("process", document["jobID"])
    assert document["processingEntityType"] == "ogc-api-processes"
    for name in ("created", "started", "finished", "updated"):
        assert document.get(name, "Z").endswith("Z")
    here = document["links"]
    assert hrefs(here, "self") and hrefs(here, "monitor") and hrefs(here, "up") and hrefs(here, "alternate")
    assert bool(hrefs(here, "REL:results")) == (document["status"] == "successful")
    assert bool(hrefs(here, "REL:exceptions")) == (document["status"] == "failed")
    assert "started" not in document or document["status"] != "accepted"


def moment(document: dict[str, Any], name: str) -> datetime:
    return datetime.fromisoformat(document[name])


# Status


@requirement(
    "status-running-is-seen",
    "progress-monotonic",
    "core/job",
    "core/job-success",
    "core/job-status",
    "no-results-link-before-success",
)
def test_a_job_is_seen_waiting_running_and_done(stack: Stack) -> None:
    answer = taken(stack, {"inputs": {"text": "x", "pause": 3}}, "echo")
    path, seen = f"/jobs/{answer.json()['jobID']}", list[dict[str, Any]]()
    until = time.monotonic() + 240
    while not seen or seen[-1]["status"] not in ("successful", "failed"):
        seen.append(stack.get(path).json())
        assert time.monotonic() < until
        time.sleep(0.2)
    for document in seen:
        assert_status_info(document)
    changes = [b for a, b in pairwise(seen) if a["status"] != b["status"]]
    updated = [moment(document, "updated") for document in (seen[0], *changes)]
    assert updated == sorted(set(updated))
    assert [s for s in ("accepted", "running", "successful") if s in {d["status"] for d in seen}][-2:] == [
        "running",
        "successful",
    ]
    progress = [document["progress"] for document in seen]
    assert progress == sorted(progress) and progress[-1] == 100


@requirement("core/job-status", "core/job-links", "statusInfo")
@pytest.mark.parametrize("name", ["raw", "failed", "import", "no-raster", "two"])
def test_an_ended_job_has_all_its_times_and_links(stack: Stack, jobs: Jobs, name: str) -> None:
    job = jobs.ended(name)
    assert_status_info(job)
    times = [moment(job, name) for name in ("created", "started", "finished", "updated")]
    assert times == sorted(times)
    here = stack.url + jobs[name]
    assert (href(job, "monitor"), href(job, "up"), href(job, "REL:log")) == (here, f"{stack.url}/jobs", f"{here}/logs")
    rel = "REL:results" if job["status"] == "successful" else "REL:exceptions"
    target = next(link for link in job["links"] if link["rel"] == relation(rel))
    answer = requests.get(target["href"], headers={"Accept": None}, timeout=30)
    assert target["href"] == f"{here}/results" and answer.headers["Content-Type"].split(";")[0] == target["type"]


def test_an_import_tells_of_its_steps_and_summary(stack: Stack, jobs: Jobs) -> None:
    job = jobs.ended("import")
    assert (job["flowName"], job["prefectState"]) == ("eo_aggregate_import_v1", "Completed")
    assert job["importSummary"]["status"] == "SKIPPED" and job["inputs"]["datasetId"] == "sample-temperature"
    assert [step["name"] for step in job["steps"]][::6] == ["validate_inputs", "publish_results"]
    assert len(job["steps"]) == 7 and {step["status"] for step in job["steps"]} == {"successful"}
    assert all(step["started"] <= step["finished"] for step in job["steps"])
    for rel in ("preview", "items", "REL:log", "collection"):
        answer = requests.get(href(job, rel), timeout=30)
        assert answer.status_code == 200, rel
    assert hrefs(job, "related")[0].endswith(f"/runs/flow-run/{jobs.id('import')}")


@requirement("core/job-exception-no-such-job")
@pytest.mark.parametrize("id_", ["nope", "00000000-0000-0000-0000-000000000000", "a%2Fb"])
def test_an_unknown_job_is_said_so(stack: Stack, id_: str) -> None:
    for path in (f"/jobs/{id_}", f"/jobs/{id_}/logs", f"/jobs/{id_}/payload-preview", f"/jobs/{id_}/results"):
        if id_ != "a%2Fb":
            assert_problem(stack.get(path), 404, "no-such-job")
        else:
            assert stack.get(path).status_code == 404


@requirement("html/content", "html/definition")
def test_the_pages_of_a_job_show_and_link_everything(stack: Stack, jobs: Jobs) -> None:
    browser = {"Accept": "text/html,*/*;q=0.8"}
    for name in ("raw", "failed", "import"):
        job = jobs.ended(name)
        text = stack.get(f"{jobs[name]}?f=html").text
        assert stack.get(jobs[name], headers=browser).text == text
        page = Page(text)
        assert jobs.id(name) in text and job["status"] in text and page.elsewhere == []
        wanted = {link["href"].split("?")[0] for link in job["links"] if link["rel"] not in ("self", "alternate")}
        assert wanted <= {target.split("?")[0] for target in page.targets}
    results = stack.get(f"{jobs['import']}/results", headers=browser)
    assert (
        results.headers["Content-Type"].startswith("text/html") and {"html", "body", "svg"} <= Page(results.text).tags
    )
    assert Page(results.text).elsewhere == []
    for name in ("raw", "document", "import"):
        answer = stack.get(f"{jobs[name]}/results?f=html")
        assert answer.headers["Content-Type"].startswith("text/html") and {"html", "body"} <= Page(answer.text).tags
    assert "rowCount" in results.text
    for path in ("logs?f=html", "payload-preview?f=html"):
        assert {"html", "table"} <= Page(stack.get(f"{jobs['import']}/{path}").text).tags


# Results


@requirement("core/job-results", "core/job-results-async-raw-value-one", "results-accept-any-is-not-html")
@pytest.mark.parametrize("accept", ["*/*", "application/json", "", None, "application/json, text/html;q=0.9"])
def test_raw_results_are_the_bare_value(jobs: Jobs, accept: str | None) -> None:
    answer = jobs.results("raw", accept)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == ECHOED
    result = jobs.results("import", accept).json()
    jsonschema.validate(result, json_schema("result"))
    assert (result["orgUnitCount"], result["rowCount"]) == (6, 18)


@requirement(
    "core/job-results-async-document", "core/process-execute-sync-document", "core/process-execute-default-outputs"
)
def test_a_document_holds_qualified_values_and_references(stack: Stack, jobs: Jobs) -> None:
    answer = jobs.results("document")
    assert answer.headers["Content-Type"] == "application/json" and answer.json() == {"text": {"value": ECHOED}}
    document = jobs.results("import-document").json()
    reference = f"{stack.url}{jobs['import-document']}/results/result"
    assert document == {"result": {"href": reference, "type": "application/json"}}
    assert requests.get(reference, timeout=30).json()["orgUnitCount"] == 6


@requirement("core/job-results-async-raw-ref", "core/process-execute-sync-raw-ref", "core/job-result-op")
def test_results_by_reference_are_links(stack: Stack, jobs: Jobs) -> None:
    answer = jobs.results("reference")
    assert (answer.status_code, answer.content) == (204, b"")
    target, _, rest = answer.headers["Link"].removeprefix("<").partition(">")
    assert 'rel="text"' in rest and target == f"{stack.url}{jobs['reference']}/results/text"
    output = requests.get(target, timeout=30)
    assert output.json() == ECHOED and output.headers["Content-Type"] == "application/json"
    assert_problem(stack.get(f"{jobs['reference']}/results/nope"), 400, "no-such-output")


@requirement(
    "core/job-results-async-raw-value-multi",
    "core/process-execute-sync-raw-value-multi",
    "core/job-results-async-raw-mixed-multi",
    "core/process-execute-sync-raw-mixed-multi",
    "outputs-selection",
)
def test_several_raw_outputs_are_parts_of_one_answer(stack: Stack, jobs: Jobs) -> None:
    answer = jobs.results("two")
    assert answer.headers["Content-Type"].startswith("multipart/related; boundary=")
    whole = message_from_bytes(f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode() + answer.content)
    note, picture = cast(list[Message], whole.get_payload())
    assert (note["Content-ID"], note["Content-Type"]) == ("<note>", "text/plain")
    assert cast(bytes, note.get_payload(decode=True)).strip() == "schön".encode()
    assert picture["Content-Location"] == f"{stack.url}{jobs['two']}/results/picture"
    bare = requests.get(picture["Content-Location"], timeout=30)
    assert (bare.content, bare.headers["Content-Type"]) == (b"\x89PNG\r\n\x1a\n", "image/png")


@requirement("core/process-execute-empty-outputs")
def test_no_outputs_are_no_results(stack: Stack, jobs: Jobs) -> None:
    assert_problem(jobs.results("none"), 404, "result-not-available")


@requirement("core/job-results-exception/no-such-job")
def test_results_of_unknown_jobs_are_said_not_to_be_there(stack: Stack) -> None:
    for id_ in ("nope", "00000000-0000-0000-0000-000000000000"):
        assert_problem(stack.get(f"/jobs/{id_}/results"), 404, "no-such-job")


@requirement("core/job-results-failed", "failed-results-carry-reason", "json-is-not-html-escaped")
def test_the_results_of_a_failed_job_are_its_reason(stack: Stack, jobs: Jobs) -> None:
    assert jobs.ended("failed")["message"] == REASON
    assert assert_problem(jobs.results("failed"), 400)["detail"] == REASON
    message = jobs.ended("no-raster")["message"]
    problem = assert_problem(jobs.results("no-raster"), 502)
    assert "no-raster.tif" in message and problem["detail"] == message


def test_the_preview_comes_as_json_and_csv(stack: Stack, jobs: Jobs) -> None:
    jobs.ended("import")
    preview = stack.get(f"{jobs['import']}/payload-preview").json()
    assert preview["count"] == 18 and len(preview["dataValues"]) == 18
    for answer in (
        stack.get(f"{jobs['import']}/payload-preview?f=csv"),
        stack.get(f"{jobs['import']}/payload-preview", headers={"Accept": "text/csv"}),
    ):
        assert answer.headers["Content-Type"].startswith("text/csv")
        lines = answer.text.splitlines()
        assert lines[0].startswith("dataElement,period,orgUnit") and len(lines) == 19


def log_of(stack: Stack, path: str) -> list[tuple[str, str]]:
    return [(line["level"], line["message"]) for line in stack.get(f"{path}/logs?limit=1000").json()["logs"]]


def test_the_log_is_paged(stack: Stack, jobs: Jobs) -> None:
    jobs.ended("import")
    until = time.monotonic() + 60
    while not any(message.startswith("Finished in state") for _, message in log_of(stack, jobs["import"])):
        assert time.monotonic() < until  # Prefect sends the last lines a little later than the state
        time.sleep(0.5)
    whole = stack.get(f"{jobs['import']}/logs").json()["logs"]
    assert whole and {"timestamp", "level", "logger", "message"} == set(whole[0])
    seen, url = [], f"{stack.url}{jobs['import']}/logs?limit=4"
    while url:
        page = requests.get(url, timeout=30).json()
        seen += page["logs"]
        url = next(iter(hrefs(page, "next")), "")
    assert seen == whole
    shown = stack.get(f"{jobs['import']}/logs?f=html").text
    assert (
        "Check the request: a dry run" in shown
        and "Beginning flow run" not in shown
        and "Finished in state" not in shown
    )


def test_the_log_tells_what_each_step_did(stack: Stack, jobs: Jobs) -> None:
    jobs.ended("import")
    ours = [message for _, message in log_of(stack, jobs["import"]) if message.split(":")[0] in IMPORT_STEPS]
    assert ours[:5] == [
        "validate_inputs: a dry run of sample-temperature, 2025-07-01 to 2025-07-03",
        "load_org_units: 6 organisation units",
        "extract_source_data: 1 file: temperature.nc",
        "aggregate_to_org_units: 18 rows of 6 organisation units and 3 periods",
        "build_dhis2_payload: 18 data values; 0 rows without a value",
    ]
    assert ours[5].startswith("import_to_dhis2: 18 values; nothing was sent to DHIS2")
    assert ours[6:] == ["publish_results: 18 values published"]


@pytest.mark.parametrize("name", ["no-raster", "failed"])
def test_the_log_of_a_known_error_has_the_reason_without_traceback_or_folder(
    stack: Stack, jobs: Jobs, name: str
) -> None:
    message = jobs.ended(name)["message"]
    lines = log_of(stack, jobs[name])
    assert [line for line in lines if message in line[1]]
    text = "\n".join(line for _, line in lines)
    assert "Traceback" not in text and str(stack.folder) not in text and "site-packages" not in text
    if name == "no-raster":
        assert ("error", f"extract_source_data: {message}") in lines


def test_the_features_of_a_job_come_whole_and_in_parts(stack: Stack, jobs: Jobs) -> None:
    url = f"{stack.url}{jobs['import']}/files/features.geojson"
    jobs.ended("import")
    whole = requests.get(url, timeout=30)
    assert whole.headers["Content-Type"] == "application/geo+json" and len(whole.json()["features"]) == 18
    jsonschema.validate(whole.json()["features"][0], json_schema("feature"))
    part = requests.get(url, headers={"Range": "bytes=5-9"}, timeout=30)
    assert (part.status_code, part.content) == (206, whole.content[5:10])
    assert requests.get(url, headers={"Range": "bytes=999999999-"}, timeout=30).status_code == 416
    assert int(requests.head(url, timeout=30).headers["Content-Length"]) == len(whole.content)
    assert_problem(stack.get(f"{jobs['import']}/files/result.json"), 404, "result-not-available")


# The list


def listed(stack: Stack, query: str = "") -> list[dict[str, Any]]:
    answer = stack.get(f"/jobs?limit=1000&{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["jobs"]
    return found


@requirement(
    "job-list/job-list-op",
    "job-list/job-list-success",
    "job-list/processID-mandatory",
    "job-list/links",
    "numberMatched",
    "job-list-newest-first",
)
def test_the_list_is_valid_whole_and_newest_first(stack: Stack, jobs: Jobs) -> None:
    for name in jobs.answers:
        jobs.ended(name)
    document = stack.get("/jobs?limit=1000").json()
    jsonschema.validate(document, json_schema("job-list"))
    for job in document["jobs"]:
        assert_status_info(job)
    assert document["numberReturned"] == document["numberMatched"] == len(document["jobs"])
    assert hrefs(document, "self") and hrefs(document, "alternate")
    created = [moment(job, "created") for job in document["jobs"]]
    assert created == sorted(created, reverse=True)
    pages = [stack.get(f"/jobs?limit=3&offset={offset}").json()["jobs"] for offset in (0, 3, 6)]
    assert [job["jobID"] for page in pages for job in page] == [job["jobID"] for job in document["jobs"][:9]]
    found = stack.get("/jobs?limit=1&status=failed").json()
    assert (found["numberReturned"], found["numberMatched"]) == (1, len(listed(stack, "status=failed")))


@requirement("job-list/limit-definition", "job-list/limit-response")
@requirement("job-list/next-1", "job-list/next-2", "job-list/next-3")
def test_the_list_comes_in_pages_that_keep_the_filters(stack: Stack, jobs: Jobs) -> None:
    for wrong in ("limit=0", "limit=abc", "limit=-1", "offset=-1", "offset=x", "limit=1.5"):
        assert_problem(stack.get(f"/jobs?{wrong}"), 400, "invalid-query-parameter-value")
    assert stack.get("/jobs?limit=100000").status_code == 200
    assert stack.get("/jobs?offset=100000").json()["jobs"] == []
    wanted = [job["jobID"] for job in listed(stack, "processID=echo&status=successful")]
    seen, url, pages = [], f"{stack.url}/jobs?limit=2&processID=echo&status=successful", 0
    while url:
        page = requests.get(url, timeout=30).json()
        assert bool(hrefs(page, "prev")) == (pages > 0)
        seen += [job["jobID"] for job in page["jobs"]]
        url, pages = next(iter(hrefs(page, "next")), ""), pages + 1
    assert seen == wanted and pages == (len(wanted) + 1) // 2


@requirement("job-list/status-definition", "job-list/status-response")
def test_the_list_can_be_of_some_statuses(stack: Stack, jobs: Jobs) -> None:
    for name in jobs.answers:
        jobs.ended(name)
    assert {job["status"] for job in listed(stack, "status=failed")} == {"failed"}
    both = {job["jobID"] for job in listed(stack, "status=failed,successful")}
    assert both == {job["jobID"] for job in listed(stack, "status=failed&status=successful")}
    assert {jobs.id("failed"), jobs.id("raw")} <= both
    for wrong in ("nope", "failed,nope"):
        assert_problem(stack.get(f"/jobs?status={wrong}"), 400, "invalid-query-parameter-value")


@requirement(
    "job-list/processID-definition", "job-list/processid-response", "job-list/type-definition", "job-list/type-response"
)
def test_the_list_can_be_of_some_processes(stack: Stack, jobs: Jobs) -> None:
    assert {job["processID"] for job in listed(stack, "processID=two-outputs")} == {"two-outputs"}
    several = {job["processID"] for job in listed(stack, f"processID=two-outputs,nope&processID={PROCESS}")}
    assert several == {"two-outputs", PROCESS}
    assert listed(stack, "processID=nope") == [] == listed(stack, "type=service")
    assert len(listed(stack, "type=process")) == len(listed(stack))


@requirement("job-list/datetime-definition", "job-list/datetime-response")
def test_the_list_can_be_of_some_time(stack: Stack, jobs: Jobs) -> None:
    every = {job["jobID"]: job["created"] for job in listed(stack)}
    at = every[jobs.id("document")]
    earlier = {id_ for id_, created in every.items() if created <= at}
    later = {id_ for id_, created in every.items() if created >= at}
    asked = {
        f"datetime={at}": earlier & later,
        f"datetime=../{at}": earlier,
        f"datetime=/{at}": earlier,
        f"datetime={at}/..": later,
        f"datetime={at}/": later,
        f"datetime={at}/{at}": earlier & later,
        "datetime=2020-01-01T00:00:00%2B02:00/2020-01-02T00:00:00Z": set(),
    }
    for query, expected in asked.items():
        assert {job["jobID"] for job in listed(stack, query)} == expected, query
    for wrong in ("2025-07-01", "yesterday", "a/b", "", "../../..", "2025-13-01T00:00:00Z"):
        assert_problem(stack.get("/jobs", params={"datetime": wrong}), 400, "invalid-query-parameter-value")


@requirement("job-list/duration-definition", "job-list/duration-response")
def test_the_list_can_be_of_some_durations(stack: Stack, jobs: Jobs) -> None:
    for name in jobs.answers:
        jobs.ended(name)
    ended = [job for job in listed(stack) if "started" in job and "finished" in job]
    durations = {job["jobID"]: duration(job) for job in ended}
    middle = sorted(durations.values())[len(durations) // 2] // timedelta(seconds=1)
    least = {id_ for id_, took in durations.items() if took >= timedelta(seconds=middle)}
    most = {id_ for id_, took in durations.items() if took <= timedelta(seconds=middle)}
    for name, expected in (("minDuration", least), ("maxDuration", most)):
        found = {job["jobID"] for job in listed(stack, f"{name}={middle}&status=successful,failed,dismissed")}
        assert found == expected, name
    assert listed(stack, "minDuration=0&status=accepted") == []
    assert listed(stack, "maxDuration=3600&status=failed&processID=two-outputs") == []
    for wrong in ("minDuration=x", "maxDuration=-1", "minDuration=1.5"):
        assert_problem(stack.get(f"/jobs?{wrong}"), 400, "invalid-query-parameter-value")


def duration(job: dict[str, Any]) -> timedelta:
    return moment(job, "finished") - moment(job, "started")
