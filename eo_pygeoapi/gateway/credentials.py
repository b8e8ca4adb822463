"""Prefect blocks that hold credentials, for people who keep them in Prefect rather than in the environment.

`eo-pygeoapi apply` registers them; a block is then made in the Prefect UI (Blocks) or by code, and named like the
connection that datasets name: `dhis2.connection: national` is the block `dhis2-connection/national`. Prefect encrypts
what is secret in them. A run takes them into its environment, and into that of no other process; what the environment
says goes before what a block says.
"""

import os
import re
import tempfile
from abc import ABC
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from http import HTTPStatus
from typing import cast

from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import Field, SecretStr, create_model

from eo_pygeoapi.datasets.source import Credential, all_credentials
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.settings import connection_prefix, notify_variable

PAGE = 200
_MEMBERS = ("url", "token", "username", "password", "ca_file")
Variables = Callable[[str, Mapping[str, str]], Iterator[tuple[str, str]]]


class Dhis2Connection(Block):
    """Where a DHIS2 is and how to log in: by a personal access token, or by user name and password."""

    _block_type_name = "DHIS2 connection"
    _block_type_slug = "dhis2-connection"

    url: str = Field(description="address, without /api")
    token: SecretStr | None = Field(None, description="personal access token; it wins over user name and password")
    username: str | None = None
    password: SecretStr | None = None
    ca_file: str | None = Field(
        None, description="certificates of your own authority (PEM), a path on the machine of the worker"
    )


class NotificationChannel(Block):
    """The address of a channel of `eo.notify`, named like it, as the library Apprise writes addresses."""

    _block_type_name = "Notification channel"
    _block_type_slug = "notification-channel"

    url: SecretStr


def _of_channel(name: str, data: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield notify_variable(name), data.get("url") or ""


def _of_dhis2(name: str, data: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for member in _MEMBERS:
        yield connection_prefix(name) + member.upper(), data.get(member) or ""


@cache
def block_types() -> Mapping[type[Block], Variables]:
    """Return our kinds of blocks, and what makes of each the environment variables that say the same."""
    ours: dict[type[Block], Variables] = {Dhis2Connection: _of_dhis2, NotificationChannel: _of_channel}
    return ours | {_block_type(credential): _of_source(credential) for credential in all_credentials()}


def block_type(slug: str) -> type[Block]:
    """Return the kind of block with this slug, such as `climate-data-store`."""
    return next(block for block in block_types() if block.get_block_type_slug() == slug)


def _block_type(credential: Credential) -> type[Block]:
    name = re.sub(r"\W", "", credential.title)
    about = {
        "__module__": __name__,
        "__doc__": f"The key for the {credential.title}: {credential.how}. Name the block `default`.",
        "_block_type_name": credential.title,
        "_block_type_slug": credential.block,
    }
    # Prefect registers no class that is abstract, so that the one below takes no other's place
    named = type(name, (Block, ABC), about)
    fields: JsonObject = {
        member: (SecretStr if variable in credential.secrets else str, credential.defaults.get(member, ...))
        for member, variable in credential.variables.items()
    }
    return cast(type[Block], create_model(name, __base__=named, **fields))


def _of_source(credential: Credential) -> Variables:
    def variables(_name: str, data: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        for member, variable in credential.variables.items():
            yield variable, data.get(member) or ""

    return variables


def register(api_url: str | None) -> None:
    """Make our kinds of blocks known to the Prefect server; may be done at any time."""
    with _at(api_url):
        for block in block_types():
            block.register_type_and_schema(_sync=True)  # type: ignore[call-arg]


def read_blocks(api_url: str | None = None) -> dict[str, str]:
    """Return what all our blocks hold, as the environment variables that would say the same."""
    found: dict[str, str] = {}
    with _at(api_url), get_client(sync_client=True) as client:
        for block, variables in block_types().items():
            for document in _documents(client, block):
                found |= {name: value for name, value in variables(document.name or "", document.data) if value}
    return found


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
    for member in _MEMBERS:
        if name.startswith("EO_DHIS2_") and name.endswith(f"_{member.upper()}"):
            return name.removesuffix(f"_{member.upper()}")
    return name


def _documents(client: SyncPrefectClient, block: type[Block]) -> list[BlockDocument]:
    documents: list[BlockDocument] = []
    while True:
        try:
            page = client.read_block_documents_by_type(block.get_block_type_slug(), len(documents), PAGE)
        except PrefectHTTPStatusError as error:
            if error.response.status_code != HTTPStatus.NOT_FOUND:
                raise
            return documents  # of an older `apply`, which has registered no blocks
        documents += page
        if len(page) < PAGE:
            return documents


def _at(api_url: str | None) -> AbstractContextManager[object]:
    return temporary_settings({PREFECT_API_URL: api_url}) if api_url else nullcontext()
