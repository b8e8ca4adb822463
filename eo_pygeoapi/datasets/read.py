"""Read the datasets that the configuration file enables.

A dataset is a `type: collection` resource with an `eo:` block. What the block does not say comes from the top-level
`eo: {defaults: …}`, then from the source.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eo_pygeoapi.datasets.around import with_others
from eo_pygeoapi.datasets.block import Dataset, DatasetBlock
from eo_pygeoapi.datasets.combinations import combination_problems
from eo_pygeoapi.datasets.config_file import problems_of, read_config, yaml_path
from eo_pygeoapi.datasets.convention import data_element_code, option_names
from eo_pygeoapi.datasets.cross_checks import cross_problems
from eo_pygeoapi.datasets.extending import extended
from eo_pygeoapi.datasets.operations import Operations
from eo_pygeoapi.datasets.processes import processes_in
from eo_pygeoapi.datasets.source import SourceOptions, installed_sources, source_info
from eo_pygeoapi.datasets.validate import validate_inputs
from eo_pygeoapi.datasets.version import version_of
from eo_pygeoapi.errors import ConfigError, InputError
from eo_pygeoapi.json_types import JsonMapping, JsonObject
from eo_pygeoapi.wording import not_known

# keys that the top-level `eo: {defaults: …}` may give for all datasets
DEFAULTS = ("dhis2", "minValidFraction", "notify", "orgUnits", "policy", "population", "timeZone")
_BY_MEMBER = ("dhis2", "policy")  # of these a dataset may say a part
_OPERATIONS = ("notify", "tenants", "retention")
_OF_THE_FILE = ("defaults", *_OPERATIONS, "origin", "versions")  # the last two are ours, see `effective_config.py`
_MERGED = ("units", "aggregation")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # it is a path of URLs, a key of the store, a name in Prefect


def load_datasets(path: Path) -> dict[str, Dataset]:
    """Return the enabled datasets of the configuration file at `path`, by id; ConfigError lists every mistake."""
    return read_datasets(read_config(path), path.absolute().parent)


def load_configuration(path: Path) -> tuple[dict[str, Dataset], Operations]:
    """Return the enabled datasets, by id, and what else the file at `path` says about running them.

    ConfigError lists every mistake.
    """
    config = read_config(path)
    return read_datasets(config, path.absolute().parent), inspect_operations(config)[0]


def read_datasets(config: Mapping[str, object], base: Path) -> dict[str, Dataset]:
    """Return the enabled datasets of a parsed configuration, by id; ConfigError lists every mistake."""
    inspected = inspect_datasets(config, base)
    if inspected.problems:
        raise ConfigError(inspected.problems)
    return inspected.right


@dataclass(frozen=True)
class Inspected:
    """The datasets of a configuration: right ones, what is right of the others, and every mistake."""

    right: dict[str, Dataset]
    in_part: dict[str, Dataset]
    problems: list[str]


def inspect_datasets(config: Mapping[str, object], base: Path) -> Inspected:
    """Read the datasets of a parsed configuration; a mistake of one kind does not hide those of another."""
    right: dict[str, Dataset] = {}
    in_part: dict[str, Dataset] = {}
    blocks: dict[str, Any] = {}
    problems: list[str] = []
    defaults = _defaults(config, problems)
    operations, mistakes = inspect_operations(config)
    problems += mistakes
    resources = {id_: resource for id_, resource in members_of(config, "resources") if "eo" in resource}
    for id_, resource in resources.items():
        try:
            blocks[id_] = extended(id_, resources)
            found, of_block = _dataset(id_, resource, blocks[id_], defaults, base)
        except ConfigError as error:
            problems += error.problems
            continue
        problems += of_block
        if found is not None:
            said = {"block": blocks[id_], "defaults": defaults, "extents": resource.get("extents")}
            version = _given_version(config, id_) or version_of(said, base)
            found = found.model_copy(update={"version": version})
            (in_part if of_block else right)[id_] = found
    whole = with_others(right | in_part, operations, resources)
    for id_, dataset in whole.items():
        problems += _schedule_problems(dataset, blocks[id_].get("schedules"))
    if not mistakes:
        processes = processes_in(members_of(config, "resources"))
        problems += cross_problems(whole, operations, resources, processes)
    problems = list(dict.fromkeys(problems))  # a mistake in the defaults shows in every dataset
    return Inspected({id_: whole[id_] for id_ in right}, {id_: whole[id_] for id_ in in_part}, problems)


def inspect_operations(config: Mapping[str, object]) -> tuple[Operations, list[str]]:
    """Return what is right of the channels, tenants and retention of a parsed configuration, and every mistake.

    A mistake in one of them takes nothing from the others; one in a channel or tenant nothing from other ones.
    """
    block = config.get("eo")
    given = {key: block[key] for key in _OPERATIONS if block.get(key) is not None} if isinstance(block, dict) else {}
    try:
        return Operations.model_validate(given, by_name=False), []
    except ValidationError as error:
        mistakes = problems_of(error, lambda loc: yaml_path("eo", *loc), Operations)
        wrong = {entry["loc"][:2] for entry in error.errors()}
    right: dict[str, object] = {}
    for key, found in given.items():
        if not any(loc[0] == key for loc in wrong):
            right[key] = found
        elif key != "retention" and isinstance(found, dict):
            right[key] = {name: member for name, member in found.items() if (key, name) not in wrong}
    return Operations.model_validate(right, by_name=False), mistakes


def members_of(config: object, name: str) -> list[tuple[str, JsonMapping]]:
    """Return the members of an object in the configuration that are objects themselves; none where there is no such."""
    found = config.get(name) if isinstance(config, Mapping) else None
    return [(str(id_), m) for id_, m in found.items() if isinstance(m, dict)] if isinstance(found, dict) else []


def _given_version(config: Mapping[str, object], id_: str) -> str:
    """Return the version that a dataset has in the file that people edit, where `up` has made this one from theirs."""
    block = config.get("eo")
    versions = block.get("versions") if isinstance(block, dict) else None
    return str(versions.get(id_) or "") if isinstance(versions, dict) else ""


def _defaults(config: Mapping[str, object], problems: list[str]) -> dict[str, object]:
    block = config.get("eo") or {}
    defaults = (block.get("defaults") or {}) if isinstance(block, dict) else {}
    if not isinstance(block, dict) or not isinstance(defaults, dict):
        problems.append(f"eo{'.defaults' if isinstance(block, dict) else ''}: expected a mapping")
        return {}
    problems += [f"eo.{key}: {not_known(key, _OF_THE_FILE[:-2])}" for key in block if key not in _OF_THE_FILE]
    problems += [f"eo.defaults.{key}: {not_known(key, DEFAULTS)}" for key in defaults if key not in DEFAULTS]
    known = {key: value for key, value in defaults.items() if key in DEFAULTS}
    dhis2 = known.get("dhis2", {})
    if not isinstance(dhis2, dict) or set(dhis2) - {"connection"}:
        problems.append("eo.defaults.dhis2: expected a mapping with `connection` only")
        del known["dhis2"]
    return known


def _dataset(
    id_: str, resource: JsonMapping, block: object, defaults: JsonMapping, base: Path
) -> tuple[Dataset | None, list[str]]:
    """Return a dataset and every mistake in its block and around it; where there are some, what is right of it."""
    if not isinstance(block, dict):
        return None, [f"{_block_path(id_, ())}: expected a mapping"]
    around, problems = _collection(id_, resource)
    own = {"options": {}} | dict(defaults) | block
    options = _options(id_, own, problems)
    given = options.defaults()
    own = given | own | {"options": options}
    own |= {k: given.get(k, {}) | own[k] for k in _MERGED if k in given and isinstance(own.get(k), dict)}
    for name in _BY_MEMBER:
        if isinstance(defaults.get(name), dict) and isinstance(own[name], dict):
            own[name] = defaults[name] | own[name]
    target = own.get("dhis2")
    if isinstance(target, dict) and target.get("connection"):
        own["dhis2"] = target = {"dataElement": data_element_code(id_)} | target
    if (divided := options.divided_by()) and isinstance(target, dict | None):
        own["dhis2"] = {"disaggregation": option_names(divided)} | (target or {})
    own, of_block = _right_part(id_, own, block, defaults)
    whole = own | around | {"base": str(base)}
    try:
        dataset = Dataset.model_validate(whole)
        of_block += [f"{_block_path(id_, ())}.{key}: {problem}" for key, problem in combination_problems(dataset)]
        return dataset, problems + of_block
    except ValidationError:  # without a source
        return None, problems + of_block


def _options(id_: str, own: Mapping[str, object], problems: list[str]) -> SourceOptions:
    """Return the options of the source, those that are right; SourceOptions where one that is required is wrong."""
    source = own.get("source")
    if not isinstance(source, str) or source not in installed_sources():
        return SourceOptions()
    # YAML has null for a key whose lines are commented out
    given = {} if own["options"] is None else own["options"]
    try:
        known = source_info(source).options
        return known.model_validate(given, by_name=False)
    except ConfigError as error:
        problems += [f"{_block_path(id_, ('source',))}: {problem}" for problem in error.problems]
        return SourceOptions()
    except ValidationError as error:
        problems += problems_of(error, lambda loc: _block_path(id_, ("options", *loc)), known)
        wrong = {entry["loc"][:1] for entry in error.errors()}
    right = {name: value for name, value in given.items() if (name,) not in wrong} if isinstance(given, dict) else {}
    try:
        return known.model_validate(right, by_name=False)
    except ValidationError:
        return SourceOptions()


def _collection(id_: str, resource: JsonMapping) -> tuple[JsonObject, list[str]]:
    """Return what a dataset takes from the collection around its block, and the mistakes there."""
    problems = []
    if not _ID.fullmatch(id_):
        problems.append(
            f"resources.{id_}: {id_!r} is not allowed as the id of a dataset; "
            "allowed: letters, digits, '-', '_' and '.', beginning with a letter or digit"
        )
    if resource.get("type") != "collection":
        problems.append(f"resources.{id_}.type: a dataset with an eo: block must be a collection")
    extents = resource.get("extents")
    spatial = extents.get("spatial") if isinstance(extents, dict) else None
    bbox = spatial.get("bbox", []) if isinstance(spatial, dict) else []
    numbers = isinstance(bbox, list) and all(isinstance(n, int | float) and not isinstance(n, bool) for n in bbox)
    if not numbers or len(bbox) not in (0, 4, 6):
        path = yaml_path("resources", id_, "extents", "spatial", "bbox")
        problems.append(f"{path}: {bbox!r} is not allowed; allowed: [west, south, east, north]")
        bbox = []
    title = resource.get("title", id_)
    if isinstance(title, dict):
        title = next(iter(title.values()), id_)
    return {"id": id_, "title": str(title), "bbox": bbox}, problems


def _right_part(
    id_: str, own: JsonMapping, block: JsonMapping, defaults: JsonMapping
) -> tuple[dict[str, Any], list[str]]:
    """Return a block without its wrong members, and the mistakes in these.

    Members that schedules rely on are filled in, so that a mistake does not bring others with it.
    """

    def name(loc: Sequence[str | int]) -> str:
        if loc[0] == "orgUnits":
            loc = [loc[0], *loc[2:]]  # without pydantic's word for which of the two it is
        here, there, key = block, defaults, loc[0]
        if loc[0] in _BY_MEMBER and len(loc) > 1:
            here, there, key = block.get(loc[0], {}), defaults.get(loc[0], {}), loc[1]
        return yaml_path("eo", "defaults", *loc) if key in there and key not in here else _block_path(id_, loc)

    right = dict(own)
    try:
        DatasetBlock.model_validate(own, by_name=False)
    except ValidationError as error:
        for key, *inside in (entry["loc"] for entry in error.errors()):
            if key == "orgUnits":
                right[key] = {"source": "dhis2"}
            elif key == "dhis2":
                members = right[key] if inside and isinstance(right.get(key), dict) else {}
                right[key] = {n: v for n, v in members.items() if n != inside[0]} | {"dataElement": "unknown"}
            else:
                right.pop(str(key), None)
        return right, problems_of(error, name, DatasetBlock)
    return right, []


def _block_path(id_: str, loc: Sequence[str | int]) -> str:
    return yaml_path("resources", id_, "eo", *loc)


def _schedule_problems(dataset: Dataset, schedules: object) -> list[str]:
    """Return the mistakes in names and inputs of the schedules of a block, which its model does not see."""
    problems = []
    listed = enumerate(schedules if isinstance(schedules, list) else [])
    known = {index: schedule for index, schedule in listed if isinstance(schedule, dict)}
    first: dict[object, int] = {}
    for index, schedule in known.items():
        path = _block_path(dataset.id, ("schedules", index))
        if isinstance(name := schedule.get("name"), str) and first.setdefault(name, index) != index:
            problems.append(f"{path}.name: {name!r} is used twice")
        if not isinstance(inputs := schedule.get("inputs"), dict):
            continue
        if "datasetId" in inputs:
            problems.append(f"{path}.inputs.datasetId: is not known here; a schedule runs its own dataset")
            continue
        if type(dataset.options) is SourceOptions:  # those of the source are wrong, so no request can be checked
            continue
        try:
            validate_inputs({**inputs, "datasetId": dataset.id}, {dataset.id: dataset}, datetime.now(UTC))
        except InputError as error:
            problems += [f"{path}.inputs.{problem.removeprefix('input ')}" for problem in error.problems]
    return problems
