"""The process `eo-backfill`, wired: an estimate, or a look at the jobs of its parts, after which the run is put off."""

import logging
import shutil
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import requests
from prefect import flow
from prefect.client.schemas.objects import State

from eo_pygeoapi.contract.backfill import BackfillInputs, BackfillOutputs
from eo_pygeoapi.contract.models import Interval
from eo_pygeoapi.contract.periods import periods_in
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.cost import Box
from eo_pygeoapi.datasets.validate import Execution, parsed_inputs, validate_inputs
from eo_pygeoapi.datasets.viewer import Viewer
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.gateway.attempts import put_off
from eo_pygeoapi.gateway.deployments import CONFIGURATION
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job import AWAITING_PARTS, BY, DEATHS, FOLLOWED, HAS_PARTS, STARTED_BY, VALUES_PER_MINUTE, Job
from eo_pygeoapi.gateway.patience import while_away
from eo_pygeoapi.gateway.progress import RunProgress
from eo_pygeoapi.gateway.work_pool import BACKFILL
from eo_pygeoapi.jobs.backfills import Overseer, parts_in_words
from eo_pygeoapi.jobs.estimates import Plan, Surroundings, estimate, plan_of
from eo_pygeoapi.jobs.missing import Missing
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.pipeline.org_units import load as org_units
from eo_pygeoapi.pipeline.sources.step import SourceRequest, held_days
from eo_pygeoapi.settings import process_settings
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.backfills import Backfill, KeptPart
from eo_pygeoapi.store.boundaries import changed_units, note_boundaries
from eo_pygeoapi.store.chains import Chain
from eo_pygeoapi.store.coverage import CoverageTable
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.wording import counted, estimated
from flows.as_submitted import datasets_as_submitted
from flows.following import begin, follow
from flows.hooks import BACKFILL_HOOKS
from flows.surroundings import (
    connection_of,
    of_one_download,
    outcome,
    own_folder,
    own_run,
    prefect,
    shared_cache,
)

_PREFECT_SECONDS, _HEAD_SECONDS = 120.0, 5.0
_log = logging.getLogger(__name__)


@flow(name="eo_backfill_v1", validate_parameters=False, persist_result=False, **BACKFILL_HOOKS)
def eo_backfill_v1(process_id: str, inputs: JsonObject, request: JsonObject | None = None) -> State:
    """Estimate what a backfill takes, or start its jobs and look after them."""
    folder = own_folder()
    return outcome(folder, lambda: _backfill(folder, inputs, request or {}))


def _backfill(folder: JobFolder, inputs: JsonObject, request: JsonObject) -> str:
    run = Run(folder, inputs, request)
    words = run.estimated() if run.asked.dry_run else run.looked()
    run.progress.end()
    return words


