"""Jobs that write to the same data element of the same DHIS2 take turns.

A turn is the one slot of a Prefect global concurrency limit. The holder has a lease and renews it. The lease expires
soon after the holder has died, so that no dead run keeps others waiting.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists

LEASE_SECONDS = 60  # the shortest that Prefect allows; renewed after three quarters of it

logger = logging.getLogger(__name__)


@contextmanager
def turn(job_id: str, connection: str, data_element: str) -> Iterator[None]:
    """Wait for the turn for a data element (its UID) of a connection, and hold it while the block runs."""
    name = limit_name(connection, data_element)
    with get_client(sync_client=True) as client:
        with suppress(ObjectAlreadyExists):  # another job has made it at this moment
            client.upsert_global_concurrency_limit_by_name(name, 1)
    logger.info("waiting for the turn %s", name)
    with concurrency(
        name,
        occupy=1,
        lease_duration=LEASE_SECONDS,
        strict=True,
        holder=ConcurrencyLeaseHolder(type="flow_run", id=UUID(job_id)),
        # if an import goes on without its lease, a repetition of the import repairs all that this may do
        raise_on_lease_renewal_failure=False,
    ):
        yield


def limit_name(connection: str, data_element: str) -> str:
    """Return the name of the limit in Prefect."""
    return f"import-{re.sub(r'[^A-Za-z0-9_-]', '-', connection)}-{data_element}"
