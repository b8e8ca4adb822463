"""Which connections and keys schedules need and their jobs do not have."""

from collections.abc import Iterator, Mapping

from eo_pygeoapi.datasets.block import Dataset, OrgUnitsFromDhis2, Schedule
from eo_pygeoapi.settings import Settings, how_to_connect


def paused_schedules(datasets: Mapping[str, Dataset], settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield `dataset/schedule` and the reason for each active schedule that cannot run with these settings."""
    for dataset in datasets.values():
        for schedule in dataset.schedules:
            if schedule.active and (missing := missing_for(dataset, schedule, settings)):
                yield f"{dataset.id}/{schedule.name}", missing


def missing_for(dataset: Dataset, schedule: Schedule, settings: Settings) -> str:
    """Return what the environment of the jobs lacks for a schedule to succeed, or nothing."""
    missing = []
    name = dataset.dhis2.connection
    needs_dhis2 = isinstance(dataset.org_units, OrgUnitsFromDhis2) or schedule.inputs.get("dryRun") is False
    if needs_dhis2 and not settings.has_dhis2_connection(name):
        missing.append(f"there is no DHIS2 connection {name!r} ({how_to_connect(name)})")
    for credential in dataset.options.credentials():
        if not credential.is_given(settings.has):
            variables = " and ".join(credential.variables.values())
            missing.append(f"there is no key for {credential.title} (set {variables}; {credential.how})")
    return "; ".join(missing)
