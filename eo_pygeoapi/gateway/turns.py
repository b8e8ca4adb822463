"""Jobs that write to the same data element of the same DHIS2 take turns.

A turn is the one slot of a Prefect global concurrency limit. It is held by a lease, which the holder renews and which
ends by itself soon after the holder has died, so that no dead run keeps others waiting.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.concurrency.sync import concurrency

LEASE_SECONDS = 60  # the shortest that Prefect allows; renewed after three quarters of it

logger = logging.getLogger(__name__)


@contextmanager
def turn(job_id: str, connection: str, data_element: str) -> Iterator[None]:
    """Hold the turn for a data element (its UID) of a connection while the block runs; waits for it first."""
    name = limit_name(connection, data_element)
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(name, 1)
    logger.info("waiting for the turn %s", name)
    with concurrency(
        name,
        occupy=1,
        lease_duration=LEASE_SECONDS,
        strict=True,
        holder=ConcurrencyLeaseHolder(type="flow_run", id=UUID(job_id)),
        # an import that goes on without its lease does no harm that a repetition would not mend
        raise_on_lease_renewal_failure=False,
    ):
        yield


def limit_name(connection: str, data_element: str) -> str:
    """Return the name of the limit in Prefect, where people may look it up."""
    return f"import-{re.sub(r'[^A-Za-z0-9_-]', '-', connection)}-{data_element}"
