"""What a worker reads in the configuration file: datasets with their schedules, and tenants."""

import logging
from collections.abc import Mapping
from pathlib import Path

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.operations import Tenant
from eo_pygeoapi.datasets.registry import shared_registry
from eo_pygeoapi.errors import ConfigError

_log = logging.getLogger(__name__)


class Configured:
    """What the file at `path` says now; a mistake in it is logged, and ends no worker."""

    def __init__(self, path: Path) -> None:
        self._registry = shared_registry(path)
        self._tenants: Mapping[str, Tenant] = {}

    def datasets(self) -> Mapping[str, Dataset]:
        """Return the datasets by id; none where the file has mistakes."""
        try:
            return self._registry.datasets()
        except ConfigError as error:
            _log.warning("the configuration file does not say what to do with missed times: %s", error)
            return {}

    def tenants(self) -> Mapping[str, Tenant]:
        """Return the tenants by name; where the file has mistakes, those that it last had."""
        try:
            self._tenants = self._registry.operations().tenants
        except ConfigError as error:
            _log.debug("the tenants are those of before: %s", error)
        return self._tenants
