"""What a run asks Prefect with: one client for all, that is patient with a busy server and says signs of life plainly.

Prefect's engine makes a client for each of its questions, and each reads all certificate authorities and connects
anew. After a 503, which a server on SQLite answers when two writes collide, they sleep for two seconds and more. A
sign of life goes by a WebSocket of its own, after four questions for what belongs to the run, which nobody asks of it.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from prefect import flow_engine
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.context import SettingsContext, SyncClientContext, get_settings_context
from prefect.events import Event
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL

from eo_pygeoapi.gateway.patience import PatientTransport, ServerBusyError, certificates

_EMIT = "emit_event"  # with which the engine gives a sign of life, and nothing else


class RunTransport(PatientTransport):
    """Retries while the server answers 503; then gives that answer to Prefect's client, which goes on for minutes."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request until the answer is not 503, or for too long."""
        try:
            return super().handle_request(request)
        except ServerBusyError:
            return httpx.Response(httpx.codes.SERVICE_UNAVAILABLE, request=request)


def one_client() -> SyncClientContext:
    """Return a context in which all that asks Prefect synchronously shares one client."""
    trusted = certificates()
    client = SyncPrefectClient(
        PREFECT_API_URL.value() or "",
        auth_string=PREFECT_API_AUTH_STRING.value(),
        api_key=PREFECT_API_KEY.value(),
        httpx_settings={"verify": trusted, "transport": RunTransport(verify=trusted)},
    )
    # its constructor would make a client of its own
    return SyncClientContext.model_construct(client=client)


def plain_signs_of_life(ahead: timedelta) -> None:
    """Have Prefect's engine in this process send its signs of life with the run's client, if it gives any.

    They are dated by the server's clock, of which that of this machine is `ahead`.
    """
    if hasattr(flow_engine, _EMIT):
        setattr(flow_engine, _EMIT, sign_of_life(ahead))


def sign_of_life(ahead: timedelta) -> Callable[..., None]:
    """Return what sends an event once, without the client's patience: the next sign is the repetition."""

    def send(**event: Any) -> None:
        dated = Event(occurred=datetime.now(UTC) - ahead, **event)
        with _without_retries():
            get_client(sync_client=True).request("POST", "/events", json=[dated.model_dump(mode="json")])

    return send


def _without_retries() -> SettingsContext:
    context = get_settings_context()
    client = context.settings.client.model_copy(update={"max_retries": 0})
    settings = context.settings.model_copy(update={"client": client})
    return SettingsContext(profile=context.profile, settings=settings)
