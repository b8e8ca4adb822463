"""Check the inputs of a request against the contract and the enabled datasets."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from eo_pygeoapi.contract.intervals import resolve_interval, unreadable_dates
from eo_pygeoapi.contract.models import ImportInputs, Interval, Model
from eo_pygeoapi.contract.periods import raise_without_period
from eo_pygeoapi.contract.request_features import feature_problems
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.combinations import combination_problems
from eo_pygeoapi.datasets.config_file import problems_of, yaml_path
from eo_pygeoapi.datasets.overridden import overridden
from eo_pygeoapi.errors import InputError, NoSuchDatasetError
from eo_pygeoapi.json_types import JsonMapping
from eo_pygeoapi.wording import nearest, shown, some

_OBJECTS = ("aggregation", "dhis2", "parameters")  # inputs that may be empty objects


class Execution(Model):
    """A checked request: its inputs, the dataset with the request's overrides, and the days of its interval."""

    inputs: ImportInputs
    dataset: Dataset
    interval: Interval
    overridden: list[str] = []  # inputs that change what the dataset's own settings would give

    def in_words(self) -> str:
        """Return which dataset and days were requested."""
        kind = "a dry run" if self.inputs.dry_run else "an import"
        return f"{kind} of {self.dataset.id}, {self.interval.start} to {self.interval.end}"

    def with_features(self, features: Mapping[str, object]) -> "Execution":
        """Return the same with these areas of the request; they may be large, so only `load_org_units` is given any."""
        return self.model_copy(update={"inputs": self.inputs.model_copy(update={"features": features})})

    def with_other_units(self, others: Sequence[str]) -> "Execution":
        """Return the same, after a look at its units, of which these are not among the dataset's own."""
        if not others:
            return self
        asked = f"orgUnitIds to units that are not the dataset's ({some(others)})"
        return self.model_copy(update={"overridden": [asked, *self.overridden]})


def validate_inputs(inputs: JsonMapping, datasets: Mapping[str, Dataset], now: datetime) -> Execution:
    """Check the inputs of a request against the contract and the enabled datasets.

    `now` is the moment that relative dates count from: the scheduled time of the run. Raises InputError with every
    mistake, each naming the input, the value and what is allowed.
    """
    if not isinstance(inputs, Mapping):
        raise InputError("inputs: expected an object with the inputs by their ids")
    parsed, problems = None, []
    try:
        parsed = ImportInputs.model_validate(dict(inputs), by_name=False)
    except ValidationError as error:
        problems += problems_of(error, _input_name, ImportInputs)
    wanted = inputs.get("datasetId")
    dataset = datasets.get(wanted) if isinstance(wanted, str) else None
    if isinstance(wanted, str) and dataset is None:
        problems.append(_unknown(wanted, datasets))
    problems += _empty_inputs(inputs)
    today = now.astimezone(ZoneInfo(dataset.time_zone if dataset else "UTC")).date()
    interval = None
    changed: list[str] = []
    try:
        interval = resolve_interval(parsed, today) if parsed else None
    except InputError as error:
        problems += error.problems
    if parsed is None:
        problems += unreadable_dates(inputs, today)
    if isinstance(features := inputs.get("features"), Mapping) and features:
        problems += feature_problems(features)
    if dataset and isinstance(parameters := inputs.get("parameters"), Mapping):
        problems += _parameter_problems(parameters, dataset)
    if parsed and dataset and not problems:
        changed = overridden(parsed, dataset)
        dataset = dataset.overridden_by(parsed)
        problems += [f"input {key}: {problem}" for key, problem in combination_problems(dataset)]
        problems += _unit_and_target_problems(parsed, dataset)
    if problems or parsed is None or dataset is None or interval is None:
        raise InputError(problems)
    return Execution(inputs=parsed, dataset=dataset, interval=interval, overridden=changed)


def raise_without_days(execution: Execution) -> None:
    """Raise InputError where the interval has no whole period of the dataset, or no day that its source ever has.

    Requests are refused for it. It is no part of `validate_inputs`: relative dates of a schedule may now and then hold
    no whole period.
    """
    asked, dataset = execution.interval, execution.dataset
    raise_without_period(asked, dataset.period_type)
    first, last = dataset.options.extent()
    if (first and asked.end < first) or (last and asked.start > last):
        has = f"from {first} to {last}" if first and last else f"from {first}" if first else f"until {last}"
        raise InputError(f"input start, end: {asked.start} to {asked.end} is not allowed; allowed: days {has}")


