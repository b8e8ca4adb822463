"""Take credentials that stand in Prefect blocks into the environment of this run, and of it alone."""

import os
import tempfile
from collections.abc import Mapping, MutableMapping

from eo_pygeoapi.datasets.source import all_credentials


def take_credentials(blocks: Mapping[str, str], environ: MutableMapping[str, str]) -> None:
    """Set the variables that the blocks stand for, unless the environment says them already.

    A connection is taken whole from one or the other: a token of a block would else win over a user name of the
    environment.
    """
    own = {_connection(name) for name in environ if name.startswith("EO_DHIS2_") and environ[name]}
    for name, value in blocks.items():
        if _connection(name) not in own and not environ.get(name):
            environ[name] = value
    keys = {host: environ.get(c.secrets[0], "") for c in all_credentials() for host in c.hosts}
    if any(keys.values()):
        environ.setdefault("NETRC", netrc_in_memory({host: key for host, key in keys.items() if key}))


def netrc_in_memory(keys: Mapping[str, str]) -> str:
    """Return the path of a netrc with the keys for these hosts, whose clients read them from nowhere else.

    It lies in memory where the system can, and is gone with this process.
    """
    text = "".join(f"machine {host} login edh password {key}\n" for host, key in keys.items()).encode()
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("netrc")
        os.write(descriptor, text)
        return f"/proc/{os.getpid()}/fd/{descriptor}"
    descriptor, path = tempfile.mkstemp(prefix="netrc-")  # readable for this user only
    os.write(descriptor, text)
    os.close(descriptor)
    return path


def _connection(name: str) -> str:
    """Return `EO_DHIS2_NATIONAL` of `EO_DHIS2_NATIONAL_CA_FILE`; other names stand for themselves."""
    for member in ("_URL", "_TOKEN", "_USERNAME", "_PASSWORD", "_CA_FILE"):
        if name.startswith("EO_DHIS2_") and name.endswith(member):
            return name.removesuffix(member)
    return name
