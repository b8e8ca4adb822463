"""What the datasets of a configuration say of each other, of channels and of tenants: are these there?"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime

from eo_pygeoapi.contract.status import PROCESS_ID
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.config_file import yaml_path
from eo_pygeoapi.datasets.operations import Operations, Then
from eo_pygeoapi.datasets.validate import validate_inputs
from eo_pygeoapi.errors import InputError
from eo_pygeoapi.json_types import JsonMapping


def cross_problems(
    datasets: Mapping[str, Dataset], operations: Operations, enabled: Collection[str], processes: Collection[str]
) -> list[str]:
    """Return every name that stands for nothing, and every circle of datasets that run after each other.

    `datasets` are those whose own blocks are right; `enabled` names all of the file, and `processes` its processes.
    """
    problems = [
        f"{yaml_path('eo', 'notify', name, 'tenant')}: {_unknown(channel.tenant, operations.tenants)}"
        for name, channel in operations.notify.items()
        if channel.tenant and channel.tenant not in operations.tenants
    ]
    for dataset in datasets.values():
        problems += [
            f"{yaml_path('resources', dataset.id, 'eo')}.{p}"
            for p in (*_of(dataset, operations), *_of_after(dataset, datasets, operations, enabled, processes))
        ]
    return problems + list(_circles(datasets))


def _of(dataset: Dataset, operations: Operations) -> Iterator[str]:
    if dataset.tenant and dataset.tenant not in operations.tenants:
        yield f"tenant: {_unknown(dataset.tenant, operations.tenants)}"
    elif dataset.tenant and (allowed := operations.tenants[dataset.tenant].connections):
        if dataset.dhis2.connection not in allowed:
            yield f"dhis2.connection: {_unknown(dataset.dhis2.connection, allowed)} (of tenant {dataset.tenant!r})"
    for index, name in enumerate(dataset.notify or []):
        if name not in (known := _channels(dataset, operations)):
            yield f"notify[{index}]: {_unknown(name, known)}"


def _of_after(
    dataset: Dataset,
    datasets: Mapping[str, Dataset],
    operations: Operations,
    enabled: Collection[str],
    processes: Collection[str],
) -> Iterator[str]:
    """Yield what is wrong with the things to do after the import of a dataset."""
    for index, then in enumerate(dataset.after):
        other = datasets.get(then.dataset)
        if then.dataset and then.dataset not in enabled:
            yield f"after[{index}].dataset: {_unknown(then.dataset, enabled)}"
        elif other and other.tenant != dataset.tenant:
            yield f"after[{index}].dataset: {then.dataset!r} belongs to another tenant"
        elif other and not other.dhis2.data_element:
            yield f"after[{index}].dataset: {then.dataset!r} names no dhis2.dataElement, so nothing of it is imported"
        if then.webhook and then.webhook not in (known := _channels(dataset, operations)):
            yield f"after[{index}].webhook: {_unknown(then.webhook, known)}"
        if then.process and then.process not in processes:
            yield f"after[{index}].process: {_unknown(then.process, processes)}"
        elif then.process == PROCESS_ID:
            yield from (f"after[{index}].inputs: {problem}" for problem in _of_inputs(then.inputs, dataset, datasets))


def _of_inputs(inputs: JsonMapping, dataset: Dataset, datasets: Mapping[str, Dataset]) -> list[str]:
    """Return the mistakes in the inputs of an import; only datasets of the same tenant may be imported."""
    own = {id_: other for id_, other in datasets.items() if other.tenant == dataset.tenant}
    try:
        validate_inputs(inputs, own, datetime.now(UTC))
    except InputError as error:
        return error.problems
    return []


def _channels(dataset: Dataset, operations: Operations) -> list[str]:
    """Return the channels of the dataset's tenant, and those of none."""
    return [name for name, channel in operations.notify.items() if channel.tenant in ("", dataset.tenant)]


def _unknown(name: str, known: Collection[str]) -> str:
    return f"{name!r} is not allowed; allowed: {', '.join(known) or 'none is declared'}"


def _circles(datasets: Mapping[str, Dataset]) -> Iterator[str]:
    """Yield a sentence for each circle, at the first of its datasets."""
    told: set[str] = set()
    for start in datasets:
        way = _way_back(start, datasets)
        if way and not told & set(way):
            told |= set(way)
            path = f"{yaml_path('resources', start, 'eo')}.after"
            yield f"{path}: {' runs '.join([*way, start])}; datasets that run after each other must not make a circle"


def _follower(then: Then) -> str:
    """Return the dataset that is imported; nothing for what imports none."""
    imports = then.process and then.inputs.get("dryRun") is False
    return then.dataset or (str(then.inputs.get("datasetId")) if imports else "")


def _way_back(start: str, datasets: Mapping[str, Dataset]) -> list[str]:
    """Return the datasets on a way from `start` back to it, or nothing."""
    ways, seen = [[start]], {start}
    while ways:
        way = ways.pop()
        for follower in filter(datasets.__contains__, map(_follower, datasets[way[-1]].after)):
            if follower == start:
                return way
            if follower not in seen:
                seen.add(follower)
                ways.append([*way, follower])
    return []
