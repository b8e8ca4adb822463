"""The commands `eo-pygeoapi token …`: create, list, revoke."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eo_pygeoapi.commands.tables import print_table
from eo_pygeoapi.errors import ConfigError

if TYPE_CHECKING:
    from eo_pygeoapi.api.http.tokens import Scope, TokenFile

app = typer.Typer(help="Tokens for the API, kept as hashes in EO_API_TOKENS_FILE.", no_args_is_help=True)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class _Scope(StrEnum):
    read = "read"
    execute = "execute"


Name = Annotated[str, typer.Argument(help="What the token is called, such as the program that uses it")]
Scopes = Annotated[list[_Scope], typer.Option("--scope", help="execute includes read; may be repeated")]
Connection = Annotated[str, typer.Option(help="The only DHIS2 connection that it may execute for [default: any]")]
Tenant = Annotated[str, typer.Option(help="The tenant of eo.tenants whose things it sees, and no others")]
Operator = Annotated[bool, typer.Option("--operator", help="It sees the things of all tenants")]


@app.command()
def create(
    name: Name, scope: Scopes, connection: Connection = "", tenant: Tenant = "", operator: Operator = False
) -> None:
    """Make a token and print it, this once; only its hash is kept."""
    if tenant and operator:
        raise ConfigError("--tenant and --operator exclude each other: the operator sees the things of all tenants")
    if tenant:
        from eo_pygeoapi.datasets.config_file import read_config
        from eo_pygeoapi.datasets.read import inspect_operations
        from eo_pygeoapi.settings import process_settings

        config = process_settings().config
        known = inspect_operations(read_config(config))[0].tenants
        if tenant not in known:
            allowed = ", ".join(known) or f"none, for eo.tenants of {config} declares none"
            raise ConfigError(f"--tenant: {tenant!r} is not allowed; allowed: {allowed}")
    scopes: list[Scope] = [one.value for one in scope]
    if operator:
        scopes.append("operator")
    value = _file().create(name, scopes, connection, tenant)
    out.print(value, markup=False)
    err.print(
        f"Send it as the header `Authorization: Bearer …`. It cannot be shown again; {_file().path} has its hash."
    )


@app.command("list")
def list_() -> None:
    """List the tokens, without what could be used."""
    table = Table("name", "scopes", "tenant", "DHIS2 connection", "created", box=None, pad_edge=False)
    for token in _file().tokens():
        connection = escape(token.connection) or "any"
        table.add_row(
            escape(token.name), ", ".join(token.scopes), escape(token.tenant) or "none", connection, token.created
        )
    print_table(table)


@app.command()
def revoke(name: Name) -> None:
    """Make a token worthless, at once."""
    _file().revoke(name)
    out.print(f"revoked {name}", markup=False)


def _file() -> "TokenFile":
    from eo_pygeoapi.api.http.tokens import TokenFile
    from eo_pygeoapi.settings import process_settings

    path = process_settings().api_tokens_file
    if path is None:
        raise ConfigError("EO_API_TOKENS_FILE is not set; it is the file that holds the hashes of the tokens")
    return TokenFile(path)
