"""The models of a dataset's `eo:` block, and of the dataset made from it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter
from pydantic import AfterValidator, Field, SerializeAsAny, field_validator, model_validator
from pydantic_core import PydanticCustomError

from eo_pygeoapi.contract.day_statistics import day_statistic
from eo_pygeoapi.contract.models import Aggregation, Dhis2Target, ImportInputs, Model
from eo_pygeoapi.contract.period_types import PeriodType
from eo_pygeoapi.contract.ucum import has_offset
from eo_pygeoapi.datasets.operations import Duration, Name, Policy, Then
from eo_pygeoapi.datasets.people import Exposure, Population
from eo_pygeoapi.datasets.source import SourceOptions, Values, YamlText, installed_sources, source_info
from eo_pygeoapi.json_types import JsonObject


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:  # of the three, zoneinfo raises the one that fits the mistake
        raise ValueError(f"{name!r} is no time zone; allowed: IANA names such as UTC or Africa/Freetown") from error
    return name


def _cron_of_prefect(text: str) -> str:
    """Refuse what Prefect does not take: it reads cron with a copy of croniter, without H and R."""
    if not croniter.is_valid(text) or {"h", "r"} & set(text.casefold().split()):
        raise ValueError(f"{text!r} is no cron expression; allowed: minute hour day month weekday, such as '0 6 * * *'")
    try:
        croniter(text, datetime.now(UTC)).get_next()
    except CroniterBadDateError as error:  # Prefect would plan no run of any schedule of the dataset
        raise ValueError(f"{text!r} names a time that never comes") from error
    return text


TimeZone = Annotated[str, AfterValidator(_known_zone)]
Cron = Annotated[str, AfterValidator(_cron_of_prefect)]


class Units(Model):
    """Units of the source's values and of ours, as pint writes them."""

    from_: YamlText = Field("", alias="from")
    to: YamlText = ""


class OrgUnitsFromGeoJSON(Model):
    """Organisation units of a GeoJSON file."""

    source: Literal["geojson"]
    href: YamlText = Field(min_length=1, description="path, relative to the configuration file, or URL")
    id: YamlText = Field("id", description="the property that holds the UID; `id` also finds the feature's own id")
    name: YamlText = Field("name", description="the property that holds the name")


class OrgUnitsFromDhis2(Model):
    """Organisation units of the dataset's DHIS2 connection."""

    source: Literal["dhis2"]
    level: list[Annotated[int, Field(ge=1, le=30)]] = Field([], description="levels; a number or several")
    parent: YamlText = Field("", description="only units below this one (UID)")
    group: YamlText = Field("", description="only units of this organisation unit group (UID)")

    @model_validator(mode="before")
    @classmethod
    def _one_level_is_a_list(cls, data: object) -> object:
        if isinstance(data, dict) and not isinstance(level := data.get("level", []), list):
            return {**data, "level": [level]}
        return data


OrgUnitsSource = Annotated[OrgUnitsFromGeoJSON | OrgUnitsFromDhis2, Field(discriminator="source")]


class DatasetTarget(Dhis2Target):
    """Where in DHIS2 a dataset's values go, and what to do with values that a person has changed there."""

    on_conflict: Literal["keep", "overwrite"] = "keep"
    disaggregation: dict[str, str] = Field(
        {},
        description="of a source's groups, the category option combination of each: UID, code, or the names of its "
        "options; what `eo-pygeoapi dhis2 setup` makes if it is not given",
    )

    @model_validator(mode="after")
    def _one_combination_or_several(self) -> Self:
        if self.disaggregation and self.category_option_combo:
            raise ValueError("categoryOptionCombo and disaggregation exclude each other; give one of them")
        return self


