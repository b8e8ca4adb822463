"""Addresses that a client names must not lead into the server's own network."""

import socket
import threading
import time

import pytest

from eo_pygeoapi.errors import InputError
from eo_pygeoapi.jobs.outbound import OutboundError, check_url, request
from tests.ogc import subscriber


@pytest.mark.parametrize(
    "url",
    [
        *(None, 5, "", "x", "/relative", "ftp://example.org", "file:///etc/passwd", "http://", "http:///x"),
        *("http://a b/", "http://example.org:99999/", "http://example.org\n/", "javascript:alert(1)"),
        *("http://[", "https://[::1", "http://]/", "http://[x]/", "http://[v1]/", "http://example.org:port/"),
        *("http://a..b/", f"http://{'a' * 64}.org/", "http://.org/", "http://\u2100.org/", "http://xn--\u00e4/"),
        *("http://\ud800/", "http://example.org:-1/", "http://a\u00a0b/"),
        ["http://example.org"],
    ],
)
def test_what_is_no_absolute_http_url_is_refused(url: object) -> None:
    with pytest.raises(InputError, match="allowed: an absolute http or https URL"):
        check_url(url, allow_private=True)


@pytest.mark.requirement("core/process-execute-inputs", "unreachable-subscriber-does-not-fail-job")
@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "0.0.0.0", "[::1]"),
        *("[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "224.0.0.1", "100.64.0.1"),
    ],
)
def test_private_addresses_are_refused_however_they_are_written(host: str) -> None:
    for ask in (lambda: check_url(f"http://{host}:8080/x"), lambda: request("POST", f"http://{host}:8080/x")):
        with pytest.raises(InputError, match="is a private address"):
            ask()


@pytest.mark.parametrize("url", ["https://8.8.8.8/done?token=x", "http://[2606:4700::1111]/", "http://1.1.1.1:81/"])
def test_public_addresses_pass(url: str) -> None:
    assert check_url(url).geturl() == url


def test_addresses_may_have_letters_of_any_language() -> None:
    assert check_url("http://b\u00fccher.example:81/\u00e4", allow_private=True).netloc == "xn--bcher-kva.example:81"
    with subscriber.running() as server:
        request("POST", f"{server.url}/gr\u00f6\u00dfe?a=\u00e4%20b", body=b"x", allow_private=True)
        assert list(server.posts) == ["/gr%C3%B6%C3%9Fe?a=%C3%A4%20b"]


@pytest.mark.requirement("core/process-execute-inputs")
def test_what_is_answered_is_bounded_and_redirects_are_not_followed() -> None:
    with subscriber.running() as server:
        reply = request("GET", f"{server.url}/text", allow_private=True)
        assert (reply.status, reply.body) == (200, b"from a reference")
        with pytest.raises(OutboundError, match="larger than 3 bytes"):
            request("GET", f"{server.url}/text", allow_private=True, largest=3)
        assert request("POST", f"{server.url}/status/302", body=b"x", allow_private=True).status == 302
        assert "/redirected" not in server.posts


@pytest.mark.requirement("core/process-execute-inputs", "unreachable-subscriber-does-not-fail-job")
def test_who_does_not_answer_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging, socket.socket() as refused:
        refused.bind(("127.0.0.1", 0))
        for listener in (hanging, refused):
            begun = time.monotonic()
            with pytest.raises(OutboundError, match=r"http://127\.0\.0\.1 does not answer"):
                url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
                request("POST", url, body=b"x", seconds=0.5, allow_private=True)
            assert time.monotonic() - begun < 3


def test_who_answers_in_drops_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                for _ in range(40):
                    time.sleep(0.1)
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        begun = time.monotonic()
        with pytest.raises(OutboundError):
            request("GET", f"http://127.0.0.1:{server.getsockname()[1]}/", seconds=1.0, allow_private=True)
        assert time.monotonic() - begun < 3
        thread.join(5)
