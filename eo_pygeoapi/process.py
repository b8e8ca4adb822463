"""Our processes as pygeoapi lists them: `eo-aggregate-import` and its companions; they describe, and never execute.

Execution is the manager's: it hands each request to Prefect.
"""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, ClassVar

from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError

from eo_pygeoapi.contract.backfill import BackfillInputs, BackfillOutputs
from eo_pygeoapi.contract.models import ImportInputs, ImportOutputs, Model
from eo_pygeoapi.contract.ogc_schema import ogc_inputs, ogc_schema
from eo_pygeoapi.contract.periods import longest, period_of
from eo_pygeoapi.contract.reconcile import ReconcileInputs, ReconcileOutputs
from eo_pygeoapi.contract.status import BACKFILL_ID, PROCESS_ID, RECONCILE_ID, UNDO_ID
from eo_pygeoapi.contract.undo import UndoInputs, UndoOutputs
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.registry import DatasetRegistry, shared_registry
from eo_pygeoapi.datasets.viewer import viewer
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.settings import process_settings

VERSION = "1.0.0"


@dataclass(frozen=True)
class Words:
    """What the description of one of our processes says, with its inputs and its one output."""

    title: str
    description: str
    output: str
    inputs: type[Model]
    outputs: type[Model]


IMPORT_WORDS = Words(
    "Aggregate Earth observation data to organisation units and import them into DHIS2",
    "Climate and population data, aggregated to the organisation units of a DHIS2 and imported as data values. Without "
    "`dryRun: false` nothing in DHIS2 is changed.",
    "counts, the import summary, what was left out, and where the values are",
    ImportInputs,
    ImportOutputs,
)
COMPANION_WORDS: Mapping[str, Words] = {
    BACKFILL_ID: Words(
        "Import a long interval in parts",
        "Years of a dataset, as one job a month or year, behind all other jobs. A dry run estimates what it takes; "
        "without `dryRun: false` nothing is downloaded or imported.",
        "the estimate, or how many parts are done and what they did in DHIS2",
        BackfillInputs,
        BackfillOutputs,
    ),
    UNDO_ID: Words(
        "Take back what a job changed in DHIS2",
        "Deletes the values that were new with the job, and gives the changed ones their old value, where DHIS2 still "
        "holds what the job sent. Without `dryRun: false` nothing in DHIS2 is changed.",
        "counts, and what was kept because it has changed since",
        UndoInputs,
        UndoOutputs,
    ),
    RECONCILE_ID: Words(
        "Compare what DHIS2 holds with what it was sent",
        "Asks DHIS2 for every value that was sent for these days, and lists each difference with its likely reason. "
        "Changes nothing.",
        "how many values are equal, and the differences",
        ReconcileInputs,
        ReconcileOutputs,
    ),
}


class OurProcessor(BaseProcessor):  # type: ignore[misc]
    """Describe one of our processes; pygeoapi makes a new processor for every request.

    `registry` is for tests; by default it is this process's one for the configuration file.
    """

    process_id: ClassVar[str]

    def __init__(self, processor_def: JsonObject, registry: DatasetRegistry | None = None) -> None:
        self._given_registry = registry
        self._described: JsonObject | None = None
        super().__init__(processor_def, None)
        self.supports_outputs = True

    @property
    def metadata(self) -> JsonObject:
        """The process description with the enabled datasets that the viewer sees, made at the first look.

        It has no datasets where the configuration file has mistakes, for it must not be a 500.
        """
        if self._described is None:
            registry = self._given_registry or shared_registry(process_settings().config)
            try:
                seen = viewer().datasets(registry.datasets())
            except ConfigError:
                seen = {}
            self._described = (
                describe(seen) if self.process_id == PROCESS_ID else describe_companion(self.process_id, seen)
            )
        return self._described

    @metadata.setter
    def metadata(self, value: object) -> None:
        """Ignore what the base class sets: there is no description without the configuration file."""

    def execute(self, data: JsonObject, outputs: JsonObject | None = None) -> tuple[str, Any]:
        """Refuse: an import takes minutes and belongs to a worker."""
        raise ProcessorExecuteError(
            user_msg=f"{self.process_id} runs on Prefect only; "
            "set server.manager.name to eo_pygeoapi.manager.PrefectManager"
        )


