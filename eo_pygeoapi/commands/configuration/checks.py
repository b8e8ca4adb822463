"""`eo-pygeoapi check`: find all mistakes in the configuration file and the installation at once."""

import importlib.metadata
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from packaging.version import Version
from pygeoapi.config import load_schema
from pygeoapi.plugin import load_plugin
from pygeoapi.util import to_json

from eo_pygeoapi.commands.configuration.environment_checks import unread_variables, wrong_values
from eo_pygeoapi.commands.configuration.tenant_checks import tenant_problems, tenant_remarks
from eo_pygeoapi.contract.calendars import SETTLED_NEPALI_YEARS
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.config_file import read_config, yaml_path
from eo_pygeoapi.datasets.missing import paused_schedules
from eo_pygeoapi.datasets.operations import Operations
from eo_pygeoapi.datasets.read import inspect_datasets, inspect_operations, members_of
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.jobs.exposure import refuse_open_server
from eo_pygeoapi.pipeline.grids.units import units_problem
from eo_pygeoapi.process import OurProcessor
from eo_pygeoapi.settings import Settings, is_web_address, notify_variable
from eo_pygeoapi.wording import shown

MANAGER = "eo_pygeoapi.manager.PrefectManager"
PROVIDER = "eo_pygeoapi.provider.ResultsProvider"
# with these versions the Prefect 3.8 server misbehaves: (package, first bad version, what happens)
BAD_VERSIONS = (
    ("fastapi", "0.151", "the Prefect server refuses what its own client sends"),
    ("sqlalchemy", "2.1", "the Prefect scheduler fails in every loop, and schedules never fire"),
)

_EXAMPLE = re.compile(r"[a-z]+://([\w-]+\.)*example\.(org|com|net)([:/?]|$)", re.IGNORECASE)


@dataclass
class Report:
    """The findings of a check: mistakes, remarks, and the datasets whose blocks have no mistakes."""

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
    report.problems += schema_problems(config) + _server_problems(config) + _access_problems(config, settings)
    inspected = inspect_datasets(config, path.absolute().parent)
    report.datasets = inspected.right
    report.problems += inspected.problems + _provider_problems(config) + _process_problems(config)
    for id_, dataset in (inspected.right | inspected.in_part).items():
        if problem := units_problem(dataset.units.from_, dataset.units.to):
            report.problems.append(f"resources.{id_}.eo.units: {problem}")
    report.problems += list(placeholders(inspected.right | inspected.in_part))
    operations = inspect_operations(config)[0]
    report.remarks += list(channels_without_address(operations, settings))
    tenants = operations.tenants
    report.problems += tenant_problems(tenants, settings)
    report.remarks += tenant_remarks(tenants, settings)
    report.problems += list(wrong_values(settings, report.datasets))
    report.remarks += list(unread_variables(settings.variables(), report.datasets))
    report.remarks += list(paused_remarks(paused_schedules(report.datasets, settings)))
    report.remarks += list(without_limits(report.datasets))
    report.remarks += list(of_projected_months(report.datasets, date.today()))
    return report


def placeholders(datasets: Mapping[str, Dataset]) -> Iterator[str]:
    """Yield a sentence for each address in options that nobody has filled in, of hosts for examples (RFC 2606)."""
    for id_, dataset in datasets.items():
        for name, value in dataset.options.to_json().items():
            if isinstance(value, str) and _EXAMPLE.match(value):
                path = yaml_path("resources", id_, "eo", "options", name)
                yield (
                    f"{path}: {value} is a placeholder, at which there is nothing; fill in the address at which you "
                    "keep the files, or comment the dataset out"
                )