class Schedule(Model):
    """When to run by itself, and with which inputs; `start` and `end` are usually relative to the scheduled time."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    cron: Cron
    timezone: TimeZone = "UTC"
    active: bool = True
    inputs: JsonObject
    catch_up: Literal["latest", "all", "none"] = Field(
        "latest", description="which of the times that the server or the workers missed are made up for"
    )


class DatasetBlock(Model):
    """The `eo:` block of a dataset; see `docs/datasets.md` for what each key means."""

    source: str
    options: SerializeAsAny[SourceOptions]
    units: Units = Units()
    period_type: PeriodType = "daily"
    time_zone: TimeZone = "UTC"
    aggregation: Aggregation = Aggregation()
    decimals: Annotated[int, Field(ge=0, le=15)] | None = None
    min_valid_fraction: Annotated[float, Field(ge=0, le=1)] = 0.0
    plausible: tuple[float | None, float | None] | None = Field(
        None, description="what a value can be: [low, high], in the units of `units.to`"
    )
    population: Population | None = Field(
        None, description="where people live, for `aggregation: {weight: population}` and `exposure`"
    )
    exposure: Exposure | None = Field(None, description="count the people where the value is above or below this")
    org_units: OrgUnitsSource | None = None
    dhis2: DatasetTarget = DatasetTarget()
    schedules: list[Schedule] = []
    public: bool = False
    resume: Annotated[int, Field(ge=0, le=10)] | None = None
    memory_limit_mib: Annotated[int, Field(ge=64)] | None = None
    tenant: str = ""
    notify: list[Name] | None = Field(None, description="channels that hear of this dataset; all if it is not given")
    late: Duration | None = Field(None, description="how old the newest period may become before it is late")
    policy: Policy = Policy()
    after: list[Then] = []

    @field_validator("source", mode="before")
    @classmethod
    def _is_installed(cls, name: object) -> object:
        if not isinstance(name, str) or name not in installed_sources():
            known = ", ".join(installed_sources()) or "none, for none is installed"
            raise PydanticCustomError("literal_error", "is no installed source", {"expected": known})
        return name

    @field_validator("plausible", mode="before")
    @classmethod
    def _low_before_high(cls, value: object) -> object:
        """Take two numbers, the lower one first; null stands for an open end."""
        if value is None:
            return None
        ends = list(value) if isinstance(value, list | tuple) else []
        numbers = [end for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]
        if len(ends) != 2 or any(end is not None and end not in numbers for end in ends):
            example = "numbers or null, such as [0, 500] or [0, null]"
            raise ValueError(f"{value!r} is no range; allowed: [low, high], {example}")
        if len(numbers) == 2 and not numbers[0] < numbers[1]:
            raise ValueError(f"{value!r} holds nothing; allowed: [low, high] with low < high")
        return tuple(ends)


class Dataset(DatasetBlock):
    """One enabled dataset: its `eo:` block, and title and bbox of the collection around it."""

    id: str
    title: str = ""
    bbox: list[float] = []
    base: str = Field("", description="folder that relative hrefs are resolved against")
    version: str = Field("", description="digest of what the file says of it; see `version.py`")
    connections: list[str] | None = Field(
        None, description="the DHIS2 connections that requests may name; any where the server has no tenants"
    )
    shared_bbox: list[float] = Field([], description="what this dataset and those of the same block fetch at once")

    @model_validator(mode="before")
    @classmethod
    def _options_of_the_source(cls, data: object) -> object:
        if not isinstance(data, dict) or not isinstance(data.get("options", {}), dict):
            return data
        if data.get("source") not in installed_sources():
            return data
        return {**data, "options": source_info(data["source"]).options.model_validate(data.get("options", {}))}

    @property
    def names_local_files(self) -> bool:
        """Whether the data or the organisation units are files on this machine."""
        units = self.org_units.href if isinstance(self.org_units, OrgUnitsFromGeoJSON) else "://"
        return "://" not in units or bool(self.options.local_paths())

    @property
    def weighs_people(self) -> bool:
        """Whether the values depend on where people live."""
        return self.exposure is not None or self.aggregation.weight == "population"

    def of_people(self) -> "Dataset":
        """Return the dataset of the yearly numbers of people in cells; ValidationError for what is wrong with it."""
        own = (self.population or Population()).model_dump(by_alias=True)
        about = {"id": f"{self.id}-population", "title": own["source"], "base": self.base, "periodType": "yearly"}
        return Dataset.model_validate({**own, **about, "aggregation": {"spatial": "sum", "temporal": "mean"}})

    @property
    def sums_steps(self) -> bool:
        """Whether a value is the sum of all time steps of its period."""
        return self.aggregation.temporal == "sum" and not self.aggregation.daily

    @property
    def unit(self) -> str:
        """The unit of the values: `units.to`, unless they count something."""
        if self.exposure is not None:
            return "people"
        statistic = day_statistic(self.aggregation.temporal)
        if statistic is None:
            return self.units.to
        return statistic.counted if statistic.is_count else " ".join(filter(None, (self.units.to, "days")))

    @property
    def values(self) -> Values:
        """What the values are like."""
        statistic = day_statistic(self.aggregation.temporal)
        counts = statistic is not None or self.exposure is not None or self.aggregation.spatial in ("count", "std")
        offset = not counts and has_offset(self.units.to)
        low = self.plausible[0] if self.plausible else 0.0 if self.options.never_negative() else None
        never_negative = counts or (not offset and low is not None and low >= 0)
        return Values(self.unit, offset, never_negative, self.options.directions())

    def schedule(self, name: str) -> Schedule | None:
        """Return the schedule of this name; None where there is none."""
        return next((schedule for schedule in self.schedules if schedule.name == name), None)

    def resolve(self, href: str) -> str:
        """Return `href` as a URL or an absolute path."""
        return href if "://" in href else str(Path(self.base, href).absolute())

    def overridden_by(self, inputs: ImportInputs) -> "Dataset":
        """Return this dataset with what the request overrides."""
        given = inputs.model_fields_set
        own = self.model_dump(by_alias=True)
        if "aggregation" in given:
            own["aggregation"] |= inputs.aggregation.model_dump(by_alias=True, exclude_unset=True)
        if "dhis2" in given:
            own["dhis2"] |= inputs.dhis2.model_dump(by_alias=True, exclude_unset=True)
        if "period_type" in given:
            own["periodType"] = inputs.period_type
        own["options"] |= inputs.parameters
        return Dataset.model_validate(own)
