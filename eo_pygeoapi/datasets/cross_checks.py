"""Check the names by which datasets refer to each other, to channels and to tenants."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime

from eo_pygeoapi.contract.status import UNDO_ID
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.companion_inputs import CHECKS
from eo_pygeoapi.datasets.config_file import yaml_path
from eo_pygeoapi.datasets.operations import Operations
from eo_pygeoapi.datasets.viewer import Viewer
from eo_pygeoapi.errors import InputError


def cross_problems(
    datasets: Mapping[str, Dataset], operations: Operations, enabled: Collection[str], processes: Collection[str]
) -> list[str]:
    """Return a sentence for every unknown name, and for every circle of datasets that run after each other.

    `datasets` are what is right of their blocks; `enabled` names all of the file, and `processes` its processes.
    """
    problems = [
        f"{yaml_path('eo', 'notify', name, 'tenant')}: {_unknown(channel.tenant, operations.tenants)}"
        for name, channel in operations.notify.items()
        if channel.tenant and channel.tenant not in operations.tenants
    ]
    for dataset in datasets.values():
        path, tenant, connection = yaml_path("resources", dataset.id, "eo"), dataset.tenant, dataset.dhis2.connection
        if tenant and tenant not in operations.tenants:
            problems.append(f"{path}.tenant: {_unknown(tenant, operations.tenants)}")
        elif tenant and (allowed := operations.tenants[tenant].connections) and connection not in allowed:
            problems.append(f"{path}.dhis2.connection: {_unknown(connection, allowed)} (of tenant {tenant!r})")
        channels = [name for name, channel in operations.notify.items() if channel.tenant in ("", tenant)]
        for index, name in enumerate(dataset.notify or []):
            if name not in channels:
                problems.append(f"{path}.notify[{index}]: {_unknown(name, channels)}")
        problems += [f"{path}.{p}" for p in _of_another(dataset, datasets, enabled)]
        problems += [f"{path}.{p}" for p in _of_after(dataset, datasets, channels, enabled, processes)]
    told: set[str] = set()  # a circle is told once, at the first of its datasets
    for start in datasets:
        way = _way_back(start, datasets)
        if way and not told & set(way):
            told |= set(way)
            said = f"{' runs '.join([*way, start])}; datasets that run after each other must not make a circle"
            problems.append(f"{yaml_path('resources', start, 'eo')}.after: {said}")
    return problems


def _of_another(dataset: Dataset, datasets: Mapping[str, Dataset], enabled: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with the dataset whose values this one is computed of."""
    if not (wanted := dataset.options.taken_from()):
        return
    other = datasets.get(wanted)
    if wanted not in enabled or wanted == dataset.id:
        yield f"options.of: {_unknown(wanted, [id_ for id_ in enabled if id_ != dataset.id])}"
    elif other and other.tenant != dataset.tenant:
        yield f"options.of: {wanted!r} belongs to another tenant"
    elif other and other.period_type != dataset.period_type:
        yield f"periodType: {dataset.period_type!r} is not allowed; allowed: {other.period_type}, that of {wanted}"
    elif other and (refused := dataset.options.refuses_values(other.values)):
        yield f"options: {refused}"


def _of_after(
    dataset: Dataset,
    datasets: Mapping[str, Dataset],
    channels: Collection[str],
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
        if then.webhook and then.webhook not in channels:
            yield f"after[{index}].webhook: {_unknown(then.webhook, channels)}"
        if then.process and then.process not in processes:
            yield f"after[{index}].process: {_unknown(then.process, processes)}"
        elif then.process == UNDO_ID:
            yield f"after[{index}].process: {UNDO_ID!r} is not allowed here; it takes back one job, once"
        elif then.process in CHECKS:
            own = Viewer(dataset.tenant).datasets(datasets)  # nothing of another tenant
            try:
                CHECKS[then.process](then.inputs, own, datetime.now(UTC))
            except InputError as error:
                yield from (f"after[{index}].inputs: {problem}" for problem in error.problems)


def _unknown(name: str, known: Collection[str]) -> str:
    return f"{name!r} is not allowed; allowed: {', '.join(known) or 'none is declared'}"


def _way_back(start: str, datasets: Mapping[str, Dataset]) -> list[str]:
    """Return the datasets on a way from `start` back to it, or nothing."""
    ways, seen = [[start]], {start}
    while ways:
        way = ways.pop()
        for then in datasets[way[-1]].after:
            imports = then.process and then.inputs.get("dryRun") is False
            follower = then.dataset or (str(then.inputs.get("datasetId")) if imports else "")
            if follower == start:
                return way
            if follower in datasets and follower not in seen:
                seen.add(follower)
                ways.append([*way, follower])
    return []
