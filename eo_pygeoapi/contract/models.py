"""The one contract: what a job takes and what it gives.

These models feed the OGC process description, the Prefect parameters, the validation in the web process and again
in the flow, and the documentation. Names in JSON and YAML are camelCase, in Python snake_case. Types are strict:
nothing is coerced. A field that was not given has its empty default; whether it was given tells `model_fields_set`.
"""

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from eo_pygeoapi.contract.day_statistics import EXAMPLES
from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.contract.statistics import (
    SPATIAL_STATISTICS,
    TEMPORAL_STATISTICS,
    SpatialStatistic,
    StatisticOverTime,
)
from eo_pygeoapi.json_types import JsonMapping, JsonObject

Identifier = Annotated[str, Field(max_length=255, pattern=r"^\S*$")]
GivenIdentifier = Annotated[Identifier, Field(min_length=1)]


class Model(BaseModel):
    """Base of our models: camelCase outside, closed, strict, unchangeable."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
    )

    def to_json(self, **kwargs: Any) -> JsonObject:
        """Return what a client sees: JSON types, camelCase names."""
        return self.model_dump(mode="json", by_alias=True, **kwargs)


class Aggregation(Model):
    """How cells become one value per unit, and time steps one value per period."""

    spatial: SpatialStatistic = Field(
        "mean",
        description=f"statistic over the cells of an organisation unit: {', '.join(SPATIAL_STATISTICS)}, or a quantile "
        "from p1 to p99",
    )
    temporal: StatisticOverTime = Field(
        "mean",
        description=f"statistic over the time steps of a period: {', '.join(TEMPORAL_STATISTICS)}; or over its days: "
        f"{EXAMPLES}",
    )
    daily: Literal["", "mean", "sum", "min", "max"] = Field(
        "", description="statistic over the time steps of a day, before `temporal` takes the days of a period"
    )
    weight: Literal["cell", "area", "population"] = Field(
        "cell",
        description="what a cell weighs in `mean`, `std`, `median` and quantiles: all the same, by its area, or by the "
        "people in it",
    )


class Dhis2Target(Model):
    """Where in DHIS2 the values go; UIDs or codes."""

    connection: Identifier = Field("default", description="name of a DHIS2 connection of this server")
    data_element: Identifier = Field(
        "", description="UID or code; an import needs one, which a dataset with a connection has (docs/dhis2.md)"
    )
    data_set: Identifier = Field("", description="UID or code")
    category_option_combo: Identifier = Field("", description="UID or code; the default combination if not given")
    attribute_option_combo: Identifier = Field("", description="UID or code; the default combination if not given")
    import_strategy: Literal["CREATE", "UPDATE", "CREATE_AND_UPDATE"] = Field(
        "CREATE_AND_UPDATE", description="DHIS2's import strategy"
    )


class DatedInputs(Model):
    """Inputs of our processes: a dataset, and the days of an interval."""

    dataset_id: GivenIdentifier = Field(title="Dataset", description="one of the enabled datasets")
    start: str = Field(
        "",
        title="First period",
        description="inclusive; YYYY, YYYY-MM or YYYY-MM-DD, or an ISO 8601 duration relative to the scheduled time "
        "(-P30D); required together with `end` unless `datetime` is given",
    )
    end: str = Field("", title="Last period", description="inclusive; forms as for `start`")
    datetime: str = Field(
        "", title="Interval", description="start/end, start/P1M or P1M/end, instead of `start` and `end`"
    )

    @model_validator(mode="after")
    def _dates_by_one_way(self) -> Self:
        if self.datetime and (self.start or self.end):
            raise ValueError("datetime excludes start and end; give one or the other")
        return self


class UnitInputs(DatedInputs):
    """The same, and which organisation units."""

    org_unit_level: list[Annotated[int, Field(ge=1, le=30)]] = Field(
        [], title="Organisation unit level", description="units of these levels"
    )
    parent_org_unit: Identifier = Field("", title="Parent", description="only units below this one (UID)")
    org_unit_ids: list[GivenIdentifier] = Field(
        [],
        title="Organisation units",
        description="UIDs; excludes `orgUnitLevel` and `parentOrgUnit`",
    )

    @property
    def names_units(self) -> bool:
        """Whether it names units, in place of all of the dataset's."""
        return bool(self.org_unit_level or self.parent_org_unit or self.org_unit_ids)

    @model_validator(mode="before")
    @classmethod
    def _one_level_is_a_list(cls, data: object) -> object:
        if isinstance(data, dict):
            for key in ("orgUnitLevel", "org_unit_level", "orgUnitIds", "org_unit_ids"):
                if key in data and not isinstance(data[key], list):
                    data = {**data, key: [data[key]]}
        return data

    @model_validator(mode="after")
    def _units_by_one_way(self) -> Self:
        ways = [name for name, given in self._ways() if given]
        if len(ways) > 1:
            raise ValueError(f"{' and '.join(ways)} exclude each other; give one of them")
        return self

    def _ways(self) -> list[tuple[str, bool]]:
        """Return the ways to say which units, and whether each is used."""
        return [
            ("orgUnitLevel/parentOrgUnit", bool(self.org_unit_level or self.parent_org_unit)),
            ("orgUnitIds", bool(self.org_unit_ids)),
        ]


