"""`eo-pygeoapi check`: everything that is wrong with the configuration file and the installation, all at once."""

import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from packaging.version import Version
from pygeoapi.config import load_schema
from pygeoapi.plugin import InvalidPluginError, load_plugin
from pygeoapi.util import to_json

from eo_pygeoapi.config_file import read_config, yaml_path
from eo_pygeoapi.datasets import Dataset, read_datasets
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.pipeline.units import units_problem
from eo_pygeoapi.settings import Settings
from flows.deployments import cron_problems, paused_schedules

PROVIDER = "eo_pygeoapi.provider.ResultsProvider"
# with these versions the Prefect 3.8 server misbehaves: (package, first bad version, what happens)
BAD_VERSIONS = (
    ("fastapi", "0.151", "the Prefect server refuses what its own client sends"),
    ("sqlalchemy", "2.1", "the Prefect scheduler fails in every loop, and schedules never fire"),
)


@dataclass
class Report:
    """What a check found: mistakes, remarks, and the datasets of a file without mistakes."""

    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    datasets: dict[str, Dataset] = field(default_factory=dict)


def check(path: Path, settings: Settings) -> Report:
    """Check the configuration file at `path` against pygeoapi's schema and ours, and the installation."""
    report = Report(problems=installation_problems())
    try:
        config = read_config(path)
    except ConfigError as error:
        report.problems += error.problems
        return report
    report.problems += schema_problems(config)
    try:
        report.datasets = read_datasets(config, path.absolute().parent)
    except ConfigError as error:
        report.problems += error.problems
    report.problems += cron_problems(report.datasets) + _provider_problems(config, report.datasets)
    report.problems += _process_problems(config) + _unit_problems(report.datasets)
    report.remarks += [f"schedule {name} is paused: {why}" for name, why in paused_schedules(report.datasets, settings)]
    return report


def schema_problems(config: Mapping[str, Any]) -> list[str]:
    """Return every violation of pygeoapi's own schema, with its YAML path."""
    validator = Draft202012Validator(load_schema())
    errors = validator.iter_errors(json.loads(to_json(config)))
    return [f"{_path(error)}: {_reason(error)}" for error in sorted(errors, key=lambda e: list(map(str, e.path)))]


def installation_problems() -> list[str]:
    """Return a sentence for every installed package that is known to break Prefect."""
    return [
        f"{package} {installed} is installed: {what}; install {package}<{bad}"
        for package, bad, what in BAD_VERSIONS
        if Version(installed := importlib.metadata.version(package)) >= Version(bad)
    ]


def _path(error: ValidationError) -> str:
    return yaml_path(*error.absolute_path) or "the file"


def _reason(error: ValidationError) -> str:
    if error.validator in ("oneOf", "anyOf") and error.context:
        nearest = best_match([error]) or error
        return nearest.message
    return error.message


def _provider_problems(config: Mapping[str, Any], datasets: Mapping[str, Dataset]) -> list[str]:
    problems = []
    for id_ in datasets:
        providers = config["resources"][id_].get("providers") or []
        ours = [(i, p) for i, p in enumerate(providers) if isinstance(p, dict) and p.get("name") == PROVIDER]
        if not ours:
            problems.append(
                f"resources.{id_}.providers: is missing {{type: feature, name: {PROVIDER}, data: {id_}, id_field: id}}"
            )
        problems += [
            f"resources.{id_}.providers[{i}].data: {p.get('data')!r} is not allowed; allowed: {id_}"
            for i, p in ours
            if p.get("data") != id_
        ]
    return problems


def _process_problems(config: Mapping[str, Any]) -> list[str]:
    problems = []
    resources = config.get("resources")
    for id_, resource in resources.items() if isinstance(resources, dict) else ():
        processor = resource.get("processor") if isinstance(resource, dict) else None
        if not isinstance(processor, dict) or "name" not in processor:
            continue
        try:
            load_plugin("process", processor)
        except (ImportError, AttributeError, InvalidPluginError) as error:
            problems.append(f"resources.{id_}.processor.name: cannot load {processor['name']!r}: {error}")
    return problems


def _unit_problems(datasets: Mapping[str, Dataset]) -> list[str]:
    found = ((id_, units_problem(d.units.from_, d.units.to)) for id_, d in datasets.items())
    return [f"resources.{id_}.eo.units: {problem}" for id_, problem in found if problem]
