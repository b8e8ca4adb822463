"""The main job: seven steps from a request to values in DHIS2 and published features.

This module only wires. Each step calls the package's function of the same name and keeps its result: small results pass
as models, large ones go through the results store. Another attempt of the same flow run reuses the results of finished
steps.
"""

import logging
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from prefect import Task, flow, task
from prefect.cache_policies import INPUTS, TASK_SOURCE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.runtime import flow_run
from prefect.tasks import exponential_backoff

from eo_pygeoapi.contract import periods
from eo_pygeoapi.contract.models import ImportOutputs, ImportSummary, LeftOut
from eo_pygeoapi.datasets import validate
from eo_pygeoapi.datasets.validate import Execution
from eo_pygeoapi.errors import Dhis2Error, EoError
from eo_pygeoapi.garbage import collected_here
from eo_pygeoapi.gateway import schedules, turns
from eo_pygeoapi.gateway.artifacts import show_payload, show_summary
from eo_pygeoapi.gateway.job import FOLLOWED, VALUES_PER_MINUTE, number_of
from eo_pygeoapi.gateway.progress import Report, RunProgress
from eo_pygeoapi.jobs.chains import has_changed
from eo_pygeoapi.jobs.held_parts import FEATURES_KEY, with_held_features
from eo_pygeoapi.json_types import JsonMapping, JsonObject
from eo_pygeoapi.pipeline.climatology import step as climatology
from eo_pygeoapi.pipeline.dhis2 import importing as dhis2_import
from eo_pygeoapi.pipeline.dhis2.data_values import Payload
from eo_pygeoapi.pipeline.dhis2.summary import imported_nothing, in_words
from eo_pygeoapi.pipeline.intermediates import Intermediates
from eo_pygeoapi.pipeline.org_units import load as org_units
from eo_pygeoapi.pipeline.org_units.load import LoadedUnits
from eo_pygeoapi.pipeline.sources import step as sources
from eo_pygeoapi.pipeline.zonal import groups
from eo_pygeoapi.pipeline.zonal import step as zonal
from eo_pygeoapi.settings import Settings, process_settings
from eo_pygeoapi.store import job_folder, publish, recording
from eo_pygeoapi.store.chains import Chain
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.reader import PublishedReader
from eo_pygeoapi.store.shared_cache import CALLED
from eo_pygeoapi.store.store import ResultStore
from eo_pygeoapi.wording import counted
from flows.as_submitted import datasets_as_submitted
from flows.following import begin, follow
from flows.hooks import IMPORT_HOOKS
from flows.surroundings import (
    connection_of,
    failed_for_now,
    of_one_download,
    outcome,
    own_folder,
    own_run,
    shared_cache,
    where_the_store_fails,
)

SENDS_THE_REST = "what DHIS2 has taken stays there, and the same request sends the rest once the store works again"
WRITES_THEM = "results are missing, and the same request writes them once the store works again"
MINUTE, HOUR = 60, 3600
_log = logging.getLogger(__name__)


def _is_transient(_task: Task[..., object], _run: TaskRun, state: State) -> bool:
    """Tell whether another try may help; Prefect asks this only while tries are left."""
    error = state.result(raise_on_failure=False)
    if not isinstance(error, EoError) or not error.transient:
        return False
    _log.warning("%s; the step is tried again", error)
    return True


_WITHOUT_RUN = (INPUTS - "self" - "report") + TASK_SOURCE


def _result_key(context: TaskRunContext, arguments: dict[str, Any]) -> str | None:
    """Return where Prefect keeps the result of a task: in the folder of its job, to be deleted with it."""
    digest = _WITHOUT_RUN.compute_key(context, arguments, {})
    run: Run = arguments["self"]
    return run.folder.key(f"{job_folder.STEP_RESULTS}/{digest}")


