"""The datasets that the configuration file enables, and the check of a request against them.

A dataset is a `type: collection` resource with an `eo:` block. What the block does not say comes from the top-level
`eo: {defaults: …}`, then from the source.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SerializeAsAny, ValidationError, model_validator

from eo_pygeoapi.config_file import problems_of, read_config, yaml_path
from eo_pygeoapi.errors import ConfigError, InputError
from eo_pygeoapi.intervals import resolve_interval
from eo_pygeoapi.models import Aggregation, Dhis2Target, ImportInputs, Interval, Model, PeriodType
from eo_pygeoapi.source_options import OPTIONS, SourceOptions, YamlText

# keys that the top-level `eo: {defaults: …}` may give for all datasets
DEFAULTS = ("dhis2", "minValidFraction", "orgUnits", "timeZone")
_MERGED = ("units", "aggregation", "dhis2")


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:  # of the three, zoneinfo raises the one that fits the mistake
        raise ValueError(f"{name!r} is no time zone; allowed: IANA names such as UTC or Africa/Freetown") from error
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]


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
    def _one_level_is_a_list(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(level := data.get("level"), int) and not isinstance(level, bool):
            return {**data, "level": [level]}
        return data


OrgUnitsSource = Annotated[OrgUnitsFromGeoJSON | OrgUnitsFromDhis2, Field(discriminator="source")]


class DatasetTarget(Dhis2Target):
    """Where in DHIS2 a dataset's values go, and what to do with values that a person has changed there."""

    on_conflict: Literal["keep", "overwrite"] = "keep"


class Schedule(Model):
    """When to run by itself, and with which inputs; `start` and `end` are usually relative to the scheduled time."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    cron: Annotated[str, Field(min_length=9)]
    timezone: TimeZone = "UTC"
    active: bool = True
    inputs: dict[str, Any]


class DatasetBlock(Model):
    """The `eo:` block of a dataset; see `docs/datasets.md` for what each key means."""

    source: Literal["file", "chirps3", "era5-land", "worldpop"]
    options: SerializeAsAny[SourceOptions]
    units: Units = Units()
    period_type: PeriodType = "daily"
    time_zone: TimeZone = "UTC"
    aggregation: Aggregation = Aggregation()
    decimals: Annotated[int, Field(ge=0, le=15)] | None = None
    min_valid_fraction: Annotated[float, Field(ge=0, le=1)] = 0.0
    org_units: OrgUnitsSource | None = None
    dhis2: DatasetTarget = DatasetTarget()
    schedules: list[Schedule] = []
    public: bool = False


class Dataset(DatasetBlock):
    """One enabled dataset: its `eo:` block and what is needed of the collection around it."""

    id: str
    title: str = ""
    bbox: list[float] = []
    base: str = Field("", description="folder that relative hrefs are resolved against")

    @model_validator(mode="before")
    @classmethod
    def _options_of_the_source(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("source") in OPTIONS and isinstance(data.get("options", {}), dict):
            return {**data, "options": OPTIONS[data["source"]].model_validate(data.get("options", {}))}
        return data

    def resolve(self, href: str) -> str:
        """Return `href` as a URL or an absolute path."""
        return href if "://" in href else str(Path(self.base, href).absolute())

    def overridden_by(self, inputs: ImportInputs) -> "Dataset":
        """Return this dataset as the request wants it."""
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


class Execution(Model):
    """A checked request: its inputs, the dataset with the request's overrides, and the days it means."""

    inputs: ImportInputs
    dataset: Dataset
    interval: Interval


def load_datasets(path: Path) -> dict[str, Dataset]:
    """Return the enabled datasets of the configuration file at `path`, by id; ConfigError lists every mistake."""
    return read_datasets(read_config(path), path.absolute().parent)


def read_datasets(config: Mapping[str, Any], base: Path) -> dict[str, Dataset]:
    """Return the enabled datasets of a parsed configuration, by id; ConfigError lists every mistake."""
    datasets: dict[str, Dataset] = {}
    problems: list[str] = []
    defaults = _defaults(config, problems)
    for id_, resource in _resources(config):
        try:
            datasets[id_] = _dataset(id_, resource, defaults, base)
        except ValidationError as error:
            problems += _block_problems(error, id_, resource["eo"])
        except ConfigError as error:
            problems += error.problems
    for dataset in datasets.values():
        problems += _schedule_problems(dataset, datasets)
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))  # a mistake in the defaults shows in every dataset
    return datasets


