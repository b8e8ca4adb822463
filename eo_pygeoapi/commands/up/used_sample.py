"""The sample on a worker's host: there where the configuration file names it, as the packaged one does."""

import logging
from pathlib import Path

from eo_pygeoapi.datasets.config_file import read_config
from eo_pygeoapi.datasets.read import inspect_datasets
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.settings import Settings

_LOG = logging.getLogger(__name__)


def make_used_sample(settings: Settings) -> None:
    """Make the sample in the data folder if a dataset is of it; a worker goes on without, and says so."""
    folder = (settings.data_dir / "sample").absolute()
    try:
        datasets = inspect_datasets(read_config(settings.config), settings.config.absolute().parent).right.values()
        paths = [Path(dataset.resolve(path)) for dataset in datasets for path in dataset.options.local_paths()]
        if any(path.parent == folder for path in paths) and not (folder / "districts.geojson").exists():
            # here, for NetCDF's library takes memory, which a worker keeps
            from eo_pygeoapi.commands.up.sample import make_sample

            make_sample(folder)
    except (ConfigError, OSError) as error:
        _LOG.warning("the synthetic sample was not looked for in %s: %s", folder, error)
