"""Check the names by which datasets refer to each other, to channels and to tenants."""

from collections.abc import Collection, Iterator, Mapping

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.config_file import yaml_path
from eo_pygeoapi.datasets.operations import Operations


def cross_problems(datasets: Mapping[str, Dataset], operations: Operations, enabled: Collection[str]) -> list[str]:
    """Return a sentence for every unknown name, and for every circle of datasets that run after each other.

    `datasets` are those whose own blocks are right; `enabled` names all of the file.
    """
    problems = [
        f"{yaml_path('eo', 'notify', name, 'tenant')}: {_unknown(channel.tenant, operations.tenants)}"
        for name, channel in operations.notify.items()
        if channel.tenant and channel.tenant not in operations.tenants
    ]
    for dataset in datasets.values():
        problems += [
            f"{yaml_path('resources', dataset.id, 'eo')}.{p}" for p in _of(dataset, datasets, operations, enabled)
        ]
    return problems + list(_circles(datasets))


def _of(
    dataset: Dataset, datasets: Mapping[str, Dataset], operations: Operations, enabled: Collection[str]
) -> Iterator[str]:
    if dataset.tenant and dataset.tenant not in operations.tenants:
        yield f"tenant: {_unknown(dataset.tenant, operations.tenants)}"
    elif dataset.tenant and (allowed := operations.tenants[dataset.tenant].connections):
        if dataset.dhis2.connection not in allowed:
            yield f"dhis2.connection: {_unknown(dataset.dhis2.connection, allowed)} (of tenant {dataset.tenant!r})"
    for index, name in enumerate(dataset.notify or []):
        if name not in operations.notify:
            yield f"notify[{index}]: {_unknown(name, operations.notify)}"
    for index, then in enumerate(dataset.after):
        if then.dataset and then.dataset not in enabled:
            yield f"after[{index}].dataset: {_unknown(then.dataset, enabled)}"
        elif then.dataset in datasets and datasets[then.dataset].tenant != dataset.tenant:
            yield f"after[{index}].dataset: {then.dataset!r} belongs to another tenant"
        if then.webhook and then.webhook not in operations.notify:
            yield f"after[{index}].webhook: {_unknown(then.webhook, operations.notify)}"


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


def _way_back(start: str, datasets: Mapping[str, Dataset]) -> list[str]:
    """Return the datasets on a way from `start` back to it, or nothing."""
    ways, seen = [[start]], {start}
    while ways:
        way = ways.pop()
        for follower in (then.dataset for then in datasets[way[-1]].after if then.dataset in datasets):
            if follower == start:
                return way
            if follower not in seen:
                seen.add(follower)
                ways.append([*way, follower])
    return []
