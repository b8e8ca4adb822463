"""`extends: DATASET`: a block that says only what is different from another dataset's."""

from collections.abc import Mapping

from eo_pygeoapi.datasets.config_file import yaml_path
from eo_pygeoapi.errors import ConfigError

_MERGED = ("options", "units", "aggregation", "dhis2", "policy", "population")


def extended(id_: str, resources: Mapping[str, Mapping[str, object]]) -> object:
    """Return the `eo:` block of a dataset with what it takes over; the members of `_MERGED` are taken over singly.

    Raises ConfigError where the dataset that it extends is not there, or extends it in turn.
    """
    block, seen = resources[id_]["eo"], [id_]
    while isinstance(block, dict) and "extends" in block:
        base = block["extends"]
        path = f"{yaml_path('resources', id_, 'eo')}.extends"
        if base in seen:
            raise ConfigError(f"{path}: {' extends '.join([*seen, str(base)])}; a dataset cannot extend itself")
        if not isinstance(base, str) or base not in resources:
            others = ", ".join(name for name in resources if name not in seen)
            raise ConfigError(f"{path}: {base!r} is not allowed; allowed: {others or 'no other dataset is enabled'}")
        seen.append(base)
        own = {key: value for key, value in block.items() if key != "extends"}
        whole = resources[base]["eo"]
        if not isinstance(whole, dict):
            return own
        both = [key for key in _MERGED if isinstance(own.get(key), dict) and isinstance(whole.get(key), dict)]
        block = whole | own | {key: whole[key] | own[key] for key in both}  # with what `whole` itself extends
    return block
