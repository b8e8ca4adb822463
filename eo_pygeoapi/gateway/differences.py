"""How a deployment in Prefect differs from the wanted one: people change deployments there, too.

For example, pausing or resuming a schedule in Prefect deletes its inputs.
"""

from collections.abc import Collection
from typing import Any

from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule

from eo_pygeoapi.gateway.deployments import DeploymentSpec, tenant_of
from eo_pygeoapi.gateway.work_pool import WORK_POOL


def differences(spec: DeploymentSpec, known: DeploymentResponse, held: Collection[str] = ()) -> list[str]:
    """Return the differences in words; the schedules named in `held` should be paused, for a person has paused them."""
    wanted: dict[str, tuple[Any, Any]] = {
        "description": (spec.description, known.description),
        "entrypoint": (spec.entrypoint, known.entrypoint),
        "parameters": (dict(spec.parameters), known.parameters),
        "parameter schema": (dict(spec.parameter_schema), known.parameter_openapi_schema),
        "work pool": (WORK_POOL, known.work_pool_name),
        "work queue": (spec.queue, known.work_queue_name),
        "tenant": (spec.tenant, tenant_of(known)),
        "job variables": (spec.job_variables, known.job_variables),
    }
    found = [f"its {what}" for what, (ours, theirs) in wanted.items() if ours != theirs]
    stands = {schedule.slug: schedule for schedule in known.schedules}
    named = {schedule.slug: schedule for schedule in spec.schedules}
    found += [
        f"schedule {name or 'without a name'}, which the file does not have" for name in stands if name not in named
    ]
    for name, schedule in named.items():
        if name not in stands:
            found.append(f"schedule {name}, which was gone")
            continue
        as_wanted = {
            "times": _when(schedule.schedule) == _when(stands[name].schedule),
            "inputs": schedule.parameters == stands[name].parameters,
            "pause": (bool(schedule.active) and name not in held) == stands[name].active,
        }
        if parts := [what for what, same in as_wanted.items() if not same]:
            found.append(f"the {' and '.join(parts)} of schedule {name}")
    return found


def _when(schedule: Any) -> Any:
    return (schedule.cron, schedule.timezone, schedule.day_or) if isinstance(schedule, CronSchedule) else schedule
