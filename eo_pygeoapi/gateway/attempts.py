"""A run that is put off: it goes on later as the same job, and until then it has no process.

Prefect keeps when that is, so it outlives a restart of the worker and of the server. The process of the run ends, as
one does that Prefect suspends.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from prefect.client.orchestration import get_client
from prefect.client.schemas import OrchestrationResult
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import Pause
from prefect.states import Scheduled

from eo_pygeoapi.datasets.operations import Policy
from eo_pygeoapi.errors import EoError, NotPublishedYetError
from eo_pygeoapi.gateway.job import AWAITING_RETRY, RETRIED, RETRIES_ALLOWED, attempts, number_of


def put_off(run: FlowRun, name: str, at: datetime, message: str, labels: Mapping[str, int] = {}) -> NoReturn:
    """Have a run go on at that moment, in a new process; ends the flow. A run that is being dismissed stays so."""
    with get_client(sync_client=True) as client:
        if labels:
            client.update_flow_run_labels(run.id, dict(labels))
        told: OrchestrationResult[Any] = client.set_flow_run_state(
            run.id, Scheduled(scheduled_time=at, name=name, message=message)
        )
    raise Pause(message, state=told.state)


def try_again(run: FlowRun, policy: Policy, error: EoError, said: str, now: datetime, zone: str = "UTC") -> None:
    """Have a run that failed tried again later, where that may help and the policy allows it; ends the flow then.

    `said` is what people read of the error, and `zone` the time zone that they are told the time in.
    """
    failed = number_of(run.labels, RETRIED) + 1
    expected = error.expected if isinstance(error, NotPublishedYetError) else None
    at = policy.next_attempt(failed, run.start_time or now, now, expected) if error.later else None
    if at is None:
        return
    labels = {RETRIED: failed, RETRIES_ALLOWED: policy.retries}
    number, of = attempts({**run.labels, **labels})
    message = f"attempt {number} of {of}, at {in_words(at, now, zone)}, because the last one failed: {said}"
    put_off(run, AWAITING_RETRY, at, message, labels)


def in_words(moment: datetime, now: datetime, zone: str) -> str:
    """Return the time of day in a time zone that is named; with the day where it is not today."""
    there, today = moment.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    day = "" if there.date() == today else f" on {there.day} {there:%B}"
    return f"{there:%H:%M}{day} ({zone})"
