"""The main job: seven steps from a request to values in DHIS2 and published features.

Only wiring stands here. Each task is the step's function of the package, plus where its result is kept: what is
small passes as JSON, what is large goes through the results store under `jobs/{jobID}/steps/`. A rerun of the same
flow run takes finished steps from their results.
"""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from prefect import flow, task
from prefect.cache_policies import INPUTS, RUN_ID, TASK_SOURCE
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from prefect.tasks import exponential_backoff

from eo_pygeoapi.contract import periods
from eo_pygeoapi.contract.models import ImportSummary, LeftOut
from eo_pygeoapi.datasets import validate
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.overridden import overridden
from eo_pygeoapi.datasets.read import load_datasets
from eo_pygeoapi.datasets.validate import Execution
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.gateway import turns
from eo_pygeoapi.gateway.artifacts import show_payload, show_summary
from eo_pygeoapi.gateway.credentials import read_blocks
from eo_pygeoapi.gateway.progress import Report, RunProgress
from eo_pygeoapi.jobs.held_parts import with_held_features
from eo_pygeoapi.pipeline import sources
from eo_pygeoapi.pipeline.dhis2 import client as dhis2
from eo_pygeoapi.pipeline.dhis2 import data_values
from eo_pygeoapi.pipeline.dhis2 import importing as dhis2_import
from eo_pygeoapi.pipeline.dhis2.summary import in_words
from eo_pygeoapi.pipeline.org_units import load as org_units
from eo_pygeoapi.pipeline.zonal import step as zonal
from eo_pygeoapi.redaction import RedactingFilter, redact
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.store import publish
from eo_pygeoapi.store.store import ResultStore
from flows import notifications
from flows.credentials import take_credentials
from flows.kept import Kept

MINUTE, HOUR = 60, 3600


def _is_transient(_task: Any, _run: Any, state: State[Any]) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, EoError) and error.transient


_KEPT: dict[str, Any] = {
    "cache_policy": (INPUTS - "report") + TASK_SOURCE + RUN_ID,
    "persist_result": True,
    "result_serializer": "json",
}
# where the outside is touched: try again, unless the error says that this cannot help
_RETRIED: dict[str, Any] = {
    **_KEPT,
    "retries": 3,
    "retry_delay_seconds": exponential_backoff(backoff_factor=5),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _is_transient,
}


@task(name="validate_inputs", timeout_seconds=MINUTE, **_KEPT)
def validate_inputs(inputs: dict[str, Any], now: str) -> dict[str, Any]:
    """Check the inputs again, for scheduled runs never passed the web process; dates count from `now`."""
    enabled = load_datasets(Settings().config)
    return validate.validate_inputs(inputs, enabled, datetime.fromisoformat(now)).to_json()


@task(name="load_org_units", timeout_seconds=10 * MINUTE, **_RETRIED)
def load_org_units(job_id: str, execution: dict[str, Any]) -> dict[str, Any]:
    """Load the organisation units and keep them."""
    checked = Execution.model_validate(execution)
    units = org_units.load_org_units(checked, _connector(checked))
    Kept(job_id).write_units(units)
    return {"bbox": list(org_units.bbox(units)), "leftOut": [entry.to_json() for entry in units.left_out]}


@task(name="extract_source_data", timeout_seconds=12 * HOUR, **_RETRIED)
def extract_source_data(job_id: str, execution: dict[str, Any], bbox: list[float], report: Report) -> dict[str, Any]:
    """Fetch what the source has for the interval and the box."""
    request = replace(_source_request(execution, bbox), say=report.words, companions=_companions(execution))
    return sources.extract_source_data(request).to_json()


@task(name="aggregate_to_org_units", timeout_seconds=6 * HOUR, **_KEPT)
def aggregate_to_org_units(
    job_id: str, execution: dict[str, Any], bbox: list[float], extract: dict[str, Any], report: Report
) -> list[dict[str, Any]]:
    """Aggregate cells to units and steps to periods, and keep the values; returns what was left out."""
    checked, kept = Execution.model_validate(execution), Kept(job_id)
    found = sources.Extract.model_validate(extract)
    grid = sources.open_source_data(_source_request(execution, bbox), found)
    whole = periods.periods_in(checked.interval, checked.dataset.period_type)
    wanted = periods.without(whole, found.left_out)
    settings, frame = Settings(), kept.read_units().frame
    with zonal.means(ResultStore(settings.cache), settings.memory_mib, settings.dask_scheduler) as means:
        aggregated = zonal.aggregate_to_org_units(grid, frame, wanted, checked.dataset, report, means)
    kept.write_values(aggregated.frame)
    return [entry.to_json() for entry in aggregated.left_out]


@task(name="build_dhis2_payload", timeout_seconds=HOUR, **_KEPT)
def build_dhis2_payload(job_id: str, execution: dict[str, Any]) -> list[dict[str, Any]]:
    """Build the data value set and keep it; returns the values that were dropped."""
    payload = Kept(job_id).build_payload(Execution.model_validate(execution).dataset)
    return [entry.to_json() for entry in payload.left_out]


# the time includes waiting for the turn
@task(name="import_to_dhis2", timeout_seconds=12 * HOUR, **_RETRIED)
def import_to_dhis2(job_id: str, execution: dict[str, Any], report: Report) -> dict[str, Any]:
    """Import the data value set, or ask DHIS2 what an import would do."""
    checked = Execution.model_validate(execution)
    summary = dhis2_import.import_to_dhis2(
        Kept(job_id).import_files,
        checked.dataset,
        checked.inputs.dry_run,
        _connector(checked),
        turn=partial(turns.turn, job_id, checked.dataset.dhis2.connection),
        report=report,
    )
    return summary.to_json()


