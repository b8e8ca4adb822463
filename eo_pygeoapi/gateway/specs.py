"""The wanted deployments of datasets and of other processes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace

from eo_pygeoapi.contract.models import ImportInputs
from eo_pygeoapi.contract.status import BACKFILL_ID, PROCESS_ID
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.gateway.deployments import IMPORT_FLOW, DeploymentSpec, entrypoint_of, flow_of
from eo_pygeoapi.gateway.schedules import prefect_schedule
from eo_pygeoapi.gateway.work_pool import of_tenant
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.settings import Settings

# a backfill goes on for days, in a new process at every look
_ENVIRONMENT: Mapping[str, Mapping[str, str]] = {BACKFILL_ID: {"EO_RESUME": "10"}}
# the members of a block which say what its values are computed from, and how
_OF_VALUES = (
    *("source", "options", "units", "periodType", "timeZone", "aggregation", "decimals", "minValidFraction"),
    *("population", "exposure"),
)


def import_spec(dataset: Dataset, settings: Settings) -> DeploymentSpec:
    """Return the deployment of a dataset."""
    schedules = [prefect_schedule(dataset, schedule, settings) for schedule in dataset.schedules]
    # the worker reads these; without them it takes its own settings
    limits = {"EO_RESUME": dataset.resume, "EO_MEMORY_LIMIT_MIB": dataset.memory_limit_mib}
    inputs = ImportInputs.model_json_schema(ref_template="#/definitions/{model}")
    schema = {"title": "Parameters", "type": "object", "required": ["inputs"], "properties": {"inputs": inputs}}
    schema["definitions"] = inputs.pop("$defs", {})
    block = dataset.model_dump(mode="json", by_alias=True, exclude={"base", "connections", "shared_bbox", "version"})
    for member in ("options", "orgUnits"):  # with absolute `href`s it is the same in the file that `up` makes
        if isinstance(block[member], dict) and isinstance(href := block[member].get("href"), str):
            block[member]["href"] = dataset.resolve(href)
    return _fingerprinted(
        DeploymentSpec(
            name=dataset.id,
            flow=IMPORT_FLOW,
            entrypoint=entrypoint_of(PROCESS_ID),
            description=dataset.title,
            parameters={"inputs": {"datasetId": dataset.id}},
            parameter_schema=schema,
            schedules=schedules,
            fingerprint="",
            environment={name: str(value) for name, value in limits.items() if value is not None},
            block=_digest(block),
            values=_digest({name: block[name] for name in _OF_VALUES}),
            tenant=dataset.tenant,
            version=dataset.version,
        )
    )


def process_spec(process_id: str, tenant: str = "", version: str = "") -> DeploymentSpec:
    """Return the deployment of any other process of the configuration file, for the jobs of one tenant."""
    return _fingerprinted(
        DeploymentSpec(
            name=of_tenant(process_id, tenant),
            flow=flow_of(process_id),
            entrypoint=entrypoint_of(process_id),
            description=f"the pygeoapi process {process_id}",
            parameters={"process_id": process_id},
            parameter_schema={"type": "object", "properties": {"inputs": {"type": "object"}}},
            fingerprint="",
            environment=_ENVIRONMENT.get(process_id, {}),
            tenant=tenant,
            version=version,
        )
    )


def _fingerprinted(spec: DeploymentSpec) -> DeploymentSpec:
    content: JsonObject = {
        "spec": [spec.flow, spec.entrypoint, spec.description, spec.parameters, spec.parameter_schema],
        "schedules": [schedule.model_dump(mode="json") for schedule in spec.schedules],
        "runs": [spec.queue, dict(spec.environment)],
        "block": spec.block,
        "version": spec.version,
    }
    return replace(spec, fingerprint=_digest(content))


def _digest(content: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
