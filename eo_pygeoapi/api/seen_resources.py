"""The resources of the configuration file, of which pygeoapi finds those that the viewer of the request sees."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.viewer import viewer


class SeenResources(Mapping[str, Any]):
    """All resources; whoever looks finds only those that the viewer sees, and what is public.

    `datasets` returns the datasets of the file by id. A resource that is none of them, because its block has a
    mistake, is the operator's where `has_tenants`.
    """

    def __init__(
        self, resources: Mapping[str, Any], datasets: Callable[[], Mapping[str, Dataset]], has_tenants: bool
    ) -> None:
        self._all = resources
        self._datasets = datasets
        self._has_tenants = has_tenants

    def __getitem__(self, key: str) -> Any:
        """Return a resource that is seen; KeyError for all others."""
        if not self._is_seen(key):
            raise KeyError(key)
        return self._all[key]

    def __iter__(self) -> Iterator[str]:
        """Yield the ids of the resources that are seen."""
        return filter(self._is_seen, self._all)

    def __len__(self) -> int:
        """Return how many are seen."""
        return sum(map(self._is_seen, self._all))

    def _is_seen(self, key: str) -> bool:
        asking = viewer()
        if asking.operator or not self._has_tenants or "eo" not in self._all[key]:
            return True
        dataset = self._datasets().get(key)
        return dataset is not None and (dataset.public or asking.sees(dataset.tenant))