class ImportInputs(UnitInputs):
    """Inputs of the process `eo-aggregate-import`."""

    dataset_id: str = Field(title="Dataset", description="one of the enabled datasets")
    features: JsonObject = Field(
        {},
        title="Own areas",
        description="GeoJSON FeatureCollection whose features carry ids; excludes the three inputs above",
    )
    aggregation: Aggregation = Field(Aggregation(), title="Aggregation", description="overrides the dataset's")
    period_type: PeriodType = Field(
        default_factory=lambda: "daily", title="Period type", description="overrides the dataset's"
    )
    parameters: JsonObject = Field(
        {}, title="Source options", description="options of the source that requests may set"
    )
    dhis2: Dhis2Target = Field(Dhis2Target(), title="DHIS2", description="overrides the dataset's")
    dry_run: bool = Field(
        True, title="Dry run", description="true: ask DHIS2 what an import would do; false: import the values"
    )

    def _ways(self) -> list[tuple[str, bool]]:
        return [*super()._ways(), ("features", bool(self.features))]


class Interval(Model):
    """Days from `start` to `end`, both included; also from the text that JSON makes of them."""

    start: Annotated[date, Field(strict=False)]
    end: Annotated[date, Field(strict=False)]


class Rejected(Model):
    """A value that DHIS2 did not take, and why."""

    org_unit: str = ""
    period: str = ""
    group: str = Field("", description="the group of a disaggregated dataset")
    value: str = ""
    code: str = ""
    reason: str

    @property
    def cell(self) -> tuple[str, str, str]:
        """Return where the value would have been in the data element."""
        return self.org_unit, self.period, self.group


class KeptValue(Model):
    """A value that DHIS2 holds from somebody else, and that was therefore not overwritten by ours."""

    org_unit: str
    period: str
    group: str = Field("", description="the group of a disaggregated dataset")
    value: str
    stored: str
    stored_by: str = ""
    stored_at: str = Field("", description="when DHIS2 took the value, as it writes it: its own local time until 2.42")


Likely = Literal["changed", "deleted", "rounded", "never arrived", "no such unit", "not visible"]


class Difference(Model):
    """A value that DHIS2 does not hold as we sent it, and the likely reason."""

    org_unit: str
    period: str
    group: str = Field("", description="the group of a disaggregated dataset")
    sent: str
    held: str = Field("", description="what DHIS2 holds; absent where it holds nothing")
    likely: Likely
    reason: str = Field(description="the same in words")
    stored_by: str = ""
    stored_at: str = Field("", description="when DHIS2 took its value, as it writes it")


class Finding(Model):
    """What the check before the import found: an error keeps it from being made, a warning does not."""

    severity: Literal["error", "warning"]
    code: str
    message: str = Field(description="what is wrong, and what to do")


class ImportSummary(Model):
    """What happened, or in a dry run would happen, to the values in DHIS2.

    In JSON the members after `reason` are absent where there is nothing to say.
    """

    status: Literal["SUCCESS", "WARNING", "ERROR", "SKIPPED"]
    dry_run: bool
    imported: int = 0
    updated: int = 0
    ignored: int = 0
    deleted: int = 0
    unchanged: int = 0
    rejected_count: int = 0
    rejected: list[Rejected] = Field([], description="the first 100")
    reason: str = Field("", description="why the import was skipped or failed")
    findings: list[Finding] = Field([], description="what was found before the import")
    kept_count: int = Field(0, description="values that others changed in DHIS2 and that were kept")
    kept: list[KeptValue] = Field([], description="the first 100")
    difference_count: int = Field(0, description="values that DHIS2 did not hold as sent when it was asked afterwards")
    differences: list[Difference] = Field([], description="the first 100")
    notes: list[str] = Field([], description="what a person should know now")


NOT_PLAUSIBLE = "are not plausible"


class LeftOut(Model):
    """A unit or period without a value, and why; in JSON, members that do not apply are absent."""

    org_unit: str = ""
    period: str = ""
    reason: str
    expected: str = Field("", description="when the data are expected")

    @property
    def is_doubt(self) -> bool:
        """Whether it says of all values that too many cannot be."""
        return not self.org_unit and not self.period and NOT_PLAUSIBLE in self.reason


class ImportOutputs(Model):
    """The one output, `result`, of the process `eo-aggregate-import`."""

    org_unit_count: int = Field(description="organisation units that were asked for")
    row_count: int = Field(description="values that are not null")
    payload_preview_path: str = Field(description="key in the results store")
    import_summary: ImportSummary
    result_features_path: str = Field(
        description="where the values are as GeoJSON features; sent as `files/features.geojson` of the job"
    )
    left_out: list[LeftOut] = []
    source: str = Field("", description="which data the values are of, such as their stage")
    not_published: str = Field("", description="why the dataset's collection does not show these values")

    def to_json(self, **kwargs: Any) -> JsonObject:
        """Return what a client sees; members that do not apply, and empty reasons, are absent."""
        answer = super().to_json(**kwargs)
        answer["leftOut"] = [_without_empty(entry) for entry in answer["leftOut"]]
        answer["importSummary"] = shown_summary(answer["importSummary"])
        for name in ("source", "notPublished"):
            if not answer[name]:
                del answer[name]
        return answer


def shown_summary(summary: JsonMapping) -> JsonObject:
    """Return an import summary as clients see it: members that do not apply, and empty ones, are absent."""
    left = ("reason", "findings", "keptCount", "kept", "differenceCount", "differences", "notes")
    shown = {name: value for name, value in summary.items() if value or name not in left}
    lists = [name for name in ("rejected", "differences") if name in shown]
    shown |= {name: [_without_empty(entry) for entry in shown[name]] for name in lists}
    if "kept" in shown:
        shown["kept"] = [{k: v for k, v in entry.items() if k != "group" or v} for entry in shown["kept"]]
    return shown


def _without_empty(entry: JsonObject) -> JsonObject:
    return {name: value for name, value in entry.items() if value != ""}
