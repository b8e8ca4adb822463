"""The schedules of datasets, as Prefect has them."""

from collections.abc import Callable, Mapping

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import CronSchedule

from eo_pygeoapi.datasets.block import Dataset, Schedule
from eo_pygeoapi.datasets.missing import missing_for
from eo_pygeoapi.errors import InputError
from eo_pygeoapi.gateway.job import STARTED_BY, schedule_of
from eo_pygeoapi.json_types import JsonMapping, JsonObject
from eo_pygeoapi.settings import Settings

NOT_RUN = "not run, for nobody could start it when it was due"  # how the message of a run that was skipped begins


def prefect_schedule(dataset: Dataset, schedule: Schedule, settings: Settings) -> DeploymentScheduleCreate:
    """Return a schedule of a dataset as Prefect takes it; paused where it could not run with these settings."""
    return DeploymentScheduleCreate(
        schedule=CronSchedule(cron=schedule.cron, timezone=schedule.timezone),
        active=schedule.active and not missing_for(dataset, schedule, settings),
        parameters={"inputs": run_inputs(dataset, schedule)},
        slug=schedule.name,
    )


def run_inputs(dataset: Dataset, schedule: Schedule) -> JsonObject:
    """Return the inputs of the runs of a schedule."""
    return {**schedule.inputs, "datasetId": dataset.id}


def is_unattended(run: FlowRun) -> bool:
    """Return whether nobody waits for a run: a schedule made it, or another job."""
    return bool(schedule_of(run) or run.labels.get(STARTED_BY))


def zone_of(run: FlowRun, dataset: Dataset) -> str:
    """Return the time zone in which people think of a run: that of its schedule, or UTC."""
    schedule = dataset.schedule(schedule_of(run))
    return schedule.timezone if schedule else "UTC"


def inputs_of(run: FlowRun, given: JsonMapping, datasets: Callable[[], Mapping[str, Dataset]]) -> JsonObject:
    """Return the inputs of a run: of one that a schedule made, what the configuration file says by its name.

    What Prefect keeps with a schedule is not relied on: pausing and resuming it in Prefect wipes that.
    """
    if not (name := schedule_of(run)):
        return dict(given)
    dataset = datasets().get(str(given.get("datasetId")))
    schedule = dataset.schedule(name) if dataset else None
    if dataset is not None and schedule is not None:
        return run_inputs(dataset, schedule)
    if set(given) <= {"datasetId"}:
        raise InputError(
            f"schedule {name!r} is not in the configuration file, and Prefect has no inputs for it; "
            "run `eo-pygeoapi apply`"
        )
    return dict(given)


def keep_inputs(run: FlowRun, inputs: JsonMapping) -> None:
    """Have Prefect, and so the job, show the inputs that the run really has."""
    if run.parameters.get("inputs") != inputs:
        with get_client(sync_client=True) as client:
            client.update_flow_run(run.id, parameters={**run.parameters, "inputs": dict(inputs)})
