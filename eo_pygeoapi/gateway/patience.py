"""Patience with a Prefect server: connections to one on SQLite, and questions to one that is away.

On SQLite the server answers 503 when two of its transactions collide. It has then done nothing, and a retry after an
instant succeeds. Prefect's own client sleeps for seconds after a 503, even if it may try only once.
"""

import ssl
import time
from collections.abc import Callable
from typing import Any

import httpx
from prefect.settings import PREFECT_API_SSL_CERT_FILE
from tenacity import (
    AsyncRetrying,
    Retrying,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_delay,
    stop_before_delay,
    wait_exponential,
    wait_random_exponential,
)

from eo_pygeoapi.errors import EngineUnavailableError
from eo_pygeoapi.json_types import JsonObject

BUSY_SECONDS = 5.0


class ServerBusyError(httpx.TransportError):
    """The server has answered 503 for too long."""


class PatientTransport(httpx.HTTPTransport):
    """Retries while the server answers 503, for `busy_seconds` at most; then raises ServerBusyError."""

    def __init__(self, busy_seconds: float = BUSY_SECONDS, **given: Any) -> None:
        super().__init__(**given)
        self._retrying = Retrying(**_patience(busy_seconds))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request until the answer is not 503."""
        return self._retrying.copy()(self._once, request)

    def _once(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            response.close()
            raise ServerBusyError("the server answers 503", request=request)
        return response


class PatientAsyncTransport(httpx.AsyncHTTPTransport):
    """The same for asynchronous clients."""

    def __init__(self, busy_seconds: float = BUSY_SECONDS, **given: Any) -> None:
        super().__init__(**given)
        self._retrying = AsyncRetrying(**_patience(busy_seconds))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request until there is another answer than 503."""
        return await self._retrying.copy()(self._once, request)

    async def _once(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            await response.aclose()
            raise ServerBusyError("the server answers 503", request=request)
        return response


def certificates() -> ssl.SSLContext:
    """Return the trusted certificate authorities, with those of Prefect's settings."""
    return ssl.create_default_context(cafile=PREFECT_API_SSL_CERT_FILE.value() or None)


def while_unsure(seconds: float) -> Retrying:
    """Return what repeats a request whose outcome is not known; not one that was refused for long, or never arrived.

    The request must do no more when it is repeated.
    """

    def is_unsure(error: BaseException) -> bool:
        known = (ServerBusyError, httpx.ConnectError, httpx.ConnectTimeout)
        return isinstance(error, EngineUnavailableError) and not isinstance(error.__cause__, known)

    return Retrying(
        retry=retry_if_exception(is_unsure),
        wait=wait_random_exponential(multiplier=0.1, max=1.0),
        stop=stop_before_delay(seconds),
        reraise=True,
    )


def while_away(seconds: float, sleep: Callable[[float], None] = time.sleep) -> Retrying:
    """Return what calls a function again, for so many seconds, while Prefect does not answer it."""
    return Retrying(
        retry=retry_if_exception_type(EngineUnavailableError),
        wait=wait_exponential(0.5, max=10),
        stop=stop_after_delay(seconds),
        sleep=sleep,
        reraise=True,
    )


def _patience(seconds: float) -> JsonObject:
    return {
        "retry": retry_if_exception_type(ServerBusyError),
        "wait": wait_random_exponential(multiplier=0.05, max=1.0),
        "stop": stop_after_delay(seconds),
        "reraise": True,
    }
