"""The last net: automations in the Prefect server that end the runs of a machine that is lost or cut off.

Workers report deaths on their own machine. The automations work without any worker. Their window is wide, so that a
server that was down for minutes, and missed heartbeats, does not take a live run for a dead one. It is one for the
installation: `eo-pygeoapi apply` sets it, and a worker sets it only where nobody has.
"""

from collections.abc import Sequence
from datetime import timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from eo_pygeoapi.gateway.job import PUT_OFF
from eo_pygeoapi.gateway.work_pool import WORK_POOL
from eo_pygeoapi.wording import counted

SILENT = "eo-pygeoapi: runs without a sign of life"
DISMISSED = "eo-pygeoapi: dismissed runs without a sign of life"
_EVENT = "prefect.flow-run."
# a worker has the run: a sign of life is expected from then on, also before the first heartbeat
_ALIVE = {f"{_EVENT}{sign}" for sign in ("heartbeat", "Pending", "Running", "Retrying")}
_ENDED = {f"{_EVENT}{state}" for state in ("Completed", "Failed", "TimedOut", "Crashed", "Cancelled")}
# what else comes after the last sign of life; not more, for the server locks SQLite for each expected event
_LEFT = {f"{_EVENT}{state}" for state in ("Cancelling", "Scheduled", *PUT_OFF, "Paused", "Suspended")}


def put_lost_runs(client: SyncPrefectClient, seconds: int) -> None:
    """Have runs that are silent for so many seconds ended, in place of what was set before."""
    for wanted in lost_runs(seconds):
        known = client.read_automations_by_name(wanted.name)
        if len(known) == 1 and _said(known[0]) == _said(wanted):
            continue
        for old in known:
            client.delete_automation(old.id)
        client.create_automation(wanted)


def ensure_lost_runs(client: SyncPrefectClient, seconds: int) -> int:
    """Set what is not set yet, and return after how many seconds of silence runs are ended."""
    for wanted in lost_runs(seconds):
        if not (known := client.read_automations_by_name(wanted.name)):
            client.create_automation(wanted)
        elif isinstance(known[0].trigger, EventTrigger):
            seconds = int(known[0].trigger.within.total_seconds())
    return seconds


def lost_runs(seconds: int) -> Sequence[AutomationCore]:
    """Return the automations: after a sign of life another one or the run's end, and after a dismissal its end."""
    silent = f"no sign of life for {counted(seconds // 60, 'minute')}: the machine of the run is lost or cut off"
    return (
        _automation(SILENT, silent, StateType.CRASHED, _ALIVE, _ALIVE | _ENDED | _LEFT, seconds),
        _automation(
            DISMISSED,
            "dismissed; the machine of the run is lost or cut off, and what DHIS2 has taken stays there",
            StateType.CANCELLED,
            {f"{_EVENT}Cancelling"},
            _ENDED,
            seconds,
        ),
    )


def _automation(
    name: str, said: str, state: StateType, after: set[str], expect: set[str], seconds: int
) -> AutomationCore:
    return AutomationCore(
        name=name,
        description=said,
        trigger=EventTrigger(
            after=after,
            expect=expect,
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification(
                {"prefect.resource.role": "work-pool", "prefect.resource.name": WORK_POOL}
            ),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=seconds),
        ),
        actions=[ChangeFlowRunState(state=state, name=state.value.capitalize(), message=said)],
    )


def _said(automation: AutomationCore | Automation) -> tuple[object, ...]:
    """Return what makes one of ours what it is."""
    trigger = automation.trigger
    if not isinstance(trigger, EventTrigger):
        return ()
    return automation.description, trigger.after, trigger.expect, trigger.within
