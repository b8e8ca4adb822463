"""Prefect blocks that hold credentials, for people who keep them in Prefect rather than in the environment.

`eo-pygeoapi apply` registers the types of blocks. A person then makes a block in the Prefect UI (Blocks) or by code and
gives it the name of the connection: `dhis2.connection: national` means the block `dhis2-connection/national`. Prefect
encrypts the secrets in blocks. A run sets them as variables of its own environment; variables that are set already win.
"""

import os
import re
import tempfile
from abc import ABC
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from http import HTTPStatus
from typing import cast

from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import Field, SecretStr, create_model

from eo_pygeoapi.datasets.source import Credential, all_credentials
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.settings import connection_prefix, notify_variable

PAGE = 200
_MEMBERS = ("url", "token", "username", "password", "ca_file")
VariablesOf = Callable[[str], Mapping[str, str]]


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


@cache
def block_types() -> Mapping[type[Block], VariablesOf]:
    """Return our types of blocks; each with a function from a block's name to the variables for its members."""
    types: dict[type[Block], VariablesOf] = {
        Dhis2Connection: lambda name: {member: connection_prefix(name) + member.upper() for member in _MEMBERS},
        NotificationChannel: lambda name: {"url": notify_variable(name)},
    }
    return types | dict(_type_for(credential) for credential in all_credentials())


def block_type(slug: str) -> type[Block]:
    """Return the type of block with this slug, such as `climate-data-store`."""
    return next(block for block in block_types() if block.get_block_type_slug() == slug)


def _type_for(credential: Credential) -> tuple[type[Block], VariablesOf]:
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
    return cast(type[Block], create_model(name, __base__=named, **fields)), lambda _name: credential.variables


def register(api_url: str | None) -> None:
    """Register our types of blocks with the Prefect server; a repetition does no harm."""
    with _at(api_url):
        for block in block_types():
            block.register_type_and_schema(_sync=True)  # type: ignore[call-arg]


def read_blocks(api_url: str | None = None) -> dict[str, str]:
    """Return the content of all our blocks as environment variables."""
    found: dict[str, str] = {}
    with _at(api_url), get_client(sync_client=True) as client:
        for block, variables_of in block_types().items():
            documents: list[BlockDocument] = []
            while True:
                try:
                    page = client.read_block_documents_by_type(block.get_block_type_slug(), len(documents), PAGE)
                except PrefectHTTPStatusError as error:
                    if error.response.status_code != HTTPStatus.NOT_FOUND:
                        raise
                    break  # an older `apply` registered no such type
                documents += page
                if len(page) < PAGE:
                    break
            for document in documents:
                variables = variables_of(document.name or "")
                found |= {
                    variables[name]: value for name, value in document.data.items() if name in variables and value
                }
    return found


def take_credentials(blocks: Mapping[str, str], environ: MutableMapping[str, str]) -> None:
    """Set the variables of the blocks that the environment does not set.

    A connection comes wholly from the environment or wholly from a block: otherwise a token of a block would win over
    a user name of the environment.
    """
    own = {_connection(name) for name in environ if name.startswith("EO_DHIS2_") and environ[name]}
    for name, value in blocks.items():
        if _connection(name) not in own and not environ.get(name):
            environ[name] = value
    keys = {host: environ.get(c.secrets[0], "") for c in all_credentials() for host in c.hosts}
    if any(keys.values()):
        environ.setdefault("NETRC", netrc_in_memory({host: key for host, key in keys.items() if key}))


def netrc_in_memory(keys: Mapping[str, str]) -> str:
    """Return the path of a netrc file with the keys for these hosts, whose clients read keys only there.

    The file is in memory where the system allows that, and disappears with this process.
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


def _at(api_url: str | None) -> AbstractContextManager[object]:
    return temporary_settings({PREFECT_API_URL: api_url}) if api_url else nullcontext()
