"""What the inputs of a backfill and of a comparison are checked for: in a request, and under `after` in the file."""

from collections.abc import Callable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from eo_pygeoapi.contract.backfill import BackfillInputs
from eo_pygeoapi.contract.intervals import resolve_interval
from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.reconcile import ReconcileInputs
from eo_pygeoapi.contract.status import BACKFILL_ID, PROCESS_ID, RECONCILE_ID
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.validate import enabled_dataset, parsed_inputs, raise_without_days, validate_inputs
from eo_pygeoapi.errors import InputError
from eo_pygeoapi.json_types import JsonMapping


def backfilled_dataset(inputs: JsonMapping, datasets: Mapping[str, Dataset], now: datetime) -> Dataset:
    """Return the dataset that a backfill is about; InputError names every mistake in its inputs."""
    wanted = parsed_inputs(inputs, BackfillInputs)
    dataset = enabled_dataset(wanted.dataset_id, datasets)
    raise_without_days(validate_inputs(wanted.of_import(dry_run=wanted.dry_run), {dataset.id: dataset}, now))
    return dataset


def compared_dataset(inputs: JsonMapping, datasets: Mapping[str, Dataset], now: datetime) -> Dataset:
    """Return the dataset that is compared with what DHIS2 holds; InputError names every mistake in the inputs."""
    dataset, _ = compared(inputs, datasets, now)
    return dataset


def compared(inputs: JsonMapping, datasets: Mapping[str, Dataset], now: datetime) -> tuple[Dataset, Interval]:
    """Return the dataset that is compared with what DHIS2 holds, and the days; InputError as `compared_dataset`."""
    wanted = parsed_inputs(inputs, ReconcileInputs)
    dataset = enabled_dataset(wanted.dataset_id, datasets)
    interval = resolve_interval(wanted, now.astimezone(ZoneInfo(dataset.time_zone)).date())
    if not dataset.dhis2.data_element:
        raise InputError(f"input datasetId: dataset {dataset.id!r} names no dhis2.dataElement, so nothing was sent")
    return dataset, interval


def imported_dataset(inputs: JsonMapping, datasets: Mapping[str, Dataset], now: datetime) -> Dataset:
    """Return the dataset that an import is about; InputError names every mistake in its inputs."""
    return validate_inputs(inputs, datasets, now).dataset


# by process, each given the inputs, the datasets that may be named, and the moment that relative dates count from
CHECKS: Mapping[str, Callable[[JsonMapping, Mapping[str, Dataset], datetime], Dataset]] = {
    PROCESS_ID: imported_dataset,
    BACKFILL_ID: backfilled_dataset,
    RECONCILE_ID: compared_dataset,
}
