"""The configuration as the viewer of a request sees it: with the resources that it sees, under its tenant's title."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.viewer import viewer
from eo_pygeoapi.json_types import JsonObject


def show_by_viewer(config: JsonObject, datasets: Callable[[], Mapping[str, Dataset]]) -> None:
    """Have pygeoapi find in its configuration what the viewer of the request that it answers sees.

    `datasets` returns the datasets of the file by id.
    """
    tenants = (config.get("eo") or {}).get("tenants") or {}
    config["resources"] = SeenResources(config["resources"], datasets, bool(tenants))
    titles = {name: tenant["title"] for name, tenant in tenants.items() if tenant and tenant.get("title")}
    if titles:
        config["metadata"]["identification"] = TitledByTenant(config["metadata"]["identification"])
        config["metadata"]["identification"].titles = titles


class TitledByTenant(dict[str, Any]):
    """What the service says of itself; pygeoapi copies it, and translates it once for all who ask."""

    titles: Mapping[str, str]

    def __getitem__(self, key: str) -> Any:
        """Return a member; the title is that of the viewer's tenant, where it has one."""
        own = self.titles.get(viewer().tenant) if key == "title" else None
        return own or super().__getitem__(key)


class SeenResources(Mapping[str, Any]):
    """All resources; whoever looks finds only those that the viewer sees, and what is public.

    A resource whose block has a mistake is the operator's where `has_tenants`.
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
