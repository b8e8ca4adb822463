"""Read the datasets that the configuration file enables.

A dataset is a `type: collection` resource with an `eo:` block. What the block does not say comes from the top-level
`eo: {defaults: …}`, then from the source.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from eo_pygeoapi.datasets.around import with_others
from eo_pygeoapi.datasets.block import Dataset, DatasetBlock
from eo_pygeoapi.datasets.config_file import problems_of, read_config, yaml_path
from eo_pygeoapi.datasets.cross_checks import cross_problems
from eo_pygeoapi.datasets.extending import extended
from eo_pygeoapi.datasets.operations import Operations
from eo_pygeoapi.datasets.source import SourceOptions, installed_sources, source_info
from eo_pygeoapi.datasets.validate import validate_inputs
from eo_pygeoapi.errors import ConfigError, InputError
from eo_pygeoapi.json_types import Json, JsonMapping

# keys that the top-level `eo: {defaults: …}` may give for all datasets
DEFAULTS = ("dhis2", "minValidFraction", "notify", "orgUnits", "policy", "timeZone")
_BY_MEMBER = ("dhis2", "policy")  # of these a dataset may say a part
_OPERATIONS = ("notify", "tenants", "retention")
_OF_THE_FILE = ("defaults", *_OPERATIONS, "origin")  # `origin` is ours, see `effective_config.py`
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
    datasets, problems = inspect_datasets(config, base)
    if problems:
        raise ConfigError(problems)
    return datasets


def inspect_datasets(config: Mapping[str, object], base: Path) -> tuple[dict[str, Dataset], list[str]]:
    """Return the datasets whose blocks are right, by id, and every mistake of these and the others."""
    datasets: dict[str, Dataset] = {}
    problems: list[str] = []
    defaults = _defaults(config, problems)
    operations, mistakes = inspect_operations(config)
    problems += mistakes
    resources = dict(_resources(config))
    for id_, resource in resources.items():
        try:
            datasets[id_] = _dataset(id_, {**resource, "eo": extended(id_, resources)}, defaults, base)
        except ConfigError as error:
            problems += error.problems
    datasets = with_others(datasets, operations, resources)
    for dataset in datasets.values():
        problems += _schedule_problems(dataset, [schedule.model_dump() for schedule in dataset.schedules])
    if not mistakes:
        problems += cross_problems(datasets, operations, resources, _processes(config))
    return datasets, list(dict.fromkeys(problems))  # a mistake in the defaults shows in every dataset


def inspect_operations(config: Mapping[str, object]) -> tuple[Operations, list[str]]:
    """Return the channels, tenants and retention of a parsed configuration, and every mistake in them."""
    block = config.get("eo")
    given = {key: block[key] for key in _OPERATIONS if block.get(key) is not None} if isinstance(block, dict) else {}
    try:
        return Operations.model_validate(given, by_name=False), []
    except ValidationError as error:
        return Operations(), problems_of(error, lambda loc: yaml_path("eo", *loc), Operations)


def _resources(config: Mapping[str, object]) -> list[tuple[str, Mapping[str, object]]]:
    resources = config.get("resources")
    if not isinstance(resources, dict):
        return []
    return [(str(id_), r) for id_, r in resources.items() if isinstance(r, dict) and "eo" in r]


def _processes(config: Mapping[str, object]) -> list[str]:
    resources = config.get("resources")
    found = resources.items() if isinstance(resources, dict) else ()
    return [str(id_) for id_, resource in found if isinstance(resource, dict) and resource.get("type") == "process"]


def _defaults(config: Mapping[str, object], problems: list[str]) -> dict[str, object]:
    block = config.get("eo") or {}
    defaults = (block.get("defaults") or {}) if isinstance(block, dict) else {}
    if not isinstance(block, dict) or not isinstance(defaults, dict):
        problems.append(f"eo{'.defaults' if isinstance(block, dict) else ''}: expected a mapping")
        return {}
    allowed = ", ".join(_OF_THE_FILE[:-1])
    problems += [f"eo.{key}: is not known here; allowed: {allowed}" for key in block if key not in _OF_THE_FILE]
    for key in defaults:
        if key not in DEFAULTS:
            problems.append(f"eo.defaults.{key}: is not known here; allowed: {', '.join(DEFAULTS)}")
    known = {key: value for key, value in defaults.items() if key in DEFAULTS}
    dhis2 = known.get("dhis2", {})
    if not isinstance(dhis2, dict) or set(dhis2) - {"connection"}:
        problems.append("eo.defaults.dhis2: expected a mapping with `connection` only")
        del known["dhis2"]
    return known


def _dataset(id_: str, resource: JsonMapping, defaults: JsonMapping, base: Path) -> Dataset:
    """Return one dataset; ConfigError lists every mistake in its block and around it."""
    block = resource["eo"]
    if not isinstance(block, dict):
        raise ConfigError(f"{_block_path(id_, ())}: expected a mapping")
    around = _from_collection(id_, resource)
    problems = _collection_problems(id_, resource, around["bbox"])
    own = {"options": {}} | dict(defaults) | block
    options = _options(id_, own, problems)
    given = options.defaults()
    own = given | own | {"options": options}
    own |= {k: given.get(k, {}) | own[k] for k in _MERGED if k in given and isinstance(own.get(k), dict)}
    for name in _BY_MEMBER:
        if isinstance(defaults.get(name), dict) and isinstance(own[name], dict):
            own[name] = defaults[name] | own[name]
    of_block = _block_problems(id_, own, block, defaults)
    whole = own | around | {"base": str(base)}
    if of_block and all("].cron: " in problem for problem in of_block):  # the inputs are checked all the same
        of_block += _schedule_problems(Dataset.model_validate(whole | {"schedules": []}), own["schedules"])
    if problems := problems + of_block:
        raise ConfigError(problems)
    return Dataset.model_validate(whole)


def _options(id_: str, own: Mapping[str, object], problems: list[str]) -> SourceOptions:
    """Return the options, as the source has them; ones without defaults where they or the source are wrong."""
    source, known = own.get("source"), None
    try:
        if isinstance(source, str) and source in installed_sources():
            known = source_info(source).options
        # a key without anything after it, its lines being commented out
        given = {} if own["options"] is None else own["options"]
        return known.model_validate(given, by_name=False) if known else SourceOptions()
    except ConfigError as error:
        problems += [f"{_block_path(id_, ('source',))}: {problem}" for problem in error.problems]
        return SourceOptions()
    except ValidationError as error:
        problems += problems_of(error, lambda loc: _block_path(id_, ("options", *loc)), known or SourceOptions)
        return SourceOptions()


def _from_collection(id_: str, resource: Mapping[str, object]) -> dict[str, Json]:
    title = resource.get("title", id_)
    if isinstance(title, dict):
        title = next(iter(title.values()), id_)
    extents = resource.get("extents")
    spatial = extents.get("spatial") if isinstance(extents, dict) else None
    bbox = spatial.get("bbox", []) if isinstance(spatial, dict) else []
    return {"id": id_, "title": str(title), "bbox": bbox}


def _collection_problems(id_: str, resource: JsonMapping, bbox: Any) -> list[str]:
    problems = []
    if not _ID.fullmatch(id_):
        problems.append(
            f"resources.{id_}: {id_!r} is not allowed as the id of a dataset; "
            "allowed: letters, digits, '-', '_' and '.', beginning with a letter or digit"
        )
    if resource.get("type") != "collection":
        problems.append(f"resources.{id_}.type: a dataset with an eo: block must be a collection")
    numbers = isinstance(bbox, list) and all(isinstance(n, int | float) and not isinstance(n, bool) for n in bbox)
    if not numbers or len(bbox) not in (0, 4, 6):
        path = yaml_path("resources", id_, "extents", "spatial", "bbox")
        problems.append(f"{path}: {bbox!r} is not allowed; allowed: [west, south, east, north]")
    return problems


def _block_problems(id_: str, own: JsonMapping, block: JsonMapping, defaults: JsonMapping) -> list[str]:
    def name(loc: Sequence[str | int]) -> str:
        if loc[0] == "orgUnits":
            loc = [loc[0], *loc[2:]]  # without pydantic's word for which of the two it is
        here, there, key = block, defaults, loc[0]
        if loc[0] in _BY_MEMBER and len(loc) > 1:
            here, there, key = block.get(loc[0], {}), defaults.get(loc[0], {}), loc[1]
        return yaml_path("eo", "defaults", *loc) if key in there and key not in here else _block_path(id_, loc)

    try:
        DatasetBlock.model_validate(own, by_name=False)
    except ValidationError as error:
        return problems_of(error, name, DatasetBlock)
    return []


def _block_path(id_: str, loc: Sequence[str | int]) -> str:
    return yaml_path("resources", id_, "eo", *loc)


def _schedule_problems(dataset: Dataset, schedules: Sequence[JsonMapping]) -> list[str]:
    """Return the mistakes in names and inputs, which the block's model does not see."""
    problems = []
    names = [schedule.get("name") for schedule in schedules]
    for index, (name, schedule) in enumerate(zip(names, schedules, strict=True)):
        path = _block_path(dataset.id, ("schedules", index))
        if names.index(name) != index:
            problems.append(f"{path}.name: {name!r} is used twice")
        if not isinstance(inputs := schedule.get("inputs"), dict):
            continue
        if "datasetId" in inputs:
            problems.append(f"{path}.inputs.datasetId: is not known here; a schedule runs its own dataset")
            continue
        try:
            validate_inputs({**inputs, "datasetId": dataset.id}, {dataset.id: dataset}, datetime.now(ZoneInfo("UTC")))
        except InputError as error:
            problems += [f"{path}.inputs.{problem.removeprefix('input ')}" for problem in error.problems]
    return problems
