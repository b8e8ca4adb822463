"""Taking a run: the state Pending, whose message says which worker has it, so that nothing else has to be written."""

import logging
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import Abort
from prefect.states import Pending
from prefect.utilities.engine import propose_state

_BY = "taken by the worker "
_LABEL = "prefect.worker.name"  # by which workers of earlier releases say it
_log = logging.getLogger(__name__)


async def take(client: PrefectClient, run_id: UUID, worker: str) -> bool:
    """Take a run for a worker; returns False where another has it, or Prefect does not give it."""
    try:
        state = await propose_state(client, Pending(message=f"{_BY}{worker}"), flow_run_id=run_id)
    except Abort as refusal:
        _log.info("run %s is not taken: %s", run_id, refusal)
        return False
    except Exception:
        _log.exception("run %s could not be taken", run_id)
        return False
    return bool(state.is_pending())


def taken_by(run: FlowRun) -> str | None:
    """Return the name of the worker that has taken a run which is pending; None where it is not said."""
    said = (run.state.message if run.state else None) or ""
    found = said.removeprefix(_BY) if said.startswith(_BY) else run.labels.get(_LABEL)
    return None if found is None else str(found)
