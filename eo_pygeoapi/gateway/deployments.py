"""Our deployments in Prefect: one for each dataset, and one for each other process of the configuration file."""

import copy
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentCreate, DeploymentScheduleCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse

from eo_pygeoapi.contract.status import BACKFILL_ID, PROCESS_ID, RECONCILE_ID, UNDO_ID
from eo_pygeoapi.datasets.viewer import OPERATOR, Viewer
from eo_pygeoapi.errors import NotAppliedError
from eo_pygeoapi.gateway.client import KeptClient
from eo_pygeoapi.gateway.joint_reads import JointReads
from eo_pygeoapi.gateway.work_pool import SCHEDULED, WORK_POOL, of_tenant
from eo_pygeoapi.json_types import JsonMapping, JsonObject

TAG = "eo-pygeoapi"
RETIRED = "retired"
BLOCK = "eo-pygeoapi.block"  # label: a digest of the dataset's block, to tell whether it has changed
CONFIGURATION = "eo-pygeoapi.configuration"  # label, also of runs: the version of what the file says, see `version.py`
VALUES = "eo-pygeoapi.values"  # label: a digest of what of the block its values depend on
TENANT = "eo-pygeoapi.tenant"  # label: whose its runs are; empty where they are nobody's
LEFT_PAUSED = "eo-pygeoapi.left-paused"  # label: the schedules that `apply` left paused, not a person
IMPORT_FLOW = "eo_aggregate_import_v1"
PROCESS_FLOW = "run_process"
# the modules in flows/ and their flows, by process; any other process runs in the last
_FLOWS: Mapping[str, tuple[str, str]] = {
    PROCESS_ID: ("eo_aggregate_import", IMPORT_FLOW),
    BACKFILL_ID: ("backfill", "eo_backfill_v1"),
    UNDO_ID: ("undo", "eo_undo_v1"),
    RECONCILE_ID: ("reconcile", "eo_reconcile_v1"),
}
PAGE = 200  # Prefect answers no more in one call


@dataclass(frozen=True)
class DeploymentSpec:
    """The wanted content of one of our deployments; `fingerprint` is a digest of it.

    `block` is a digest of the dataset's block. Runs read the block from the configuration file, and Prefect keeps
    the digest. `version` is that of what the file says; runs of the deployment carry it unless they bring another.
    """

    name: str
    flow: str
    entrypoint: str
    description: str
    parameters: JsonMapping
    parameter_schema: JsonMapping
    fingerprint: str
    schedules: Sequence[DeploymentScheduleCreate] = field(default_factory=tuple)
    environment: Mapping[str, str] = field(default_factory=dict)
    block: str = ""
    values: str = ""
    tenant: str = ""
    version: str = ""

    @property
    def queue(self) -> str:
        """The work queue of the runs that its schedules make."""
        return of_tenant(SCHEDULED, self.tenant)

    @property
    def job_variables(self) -> JsonObject:
        """The environment of the runs' processes, in Prefect's form."""
        return {"env": dict(self.environment)} if self.environment else {}


@dataclass
class _Known:
    """The deployments as Prefect had them at a moment, by id."""

    deployments: Mapping[UUID, DeploymentResponse] = field(default_factory=dict)
    read_at: float = float("-inf")


