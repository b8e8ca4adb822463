"""Subscribers are told of what becomes of a job."""

import json
from datetime import timedelta

import pytest

from tests.ogc.jobs import REASON, Jobs
from tests.ogc.subscriber import Subscriber
from tests.ogc.test_jobs import assert_status_info, moment
from tests.stack import Stack

requirement = pytest.mark.requirement


@requirement("callback/job-callback", "callback-body-is-results")
def test_a_subscriber_is_told_of_begin_and_success(stack: Stack, jobs: Jobs, called: Subscriber) -> None:
    jobs.ended("raw")
    media_type, body = called.waited("/raw/success")
    answer = jobs.results("raw", "application/json")
    assert (media_type, body) == (answer.headers["Content-Type"], answer.content)
    running = json.loads(called.waited("/raw/running")[1])
    assert_status_info(running)
    assert running["jobID"] == jobs.id("raw") and "/raw/failed" not in called.posts
    assert called.first["/raw/running"] <= called.first["/raw/success"]
    assert called.first["/raw/success"] - moment(jobs.ended("raw"), "finished") < timedelta(seconds=10)


@requirement("callback/job-callback")
def test_a_subscriber_is_told_of_failure(jobs: Jobs, called: Subscriber) -> None:
    jobs.ended("failed")
    failed = json.loads(called.waited("/failed/failed")[1])
    assert (failed["status"], failed["message"]) == ("failed", REASON)
    assert "/failed/success" not in called.posts and "/failed/running" in called.posts
    assert called.first["/failed/failed"] - moment(jobs.ended("failed"), "finished") < timedelta(seconds=10)


@requirement("callback/job-callback", "callback-body-is-results")
def test_a_subscriber_is_told_of_an_import(jobs: Jobs, called: Subscriber) -> None:
    jobs.ended("import")
    media_type, body = called.waited("/import/success")
    answer = jobs.results("import", "application/json")
    assert (media_type, json.loads(body)) == (answer.headers["Content-Type"], answer.json())
    assert "importSummary" in json.loads(body)


@requirement("unreachable-subscriber-does-not-fail-job")
@pytest.mark.parametrize(("name", "path"), [("document", "/status/500"), ("two", "/status/302"), ("reference", "")])
def test_a_subscriber_who_cannot_be_told_changes_nothing(
    stack: Stack, jobs: Jobs, called: Subscriber, name: str, path: str
) -> None:
    assert jobs.ended(name)["status"] == "successful"
    if path:
        called.waited(path)
    assert stack.get(jobs[name]).json()["status"] == "successful"
    assert "/redirected" not in called.posts
