"""What the process `eo-backfill` takes and gives."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from eo_pygeoapi.contract.models import Finding, GivenIdentifier, Identifier, Model
from eo_pygeoapi.json_types import JsonObject


class BackfillInputs(Model):
    """Inputs of the process `eo-backfill`."""

    dataset_id: GivenIdentifier = Field(title="Dataset", description="one of the enabled datasets")
    start: str = Field(
        "", title="First period", description="inclusive; YYYY, YYYY-MM, YYYY-MM-DD, or an ISO 8601 duration (-P30D)"
    )
    end: str = Field("", title="Last period", description="inclusive; forms as for `start`")
    datetime: str = Field(
        "", title="Interval", description="start/end as an OGC interval, instead of `start` and `end`"
    )
    org_unit_level: list[Annotated[int, Field(ge=1, le=30)]] = Field(
        [], title="Organisation unit level", description="units of these levels"
    )
    parent_org_unit: Identifier = Field("", title="Parent", description="only units below this one (UID)")
    org_unit_ids: list[GivenIdentifier] = Field(
        [], title="Organisation units", description="UIDs; excludes `orgUnitLevel` and `parentOrgUnit`"
    )
    only: Literal["missing", "all"] = Field(
        "missing",
        title="Which values",
        description="missing: what the coverage lacks, such as gaps and new units; all: every value again",
    )
    units: Literal["all", "changed"] = Field(
        "all", title="Which units", description="changed: only units whose boundaries have changed since"
    )
    max_values_per_minute: Annotated[int, Field(ge=0)] = Field(
        0, title="Values a minute", description="how many values DHIS2 is sent a minute at most; 0: no limit"
    )
    window: Annotated[str, Field(pattern=r"^$|^\d{2}:\d{2}-\d{2}:\d{2}$")] = Field(
        "", title="Window", description="when it may run, in the dataset's time zone, such as 20:00-05:00"
    )
    dry_run: bool = Field(True, title="Dry run", description="true: estimate what it takes; false: import the values")

    @model_validator(mode="before")
    @classmethod
    def _one_is_a_list(cls, data: object) -> object:
        if isinstance(data, dict):
            for key in ("orgUnitLevel", "orgUnitIds"):
                if key in data and not isinstance(data[key], list):
                    data = {**data, key: [data[key]]}
        return data

    @model_validator(mode="after")
    def _units_by_one_way(self) -> Self:
        if self.org_unit_ids and (self.org_unit_level or self.parent_org_unit):
            raise ValueError("orgUnitLevel/parentOrgUnit and orgUnitIds exclude each other; give one of them")
        return self


class Chunks(Model):
    """How many parts a backfill has, each a job of its own."""

    total: int = 0
    done: int = 0
    failed: int = 0


class BackfillOutputs(Model):
    """The one output, `result`, of the process `eo-backfill`: an estimate, or what came of it."""

    dataset_id: str
    dry_run: bool
    periods: int = 0
    org_units: int = 0
    values: int = 0
    download_mi_b: float = Field(0.0, alias="downloadMiB")
    store_mi_b: float = Field(0.0, alias="storeMiB")
    provider_requests: int = 0
    minutes: float = Field(0.0, description="until its end, outside the window too")
    ends: str = Field("", description="when it would end, begun now")
    chunks: Chunks = Chunks()
    findings: list[Finding] = Field([], description="what speaks against it")
    sums: JsonObject = Field({}, description="of a real one: the sums of its jobs' import summaries")