class Deployments:
    """Reads and writes our deployments, and caches them for `ttl` seconds.

    A deployment and its runs belong to one tenant or to none; a viewer who does not see it sees none of its runs.
    """

    def __init__(self, client: KeptClient, ttl: float) -> None:
        self._client = client
        self._ttl = ttl
        self._known = _Known()
        self._joint = JointReads()
        self.viewer = OPERATOR

    def seen_by(self, viewer: Viewer) -> "Deployments":
        """Return the same for the deployments that a viewer sees; what is remembered is shared."""
        seen = copy.copy(self)
        seen.viewer = viewer
        return seen

    def read(self) -> dict[str, DeploymentResponse]:
        """Read our deployments from Prefect; returns them by name, retired ones included."""
        self._read()
        return {deployment.name: deployment for deployment in self._seen().values()}

    def _read_if_old(self) -> None:
        if not self._is_fresh:
            self._read()

    def _read(self) -> None:
        where = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
        found: dict[UUID, DeploymentResponse] = {}
        while True:
            read_page = partial(
                SyncPrefectClient.read_deployments, deployment_filter=where, limit=PAGE, offset=len(found)
            )
            page = self._client.call(read_page)
            found |= {deployment.id: deployment for deployment in page}
            if len(page) < PAGE:
                break
        self._known.deployments, self._known.read_at = found, time.monotonic()

    def _seen(self) -> Mapping[UUID, DeploymentResponse]:
        known = self._known.deployments
        return known if self.viewer.operator else {i: d for i, d in known.items() if self.viewer.sees(tenant_of(d))}

    def recent(self) -> Mapping[UUID, DeploymentResponse]:
        """Return our deployments by id, from the cache if it has not expired."""
        if not self._is_fresh:
            self._joint.read("recent", self._read_if_old)
        return self._seen()

    def get(self, id_: UUID | None) -> DeploymentResponse | None:
        """Return the deployment with this id, from the cache or from Prefect; None if it is not ours."""
        if id_ is None:
            return None
        if id_ not in self._known.deployments or not (self.viewer.operator or self._is_fresh):
            self._read()
        return self._seen().get(id_)

    def missing(self, names: Iterable[str]) -> list[str]:
        """Return the names without a deployment that is not retired, whether the viewer sees it or not."""
        self._read()
        known = {d.name for d in self._known.deployments.values() if RETIRED not in d.tags}
        return [name for name in names if name not in known]

    def called(self, name: str) -> DeploymentResponse:
        """Return the deployment of a dataset, or of another process for the viewer's tenant.

        Raises NotAppliedError if Prefect has none, or it is retired.
        """
        names = (name, of_tenant(name, self.viewer.tenant))
        found = next((d for d in self._seen().values() if d.name in names), None) if self._is_fresh else None
        found = found or next((d for d in self.read().values() if d.name in names), None)
        if found is None or RETIRED in found.tags:
            raise NotAppliedError(
                f"{name!r} is enabled in the configuration file but not applied yet; run `eo-pygeoapi apply`"
            )
        return found

    def put(self, spec: DeploymentSpec, held: Collection[str] = ()) -> None:
        """Create or replace a deployment, with the schedules named in `held` paused; Prefect plans its runs anew."""
        schedules = [s.model_copy(update={"active": False}) if s.slug in held else s for s in spec.schedules]
        left_paused = ",".join(str(schedule.slug) for schedule in spec.schedules if not schedule.active)
        flow_id = self._client.call(lambda client: client.create_flow_from_name(spec.flow))
        content = DeploymentCreate(
            flow_id=flow_id,
            name=spec.name,
            version=spec.fingerprint,
            description=spec.description,
            entrypoint=spec.entrypoint,
            parameters=dict(spec.parameters),
            parameter_openapi_schema=dict(spec.parameter_schema),
            enforce_parameter_schema=False,
            schedules=schedules,
            tags=[TAG],
            labels={
                LEFT_PAUSED: left_paused,
                BLOCK: spec.block,
                VALUES: spec.values,
                TENANT: spec.tenant,
                CONFIGURATION: spec.version,
            },
            work_pool_name=WORK_POOL,
            job_variables=spec.job_variables,
            work_queue_name=spec.queue,
            pull_steps=[],
        ).model_dump(mode="json", exclude_unset=True)
        # the client's own method has no labels
        self._client.call(lambda client: client.request("POST", "/deployments/", json=content))
        self._known.read_at = float("-inf")

    def set_active(
        self, deployment: DeploymentResponse, schedule: DeploymentSchedule, active: bool, parameters: JsonMapping
    ) -> None:
        """Pause a schedule or make it active again; Prefect plans the deployment's runs anew."""
        path = {"id": deployment.id, "schedule_id": schedule.id}
        # without the parameters Prefect 3.8 would wipe them
        body = {"active": active, "parameters": dict(parameters)}
        self._client.call(
            lambda client: client.request(
                "PATCH", "/deployments/{id}/schedules/{schedule_id}", path_params=path, json=body
            )
        )
        if active and deployment.paused:
            self._client.call(lambda client: client.resume_deployment(deployment.id))
        self._known.read_at = float("-inf")

    def retire(self, deployment: DeploymentResponse) -> None:
        """Delete the schedules of a deployment and tag it as retired; deleting it would orphan its runs."""
        for schedule in deployment.schedules:
            self._client.call(
                partial(
                    SyncPrefectClient.delete_deployment_schedule, deployment_id=deployment.id, schedule_id=schedule.id
                )
            )
        body = {"tags": [TAG, RETIRED], "version": RETIRED}
        path = {"id": deployment.id}
        self._client.call(lambda client: client.request("PATCH", "/deployments/{id}", path_params=path, json=body))
        self._known.read_at = float("-inf")

    @property
    def _is_fresh(self) -> bool:
        return time.monotonic() - self._known.read_at <= self._ttl


def process_of(deployment: DeploymentResponse | None) -> str:
    """Return the process that the runs of a deployment execute."""
    foreign = deployment is not None and deployment.entrypoint != entrypoint_of(PROCESS_ID)
    return str(deployment.parameters.get("process_id", deployment.name)) if deployment and foreign else PROCESS_ID


def version_applied(deployment: DeploymentResponse) -> str:
    """Return the version of the configuration that `apply` has last brought Prefect in step with."""
    return str(deployment.labels.get(CONFIGURATION, ""))


def tenant_of(deployment: DeploymentResponse | None) -> str:
    """Return whose the runs of a deployment are; empty where they are nobody's."""
    return str(deployment.labels.get(TENANT, "")) if deployment else ""


def flow_of(process_id: str) -> str:
    """Return the name of the flow that executes a process."""
    return _FLOWS.get(process_id, ("", PROCESS_FLOW))[1]


def entrypoint_of(process_id: str) -> str:
    """Return the entrypoint of the flow that executes a process, as deployments name it."""
    module, flow = _FLOWS.get(process_id, (PROCESS_FLOW, PROCESS_FLOW))
    return f"flows.{module}:{flow}"
