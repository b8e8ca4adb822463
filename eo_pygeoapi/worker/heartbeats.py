"""The last net: an automation in the Prefect server marks runs as crashed that sent no heartbeat for minutes.

Workers report deaths on their own machine. The automation is for a machine that is lost or cut off, and works without
any worker. Its window is wide, so that a server that was down for minutes, and missed heartbeats, does not take a live
run for a dead one.
"""

from datetime import timedelta

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from eo_pygeoapi.gateway.job import PUT_OFF
from eo_pygeoapi.gateway.work_pool import WORK_POOL

NAME = "eo-pygeoapi: runs without a sign of life"
_HEARTBEAT = "prefect.flow-run.heartbeat"
# the events after which no heartbeat follows; not more, for the server locks SQLite for each expected event
_SAID_LAST = {
    f"prefect.flow-run.{state}"
    for state in (
        "Completed",
        "Failed",
        "TimedOut",
        "Crashed",
        "Cancelling",
        "Cancelled",
        "Scheduled",
        *PUT_OFF,
        "Paused",
        "Suspended",
    )
}


async def watch_heartbeats(client: PrefectClient, seconds: int) -> None:
    """Create the automation for runs that are silent for so many seconds, in place of an earlier one."""
    wanted = lost_runs(seconds)
    for known in await client.read_automations_by_name(NAME):
        if known.description == wanted.description and _expected(known) == _expected(wanted):
            return
        await client.delete_automation(known.id)
    await client.create_automation(wanted)


def _expected(automation: AutomationCore) -> set[str]:
    return automation.trigger.expect if isinstance(automation.trigger, EventTrigger) else set()


def lost_runs(seconds: int) -> AutomationCore:
    """Return the automation: after a heartbeat it expects another one, or the run's end, in time."""
    said = f"no sign of life for {seconds // 60} minutes: the machine of the run is lost or cut off"
    return AutomationCore(
        name=NAME,
        description=said,
        trigger=EventTrigger(
            after={_HEARTBEAT},
            expect={_HEARTBEAT, *_SAID_LAST},
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification(
                {"prefect.resource.role": "work-pool", "prefect.resource.name": WORK_POOL}
            ),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=seconds),
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, name="Crashed", message=said)],
    )
