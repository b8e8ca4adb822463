"""The process `eo-aggregate-import` as pygeoapi lists it: it describes and validates, and never executes.

Execution is the manager's: it hands each request to Prefect.
"""

from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError

from eo_pygeoapi.contract.models import ImportInputs, ImportOutputs
from eo_pygeoapi.contract.ogc_schema import ogc_inputs, ogc_schema
from eo_pygeoapi.contract.status import PROCESS_ID
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.registry import DatasetRegistry, shared_registry
from eo_pygeoapi.datasets.viewer import viewer
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.settings import process_settings

VERSION = "1.0.0"


class AggregateImportProcessor(BaseProcessor):  # type: ignore[misc]
    """Describe `eo-aggregate-import`; pygeoapi makes a new one for every request.

    `registry` is for tests; by default it is this process's one for the configuration file.
    """

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
                self._described = describe(viewer().datasets(registry.datasets()))
            except ConfigError:
                self._described = describe({})
        return self._described

    @metadata.setter
    def metadata(self, value: object) -> None:
        """Ignore what the base class sets: there is no description without the configuration file."""

    def execute(self, data: JsonObject, outputs: JsonObject | None = None) -> tuple[str, Any]:
        """Refuse: an import takes minutes and belongs to a worker."""
        raise ProcessorExecuteError(
            user_msg=f"{PROCESS_ID} runs on Prefect only; set server.manager.name to eo_pygeoapi.manager.PrefectManager"
        )


def describe(datasets: Mapping[str, Dataset]) -> JsonObject:
    """Return the process description for these datasets; each call gives a fresh copy, for pygeoapi changes it."""
    inputs = ogc_inputs(ImportInputs)
    if datasets:
        inputs["datasetId"]["schema"]["enum"] = list(datasets)
    return {
        "version": VERSION,
        "id": PROCESS_ID,
        "title": "Aggregate Earth observation data to organisation units and import them into DHIS2",
        "description": "Climate and population data, aggregated to the organisation units of a DHIS2 and imported "
        "as data values. Without `dryRun: false` nothing in DHIS2 is changed.",
        "keywords": ["DHIS2", "climate", "population", "zonal statistics", *datasets],
        "jobControlOptions": ["async-execute", "dismiss"],
        "outputTransmission": ["value", "reference"],
        "links": [],
        "inputs": inputs,
        "outputs": {
            "result": {
                "title": "Result",
                "description": "counts, the import summary, what was left out, and where the values are",
                "schema": ogc_schema(ImportOutputs),
            }
        },
        "example": deepcopy(example(datasets)),
    }


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
    ends = {"yearly": ("", ""), "quarterly": ("-01", "-03")}.get(first.period_type, ("-01", "-01"))
    units = {} if first.org_units else {"orgUnitLevel": 2}
    return {
        "inputs": {"datasetId": first.id, "start": year + ends[0], "end": year + ends[1], "dryRun": True, **units},
    }