@task(name="publish_results", timeout_seconds=HOUR, **_RETRIED)
def publish_results(
    job_id: str, execution: dict[str, Any], summary: dict[str, Any], left_out: list[dict[str, Any]], source: str
) -> dict[str, Any]:
    """Publish the values as features and write the job's result."""
    checked, kept = Execution.model_validate(execution), Kept(job_id)
    dataset = checked.dataset
    kept.export(dataset)
    outputs = publish.publish_results(
        kept.folder,
        dataset.id,
        units=kept.read_units_geojson(),
        values=kept.read_values(),
        summary=ImportSummary.model_validate(summary),
        left_out=[LeftOut.model_validate(entry) for entry in left_out],
        preview=data_values.preview(kept.import_files.payload(), kept.first_values(), kept.import_files.rows()),
        source=source,
        overridden=overridden(checked.inputs, load_datasets(Settings().config)[dataset.id]),
    )
    return outputs.to_json()


@flow(
    name="eo_aggregate_import_v1",
    validate_parameters=False,
    persist_result=False,
    timeout_seconds=24 * HOUR,
    **notifications.HOOKS,
)
def eo_aggregate_import_v1(inputs: dict[str, Any], request: dict[str, Any] | None = None) -> State[Any]:
    """Aggregate a dataset to organisation units and import the values into DHIS2.

    `inputs` are those of the process `eo-aggregate-import`; `request` is what else the execute request said.
    """
    take_credentials(read_blocks(), os.environ)
    settings = Settings()
    job_id = str(flow_run.id)
    _redact_logs(settings)
    try:
        return Completed(message=f"finished: {_run_steps(job_id, inputs, request or {}, RunProgress())}")
    except EoError as error:
        return _failed(job_id, error, settings)
    except TimeoutError:
        raise
    except Exception as error:
        logging.getLogger(__name__).exception("unexpected error")
        unexpected = EoError(f"unexpected {type(error).__name__}: {error}; see the logs of the run")
        return _failed(job_id, unexpected, settings)


def _run_steps(job_id: str, inputs: Mapping[str, Any], request: Mapping[str, Any], progress: RunProgress) -> str:
    """Take the seven steps; returns in words what came of it."""
    with progress.step("validate_inputs"):
        whole = with_held_features(inputs, request, Kept(job_id).folder.store)
        execution = validate_inputs(whole, _scheduled_time().isoformat())
    with progress.step("load_org_units"):
        units = load_org_units(job_id, execution)
    with progress.step("extract_source_data") as report:
        extract = extract_source_data(job_id, execution, units["bbox"], report)
    with progress.step("aggregate_to_org_units") as report:
        without_values = aggregate_to_org_units(job_id, execution, units["bbox"], extract, report)
    with progress.step("build_dhis2_payload"):
        dropped = build_dhis2_payload(job_id, execution)
    with progress.step("import_to_dhis2") as report:
        summary = import_to_dhis2(job_id, execution, report)
        kept = Kept(job_id)
        show_payload(data_values.preview(kept.import_files.payload(), kept.first_values(), kept.import_files.rows()))
        show_summary(ImportSummary.model_validate(summary))
    with progress.step("publish_results"):
        left_out = units["leftOut"] + extract["leftOut"] + without_values + dropped
        outputs = publish_results(job_id, execution, summary, left_out, extract["note"])
    return in_words(outputs["rowCount"], ImportSummary.model_validate(summary))


def _scheduled_time() -> datetime:
    return datetime.fromisoformat(str(flow_run.scheduled_start_time)).astimezone(UTC)


def _source_request(execution: dict[str, Any], bbox: list[float]) -> sources.SourceRequest:
    checked = Execution.model_validate(execution)
    west, south, east, north = bbox
    return sources.SourceRequest(
        dataset=checked.dataset,
        interval=checked.interval,
        bbox=(west, south, east, north),
        cache=Settings().cache_folder(),
    )


def _companions(execution: dict[str, Any]) -> tuple[Dataset, ...]:
    """Return the enabled datasets of the same organisation units, whose data may come with the same download."""
    checked = Execution.model_validate(execution)
    own, asked = checked.dataset, checked.inputs
    if asked.org_unit_level or asked.parent_org_unit or asked.org_unit_ids or asked.features:
        return ()
    enabled = load_datasets(Settings().config)
    return tuple(other for other in enabled.values() if other.source == own.source and other.org_units == own.org_units)


def _connector(execution: Execution) -> Callable[[], Any] | None:
    """Return what opens the dataset's DHIS2 connection, or None where the environment has none of this name."""
    connection = Settings().dhis2_connection(execution.dataset.dhis2.connection)
    return partial(dhis2.connect, connection) if connection else None


def _failed(job_id: str, error: EoError, settings: Settings) -> State[Any]:
    """End the run as failed, with the reason as its message and beside its results, where the API finds the status."""
    message = redact(str(error), settings.secrets())
    Kept(job_id).write_error(error, message)
    return Failed(message=message)


def _redact_logs(settings: Settings) -> None:
    redacting = RedactingFilter(settings.secrets())
    names = ("", "prefect", "prefect.flow_runs", "prefect.task_runs", "eo_pygeoapi", "dhis2eo", "dhis2_client")
    for name in names:
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(redacting)
