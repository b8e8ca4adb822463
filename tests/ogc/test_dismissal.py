"""Dismissing jobs that wait, run and have ended; and what is said of a job while it runs."""

import time
from typing import Any

import pytest
import requests

from tests.ogc.jobs import taken
from tests.ogc.test_jobs import assert_status_info, listed
from tests.ogc.uris import assert_problem
from tests.stack import Stack

requirement = pytest.mark.requirement


@requirement(
    "dismiss/job-dismiss-op",
    "dismiss/job-dismiss-success",
    "dismiss/job-dismiss-status",
    "dismiss-twice",
    "dismissed-has-no-results",
    "dismissed-stays-dismissed",
)
def test_a_dismissed_job_stays_until_it_is_dismissed_again(stack: Stack) -> None:
    answer = taken(stack, {"inputs": {"text": "x"}}, "echo")
    url = answer.headers["Location"]
    dismissed = requests.delete(url, timeout=30)
    assert (dismissed.status_code, dismissed.headers["Content-Type"]) == (200, "application/json")
    assert_status_info(dismissed.json())
    assert dismissed.json()["status"] == "dismissed"
    path = url.removeprefix(stack.url)
    assert stack.ended(path, 60)["status"] == "dismissed"
    assert_problem(stack.get(f"{path}/results"), 404, "result-not-available")
    time.sleep(3)
    assert stack.get(path).json()["status"] == "dismissed"
    again = requests.delete(url, timeout=30)
    assert again.status_code == 200 and again.json()["status"] == "dismissed"
    assert [link["href"] for link in again.json()["links"]] == [f"{stack.url}/jobs"]  # all others are 404 from now on
    assert_problem(stack.get(path), 404, "no-such-job")
    assert_problem(requests.delete(url, timeout=30), 404, "no-such-job")


@requirement(
    "core/job-results-exception/results-not-ready",
    "job-list/duration-response",
    "dismiss/job-dismiss-op",
    "dismiss/job-dismiss-status",
    "dismissed-stays-dismissed",
    "dismissed-has-no-results",
)
def test_a_running_job_has_no_results_and_is_stopped(stack: Stack) -> None:
    answer = taken(stack, {"inputs": {"text": "x", "pause": 60}}, "echo")
    url, id_ = answer.headers["Location"], answer.json()["jobID"]
    until = time.monotonic() + 120
    while (job := stack.get(f"/jobs/{id_}").json())["status"] == "accepted":
        assert_problem(stack.get(f"/jobs/{id_}/results"), 404, "result-not-ready")
        assert time.monotonic() < until
        time.sleep(0.2)
    assert job["status"] == "running"
    assert_status_info(job)
    for path in ("results", "results/text", "payload-preview"):
        assert_problem(stack.get(f"/jobs/{id_}/{path}"), 404, "result-not-ready")
    time.sleep(1.1)
    asked = ("minDuration=1", "maxDuration=3600", "minDuration=1&status=running,accepted", "minDuration=3600")
    assert [id_ in {job["jobID"] for job in listed(stack, query)} for query in asked] == [True, True, True, False]
    dismissed = requests.delete(url, timeout=30)
    assert (dismissed.status_code, dismissed.json()["status"]) == (200, "dismissed")
    assert_status_info(dismissed.json())
    seen: list[dict[str, Any]] = []
    for _ in range(10):
        seen.append(stack.get(f"/jobs/{id_}").json())
        time.sleep(0.3)
    statuses = [job["status"] for job in seen]
    assert statuses == sorted(statuses, reverse=True) and {*statuses} <= {"running", "dismissed"}
    assert stack.ended(f"/jobs/{id_}", 30)["status"] == "dismissed"
    assert_problem(stack.get(f"/jobs/{id_}/results"), 404, "result-not-available")
    assert requests.delete(url, timeout=30).status_code == 200
    assert_problem(stack.get(f"/jobs/{id_}"), 404, "no-such-job")


@requirement("dismiss/job-dismiss-op#unknown-job")
@pytest.mark.parametrize("id_", ["nope", "00000000-0000-0000-0000-000000000000"])
def test_an_unknown_job_is_not_dismissed(stack: Stack, id_: str) -> None:
    assert_problem(requests.delete(f"{stack.url}/jobs/{id_}", timeout=30), 404, "no-such-job")
