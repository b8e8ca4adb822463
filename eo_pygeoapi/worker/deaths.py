"""What the death of its process means for a run: another attempt while one is left, else the end, with the reason."""

import logging
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import Abort, ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Cancelled, Crashed, Failed, Scheduled
from prefect.utilities.engine import propose_state
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential

from eo_pygeoapi.gateway.job import ATTEMPTS_ALLOWED, DEATHS, attempts, number_of
from eo_pygeoapi.gateway.progress_artifacts import progress_of
from eo_pygeoapi.worker.launcher import LOST_ZYGOTE

_log = logging.getLogger(__name__)
ALIVE = (StateType.PENDING, StateType.RUNNING)
_SAID_BY_STATUS = {
    -signal.SIGKILL: "the process of the run was killed (signal 9); if no person did it, the machine ran out of memory",
    -signal.SIGSEGV: "the process of the run crashed in a C library (signal 11)",
    -signal.SIGABRT: "the process of the run was aborted in a C library (signal 6)",
    -signal.SIGBUS: "the process of the run crashed in a C library (signal 7)",
    LOST_ZYGOTE: "the process that the run was started from (the zygote) was killed, and the run with it",
    0: "the process of the run ended before the run had",
}

Hooks = Callable[[FlowRun, State[Any]], Awaitable[None]]


@dataclass(frozen=True)
class Death:
    """Why the process of a run ended; `again` tells whether another attempt could help."""

    said: str
    again: bool = True


def death_by_status(status: int) -> Death:
    """Return the death that the exit status of a run's process means."""
    if said := _SAID_BY_STATUS.get(status):
        return Death(said)
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    return Death(f"the process of the run {how} before the run had ended; the log has more")


class DeadRuns:
    """Sets the state of runs whose process has certainly ended."""

    def __init__(self, client: PrefectClient, hooks: Hooks, patience: float = 86400.0) -> None:
        self._client = client
        self._hooks = hooks
        self.patience = patience

    async def settle(self, run_id: UUID, death: Death, resume: int) -> None:
        """Set the state of a run that Prefect believes alive: dismissed if it was being dismissed, else by its death.

        Retries while the server is unreachable, for `patience` seconds at most.
        """
        counted: list[int] = []  # the death counts once, whatever the number of retries
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((httpx.HTTPError, PrefectHTTPStatusError)),
            wait=wait_exponential(0.2, max=5),
            stop=stop_after_delay(self.patience),
            reraise=True,
        ):
            with attempt:
                await self._settle(run_id, death, resume, counted)

    async def dismiss(self, run: FlowRun) -> None:
        """Mark a run that was dismissed, and whose process has ended; the message names the step."""
        found = await self._client.read_artifacts(artifact_filter=progress_of([run.id]), limit=1)
        step = str(found[0].description or "") if found else ""
        stays = "; what DHIS2 has taken until then stays there" if "import" in step else ""
        state: State[Any] = Cancelled(message=f"dismissed during {step}{stays}" if step else "dismissed")
        await self._client.set_flow_run_state(run.id, state, force=True)
        await self._hooks(run, state)

    async def _settle(self, run_id: UUID, death: Death, resume: int, counted: list[int]) -> None:
        try:
            run = await self._client.read_flow_run(run_id)
        except ObjectNotFound:
            return
        state = run.state
        if state is None or state.type not in (*ALIVE, StateType.CANCELLING):
            return
        if state.type == StateType.CANCELLING:
            await self.dismiss(run)
            return
        if not counted:
            counted.append(number_of(run.labels, DEATHS) + 1)
        deaths, allowed = counted[0], resume + 1
        labels: dict[str, bool | int | float | str] = {DEATHS: deaths, ATTEMPTS_ALLOWED: allowed}
        number, of = attempts({**run.labels, **labels})
        _log.warning("run %s: %s (death %d of %d)", run_id, death.said, deaths, allowed)
        if death.again and deaths < allowed:
            await self._client.update_flow_run_labels(run_id, labels)
            await self._propose(run, Scheduled(message=f"attempt {number} of {of}, because {death.said}"))
            return
        said = f"{death.said} (attempt {number} of {of})" if of > 1 and death.again else death.said
        last: State[Any] = Crashed(message=said) if death.again else Failed(message=said)
        if await self._propose(run, last):
            await self._hooks(run, last)

    async def _propose(self, run: FlowRun, state: State[Any]) -> bool:
        """Propose a state; returns False if somebody dismissed the run just before."""
        try:
            accepted = await propose_state(self._client, state, flow_run_id=run.id)
        except Abort:
            return False
        return bool(accepted.type == state.type)