def paused_remarks(paused: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a sentence for every reason why schedules are paused."""
    names: dict[str, list[str]] = {}
    for name, why in paused:
        names.setdefault(why, []).append(name)
    for why, found in names.items():
        yield f"schedule{'s' * (len(found) > 1)} {', '.join(found)} {'are' if len(found) > 1 else 'is'} paused: {why}"


def without_limits(datasets: Mapping[str, Dataset]) -> Iterator[str]:
    """Yield a sentence for all datasets whose values go into DHIS2 with nothing that says what they can be."""
    open_ = [
        id_
        for id_, dataset in datasets.items()
        if dataset.dhis2.data_element
        and dataset.plausible is None
        and dataset.options.plausible() == (None, None)
        and not (dataset.options.taken_from() or dataset.exposure or dataset.aggregation.spatial in ("count", "std"))
    ]
    if open_:
        yield (
            f"{', '.join(open_)}: nothing but a standard name in the data says what the values can be; give plausible: "
            "[low, high], such as [0, null] for rain, so that what cannot be is never imported"
        )


def of_projected_months(datasets: Mapping[str, Dataset], today: date) -> Iterator[str]:
    """Yield a sentence for all datasets of Nepali periods, in years whose months differ between tables."""
    nepali = [id_ for id_, dataset in datasets.items() if dataset.period_type.endswith("Nepali")]
    if nepali and today.year > SETTLED_NEPALI_YEARS:
        yield (
            f"{', '.join(nepali)}: after {SETTLED_NEPALI_YEARS} the lengths of Nepali months are projections, in which "
            "DHIS2 may differ from this service; compare the first days of months with DHIS2 before you import"
        )


def channels_without_address(operations: Operations, settings: Settings) -> Iterator[str]:
    """Yield a sentence for every channel that nothing can be sent to; webhooks are channels, too."""
    for name in operations.notify:
        if not settings.has(variable := notify_variable(name)):
            yield (
                f"channel {name} has no address, so nothing can be sent to it: set {variable}, or make the Prefect "
                f"block notification-channel/{name}"
            )


def schema_problems(config: Mapping[str, object]) -> list[str]:
    """Return every violation of pygeoapi's own schema, with its YAML path."""
    validator = Draft202012Validator(load_schema())
    # where pygeoapi's schema only says that none of several forms fits: the mistake in the one that fits best
    errors = [
        best_match([error]) or error if error.validator in ("oneOf", "anyOf") else error
        for error in validator.iter_errors(json.loads(to_json(config)))
    ]
    ordered = sorted(errors, key=lambda error: [str(part) for part in error.absolute_path])
    return [f"{yaml_path(*error.absolute_path) or 'the file'}: {error.message}" for error in ordered]


def installation_problems(bad_versions: Iterable[tuple[str, str, str]] = BAD_VERSIONS) -> list[str]:
    """Return a sentence for every installed package that is known to break Prefect."""
    return [
        f"{package} {installed} is installed: {what}; install {package}<{bad}"
        for package, bad, what in bad_versions
        if Version(installed := importlib.metadata.version(package)) >= Version(bad)
    ]


def _access_problems(config: Mapping[str, object], settings: Settings) -> list[str]:
    server = config.get("server")
    bind = server.get("bind") if isinstance(server, dict) else None
    host = bind.get("host") if isinstance(bind, dict) else None
    try:
        refuse_open_server(str(host or "127.0.0.1"), settings)
    except ConfigError as error:
        return error.problems
    return []


def _provider_problems(config: Mapping[str, object]) -> list[str]:
    problems = []
    for id_, resource in members_of(config, "resources"):
        if "eo" not in resource:
            continue
        providers = resource.get("providers")
        numbered = enumerate(providers if isinstance(providers, list) else [])
        ours = [(i, p) for i, p in numbered if isinstance(p, dict) and p.get("name") == PROVIDER]
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


def _process_problems(config: Mapping[str, object]) -> list[str]:
    problems = []
    for id_, resource in members_of(config, "resources"):
        processor = resource.get("processor")
        if not isinstance(processor, dict) or "name" not in processor:
            continue
        try:
            plugin = load_plugin("process", processor)
        except Exception as error:  # a plugin of others, which may raise anything while it is imported and made
            problems.append(f"resources.{id_}.processor.name: cannot load {processor['name']!r}: {error}")
            continue
        if isinstance(plugin, OurProcessor) and id_ != plugin.process_id:
            allowed = f"the id of {processor['name']}; allowed: {plugin.process_id}"
            problems.append(f"resources.{id_}: {id_!r} is not allowed as {allowed}")
    return problems


def _server_problems(config: Mapping[str, object]) -> list[str]:
    """Return what pygeoapi's schema lets pass: a manager that runs no jobs, an address that no link can begin with."""
    if not isinstance(server := config.get("server"), dict):
        return []
    manager, url, problems = server.get("manager"), server.get("url"), []
    name = manager.get("name") if isinstance(manager, dict) else None
    if name != MANAGER:
        problems.append(f"server.manager.name: {shown(name)} is not allowed; allowed: {MANAGER}")
    if isinstance(url, str) and not is_web_address(url):
        problems.append(f"server.url: {shown(url)} is not allowed; allowed: http(s)://host/path")
    return problems
