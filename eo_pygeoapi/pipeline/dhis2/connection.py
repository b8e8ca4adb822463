"""Make the HTTP client of a DHIS2 from a connection of the settings, without sending a request."""

import base64
import logging
import ssl
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from dhis2_client import DHIS2Client

from eo_pygeoapi.errors import Dhis2Error
from eo_pygeoapi.pipeline.dhis2.errors import LoginPageError
from eo_pygeoapi.settings import Dhis2Connection


class _Client(DHIS2Client):
    """dhis2-client with the certificate authorities it is given; raises LoginPageError for a redirect to the login."""

    def __init__(self, *arguments: Any, trust: ssl.SSLContext, **named: Any) -> None:
        self._trust = trust
        super().__init__(*arguments, **named)

    def _build_client(self) -> httpx.Client:
        self.verify_ssl = self._trust  # type: ignore[assignment]  # declared bool, and handed to httpx, which takes both
        made = super()._build_client()
        made.event_hooks = {"response": [_refuse_login_page]}
        return made


def open_client(connection: Dhis2Connection, read_timeout: float, connect_timeout: float) -> DHIS2Client:
    """Return a client that logs in as the connection says; timeouts are in seconds.

    Raises Dhis2Error for an invalid address, and without credentials.
    """
    client_log = logging.getLogger("dhis2_client")
    if not client_log.handlers:  # Python prints records of whole answers that no handler takes
        client_log.addHandler(logging.NullHandler())
    trust = _own_trust(connection.ca_file) if connection.ca_file else _public_trust()
    address = _base_url(connection)
    login: dict[str, Any]
    if connection.token:  # alone: with a user name beside it, dhis2-client would log in by that
        login = {"token": connection.token.get_secret_value()}
    elif connection.username and connection.password:
        login = {"username": connection.username, "password": connection.password.get_secret_value()}
    else:
        raise Dhis2Error(
            f"nothing to log in with at the DHIS2 at {address}; "
            "set EO_DHIS2_<NAME>_TOKEN, or EO_DHIS2_<NAME>_USERNAME and _PASSWORD"
        )
    return _Client(
        address,
        trust=trust,
        **login,
        timeout=read_timeout,
        connect_timeout=connect_timeout,
        retries=0,  # dhis2-client tries again at once; the task tries again later
    )


def _own_trust(file: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=file)
    except OSError as error:  # also where it holds no certificate
        raise Dhis2Error(f"cannot read the certificate authorities of DHIS2 in {file}: {error}") from error


@cache
def _public_trust() -> ssl.SSLContext:
    """Return the authorities that all trust, read once in a process, for that takes 30 ms."""
    return httpx.create_ssl_context()


def secrets_of(connection: Dhis2Connection) -> list[str]:
    """Return the secrets that an answer must not repeat: token, password, and user name and password as in Basic."""
    secrets = [secret.get_secret_value() for secret in (connection.token, connection.password) if secret]
    if connection.password:
        secrets.append(base64.b64encode(f"{connection.username}:{secrets[-1]}".encode()).decode())
    return secrets


def _refuse_login_page(response: httpx.Response) -> None:
    """Raise LoginPageError if DHIS2 redirects to its login page (`/login/`, until 2.42 `/dhis-web-login/`)."""
    if response.is_redirect and "login" in urlsplit(response.headers.get("Location", "")).path.lower():
        raise LoginPageError


def _base_url(connection: Dhis2Connection) -> str:
    if problem := connection.address_problem():
        raise Dhis2Error(problem)
    return connection.url.rstrip("/").removesuffix("/api")  # dhis2-client adds /api itself