class AggregateImportProcessor(OurProcessor):
    """Describe `eo-aggregate-import`."""

    process_id = PROCESS_ID


class BackfillProcessor(OurProcessor):
    """Describe `eo-backfill`."""

    process_id = BACKFILL_ID


class UndoProcessor(OurProcessor):
    """Describe `eo-undo`."""

    process_id = UNDO_ID


class ReconcileProcessor(OurProcessor):
    """Describe `eo-reconcile`."""

    process_id = RECONCILE_ID


def describe(datasets: Mapping[str, Dataset]) -> JsonObject:
    """Return the description of the import for these datasets, fresh at each call, for pygeoapi changes it."""
    keywords = ["climate", "population", "zonal statistics", *datasets]
    return _described(PROCESS_ID, IMPORT_WORDS, datasets, keywords, deepcopy(example(datasets)))


def describe_companion(process_id: str, datasets: Mapping[str, Dataset]) -> JsonObject:
    """Return the description of a companion of the import; each call gives a fresh copy."""
    return _described(process_id, COMPANION_WORDS[process_id], datasets, [], companion_example(process_id, datasets))


def _described(
    process_id: str, words: Words, datasets: Mapping[str, Dataset], keywords: Sequence[str], example: JsonObject
) -> JsonObject:
    inputs, output = json.loads(_schemas(words.inputs, words.outputs))
    if "datasetId" in inputs and datasets:
        inputs["datasetId"]["schema"]["enum"] = list(datasets)
    return {
        "version": VERSION,
        "id": process_id,
        "title": words.title,
        "description": words.description,
        "keywords": ["DHIS2", *keywords],
        "jobControlOptions": ["async-execute", "dismiss"],
        "outputTransmission": ["value", "reference"],
        "links": [],
        "inputs": inputs,
        "outputs": {
            "result": {"title": "Result", "description": words.output, "schema": output},
        },
        "example": example,
    }


@cache
def _schemas(inputs: type[Model], outputs: type[Model]) -> str:
    """Return the inputs and the schema of the output as JSON: pydantic takes 6 ms for them, a copy of them 0.06."""
    return json.dumps([ogc_inputs(inputs), ogc_schema(outputs)])


def companion_example(process_id: str, datasets: Mapping[str, Dataset]) -> JsonObject:
    """Return an execute request of a companion, for one of these datasets."""
    if process_id == UNDO_ID:
        return {"inputs": {"jobId": "00000000-0000-0000-0000-000000000000", "dryRun": True}}
    wanted = {
        name: value for name, value in example(datasets)["inputs"].items() if name in ("datasetId", "start", "end")
    }
    return {"inputs": wanted if process_id == RECONCILE_ID else {**wanted, "dryRun": True}}


def example(datasets: Mapping[str, Dataset]) -> JsonObject:
    """Return an execute request that succeeds: on the synthetic sample where that is enabled."""
    sample = next((id_ for id_ in datasets if id_.startswith("sample-")), None)
    if sample:
        return {"inputs": {"datasetId": sample, "start": "2025-07-01", "end": "2025-07-31", "dryRun": True}}
    year = str(datetime.now(UTC).year - 1)
    first = next(iter(datasets.values()), None)
    if first is None:
        return {"inputs": {"datasetId": "none-enabled", "start": f"{year}-01", "end": f"{year}-01", "dryRun": True}}
    # long enough for one whole period
    period = period_of(date(int(year), 1, 15), first.period_type)
    ends = {"yearly": (year, year), "quarterly": (f"{year}-01", f"{year}-03")}.get(first.period_type)
    if ends is None and longest(first.period_type) <= 31:
        ends = (f"{year}-01", f"{year}-01")
    start, end = ends or (period.start.isoformat(), period.end.isoformat())
    units = {} if first.org_units else {"orgUnitLevel": 2}
    return {"inputs": {"datasetId": first.id, "start": start, "end": end, "dryRun": True, **units}}