def parsed_inputs[M: Model](inputs: object, model: type[M]) -> M:
    """Return the inputs of a request as a model; InputError names every mistake, and what is allowed."""
    if not isinstance(inputs, Mapping):
        raise InputError("inputs: expected an object with the inputs by their ids")
    try:
        parsed = model.model_validate(dict(inputs), by_name=False)
    except ValidationError as error:
        raise InputError([*problems_of(error, _input_name, model), *_empty_inputs(inputs)]) from error
    if empty := _empty_inputs(inputs):
        raise InputError(empty)
    return parsed


def enabled_dataset(wanted: str, datasets: Mapping[str, Dataset]) -> Dataset:
    """Return the enabled dataset that a request names; InputError where there is none."""
    if (dataset := datasets.get(wanted)) is None:
        raise InputError(_unknown(wanted, datasets))
    return dataset


def named_dataset(wanted: str, datasets: Mapping[str, Dataset]) -> Dataset:
    """Return the dataset that an address or a command names; NoSuchDatasetError where there is none."""
    if (dataset := datasets.get(wanted)) is None:
        known = ", ".join(datasets) or "none"
        raise NoSuchDatasetError(f"there is no dataset {wanted!r} (there are: {known}){nearest(wanted, datasets)}")
    return dataset


def _unknown(wanted: str, datasets: Collection[str]) -> str:
    enabled = ", ".join(datasets) or "none"
    return f"input datasetId: unknown dataset {shown(wanted)} (enabled: {enabled}){nearest(wanted, datasets)}"


def _input_name(loc: Sequence[str | int]) -> str:
    return f"input {yaml_path(*loc)}" if loc else ""


def _empty_inputs(inputs: Mapping[str, object]) -> list[str]:
    """Return a sentence for each empty input; the dataset's own value would silently stand in for it."""
    target = inputs.get("dhis2")
    members = {f"dhis2.{name}": v for name, v in target.items()} if isinstance(target, Mapping) else {}
    empty = [name for name, v in {**inputs, **members}.items() if v in ("", [], {}) and name not in _OBJECTS]
    return [f"input {name}: is empty; leave it out or give a value" for name in empty]


def _parameter_problems(parameters: Mapping[str, object], dataset: Dataset) -> list[str]:
    allowed = dataset.options.requestable
    problems = [
        f"input parameters.{name}: requests cannot set it; allowed for {dataset.id}: {', '.join(allowed) or 'none'}"
        for name in parameters
        if name not in allowed
    ]
    if not problems and parameters:
        try:
            type(dataset.options).model_validate(dataset.options.model_dump(by_alias=True) | dict(parameters))
        except ValidationError as error:
            problems += problems_of(error, lambda loc: _input_name(("parameters", *loc)), type(dataset.options))
    return problems


def _unit_and_target_problems(inputs: ImportInputs, dataset: Dataset) -> list[str]:
    """Return the mistakes in units and target of a request, whose overrides the dataset has by now."""
    problems = []
    asked = inputs.org_unit_level or inputs.parent_org_unit or inputs.org_unit_ids or inputs.features
    if not asked and dataset.org_units is None:
        problems.append(
            f"input orgUnitLevel: dataset {dataset.id!r} has no organisation units of its own; "
            "give orgUnitLevel, orgUnitIds or features"
        )
    given = "dhis2" in inputs.model_fields_set and "connection" in inputs.dhis2.model_fields_set
    wanted, allowed = dataset.dhis2.connection, dataset.connections
    if given and allowed is not None and wanted not in allowed:
        problems.append(f"input dhis2.connection: {wanted!r} is not allowed; allowed: {', '.join(allowed)}")
    elif not inputs.dry_run and not dataset.dhis2.data_element:
        missing = "is required to import (dryRun: false)"
        problems.append(f"input dhis2.dataElement: {missing}; dataset {dataset.id!r} names none")
    return problems
