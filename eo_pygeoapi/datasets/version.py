"""The version of what a configuration file says of a dataset or a process: a digest of it, before it is understood.

A job carries the version that it was submitted with, and a worker whose file says something else does not run it. It is
made of the file's own words, so that releases of this package that fill in other defaults make the same of them, and
hosts whose folders have other names (`${EO_DATA_DIR}`), too.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from eo_pygeoapi.datasets.config_file import Filled
from eo_pygeoapi.json_types import JsonMapping

_WITH_HREF = ("options", "orgUnits")


def version_of(said: JsonMapping, folder: Path) -> str:
    """Return the version of what a file in a folder says; relative `href`s and absolute ones below it are the same."""
    alike = {key: _relative(value, folder) for key, value in said.items()}
    return hashlib.sha256(json.dumps(_as_written(alike), sort_keys=True, default=str).encode()).hexdigest()[:12]


def _as_written(value: object) -> object:
    """Return what a file says with its variables in place of their values, where these are text."""
    if isinstance(value, Filled):
        return value.written
    if isinstance(value, Mapping):
        return {key: _as_written(member) for key, member in value.items()}
    return [_as_written(member) for member in value] if isinstance(value, list) else value


def _relative(block: object, folder: Path) -> object:
    """Return a block with the paths of its `href`s as seen from the folder: the file that `up` makes has whole ones."""
    if not isinstance(block, Mapping):
        return block
    changed = dict(block)
    for name in _WITH_HREF:
        member = changed.get(name)
        if isinstance(member, Mapping) and isinstance(href := member.get("href"), str):
            if isinstance(href, Filled) or "://" in href:
                continue
            path = (folder / href).absolute()
            here = path.relative_to(folder.absolute()) if path.is_relative_to(folder.absolute()) else path
            changed[name] = {**member, "href": str(here)}
    return changed
