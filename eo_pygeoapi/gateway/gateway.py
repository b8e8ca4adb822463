"""The only door to Prefect: its flow runs, its deployments and the details of a run.

It returns jobs and raises our own errors.
"""

import copy
from collections.abc import Mapping, Sequence
from datetime import timedelta

from prefect.settings import PREFECT_UI_URL
from pydantic import TypeAdapter

from eo_pygeoapi.datasets.operations import Tenant
from eo_pygeoapi.datasets.viewer import Viewer
from eo_pygeoapi.gateway import work_pool
from eo_pygeoapi.gateway.client import KeptClient
from eo_pygeoapi.gateway.deployments import PAGE, Deployments
from eo_pygeoapi.gateway.details import RunDetails
from eo_pygeoapi.gateway.lost_runs import ensure_lost_runs, put_lost_runs
from eo_pygeoapi.gateway.runs import Runs


class PrefectGateway:
    """A kept connection to the Prefect server at `api_url` (`http://…/api`); safe to share between threads."""

    def __init__(
        self,
        api_url: str | None,
        *,
        secrets: Sequence[str] = (),
        connect_timeout: float = 1.5,
        read_timeout: float = 3.0,
        deployments_ttl: float = 3.0,
        page: int = PAGE,
    ) -> None:
        self.api_url = api_url
        self._client = KeptClient(api_url, secrets, connect_timeout, read_timeout)
        self.deployments = Deployments(self._client, deployments_ttl)
        self.runs = Runs(self._client, self.deployments, secrets, page)
        self.details = RunDetails(self._client.call, work_pool.WORK_POOL, secrets)

    def seen_by(self, viewer: Viewer) -> "PrefectGateway":
        """Return the same for the deployments and jobs that a viewer sees; it shares the connection."""
        seen = copy.copy(self)
        seen.deployments = self.deployments.seen_by(viewer)
        seen.runs = self.runs.of(seen.deployments)
        return seen

    def ensure_work_pool(self, tenants: Mapping[str, Tenant] | None = None) -> None:
        """Create our work pool and its queues where there are none yet, and those of the tenants."""
        work_pool.ensure_work_pool(self._client, tenants or {})

    def work_pool_type(self) -> str:
        """Return the type of the work pool, such as `process`. Raises Prefect's ObjectNotFound where there is none."""
        return self._client.call(lambda client: client.read_work_pool(work_pool.WORK_POOL).type)

    def put_lost_runs(self, seconds: int) -> None:
        """Have the runs of a machine ended that is silent for so long, in place of what was set before."""
        self._client.call(lambda client: put_lost_runs(client, seconds))

    def ensure_lost_runs(self, seconds: int) -> int:
        """Set that where nobody has, and return what counts."""
        return self._client.call(lambda client: ensure_lost_runs(client, seconds))

    def ping(self) -> None:
        """Raise EngineUnavailableError unless the server answers."""
        self._client.call(lambda client: client.hello())

    def server_version(self) -> str:
        """Return the version of Prefect that the server runs."""
        return str(self._client.call(lambda client: client.request("GET", "/admin/version")).json())

    def deletes_runs_after(self) -> timedelta | None:
        """Return after how long the server deletes ended runs by itself; None where it leaves that to us, as it should.

        Runs are jobs, and `eo.retention` says how long these are kept.
        """
        found = self._client.call(lambda client: client.request("GET", "/admin/settings")).json()
        vacuum = found["server"]["services"]["db_vacuum"]
        enabled = vacuum["enabled"]  # a list, or true for all
        if enabled is True or (isinstance(enabled, list) and "flow_runs" in enabled):
            return TypeAdapter(timedelta).validate_python(vacuum["retention_period"])
        return None

    def ui_url(self) -> str:
        """Return the address of the Prefect UI."""
        return PREFECT_UI_URL.value() or (self.api_url or "").removesuffix("/").removesuffix("/api")

    def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        self._client.close()
