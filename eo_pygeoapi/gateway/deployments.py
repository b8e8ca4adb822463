"""One Prefect deployment per enabled dataset, with its schedules, and one per other process.

`eo-pygeoapi apply` brings Prefect in step with the configuration file through `apply_deployments`. What did not
change is not touched, for every replacement makes Prefect plan its runs anew; what the file no longer names loses its
schedules and is tagged `retired`, but keeps its history.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import CronSchedule
from pydantic import ValidationError

from eo_pygeoapi.contract.models import ImportInputs
from eo_pygeoapi.contract.status import PROCESS_ID
from eo_pygeoapi.datasets.block import Dataset, OrgUnitsFromDhis2, Schedule
from eo_pygeoapi.gateway.gateway import (
    IMPORT_FLOW,
    PROCESS_FLOW,
    RETIRED,
    SCHEDULED,
    DeploymentSpec,
    PrefectGateway,
    import_entrypoint,
    process_entrypoint,
)
from eo_pygeoapi.settings import Settings, how_to_connect


@dataclass
class Applied:
    """What `apply_deployments` did, by name, and which schedules it left paused and why."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)
    paused: dict[str, str] = field(default_factory=dict)


def apply_deployments(
    gateway: PrefectGateway, datasets: Mapping[str, Dataset], processes: Mapping[str, Any], settings: Settings
) -> Applied:
    """Bring the deployments in Prefect in step with the datasets and the other processes; may be run at any time."""
    gateway.ensure_work_pool()
    existing, done = gateway.deployments(), Applied()
    wanted = [import_spec(dataset, settings) for dataset in datasets.values()]
    wanted += [process_spec(id_) for id_ in processes if id_ != PROCESS_ID]
    for spec in wanted:
        known = existing.get(spec.name)
        if known is not None and known.version == spec.fingerprint and RETIRED not in known.tags:
            done.unchanged.append(spec.name)
            continue
        gateway.put_deployment(spec)
        (done.created if known is None else done.updated).append(spec.name)
    names = {spec.name for spec in wanted}
    for name, deployment in existing.items():
        if name not in names and RETIRED not in deployment.tags:
            gateway.retire_deployment(deployment)
            done.retired.append(name)
    done.paused = dict(paused_schedules(datasets, settings))
    return done


def import_spec(dataset: Dataset, settings: Settings) -> DeploymentSpec:
    """Return the deployment of a dataset."""
    schedules = [_prefect_schedule(dataset, schedule, settings) for schedule in dataset.schedules]
    return _fingerprinted(
        DeploymentSpec(
            name=dataset.id,
            flow=IMPORT_FLOW,
            entrypoint=import_entrypoint(),
            description=dataset.title,
            parameters={"inputs": {"datasetId": dataset.id}},
            parameter_schema=_parameter_schema(),
            schedules=schedules,
            fingerprint="",
            environment=_limits(dataset),
        )
    )


def process_spec(process_id: str) -> DeploymentSpec:
    """Return the deployment of any other process of the configuration file."""
    return _fingerprinted(
        DeploymentSpec(
            name=process_id,
            flow=PROCESS_FLOW,
            entrypoint=process_entrypoint(),
            description=f"the pygeoapi process {process_id}",
            parameters={"process_id": process_id},
            parameter_schema={"type": "object", "properties": {"inputs": {"type": "object"}}},
            fingerprint="",
        )
    )


def paused_schedules(datasets: Mapping[str, Dataset], settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield `dataset/schedule` and the reason for each active schedule that cannot run with these settings."""
    for dataset in datasets.values():
        for schedule in dataset.schedules:
            if schedule.active and (missing := missing_for(dataset, schedule, settings)):
                yield f"{dataset.id}/{schedule.name}", missing


def missing_for(dataset: Dataset, schedule: Schedule, settings: Settings) -> str:
    """Return what the environment lacks for a schedule to succeed, or nothing."""
    missing = []
    name = dataset.dhis2.connection
    needs_dhis2 = isinstance(dataset.org_units, OrgUnitsFromDhis2) or schedule.inputs.get("dryRun") is False
    if needs_dhis2 and settings.dhis2_connection(name) is None:
        missing.append(f"there is no DHIS2 connection {name!r} ({how_to_connect(name)})")
    for credential in dataset.options.credentials():
        if not credential.is_given(settings.has):
            variables = " and ".join(credential.variables.values())
            missing.append(f"there is no key for the {credential.title} (set {variables}; {credential.how})")
    return "; ".join(missing)


def cron_problems(datasets: Mapping[str, Dataset]) -> list[str]:
    """Return a sentence for every schedule whose cron expression Prefect does not take."""
    problems = []
    for dataset in datasets.values():
        for index, schedule in enumerate(dataset.schedules):
            try:
                CronSchedule(cron=schedule.cron, timezone=schedule.timezone)
            except ValidationError:
                path = f"resources.{dataset.id}.eo.schedules[{index}].cron"
                problems.append(
                    f"{path}: {schedule.cron!r} is no cron expression; allowed: minute hour day month weekday, "
                    "such as '0 6 * * *'"
                )
    return problems


def _prefect_schedule(dataset: Dataset, schedule: Schedule, settings: Settings) -> DeploymentScheduleCreate:
    return DeploymentScheduleCreate(
        schedule=CronSchedule(cron=schedule.cron, timezone=schedule.timezone),
        active=schedule.active and not missing_for(dataset, schedule, settings),
        parameters={"inputs": {**schedule.inputs, "datasetId": dataset.id}},
        slug=schedule.name,
    )


def _limits(dataset: Dataset) -> dict[str, str]:
    """Return what the dataset says of its runs' attempts and memory, as the worker reads it; else its own settings."""
    said = {"EO_RESUME": dataset.resume, "EO_MEMORY_LIMIT_MIB": dataset.memory_limit_mib}
    return {name: str(value) for name, value in said.items() if value is not None}


def _parameter_schema() -> dict[str, Any]:
    inputs = ImportInputs.model_json_schema(ref_template="#/definitions/{model}")
    definitions = inputs.pop("$defs", {})
    return {
        "title": "Parameters",
        "type": "object",
        "required": ["inputs"],
        "properties": {"inputs": inputs},
        "definitions": definitions,
    }


def _fingerprinted(spec: DeploymentSpec) -> DeploymentSpec:
    content: dict[str, Any] = {
        "spec": [spec.flow, spec.entrypoint, spec.description, spec.parameters, spec.parameter_schema],
        "schedules": [schedule.model_dump(mode="json") for schedule in spec.schedules],
        "runs": [SCHEDULED, dict(spec.environment)],
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return replace(spec, fingerprint=digest[:16])
