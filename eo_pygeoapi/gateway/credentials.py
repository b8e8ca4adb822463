"""Prefect blocks that hold credentials, for people who keep them in Prefect rather than in the environment.

`eo-pygeoapi apply` registers them; a block is then made in the Prefect UI (Blocks) or by code, and named like the
connection that datasets name: `dhis2.connection: national` is the block `dhis2-connection/national`. Prefect encrypts
what is secret in them. What the environment says goes before what a block says.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus

from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import Field, SecretStr

from eo_pygeoapi.settings import connection_prefix, notify_variable

PAGE = 200


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


class ClimateDataStore(Block):
    """The key for the Climate Data Store; name the block `default`."""

    _block_type_name = "Climate Data Store"
    _block_type_slug = "climate-data-store"

    url: str = "https://cds.climate.copernicus.eu/api"
    key: SecretStr


class DestinationEarth(Block):
    """The personal access token for the Earth Data Hub of Destination Earth; name the block `default`."""

    _block_type_name = "Destination Earth"
    _block_type_slug = "destination-earth"

    key: SecretStr


class NotificationChannel(Block):
    """The address of a channel of `eo.notify`, named like it, as the library Apprise writes addresses."""

    _block_type_name = "Notification channel"
    _block_type_slug = "notification-channel"

    url: SecretStr


def _of_channel(name: str, data: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield notify_variable(name), data.get("url") or ""


def _of_dhis2(name: str, data: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for member in ("url", "token", "username", "password", "ca_file"):
        yield connection_prefix(name) + member.upper(), data.get(member) or ""


def _of_cds(_name: str, data: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield "ECMWF_DATASTORES_URL", data.get("url") or ""
    yield "ECMWF_DATASTORES_KEY", data.get("key") or ""


def _of_destine(_name: str, data: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield "EO_DESTINE_KEY", data.get("key") or ""


# the variables that say the same as a block
VARIABLES: Mapping[type[Block], Callable[[str, Mapping[str, str]], Iterator[tuple[str, str]]]] = {
    Dhis2Connection: _of_dhis2,
    ClimateDataStore: _of_cds,
    DestinationEarth: _of_destine,
    NotificationChannel: _of_channel,
}


def register(api_url: str | None) -> None:
    """Make our kinds of blocks known to the Prefect server; may be done at any time."""
    with _at(api_url):
        for block in VARIABLES:
            block.register_type_and_schema(_sync=True)  # type: ignore[call-arg]


def read_blocks(api_url: str | None = None) -> dict[str, str]:
    """Return what all our blocks hold, as the environment variables that would say the same."""
    found: dict[str, str] = {}
    with _at(api_url), get_client(sync_client=True) as client:
        for block, variables in VARIABLES.items():
            for document in _documents(client, block):
                found |= {name: value for name, value in variables(document.name or "", document.data) if value}
    return found


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