def _step[**P, R](seconds: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a method of `Run` a task that keeps its result under a key made of its arguments, without the run itself.

    Every step may reach the network, and be it the results store's: Prefect tries it again after transient errors.
    """

    def as_task(method: Callable[P, R]) -> Callable[P, R]:
        return task(
            timeout_seconds=seconds,
            cache_key_fn=_result_key,
            persist_result=True,
            result_serializer="json",
            retries=3,
            retry_delay_seconds=exponential_backoff(backoff_factor=5),
            retry_jitter_factor=0.5,
            retry_condition_fn=_is_transient,
        )(method)

    return as_task


class Run:
    """One run of the flow, and its seven steps.

    `scratch` is a local folder for the duration of the run.
    """

    def __init__(
        self,
        folder: JobFolder,
        inputs: JsonMapping,
        request: JsonMapping,
        settings: Settings,
        scratch: Path,
    ) -> None:
        self.folder, self.settings = folder, settings
        self.kept = Intermediates(folder, scratch)
        self._inputs, self._request = inputs, request

    @_step(MINUTE)
    def validate_inputs(self, now: str) -> Execution:
        """Check the inputs again, for no web process checked those of scheduled runs; dates count from `now`."""
        whole = with_held_features(self._inputs, self._request, self.folder.store)
        execution = validate.validate_inputs(whole, datasets_as_submitted(), datetime.fromisoformat(now))
        return execution.with_features({})

    @_step(10 * MINUTE)
    def load_org_units(self, execution: Execution) -> LoadedUnits:
        """Load the organisation units and keep them."""
        whole = with_held_features(self._inputs, self._request, self.folder.store)
        units = org_units.load_org_units(
            execution.with_features(whole.get("features", {})), connection_of(execution.dataset.dhis2.connection)
        )
        self.kept.write_units(units.frame)
        return LoadedUnits.of(units)

    @_step(12 * HOUR)
    def extract_source_data(self, execution: Execution, units: LoadedUnits, report: Report) -> sources.Extract:
        """Fetch the source's data of the interval and the box."""
        return sources.extract_source_data(self._source_request(execution, units, report.words))

    @_step(6 * HOUR)
    def aggregate_to_org_units(
        self, execution: Execution, units: LoadedUnits, extract: sources.Extract, report: Report
    ) -> list[LeftOut]:
        """Aggregate cells to units and steps to periods, and keep the values; returns units and periods left out."""
        if execution.dataset.options.taken_from():
            return self._compare_with_normal(execution, report)
        request, dataset = self._source_request(execution, units), execution.dataset
        whole = periods.periods_in(execution.interval, dataset.period_type)
        wanted = periods.without(whole, extract.left_out)
        frame, settings = self.kept.units(), self.settings
        with zonal.means(ResultStore(settings.cache, CALLED), settings.memory_mib, settings.dask_scheduler) as means:
            if dataset.options.divided_by():
                opens = partial(sources.open_group, request, extract)
                aggregated = groups.aggregate_groups(opens, frame, wanted, dataset, report, means)
            else:
                grid, people = sources.open_source_data(request, extract), sources.open_people_of(request, extract)
                aggregated = zonal.aggregate_to_org_units(grid, frame, wanted, dataset, report, means, people)
        self.kept.write_values(aggregated.frame)
        of = f"{counted(len(frame), 'organisation unit')} and {counted(len(wanted), 'period')}"
        _log.info("%s of %s", counted(len(aggregated.frame), "row"), of)
        return aggregated.left_out

    def _compare_with_normal(self, execution: Execution, report: Report) -> list[LeftOut]:
        """Compute values of those that another dataset has published, and keep them."""
        wanted = periods.periods_in(execution.interval, execution.dataset.period_type)
        frame, reader = self.kept.units(), PublishedReader(self.folder.store)
        found = climatology.compare_with_normal(frame, wanted, execution.dataset, reader, report)
        self.kept.write_values(found.frame)
        return found.left_out

    @_step(HOUR)
    def build_dhis2_payload(self, execution: Execution) -> Payload:
        """Build the data value set and keep it."""
        return self.kept.build_payload(execution.dataset)

    @_step(12 * HOUR)  # the time includes waiting for the turn
    def import_to_dhis2(self, execution: Execution, report: Report) -> ImportSummary:
        """Import the data value set, or in a dry run ask DHIS2 what an import would do."""
        dataset = execution.dataset
        return dhis2_import.import_to_dhis2(
            self.kept.import_files,
            dataset,
            execution.inputs.dry_run,
            connection_of(dataset.dhis2.connection),
            turn=partial(turns.turn, self.folder.job_id, dataset.dhis2.connection),
            report=report,
            wait=report.wait,
            per_minute=number_of(self._request, VALUES_PER_MINUTE),
        )

    @_step(HOUR)
    def publish_results(
        self, execution: Execution, summary: ImportSummary, left_out: Sequence[LeftOut], source: str
    ) -> ImportOutputs:
        """Publish the values as features, write the job's result and record the dataset's coverage."""
        self.kept.export(execution.dataset)
        units, values = org_units.to_publish(self.kept.units()), self.kept.values()
        results = publish.JobResults(
            units=units,
            values=values,
            summary=summary,
            left_out=left_out,
            preview=self.kept.preview,
            source=source,
            overridden=execution.overridden,
            all_units=not self._chosen(execution),
        )
        outputs = publish.publish_results(self.folder, execution.dataset.id, results)
        asked = recording.Asked.of(execution, units, left_out)
        recording.record(self.folder, execution, asked, values, left_out, datetime.now(UTC))
        return outputs

    @property
    def is_followed(self) -> bool:
        """Whether this job does what the dataset's `after` says; of a backfill, that is done once, at its end."""
        return self._request.get(FOLLOWED) is not False

    def _chosen(self, execution: Execution) -> bool:
        """Return whether the request names units, in place of all of the dataset's."""
        return execution.inputs.names_units or "features" in self._inputs or FEATURES_KEY in self._request

    def _source_request(
        self, execution: Execution, units: LoadedUnits, say: Callable[[str], None] = lambda _words: None
    ) -> sources.SourceRequest:
        return sources.SourceRequest(
            dataset=execution.dataset,
            interval=execution.interval,
            bbox=units.bbox,
            cache=self.settings.cache_folder(),
            companions=() if self._chosen(execution) else tuple(of_one_download(execution.dataset)),
            say=say,
            shared=shared_cache(),
        )


@flow(
    name="eo_aggregate_import_v1",
    validate_parameters=False,
    persist_result=False,
    timeout_seconds=24 * HOUR,
    **IMPORT_HOOKS,
)
def eo_aggregate_import_v1(inputs: JsonObject, request: JsonObject | None = None) -> State:
    """Aggregate a dataset to organisation units and import the values into DHIS2.

    `inputs` are those of the process `eo-aggregate-import`; `request` holds the other members of the execute request.
    """
    folder = own_folder()
    return outcome(folder, lambda: _import(folder, inputs, request or {}), failed_for_now)


def _import(folder: JobFolder, inputs: JsonObject, request: JsonObject) -> str:
    """Import, and do what follows an import; returns in words what came of it."""
    with collected_here(), RunProgress() as progress:
        # of a job that was put off, for DHIS2's analytics takes long, all steps are done
        if (chain := Chain.of(folder)) is None:
            with tempfile.TemporaryDirectory(prefix="eo-pygeoapi-") as scratch:
                own = own_run()
                # of a run that a schedule made, the inputs are those that the configuration file gives it
                given = schedules.inputs_of(own, inputs, datasets_as_submitted)
                schedules.keep_inputs(own, given)
                run = Run(folder, given, request, process_settings(), Path(scratch))
                words, chain = _run_steps(run, progress)
        if chain is not None:
            words = follow(chain, folder.store, progress)
        progress.end()
        return words


def _run_steps(run: Run, progress: RunProgress) -> tuple[str, Chain | None]:
    """Take the seven steps; returns how many values there are and what DHIS2 did with them, and what follows that."""
    with progress.step("validate_inputs"):
        scheduled = datetime.fromisoformat(str(flow_run.scheduled_start_time)).astimezone(UTC)
        execution = run.validate_inputs(scheduled.isoformat())
        _log.info(execution.in_words())
    with progress.step("load_org_units"):
        units = run.load_org_units(execution)
        execution = execution.with_other_units(units.others)
        _log.info(units.in_words())
    with progress.step("extract_source_data") as report:
        extract = run.extract_source_data(execution, units, report)
        _log.info(extract.in_words())
    with progress.step("aggregate_to_org_units") as report:
        without_values = run.aggregate_to_org_units(execution, units, extract, report)
    with progress.step("build_dhis2_payload"):
        payload = run.build_dhis2_payload(execution)
        _log.info(payload.in_words())
    with progress.step("import_to_dhis2") as report, where_the_store_fails(SENDS_THE_REST):
        summary = run.import_to_dhis2(execution, report)
        _log.info(in_words(payload.count, summary))
        show_payload(run.kept.preview)
        show_summary(summary)
    with progress.step("publish_results"), where_the_store_fails(f"{in_words(payload.count, summary)}; {WRITES_THEM}"):
        left_out = units.left_out + extract.left_out + without_values + payload.left_out
        outputs = run.publish_results(execution, summary, left_out, extract.note_of_all)
        _log.info(outputs.not_published or f"{counted(outputs.row_count, 'value')} published")
    words = in_words(outputs.row_count, summary)
    if imported_nothing(summary, payload.count):
        # a schedule must not stay green; the job keeps its values and documents
        raise Dhis2Error(words)
    follows = has_changed(summary) and run.is_followed
    return words, begin(run.folder, execution, words) if follows else None
