"""A kept connection to the Prefect API, for callers that must answer within seconds.

One synchronous client per process: the first call opens it, its timeouts are short, it does not use Prefect's own
retries (they take minutes), and threads may share it. Only this module translates exceptions of Prefect and of httpx.
"""

import os
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.context import SettingsContext, get_settings_context
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_CLIENT_MAX_RETRIES

from eo_pygeoapi.datasets.viewer import viewer
from eo_pygeoapi.errors import EngineUnavailableError, EoError
from eo_pygeoapi.gateway.patience import PatientTransport, ServerBusyError, certificates
from eo_pygeoapi.redaction import redact

LEAST_BUSY_SECONDS = 4.0  # below the 5 s after which DHIS2's Routes give up

T = TypeVar("T")


class KeptClient:
    """A client of the Prefect server at `api_url` (`http://…/api`) that stays open from the first call on."""

    def __init__(
        self, api_url: str | None, secrets: Sequence[str], connect_timeout: float, read_timeout: float
    ) -> None:
        self.api_url = api_url
        self._secrets = tuple(secrets)
        self.read_timeout = read_timeout
        self._timeout = httpx.Timeout(read_timeout, connect=connect_timeout)
        self._busy_seconds = max(LEAST_BUSY_SECONDS, read_timeout)
        self._lock = threading.Lock()
        self._client: SyncPrefectClient | None = None
        self._context: SettingsContext | None = None
        self._pid = 0

    def call(self, ask: Callable[[SyncPrefectClient], T]) -> T:
        """Call `ask` with the client and return its result.

        Raises EngineUnavailableError for a server that is unreachable or slow, Prefect's ObjectNotFound, else EoError.
        """
        # nobody who asks over HTTP is told an address that shows what all tenants have
        address = f" at {self.api_url}" if viewer().operator else ""
        where = redact(f"the Prefect server{address}", self._secrets)
        try:
            client, settings = self._connected()
            with settings.model_copy():
                return ask(client)
        except (EoError, ObjectNotFound):
            raise
        except httpx.TimeoutException as error:
            raise EngineUnavailableError(f"{where} does not answer in time") from error
        except ServerBusyError as error:
            raise EngineUnavailableError(f"{where} answered 503") from error
        except PrefectHTTPStatusError as error:
            if error.response.status_code in (408, 429, 500, 502, 503, 504):
                raise EngineUnavailableError(f"{where} answered {error.response.status_code}") from error
            said = redact(error.response.text[:300], self._secrets)
            raise EoError(f"{where} refused: {error.response.status_code} {said}") from error
        except httpx.HTTPError as error:
            raise EngineUnavailableError(f"{where} cannot be reached") from error

    def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.__exit__(None, None, None)

    def _connected(self) -> tuple[SyncPrefectClient, SettingsContext]:
        with self._lock:
            if self._client is not None and self._context is not None and self._pid == os.getpid():
                return self._client, self._context
            if not self.api_url:
                raise EngineUnavailableError("PREFECT_API_URL is not set, so no Prefect server is known")
            context = get_settings_context()
            settings = context.settings.copy_with_update(updates={PREFECT_CLIENT_MAX_RETRIES: 0})  # this takes 70 ms
            self._context = SettingsContext(profile=context.profile, settings=settings)
            # Prefect's own transport would try to connect four times
            trusted = certificates()
            transport = PatientTransport(
                self._busy_seconds,
                verify=trusted,
                limits=httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=25),
            )
            client = SyncPrefectClient(
                self.api_url,
                auth_string=PREFECT_API_AUTH_STRING.value(),
                httpx_settings={"timeout": self._timeout, "transport": transport, "verify": trusted},
            )
            self._client, self._pid = client.__enter__(), os.getpid()
            return self._client, self._context
