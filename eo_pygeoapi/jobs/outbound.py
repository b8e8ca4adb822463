"""Requests to addresses that a client of the API named: callbacks, and inputs by reference.

Such an address must not open the server's own network to clients. This module resolves the host, checks every address
and connects to a checked one, so that a second answer of the name server changes nothing. It follows no redirects.
"""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import SplitResult, quote, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from eo_pygeoapi.errors import EoError, InputError
from eo_pygeoapi.wording import shown

ALLOWED = "an absolute http or https URL of a public address"
_READ_AT_ONCE = 65_536
_AS_WRITTEN = "%/?:@!$&'()*+,;=~-._"  # in a path or query; all else is written in percent


class OutboundError(EoError):
    """An address that a client named cannot be reached, or does not answer as it should."""


@dataclass(frozen=True)
class Reply:
    """The answer of another server."""

    status: int
    media_type: str
    body: bytes


def check_url(url: object, *, allow_private: bool = False) -> SplitResult:
    """Return the parts of a URL that a client may name; InputError says what is wrong with it.

    A host that cannot be resolved passes here; the later request will fail on it.
    """
    parts = _parts(url)
    if not allow_private:
        try:
            addresses = _addresses(parts)
        except OSError:
            return parts
        _refuse_private(parts, addresses)
    return parts


def request(
    method: str,
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    seconds: float = 10.0,
    largest: int = 1_000_000,
    allow_private: bool = False,
) -> Reply:
    """Send a request to a URL of a client; OutboundError when it fails, InputError when the address is not allowed."""
    parts = _parts(url)
    try:
        addresses = _addresses(parts)
    except OSError as error:
        raise OutboundError(f"{parts.hostname} cannot be resolved") from error
    if not allow_private:
        _refuse_private(parts, addresses)
    target = quote(parts.path or "/", safe=_AS_WRITTEN) + (f"?{quote(parts.query, _AS_WRITTEN)}" if parts.query else "")
    sent = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "eo-pygeoapi", **(headers or {})}
    try:
        with _connected(parts, addresses[0], seconds) as connection:
            connection.request(method, target, body=body, headers=sent, preload_content=False)
            answer = connection.getresponse()
            content = b""
            while piece := answer.read(_READ_AT_ONCE):
                content += piece
                if len(content) > largest:
                    raise OutboundError(f"the answer is larger than {largest} bytes")
    except (urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
        raise OutboundError(f"{parts.scheme}://{parts.hostname} does not answer: {type(error).__name__}") from error
    return Reply(answer.status, answer.headers.get("Content-Type", "").partition(";")[0].strip(), content)


@contextmanager
def _connected(parts: SplitResult, address: str, seconds: float) -> Iterator[HTTPConnection]:
    """Yield a connection and cut it after so many seconds: its own timeout restarts with every byte that arrives."""
    connection = HTTPConnection(address, parts.port or 80, timeout=seconds)
    if parts.scheme == "https":
        connection = HTTPSConnection(
            address,
            parts.port or 443,
            timeout=seconds,
            ssl_context=ssl.create_default_context(),
            server_hostname=parts.hostname,
            assert_hostname=parts.hostname,
        )
    late = threading.Event()

    def cut() -> None:
        late.set()
        if connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield connection
        if late.is_set():  # what was read may end in the middle
            raise TimeoutError
    finally:
        timer.cancel()
        connection.close()


def _parts(url: object) -> SplitResult:
    """Return the parts of a URL, its host in ASCII; InputError for anything else."""
    refused = InputError(f"{shown(url)} is not allowed; allowed: {ALLOWED}")
    if not isinstance(url, str) or not url.isprintable() or " " in url:
        raise refused
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        ascii_host = host if ":" in host else host.encode("idna").decode()
    except ValueError as error:  # UnicodeError is a kind of it
        raise refused from error
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise refused
    return parts if host == ascii_host else parts._replace(netloc=f"{ascii_host}:{port}" if port else ascii_host)


def _addresses(parts: SplitResult) -> Sequence[str]:
    port = parts.port or (443 if parts.scheme == "https" else 80)
    found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _refuse_private(parts: SplitResult, addresses: Sequence[str]) -> None:
    for text in addresses:
        address = ipaddress.ip_address(text.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        if not address.is_global or address.is_multicast:
            raise InputError(f"{parts.hostname} is a private address; allowed: {ALLOWED}")