class Run:
    """One look of a backfill's job."""

    def __init__(self, folder: JobFolder, inputs: JsonObject, request: JsonObject) -> None:
        self.folder, self.request, self.settings = folder, request, process_settings()
        self.progress = RunProgress()
        self.asked = parsed_inputs(inputs, BackfillInputs)
        created = own_run().created or datetime.now(UTC)  # relative dates count from then, at every look
        wanted = self.asked.of_import(dry_run=self.asked.dry_run)
        self.execution: Execution = validate_inputs(wanted, datasets_as_submitted(), created)
        self.dataset = self.execution.dataset
        connect = connection_of(self.dataset.dhis2.connection)
        self.missing = Missing(CoverageTable.of(folder.store, self.dataset), self.dataset, connect)

    def estimated(self) -> str:
        """Keep the estimate as the job's result, and return it in words."""
        self.progress.at(5, "loads the organisation units")
        units, box = self._units()
        self.progress.at(30, "looks at what is there")
        plan = self._plan(units)
        self.progress.at(60, "asks DHIS2 what it takes")
        around = Surroundings(
            connect=connection_of(self.dataset.dhis2.connection),
            size=lambda place: size_of(self.dataset.resolve(place)),
            free=lambda: free_bytes(Path(self.settings.data_dir)),
            at_once=self.settings.backfill_jobs,
            companions=[other.options for other in of_one_download(self.dataset)],
            held=partial(self._held, box),
        )
        outputs = estimate(self.asked, self.dataset, plan, units, box, around, datetime.now(UTC))
        self.folder.write_json(job_folder.RESULT, outputs.to_json())
        if not plan.chunks:
            return "nothing to import: no value is missing that the provider has"
        return f"{counted(outputs.values, 'value')} in {counted(len(plan.chunks), 'job')}, {estimated(outputs.minutes)}"

    def looked(self) -> str:
        """Look at the jobs and start more; ends the process, until it is to look again, or returns what came of all."""
        if chain := Chain.of(self.folder):  # all parts have ended, and it waited for DHIS2's analytics
            return follow(chain, self.folder.store, self.progress)
        backfill = Backfill.of(self.folder) or self._begun()
        with prefect() as gateway:
            overseer = self._overseer(gateway, backfill)
            backfill, again = overseer.look(backfill)
            said, chunks = overseer.in_words(backfill), backfill.chunks
        self.progress.at(100 * (chunks.done + chunks.failed) / max(chunks.total, 1), said)
        if again is not None:
            self.progress.leave()
            # a process that died counts for one look
            put_off(own_run(), AWAITING_PARTS, again, said, {DEATHS: 0, HAS_PARTS: 1})
        return self._ended(backfill)

    def _begun(self) -> Backfill:
        """Make the plan, and keep it."""
        self.progress.at(0, "loads the organisation units")
        units, _ = self._units()
        chunks, hours, zone = self._plan(units).chunks, self.asked.window, self.dataset.time_zone
        backfill = Backfill.of_chunks(self.folder.job_id, chunks, datetime.now(UTC), hours, zone)
        if self.asked.units == "changed":
            backfill = backfill.model_copy(update={"units": units})
        elif self.asked.only == "missing":
            backfill = backfill.model_copy(update={"known": units})
        backfill.keep(self.folder)
        return backfill

    def _ended(self, backfill: Backfill) -> str:
        """Keep the result, and do what the dataset's `after` says."""
        chunks, sums = backfill.chunks, backfill.sums
        outputs = BackfillOutputs(
            dataset_id=self.dataset.id,
            dry_run=False,
            chunks=chunks,
            new_values=sums.get("imported", 0),
            changed=sums.get("updated", 0),
            unchanged=sums.get("unchanged", 0),
            kept=sums.get("kept", 0),
            rejected=sums.get("rejected", 0),
            failed_parts=backfill.failed,
        )
        self.folder.write_json(job_folder.RESULT, outputs.to_json())
        if not chunks.total:
            return "there was nothing to do: no value is missing, or none is to be had"
        words = f"{chunks.done} of {chunks.total} {parts_in_words(backfill)} done"
        words += f", {outputs.new_values} values new in DHIS2, {outputs.changed} changed"
        if backfill.failed:
            named = ", ".join(part.part for part in backfill.failed[:5])
            words += f"; failed: {named}{', …' if len(backfill.failed) > 5 else ''}: {backfill.failed[0].reason}"
            if chunks.failed == chunks.total:
                raise EoError(words)
        if outputs.new_values + outputs.changed and (chain := begin(self.folder, self.execution, words)):
            words = follow(chain, self.folder.store, self.progress)
        return words

    def _overseer(self, gateway: PrefectGateway, backfill: Backfill) -> Overseer:
        runs, again = gateway.seen_by(Viewer(self.dataset.tenant)).runs, while_away(_PREFECT_SECONDS)
        at_once, most = self.settings.backfill_jobs, self.asked.max_values_per_minute
        request: JsonObject = {FOLLOWED: False}
        if most:
            request[VALUES_PER_MINUTE] = most  # together: they share it
        if by := self.request.get(BY):
            request[BY] = by

        def submit(inputs: JsonObject, key: str) -> Job:
            parameters, labels = {"inputs": inputs, "request": request}, {STARTED_BY: self.folder.job_id}
            labels[CONFIGURATION] = self.dataset.version
            return again(runs.submit, self.dataset.id, parameters, BACKFILL, labels, key)

        return Overseer(
            folder=self.folder,
            dataset=self.dataset,
            inputs=self.asked,
            submit=submit,
            get=partial(again, runs.get),
            lacking=partial(self._lacking, backfill),
            at_once=at_once,
        )

    def _lacking(self, backfill: Backfill, part: KeptPart) -> Sequence[str] | None:
        """Return the units to compute in a part, None for all that were asked for."""
        if backfill.units is not None or backfill.known is None:
            return backfill.units
        periods = periods_in(Interval(start=part.start, end=part.end), self.dataset.period_type)
        some = self.missing.lacking(periods, backfill.known).cells.any(axis=0)
        return None if some.all() else [unit for unit, lacks in zip(backfill.known, some, strict=True) if lacks]

    def _units(self) -> tuple[list[str], Box]:
        """Return the ids of the units that are to be computed, and the box around all that were asked for."""
        found = org_units.load_org_units(self.execution, connection_of(self.dataset.dhis2.connection))
        ids = [str(unit) for unit in found.frame["orgUnit"]]
        if self.asked.units == "changed":
            if not self.asked.names_units:  # as they are now, and not as the last import found them
                now, unusable = org_units.to_publish(found.frame), {left.org_unit for left in found.left_out}
                note_boundaries(self.folder.store, self.dataset.id, now, date.today(), unusable)
            changed = changed_units(self.folder.store, self.dataset.id)
            ids = [unit for unit in ids if unit in changed]
        return ids, org_units.bbox(found)

    def _held(self, box: Box | None, dataset: Dataset, wanted: Sequence[date]) -> Collection[date]:
        """Return which of these days the download cache has."""
        if box is None:
            return ()
        interval = Interval(start=wanted[0], end=wanted[-1])
        return held_days(
            SourceRequest(dataset, interval, box, self.settings.cache_folder(), shared=shared_cache()), wanted
        )

    def _plan(self, units: Sequence[str]) -> Plan:
        periods = periods_in(self.execution.interval, self.dataset.period_type)
        return plan_of(self.asked, self.dataset, periods, units, self.missing, date.today())


def size_of(place: str) -> int | None:
    """Return the bytes of a file by its path or address; None where it is not there, or nobody says."""
    try:
        if "://" not in place:
            return Path(place).stat().st_size
        answer = requests.head(place, allow_redirects=True, timeout=_HEAD_SECONDS)
        length = answer.headers.get("Content-Length", "")
        return int(length) if answer.ok and length.isdigit() else None
    except (OSError, requests.RequestException):
        return None


def free_bytes(folder: Path) -> int | None:
    """Return the free bytes of the disk that a folder is on, None where there is no such folder."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