def _resources(config: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    resources = config.get("resources")
    if not isinstance(resources, dict):
        return []
    return [(str(id_), r) for id_, r in resources.items() if isinstance(r, dict) and "eo" in r]


def _defaults(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    block = config.get("eo") or {}
    defaults = (block.get("defaults") or {}) if isinstance(block, dict) else {}
    if not isinstance(block, dict) or not isinstance(defaults, dict) or set(block) - {"defaults", "origin"}:
        problems.append("eo: expected `defaults` and nothing else, a mapping")
        return {}
    for key in set(defaults) - set(DEFAULTS):
        problems.append(f"eo.defaults.{key}: is not known here; allowed: {', '.join(DEFAULTS)}")
    dhis2 = defaults.get("dhis2", {})
    if not isinstance(dhis2, dict) or set(dhis2) - {"connection"}:
        problems.append("eo.defaults.dhis2: expected a mapping with `connection` only")
        return {}
    return {key: value for key, value in defaults.items() if key in DEFAULTS}


def _dataset(id_: str, resource: Mapping[str, Any], defaults: Mapping[str, Any], base: Path) -> Dataset:
    block = resource["eo"]
    if not isinstance(block, dict):
        raise ConfigError(f"{_block_path(id_, ())}: expected a mapping")
    if resource.get("type") != "collection":
        raise ConfigError(f"resources.{id_}.type: a dataset with an eo: block must be a collection")
    if outside := set(block) & (set(Dataset.model_fields) - set(DatasetBlock.model_fields)):
        raise ConfigError([f"{_block_path(id_, (key,))}: is not known here" for key in sorted(outside)])
    own = dict(defaults) | {"options": {}} | block
    if own.get("source") in OPTIONS and isinstance(own["options"], dict):
        try:
            given = OPTIONS[own["source"]].model_validate(own["options"]).defaults()
        except ValidationError as error:
            of_options = problems_of(error, lambda loc: _block_path(id_, ("options", *loc)), OPTIONS[own["source"]])
            raise ConfigError(of_options + _rest_of_block(id_, own, block, base)) from error
        own = given | own
        own |= {k: given.get(k, {}) | own[k] for k in _MERGED if k in given and isinstance(own.get(k), dict)}
    if isinstance(defaults.get("dhis2"), dict) and isinstance(own.get("dhis2"), dict):
        own["dhis2"] = defaults["dhis2"] | own["dhis2"]
    return Dataset.model_validate(own | _from_collection(id_, resource, base))


def _from_collection(id_: str, resource: Mapping[str, Any], base: Path) -> dict[str, Any]:
    title = resource.get("title", id_)
    if isinstance(title, dict):
        title = next(iter(title.values()), id_)
    extents = resource.get("extents") or {}
    bbox = (extents.get("spatial") or {}).get("bbox", []) if isinstance(extents, dict) else []
    return {"id": id_, "title": str(title), "bbox": bbox, "base": str(base)}


def _rest_of_block(id_: str, own: Mapping[str, Any], block: Mapping[str, Any], base: Path) -> list[str]:
    """Return the mistakes outside of `options`, so that all of a block are reported together."""
    try:
        Dataset.model_validate({**own, "options": SourceOptions(), "id": id_, "base": str(base)})
    except ValidationError as error:
        return [problem for problem in _block_problems(error, id_, block) if ".eo.options" not in problem]
    return []


def _block_problems(error: ValidationError, id_: str, block: Mapping[str, Any]) -> list[str]:
    def name(loc: Sequence[str | int]) -> str:
        if loc and loc[0] not in block and loc[0] in DEFAULTS and loc[0] != "dhis2":
            return yaml_path("eo", "defaults", *loc)
        return _block_path(id_, loc)

    problems = problems_of(error, name, DatasetBlock)
    # what the options of an unknown source may be, nobody can say
    return problems if block.get("source") in OPTIONS else [p for p in problems if ".eo.options" not in p]


def _block_path(id_: str, loc: Sequence[str | int]) -> str:
    known = ("geojson", "dhis2")
    parts = [p for i, p in enumerate(loc) if not (p in known and i > 0 and loc[i - 1] == "orgUnits")]
    return yaml_path("resources", id_, "eo", *parts)


def _schedule_problems(dataset: Dataset, datasets: Mapping[str, Dataset]) -> list[str]:
    problems = []
    names = [schedule.name for schedule in dataset.schedules]
    for index, schedule in enumerate(dataset.schedules):
        path = _block_path(dataset.id, ("schedules", index))
        if names.index(schedule.name) != index:
            problems.append(f"{path}.name: {schedule.name!r} is used twice")
        if "datasetId" in schedule.inputs:
            problems.append(f"{path}.inputs.datasetId: is not known here; a schedule runs its own dataset")
            continue
        try:
            validate_inputs({**schedule.inputs, "datasetId": dataset.id}, datasets, datetime.now(ZoneInfo("UTC")))
        except InputError as error:
            problems += [f"{path}.inputs.{problem.removeprefix('input ')}" for problem in error.problems]
    return problems


def validate_inputs(inputs: Mapping[str, Any], datasets: Mapping[str, Dataset], now: datetime) -> Execution:
    """Check the inputs of a request against the contract and the enabled datasets.

    `now` is the moment that relative dates count from: the scheduled time of the run. Raises InputError with every
    mistake, each naming the input, the value and what is allowed.
    """
    try:
        parsed = ImportInputs.model_validate(inputs)
    except ValidationError as error:
        problems = _unknown_dataset(inputs, datasets) + problems_of(error, _input_name, ImportInputs)
        raise InputError(problems) from error
    if problems := _unknown_dataset(inputs, datasets) + _empty_inputs(inputs):
        raise InputError(problems)
    dataset = datasets[parsed.dataset_id]
    problems = _parameter_problems(parsed, dataset)
    interval = None
    try:
        interval = resolve_interval(parsed, now.astimezone(ZoneInfo(dataset.time_zone)).date())
    except InputError as error:
        problems += error.problems
    if not problems:
        dataset = dataset.overridden_by(parsed)
        problems += _unit_problems(parsed, dataset) + _target_problems(parsed, dataset)
    if problems or interval is None:
        raise InputError(problems)
    return Execution(inputs=parsed, dataset=dataset, interval=interval)


def _input_name(loc: Sequence[str | int]) -> str:
    return f"input {yaml_path(*loc)}" if loc else ""


def _unknown_dataset(inputs: Mapping[str, Any], datasets: Mapping[str, Dataset]) -> list[str]:
    wanted = inputs.get("datasetId") if isinstance(inputs, Mapping) else None
    if not isinstance(wanted, str) or wanted in datasets:
        return []
    return [f"input datasetId: unknown dataset {wanted!r} (enabled: {', '.join(datasets) or 'none'})"]


def _empty_inputs(inputs: Mapping[str, Any]) -> list[str]:
    return [f"input {name}: is empty; leave it out or give a value" for name, v in inputs.items() if v in ("", [], {})]


def _parameter_problems(inputs: ImportInputs, dataset: Dataset) -> list[str]:
    allowed = dataset.options.requestable
    problems = [
        f"input parameters.{name}: requests cannot set it; allowed for {dataset.id}: {', '.join(allowed) or 'none'}"
        for name in inputs.parameters
        if name not in allowed
    ]
    if not problems and inputs.parameters:
        try:
            type(dataset.options).model_validate(dataset.options.model_dump(by_alias=True) | inputs.parameters)
        except ValidationError as error:
            problems += problems_of(error, lambda loc: _input_name(("parameters", *loc)), type(dataset.options))
    return problems


def _unit_problems(inputs: ImportInputs, dataset: Dataset) -> list[str]:
    asked = inputs.org_unit_level or inputs.parent_org_unit or inputs.org_unit_ids or inputs.features
    if asked or dataset.org_units:
        return []
    return [
        f"input orgUnitLevel: dataset {dataset.id!r} has no organisation units of its own; "
        "give orgUnitLevel, orgUnitIds or features"
    ]


def _target_problems(inputs: ImportInputs, dataset: Dataset) -> list[str]:
    if inputs.dry_run or dataset.dhis2.data_element:
        return []
    return [f"input dhis2.dataElement: is required to import (dryRun: false); dataset {dataset.id!r} names none"]
