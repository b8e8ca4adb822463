"""Our deployments in Prefect: one for each dataset, and one for each other process of the configuration file."""

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

from eo_pygeoapi.contract.status import PROCESS_ID
from eo_pygeoapi.errors import NotAppliedError
from eo_pygeoapi.gateway.client import KeptClient
from eo_pygeoapi.gateway.work_pool import SCHEDULED, WORK_POOL
from eo_pygeoapi.json_types import JsonMapping, JsonObject

TAG = "eo-pygeoapi"
RETIRED = "retired"
BLOCK = "eo-pygeoapi.block"  # label: a digest of the dataset's block, to tell whether it has changed
LEFT_PAUSED = "eo-pygeoapi.left-paused"  # label: the schedules that `apply` left paused, not a person
IMPORT_FLOW = "eo_aggregate_import_v1"
PROCESS_FLOW = "run_process"
PAGE = 200  # Prefect answers no more in one call


@dataclass(frozen=True)
class DeploymentSpec:
    """What one of our deployments should look like; `fingerprint` tells whether it does.

    `block` is a digest of the dataset's block: runs read that from the configuration file, and Prefect only notes it.
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

    @property
    def job_variables(self) -> JsonObject:
        """What the runs' processes are started with, as Prefect has it."""
        return {"env": dict(self.environment)} if self.environment else {}


class Deployments:
    """Reads and writes our deployments, and remembers for `ttl` seconds which there are."""

    def __init__(self, client: KeptClient, ttl: float) -> None:
        self._client = client
        self._ttl = ttl
        self._known: dict[UUID, DeploymentResponse] = {}
        self._read_at = float("-inf")

    def read(self) -> dict[str, DeploymentResponse]:
        """Return our deployments by name, retired ones included, as Prefect has them now."""
        where = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
        found: dict[UUID, DeploymentResponse] = {}
        while True:
            page = self._client.call(partial(_read_page, where=where, offset=len(found)))
            found |= {deployment.id: deployment for deployment in page}
            if len(page) < PAGE:
                break
        self._known, self._read_at = found, time.monotonic()
        return {deployment.name: deployment for deployment in found.values()}

    def recent(self) -> Mapping[UUID, DeploymentResponse]:
        """Return our deployments by id, as Prefect had them some seconds ago."""
        if not self._is_fresh:
            self.read()
        return self._known

    def get(self, id_: UUID | None) -> DeploymentResponse | None:
        """Return the deployment with this id; Prefect is asked for one that is not known. None where it is not ours."""
        if id_ is not None and id_ not in self._known:
            self.read()
        return self._known.get(id_) if id_ else None

    def missing(self, names: Iterable[str]) -> list[str]:
        """Return which of these Prefect has no deployment for now, or a retired one."""
        known = {deployment.name for deployment in self.read().values() if RETIRED not in deployment.tags}
        return [name for name in names if name not in known]

    def called(self, name: str) -> DeploymentResponse:
        """Return the deployment of this name; NotAppliedError where Prefect has none, or it is retired."""
        fresh = self._is_fresh
        found = next((d for d in self._known.values() if d.name == name), None) if fresh else None
        found = found or self.read().get(name)
        if found is None or RETIRED in found.tags:
            raise NotAppliedError(
                f"{name!r} is enabled in the configuration file but not applied yet; run `eo-pygeoapi apply`"
            )
        return found

    def put(self, spec: DeploymentSpec, held: Collection[str] = ()) -> None:
        """Create or replace a deployment, with the schedules called in `held` paused; runs are planned anew."""
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
            labels={LEFT_PAUSED: left_paused, BLOCK: spec.block},
            work_pool_name=WORK_POOL,
            job_variables=spec.job_variables,
            work_queue_name=SCHEDULED,
            pull_steps=[],
        ).model_dump(mode="json", exclude_unset=True)
        # the client's own method knows no labels
        self._client.call(lambda client: client.request("POST", "/deployments/", json=content))
        self._read_at = float("-inf")

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
        self._read_at = float("-inf")

    def retire(self, deployment: DeploymentResponse) -> None:
        """Take the schedules from a deployment and tag it, but keep it: deleting it would orphan its runs."""
        for schedule in deployment.schedules:
            self._client.call(
                partial(
                    SyncPrefectClient.delete_deployment_schedule, deployment_id=deployment.id, schedule_id=schedule.id
                )
            )
        body = {"tags": [TAG, RETIRED], "version": RETIRED}
        path = {"id": deployment.id}
        self._client.call(lambda client: client.request("PATCH", "/deployments/{id}", path_params=path, json=body))
        self._read_at = float("-inf")

    @property
    def _is_fresh(self) -> bool:
        return time.monotonic() - self._read_at <= self._ttl


def process_of(deployment: DeploymentResponse | None) -> str:
    """Return the process that the runs of a deployment execute."""
    foreign = deployment is not None and deployment.entrypoint != import_entrypoint()
    return deployment.name if deployment is not None and foreign else PROCESS_ID


def import_entrypoint() -> str:
    """Return the entrypoint of the import flow, as deployments name it."""
    return f"flows.eo_aggregate_import:{IMPORT_FLOW}"


def process_entrypoint() -> str:
    """Return the entrypoint of the flow that runs any other process."""
    return f"flows.run_process:{PROCESS_FLOW}"


def _read_page(client: SyncPrefectClient, where: DeploymentFilter, offset: int) -> Sequence[DeploymentResponse]:
    return client.read_deployments(deployment_filter=where, limit=PAGE, offset=offset)
