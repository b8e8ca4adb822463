"""The last net: a run of which Prefect has heard nothing for minutes is said to have failed.

Workers say what dies on their own machine. Only a machine that is lost, or cut off, is left to an automation in the
Prefect server, which runs even where there is no worker any more. Its window is wide, so that a server that was away
for minutes, and missed the heartbeats, takes no live run for a dead one.
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
# after which no heartbeat follows. Not every event of a run: for each one that is expected the server locks SQLite,
# and Pending and Running come before the first heartbeat
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
    """Have the server end runs of ours that have been silent for so long; replaces what it was told before."""
    wanted = lost_runs(seconds)
    for known in await client.read_automations_by_name(NAME):
        if known.description == wanted.description and _expected(known) == _expected(wanted):
            return
        await client.delete_automation(known.id)
    await client.create_automation(wanted)


def _expected(automation: AutomationCore) -> set[str]:
    return automation.trigger.expect if isinstance(automation.trigger, EventTrigger) else set()


def lost_runs(seconds: int) -> AutomationCore:
    """Return the automation: after a heartbeat, another one or the run's end is expected in time."""
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
