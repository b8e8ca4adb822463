"""Who may do what, where there is a file of tokens: a table of routes and the scope that each needs."""

import ipaddress
from collections.abc import Callable, Mapping
from contextvars import ContextVar

from eo_pygeoapi.api.tokens import Scope, Token, TokenFile
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import ConfigError, ForbiddenError, UnauthorizedError
from eo_pygeoapi.settings import Settings

_CHANGING = ("POST", "PUT", "PATCH", "DELETE")
_COLLECTION = "/collections/<path:collection_id>"
# what says how a collection is made, and shows none of its values
_DESCRIPTIONS = (_COLLECTION, f"{_COLLECTION}/schema", f"{_COLLECTION}/queryables")

# what tells of jobs and of what they left
_OF_JOBS = ("/jobs", "/datasets", "/problems", "/schedules", "/metrics")

Datasets = Callable[[], Mapping[str, Dataset]]
# of the request that is being answered
_token: ContextVar[Token | None] = ContextVar("token", default=None)


class Access:
    """Checks requests against the tokens of this process's environment; without a file all is open."""

    def __init__(self, settings: Settings, datasets: Datasets) -> None:
        self.tokens = TokenFile(settings.api_tokens_file) if settings.api_tokens_file else None
        self._datasets = datasets

    def check(self, method: str, rule: str, collection: str, authorization: str) -> None:
        """Remember the token of a request that needs one, for `permit`.

        `rule` is the route as it was declared. Raises UnauthorizedError without a known token, ForbiddenError for
        one of another scope.
        """
        _token.set(None)
        scope = self._needed(method, rule, collection) if self.tokens else None
        if self.tokens is None or scope is None:
            return
        scheme, _, presented = authorization.partition(" ")
        token = self.tokens.find(presented.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            why = "this token is not known" if authorization else "a bearer token is needed"
            raise UnauthorizedError(f"{why}; `eo-pygeoapi token create NAME --scope {scope}` makes one")
        if not token.may(scope):
            raise ForbiddenError(
                f"token {token.name!r} has the scope {', '.join(token.scopes)}; needed: {scope}", scope
            )
        _token.set(token)

    def _needed(self, method: str, rule: str, collection: str) -> Scope | None:
        if method == "OPTIONS":  # what a browser asks before it asks
            return None
        if rule.startswith("/admin"):
            return "execute"
        if rule.endswith("/execution"):
            return "execute"
        if rule.startswith(_OF_JOBS):
            return "execute" if method in _CHANGING else "read"
        if rule.startswith(_COLLECTION) and rule not in _DESCRIPTIONS:
            dataset = self._datasets().get(collection)
            return "read" if dataset and not dataset.public else None
        return None


def permit(connection: str) -> None:
    """Raise ForbiddenError where the request's token is bound to another DHIS2 connection than this."""
    token = _token.get()
    if token and token.connection and token.connection != connection:
        bound = f"token {token.name!r} is for the DHIS2 connection {token.connection!r}, not {connection!r}"
        raise ForbiddenError(bound, "execute")


def refuse_open_server(host: str, settings: Settings) -> None:
    """Raise ConfigError where everybody who reaches the machine could execute: no tokens, and not only loopback."""
    if settings.api_tokens_file or settings.insecure or _is_loopback(host):
        return
    raise ConfigError(
        f"server.bind.host: {host!r} lets other machines in, and there are no tokens; set EO_API_TOKENS_FILE, bind to "
        "127.0.0.1, or allow it with EO_INSECURE=true"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
