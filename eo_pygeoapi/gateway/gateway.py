"""The only door to Prefect: its flow runs, its deployments and the details of a run.

It returns jobs and raises our own errors.
"""

from collections.abc import Sequence

from prefect.settings import PREFECT_UI_URL

from eo_pygeoapi.gateway import work_pool
from eo_pygeoapi.gateway.client import KeptClient
from eo_pygeoapi.gateway.deployments import PAGE, Deployments
from eo_pygeoapi.gateway.details import RunDetails
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

    def ensure_work_pool(self) -> None:
        """Create our work pool and its queues where there are none yet."""
        work_pool.ensure_work_pool(self._client)

    def ping(self) -> None:
        """Raise EngineUnavailableError unless the server answers."""
        self._client.call(lambda client: client.hello())

    def ui_url(self) -> str:
        """Return the address of the Prefect UI."""
        return PREFECT_UI_URL.value() or (self.api_url or "").removesuffix("/").removesuffix("/api")

    def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        self._client.close()
