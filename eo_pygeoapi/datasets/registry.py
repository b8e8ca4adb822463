"""The enabled datasets as they stand in the configuration file now."""

from functools import cache
from pathlib import Path

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.config_file import cannot_read, read_config
from eo_pygeoapi.datasets.operations import Operations
from eo_pygeoapi.datasets.read import inspect_datasets, load_configuration
from eo_pygeoapi.datasets.viewer import Viewer
from eo_pygeoapi.errors import ConfigError, NotAppliedError
from eo_pygeoapi.files import Reread


class DatasetRegistry:
    """Datasets of the configuration file at `path`, read again when the file has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = Reread(path, load_configuration)

    def datasets(self) -> dict[str, Dataset]:
        """Return the enabled datasets by id; ConfigError lists the mistakes in the file."""
        return self._now()[0]

    def operations(self) -> Operations:
        """Return what else the file says about running them: tenants, channels; ConfigError lists its mistakes."""
        return self._now()[1]

    @property
    def is_of_up(self) -> bool:
        """Whether `eo-pygeoapi up` made the file from one that people edit."""
        return edited_file(self._path) is not None

    def raise_if_not_applied(self, dataset_id: str, asking: Viewer) -> None:
        """Raise NotAppliedError if the file that people edit enables a dataset that is seen, and ours does not yet."""
        edited = edited_file(self._path)
        if edited is None:
            return
        try:
            enabled = inspect_datasets(read_config(edited), edited.parent).right
        except ConfigError:
            return
        if dataset_id in asking.datasets(enabled):
            raise NotAppliedError(
                f"{dataset_id!r} is enabled in the configuration file but not applied yet; run `eo-pygeoapi apply`"
            )

    def _now(self) -> tuple[dict[str, Dataset], Operations]:
        try:
            return self._read.value()
        except OSError as error:
            raise ConfigError(cannot_read(self._path.name, error)) from error


@cache
def shared_registry(path: Path) -> DatasetRegistry:
    """Return this process's one registry of the file at `path`."""
    return DatasetRegistry(path)


def edited_file(effective: Path) -> Path | None:
    """Return the file that people edit, where `effective` was made from one by `eo-pygeoapi up`."""
    origin = (read_config(effective).get("eo") or {}).get("origin")
    return Path(origin) if isinstance(origin, str) else None
