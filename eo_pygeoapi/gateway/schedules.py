"""The schedules of datasets, as Prefect has them, and what keeps one from running."""

from collections.abc import Iterator, Mapping

from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import CronSchedule

from eo_pygeoapi.datasets.block import Dataset, OrgUnitsFromDhis2, Schedule
from eo_pygeoapi.settings import Settings, how_to_connect


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
            missing.append(f"there is no key for {credential.title} (set {variables}; {credential.how})")
    return "; ".join(missing)


def prefect_schedule(dataset: Dataset, schedule: Schedule, settings: Settings) -> DeploymentScheduleCreate:
    """Return a schedule of a dataset as Prefect takes it; paused where it could not run with these settings."""
    return DeploymentScheduleCreate(
        schedule=CronSchedule(cron=schedule.cron, timezone=schedule.timezone),
        active=schedule.active and not missing_for(dataset, schedule, settings),
        parameters={"inputs": {**schedule.inputs, "datasetId": dataset.id}},
        slug=schedule.name,
    )
