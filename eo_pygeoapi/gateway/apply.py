"""Bring Prefect in step with the configuration file: what `eo-pygeoapi apply` does there.

`apply` leaves a deployment alone if nothing changed, for Prefect plans the runs of a replaced one anew. A deployment
that the file no longer names loses its schedules and gets the tag `retired`, but keeps its history. `apply` undoes and
reports changes that people made in Prefect, except that a schedule which a person has paused, here or there, stays
paused until a person resumes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prefect.client.schemas.responses import DeploymentResponse

from eo_pygeoapi.contract.status import COMPANIONS, PROCESS_ID
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.missing import paused_schedules
from eo_pygeoapi.datasets.operations import Tenant
from eo_pygeoapi.datasets.version import version_of
from eo_pygeoapi.gateway.deployments import BLOCK, RETIRED, VALUES, DeploymentSpec
from eo_pygeoapi.gateway.differences import differences
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.specs import import_spec, process_spec
from eo_pygeoapi.gateway.standings import pause_of
from eo_pygeoapi.json_types import JsonMapping
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.pauses import Pause, Pauses


@dataclass
class Applied:
    """What `apply_deployments` did, by name.

    `taken_up`: those of `updated` whose block has changed; `otherwise`: those of them whose values are computed
    otherwise from now on; `mended`: the changes in Prefect since the last `apply` that
    it undid; `paused`: the schedules that stay paused, and why; `stopped`: those of them that were active before;
    `held`: the schedules that a person has paused; `resumed`: those that a person has resumed in Prefect; `lost_after`:
    after how many silent seconds a machine counted as lost until now, and counts from now on.
    """

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    taken_up: list[str] = field(default_factory=list)
    otherwise: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)
    mended: dict[str, list[str]] = field(default_factory=dict)
    paused: dict[str, str] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)
    held: dict[str, Pause] = field(default_factory=dict)
    resumed: list[str] = field(default_factory=list)
    lost_after: tuple[int, int] = (0, 0)


def apply_deployments(
    gateway: PrefectGateway,
    datasets: Mapping[str, Dataset],
    processes: JsonMapping,
    settings: Settings,
    pauses: Pauses,
    tenants: Mapping[str, Tenant] | None = None,
) -> Applied:
    """Bring the deployments in Prefect in step with the datasets and the other processes; a repetition does no harm."""
    tenants = tenants or {}
    gateway.ensure_work_pool(tenants)
    existing, done = gateway.deployments.read(), Applied(paused=dict(paused_schedules(datasets, settings)))
    wanted = [import_spec(dataset, settings) for dataset in datasets.values()]
    versions = {id_: "" if id_ in COMPANIONS else version_of(said, Path()) for id_, said in processes.items()}
    others = [id_ for id_ in processes if id_ != PROCESS_ID]
    wanted += [process_spec(id_, tenant, versions[id_]) for id_ in others for tenant in ("", *tenants)]
    for spec in wanted:
        _bring_in_step(gateway, spec, existing.get(spec.name), pauses, done)
    names = {spec.name for spec in wanted}
    for name, deployment in existing.items():
        if name not in names and RETIRED not in deployment.tags:
            gateway.deployments.retire(deployment)
            done.retired.append(name)
    return done


def _bring_in_step(
    gateway: PrefectGateway,
    spec: DeploymentSpec,
    known: DeploymentResponse | None,
    pauses: Pauses,
    done: Applied,
) -> None:
    held = set()  # the schedules that a person has paused; what was paused or resumed in Prefect is kept in the store
    for name in (schedule.slug for schedule in spec.schedules if schedule.slug):
        kept = pauses.get(spec.name, name)
        pause = pause_of(known, name, kept)
        if pause is None and kept is not None:
            pauses.forget(spec.name, name)
            done.resumed.append(f"{spec.name}/{name}")
        if pause is not None:
            held.add(name)
            done.held[f"{spec.name}/{name}"] = pause
            if kept is None:
                pauses.put(spec.name, name, pause)
    if known is not None:
        active = [f"{spec.name}/{schedule.slug}" for schedule in known.schedules if schedule.active]
        done.stopped += [name for name in active if name in done.paused]
        if known.labels.get(BLOCK, spec.block) != spec.block:
            done.taken_up.append(spec.name)
        if known.labels.get(VALUES, spec.values) != spec.values:
            done.otherwise.append(spec.name)
        if known.version == spec.fingerprint and RETIRED not in known.tags:
            if not (changed := differences(spec, known, held)):
                done.unchanged.append(spec.name)
                return
            done.mended[spec.name] = changed
    gateway.deployments.put(spec, held)
    (done.created if known is None else done.updated).append(spec.name)
