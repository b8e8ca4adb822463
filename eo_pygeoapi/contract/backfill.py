"""What the process `eo-backfill` takes and gives."""

from typing import Annotated, Literal

from pydantic import Field

from eo_pygeoapi.contract.models import Finding, Model, UnitInputs
from eo_pygeoapi.contract.windows import WINDOW
from eo_pygeoapi.json_types import JsonObject

# members of a real one's result alone, and of an estimate alone
_DONE = ("newValues", "changed", "unchanged", "kept", "rejected", "failedParts")
_ESTIMATED = ("periods", "orgUnits", "values", "downloadMiB", "storeMiB", "providerRequests", "providerMinutes",
              "dhis2Minutes", "minutes", "ends", "findings")  # fmt: skip


class BackfillInputs(UnitInputs):
    """Inputs of the process `eo-backfill`."""

    only: Literal["missing", "all"] = Field(
        "missing",
        title="Which values",
        description="missing: what DHIS2 does not hold of us yet, such as gaps and new units; all: every value again",
    )
    units: Literal["all", "changed"] = Field(
        "all", title="Which units", description="changed: only units whose boundaries have changed since, every value"
    )
    max_values_per_minute: Annotated[int, Field(ge=0)] = Field(
        0, title="Values a minute", description="how many values DHIS2 is sent a minute at most; 0: no limit"
    )
    window: Annotated[str, Field(pattern=WINDOW)] = Field(
        "00:00-00:00",
        title="Window",
        description="when its jobs may start, in the dataset's time zone, such as 20:00-05:00; always if not given",
    )
    dry_run: bool = Field(True, title="Dry run", description="true: estimate what it takes; false: import the values")

    def of_import(self, *, dry_run: bool) -> JsonObject:
        """Return the inputs of an import of the whole interval and all units."""
        asked = self.to_json(exclude={"only", "units", "max_values_per_minute", "window", "dry_run"})
        return {name: value for name, value in asked.items() if value} | {"dryRun": dry_run}


class Chunks(Model):
    """How many parts a backfill has, each a job of its own."""

    total: int = 0
    done: int = 0
    failed: int = 0


class FailedPart(Model):
    """A part that failed for good, and the last job that tried it."""

    part: str = Field(description="its year or month")
    job_id: str = Field("", alias="jobID")
    reason: str = ""


class BackfillOutputs(Model):
    """The one output, `result`, of the process `eo-backfill`: an estimate, or what came of it.

    In JSON an estimate has no counts of DHIS2, and a real one none of what it would take.
    """

    dataset_id: str
    dry_run: bool
    chunks: Chunks = Field(Chunks(), description="its parts, each a job of its own")
    periods: int = 0
    org_units: int = 0
    values: int = Field(0, description="at most so many: not every unit has data for every period")
    download_mi_b: float = Field(0.0, alias="downloadMiB", description="what the provider sends")
    store_mi_b: float = Field(0.0, alias="storeMiB", description="what is kept here of it, and of the values")
    provider_requests: int = 0
    provider_minutes: float = Field(0.0, description="that the provider usually takes")
    dhis2_minutes: float = Field(0.0, description="that DHIS2 takes for the values, at `maxValuesPerMinute`")
    minutes: float = Field(0.0, description="of work")
    ends: str = Field("", description="when it would end, begun now, with its window")
    findings: list[Finding] = Field([], description="what speaks against it")
    new_values: int = Field(0, description="values that were new in DHIS2")
    changed: int = 0
    unchanged: int = 0
    kept: int = 0
    rejected: int = 0
    failed_parts: list[FailedPart] = []

    def to_json(self, **kwargs: object) -> JsonObject:
        """Return what a client sees."""
        hidden = _DONE if self.dry_run else _ESTIMATED
        return {name: value for name, value in super().to_json(**kwargs).items() if name not in hidden}
