"""Whether other machines can reach this server: without tokens, anybody there could execute processes.

The checks look at the addresses that the process listens on, not at the configuration file, for servers such as
gunicorn have a setting of their own. A process in a container listens on all addresses; there `EO_BIND` names
the published one.
"""

import ipaddress
from collections.abc import Iterable, Mapping

import psutil

from eo_pygeoapi.errors import ConfigError, ForbiddenError
from eo_pygeoapi.settings import Settings

# where servers put the connection of a request
_SOCKETS = ("gunicorn.socket", "werkzeug.socket")


def refuse_open_server(host: str, settings: Settings) -> None:
    """Raise ConfigError for a server without tokens that listens on more than loopback."""
    if settings.published_at:
        where, host = "EO_BIND", settings.published_at
    else:
        where = "server.bind.host"
    if settings.api_tokens_file or settings.insecure or is_loopback(host):
        return
    raise ConfigError(
        f"{where}: {host!r} lets other machines in, and there are no tokens; set EO_API_TOKENS_FILE, bind to "
        "127.0.0.1, or allow it with EO_INSECURE=true"
    )


def refuse_unprotected(addresses: Iterable[str], settings: Settings, remedy: str) -> None:
    """Raise ForbiddenError where other machines reach this server, which asks for no token, at one of the addresses.

    `EO_BIND`, the published address, takes the place of `addresses`.
    """
    found = [settings.published_at] if settings.published_at else addresses
    exposed = sorted(address for address in found if not is_loopback(address))
    if exposed and not settings.insecure:
        raise ForbiddenError(
            f"other machines can reach this server, at {', '.join(exposed)}, and it asks for no token; {remedy}, "
            "or allow it with EO_INSECURE=true",
            "execute",
            "Whoever looks after this server can do that; meanwhile it can be used on the machine that it runs on.",
        )


def reached_at(environ: Mapping[str, object]) -> list[str]:
    """Return the local address that received a WSGI request; all that we listen on where the server does not say."""
    connection = next((environ[name] for name in _SOCKETS if name in environ), None)
    if not hasattr(connection, "getsockname"):
        return listened_at()
    try:
        name = connection.getsockname()
    except OSError:  # the client has gone
        return listened_at()
    return [name[0]] if isinstance(name, tuple) else []  # only this machine reaches a Unix socket


def listened_at() -> list[str]:
    """Return the addresses that this process listens on."""
    connections = psutil.Process().net_connections(kind="tcp")
    return sorted({c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN and c.laddr})


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
