"""The schedules of datasets, as Prefect has them, and what keeps one from running."""

from collections.abc import Iterator, Mapping
from pathlib import Path

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
    cds = dataset.source == "era5-land" and getattr(dataset.options, "provider", "") == "cds"
    if cds and not settings.has_ecmwf_key and not (Path.home() / ".ecmwfdatastoresrc").exists():
        missing.append("there is no key for the Climate Data Store (set ECMWF_DATASTORES_URL and ECMWF_DATASTORES_KEY)")
    return "; ".join(missing)


def prefect_schedule(dataset: Dataset, schedule: Schedule, settings: Settings) -> DeploymentScheduleCreate:
    """Return a schedule of a dataset as Prefect takes it; paused where it could not run with these settings."""
    return DeploymentScheduleCreate(
        schedule=CronSchedule(cron=schedule.cron, timezone=schedule.timezone),
        active=schedule.active and not missing_for(dataset, schedule, settings),
        parameters={"inputs": {**schedule.inputs, "datasetId": dataset.id}},
        slug=schedule.name,
    )
