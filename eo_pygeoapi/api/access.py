"""Who may do what: a table of routes and the scope that each needs of a token.

Without a file of tokens all is open, but to this machine alone.
"""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar

from eo_pygeoapi.api.tokens import Scope, Token, TokenFile
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import ForbiddenError, UnauthorizedError
from eo_pygeoapi.jobs.exposure import refuse_unprotected
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
    """Checks requests against the tokens of this process's environment."""

    def __init__(self, settings: Settings, datasets: Datasets) -> None:
        self.tokens = TokenFile(settings.api_tokens_file) if settings.api_tokens_file else None
        self._settings = settings
        self._datasets = datasets

    def check(self, method: str, rule: str, collection: str, authorization: str, addresses: Sequence[str]) -> None:
        """Remember the token of a request that needs one, for `permit`.

        `rule` is the route as it was declared, `addresses` are those of this server that it may have come in at.
        Raises UnauthorizedError without a known token, ForbiddenError for one of another scope, and where there are
        no tokens and other machines can reach the server.
        """
        _token.set(None)
        scope = self._needed(method, rule, collection)
        if scope is None:
            return
        if self.tokens is None:
            refuse_unprotected(addresses, self._settings, "set EO_API_TOKENS_FILE")
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


def caller() -> str:
    """Return the name of the request's token; nothing where none is needed."""
    token = _token.get()
    return token.name if token else ""


def permit(connection: str) -> None:
    """Raise ForbiddenError where the request's token is bound to another DHIS2 connection than this."""
    token = _token.get()
    if token and token.connection and token.connection != connection:
        bound = f"token {token.name!r} is for the DHIS2 connection {token.connection!r}, not {connection!r}"
        raise ForbiddenError(bound, "execute")
