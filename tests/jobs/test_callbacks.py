"""Callbacks against a real server; the whole way, from a job's hooks, is in `tests/ogc`."""

import logging

import pytest

from eo_pygeoapi.jobs.callbacks import ATTEMPTS, Callbacks
from tests.ogc import subscriber


def callbacks(pauses: list[float], **uris: str) -> Callbacks:
    return Callbacks(uris, allow_private=True, pause=pauses.append)


def test_what_is_taken_is_sent_once() -> None:
    pauses: list[float] = []
    with subscriber.running() as server:
        assert callbacks(pauses, successUri=f"{server.url}/done").post("successUri", b"{}", "application/json")
        assert server.posts == {"/done": [("application/json", b"{}")]} and pauses == []


@pytest.mark.requirement("unreachable-subscriber-does-not-fail-job")
@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_is_not_taken_is_sent_again_and_then_left(status: int, caplog: pytest.LogCaptureFixture) -> None:
    pauses: list[float] = []
    with subscriber.running() as server, caplog.at_level(logging.WARNING):
        uri = f"{server.url}/status/{status}"
        assert not callbacks(pauses, failedUri=uri).post("failedUri", b"{}", "application/json")
        assert len(server.posts[f"/status/{status}"]) == ATTEMPTS and "/redirected" not in server.posts
    assert pauses == [1, 2, 4]
    assert f"attempt 4 of 4: answered with {status}" in caplog.text and uri not in caplog.text


@pytest.mark.requirement("unreachable-subscriber-does-not-fail-job")
def test_who_is_not_there_is_tried_again_and_then_left() -> None:
    pauses: list[float] = []
    assert not callbacks(pauses, successUri="http://127.0.0.1:9/x").post("successUri", b"{}", "application/json")
    assert len(pauses) == ATTEMPTS - 1


def test_who_did_not_ask_is_not_called() -> None:
    assert not callbacks([], successUri="http://127.0.0.1:9/x").post("failedUri", b"{}", "application/json")
