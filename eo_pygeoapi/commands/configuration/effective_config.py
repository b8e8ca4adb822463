"""The configuration that the processes of `eo-pygeoapi up` read: a copy of yours with the ports and addresses of here.

`up` does not change yours. Relative `href`s resolve against your file, so the copy has absolute ones.
"""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from pygeoapi.openapi import generate_openapi_document

from eo_pygeoapi.commands.running import CONFIG, OPENAPI
from eo_pygeoapi.datasets.config_file import HAS_VARIABLE, Filled, read_config
from eo_pygeoapi.datasets.read import inspect_datasets
from eo_pygeoapi.files import write_whole
from eo_pygeoapi.json_types import JsonObject

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")


class _Dumper(yaml.SafeDumper):
    """Quotes what would be a variable without quotes: the ones in the file have their values by now."""


_Dumper.add_implicit_resolver("!env", HAS_VARIABLE, None)
_Dumper.add_representer(Filled, lambda dumper, text: dumper.represent_str(str(text)))


def write_effective(edited: Path, folder: Path, port: int) -> Path:
    """Write the effective configuration and its OpenAPI document into the folder; returns the configuration's path."""
    path = folder / CONFIG
    config = effective(read_config(edited), edited.absolute(), port)
    write_whole(path, yaml.dump(config, Dumper=_Dumper, sort_keys=False, allow_unicode=True))
    write_openapi(path, folder / OPENAPI)
    return path


def write_openapi(config: Path, target: Path) -> None:
    """Generate the OpenAPI document of a configuration file."""
    write_whole(target, generate_openapi_document(config, "yaml"))


def effective(config: Mapping[str, object], edited: Path, port: int) -> JsonObject:
    """Return the configuration with the port, the server's own address and absolute hrefs.

    A `server.url` that is not this machine's (a proxy stands before it) is kept.
    """
    changed: JsonObject = deepcopy(dict(config))
    server = changed["server"]
    server["bind"]["port"] = port
    if urlsplit(str(server["url"])).hostname in LOOPBACK:
        server["url"] = f"http://localhost:{port}"
    versions = {id_: dataset.version for id_, dataset in inspect_datasets(config, edited.parent).right.items()}
    changed["eo"] = {**(changed.get("eo") or {}), "origin": str(edited), "versions": versions}
    blocks = [r.get("eo") for r in changed["resources"].values() if isinstance(r, dict)]
    for block in [*blocks, changed["eo"].get("defaults")]:
        if isinstance(block, dict):
            for member in (block.get("options"), block.get("orgUnits")):
                if isinstance(member, dict) and isinstance(href := member.get("href"), str) and "://" not in href:
                    member["href"] = str((edited.parent / href).absolute())
    return changed
