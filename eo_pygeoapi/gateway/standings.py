"""How schedules stand: whether Prefect makes runs of them, and what paused them where it does not.

A person pauses a schedule here, which the results store keeps, or in Prefect's own pages, which `eo-pygeoapi apply`
takes over into the store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse

from eo_pygeoapi.contract.operations import PausedBy
from eo_pygeoapi.datasets.block import Dataset, Schedule
from eo_pygeoapi.datasets.missing import missing_for
from eo_pygeoapi.gateway.deployments import LEFT_PAUSED
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store.pauses import Pause

BY_FILE = "the configuration file says `active: false`"
NOT_APPLIED = "it is not applied yet; run `eo-pygeoapi apply`"
APPLY_AGAIN = "something that it needs was missing when it was applied; run `eo-pygeoapi apply`"
IN_PREFECT = "paused in Prefect"


@dataclass(frozen=True)
class Standing:
    """How a schedule stands; `changed` is when Prefect's copy of it was made or changed last, None where it has none.

    Where a person has paused it: `since` when, and `person` who, as far as that is known.
    """

    dataset: Dataset
    schedule: Schedule
    active: bool
    paused_by: PausedBy | None = None
    reason: str = ""
    since: datetime | None = None
    person: str = ""
    changed: datetime | None = None

    @property
    def name(self) -> str:
        """Return what people call it: the dataset and the schedule."""
        return f"{self.dataset.id}/{self.schedule.name}"


def row_of(deployment: DeploymentResponse | None, name: str) -> DeploymentSchedule | None:
    """Return Prefect's copy of a schedule, where it has one."""
    return next((row for row in deployment.schedules if row.slug == name), None) if deployment else None


def left_paused(deployment: DeploymentResponse) -> list[str]:
    """Return the schedules that `apply` left paused, for the file says so or credentials were missing."""
    return str(deployment.labels.get(LEFT_PAUSED, "")).split(",")


def pause_of(deployment: DeploymentResponse | None, name: str, kept: Pause | None) -> Pause | None:
    """Return the pause of a schedule by a person, whether it is `kept` in the store or was made in Prefect.

    A schedule that is active in Prefect, and was changed there after the pause, was resumed there. One that is active
    since before the pause comes from a backup, or from a Prefect that could not be told; it is paused.
    """
    row = row_of(deployment, name)
    if kept is not None:
        return None if row and row.active and row.updated and row.updated > kept.at else kept
    if deployment is None or row is None or row.active or LEFT_PAUSED not in deployment.labels:
        return None
    at = row.updated or row.created
    return Pause(at=at, reason=IN_PREFECT) if at and name not in left_paused(deployment) else None


def standing_of(
    dataset: Dataset,
    schedule: Schedule,
    deployment: DeploymentResponse | None,
    kept: Pause | None,
    settings: Settings,
) -> Standing:
    """Return how a schedule stands, by its deployment and the pause that the store keeps of it."""
    row = row_of(deployment, schedule.name)
    changed = (row.updated or row.created) if row else None
    if pause := pause_of(deployment, schedule.name, kept):
        return Standing(dataset, schedule, False, "person", pause.reason, pause.at, pause.by, changed)
    if deployment is None or row is None:
        return Standing(dataset, schedule, False, None, NOT_APPLIED)
    if deployment.paused:
        why = "the dataset's deployment is paused in Prefect"
        return Standing(dataset, schedule, False, "person", why, deployment.updated, changed=changed)
    if row.active:
        return Standing(dataset, schedule, True, changed=changed)
    if not schedule.active:
        return Standing(dataset, schedule, False, "file", BY_FILE, changed=changed)
    missing = missing_for(dataset, schedule, settings) or APPLY_AGAIN
    return Standing(dataset, schedule, False, "missing credentials", missing, changed=changed)


def standings_of(
    dataset: Dataset,
    deployment: DeploymentResponse | None,
    kept: Mapping[tuple[str, str], Pause],
    settings: Settings,
) -> Sequence[Standing]:
    """Return how the schedules of a dataset stand, in the order of the file."""
    return [
        standing_of(dataset, schedule, deployment, kept.get((dataset.id, schedule.name)), settings)
        for schedule in dataset.schedules
    ]
