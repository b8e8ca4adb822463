"""Import every installed source, in processes whose children must start quickly."""

import importlib
import logging

from eo_pygeoapi.datasets.source import loadable_sources

for _info in loadable_sources().values():
    try:
        importlib.import_module(_info.source.partition(":")[0])
    except Exception as _error:  # a run of its datasets reports the error, too
        logging.getLogger(__name__).warning("%s cannot be imported: %r", _info.source, _error)
